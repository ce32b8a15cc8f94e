import type { Context } from 'hono'
import { authenticate, type Authenticated } from '../access/clients.ts'
import type { Limiters } from '../vars.ts'
import { actAs } from './actor.ts'
import type { Credentials } from './basic.ts'
import { afterAnswer, type Http } from './http.ts'
import { limitByNamedClient } from './rate-limit.ts'

/**
 * The client whose id and secret these are: what the request does from here on, that client does, on
 * its shard. Counts the request before the secret is checked. Throws `bad-credentials`,
 * `too-many-requests`.
 */
export async function authenticatedClient(
  c: Context<Http>,
  credentials: Credentials,
  limiter: keyof Limiters,
): Promise<Authenticated> {
  await limitByNamedClient(c.var.res, limiter, credentials.id)
  // Whoever fails here only claims to be that client.
  actAs(c, { name: 'unknown' })
  const { client, res } = await authenticate(c.var.res, credentials, afterAnswer(c))
  c.set('res', res)
  actAs(c, client)
  return client
}
