import { createMiddleware } from 'hono/factory'
import { verifyToken } from '../access/tokens.ts'
import type { Scope } from '../access/scopes.ts'
import { Failure } from '../failure.ts'
import { actAs } from './actor.ts'
import type { Http } from './http.ts'

/** The token of an `Authorization: Bearer` header (RFC 6750 §2.1). */
export function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined) throw new Failure({ reason: 'unauthenticated', why: 'missing' })
  const token = /^Bearer +([\w\-.~+/]+=*) *$/i.exec(authorization)?.[1]
  if (token === undefined) throw new Failure({ reason: 'unauthenticated', why: 'invalid' })
  return token
}

/** The caller, from the token alone: no database is read. */
export const bearer = createMiddleware<Http>(async (c, next) => {
  const res = c.var.res
  const caller = await verifyToken(
    res.signing,
    bearerToken(c.req.header('authorization')),
    res.now(),
  )
  c.set('caller', caller)
  actAs(c, caller)
  c.set('workspace', caller.workspace)
  c.set('db', res.databaseOf(caller.workspace))
  c.set('replica', res.replicaOf(caller.workspace))
  await next()
})

/** Lets only callers with all of the scopes pass. */
export const allows = (scopes: readonly Scope[]) =>
  createMiddleware<Http>(async (c, next) => {
    const scope = scopes.find((scope) => !c.var.caller.scopes.includes(scope))
    if (scope !== undefined) throw new Failure({ reason: 'forbidden', scope })
    await next()
  })
