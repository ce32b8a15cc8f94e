import type { Context } from 'hono'
import type { Actor } from '../actor.ts'
import type { Http } from './http.ts'

/** Who sends a request, and how: a client, or the holder of a secret. */
function actorOf(c: Context<Http>, { client, name }: Pick<Actor, 'client' | 'name'>): Actor {
  const address = c.req.header('cf-connecting-ip')
  return {
    ...(client !== undefined && { client }),
    name,
    transaction: c.var.requestId,
    ...(address !== undefined && { family: address.includes(':') ? 'IPv6' : 'IPv4' }),
    method: c.req.method,
  }
}

/** Sets who acts in the rest of the request. */
export const actAs = (c: Context<Http>, who: Pick<Actor, 'client' | 'name'>): void =>
  c.set('res', { ...c.var.res, actor: actorOf(c, who) })
