import { createMiddleware } from 'hono/factory'
import { refuseRevoked } from '../access/revocations.ts'
import { missingScope, type Needs } from '../access/scopes.ts'
import { verifyToken } from '../access/tokens.ts'
import { Failure } from '../failure.ts'
import { atWorkspace } from '../places/directory.ts'
import { actAs } from './actor.ts'
import { afterAnswer, type Http } from './http.ts'

/** The token of an `Authorization: Bearer` header (RFC 6750 §2.1). */
export function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined) throw new Failure({ reason: 'unauthenticated', why: 'missing' })
  const token = /^Bearer +([\w\-.~+/]+=*) *$/i.exec(authorization)?.[1]
  if (token === undefined) throw new Failure({ reason: 'unauthenticated', why: 'invalid' })
  return token
}

/** The caller, from the token and this isolate's list of revocations: no database is read unless an
 * older token does not say where its workspace lives. */
export const bearer = createMiddleware<Http>(async (c, next) => {
  const { signing, now } = c.var.res
  const token = bearerToken(c.req.header('authorization'))
  const verified = await verifyToken(signing, token, now())
  const { caller, shard } = verified
  c.set('res', await atWorkspace(c.var.res, caller.workspace, shard, afterAnswer(c)))
  actAs(c, caller)
  const { res } = c.var
  await refuseRevoked(res, verified, afterAnswer(c))
  c.set('caller', caller)
  c.set('workspace', caller.workspace)
  c.set('db', res.databaseOf(caller.workspace))
  c.set('replica', res.replicaOf(caller.workspace))
  await next()
})

/** Lets only callers with the scopes pass. Throws `forbidden`. */
export const allows = (needs: Needs) =>
  createMiddleware<Http>(async (c, next) => {
    const scope = missingScope(needs, c.var.caller.scopes)
    if (scope !== undefined) throw new Failure({ reason: 'forbidden', scope })
    await next()
  })
