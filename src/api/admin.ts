import type { Context } from 'hono'
import { hashOf, sameHash } from '../access/secret.ts'
import { Failure } from '../failure.ts'
import { actAs } from './actor.ts'
import type { Http } from './http.ts'

/** Lets only the holder of ADMIN_TOKEN act from here on. Throws `unauthenticated`. */
export async function actAsAdmin(c: Context<Http>, token: string): Promise<void> {
  const [given, expected] = await Promise.all([hashOf(token), hashOf(c.var.res.adminToken)])
  if (!sameHash(given, expected)) throw new Failure({ reason: 'unauthenticated', why: 'invalid' })
  actAs(c, { name: 'admin' })
}
