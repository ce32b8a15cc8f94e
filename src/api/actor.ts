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

/** Who has not shown yet who it is. */
export const somebody = { name: 'unknown' }

/** What the request does from here on, this caller does. */
export const actAs = (c: Context<Http>, who: Pick<Actor, 'client' | 'name'>): void =>
  c.set('res', { ...c.var.res, actor: actorOf(c, who) })
