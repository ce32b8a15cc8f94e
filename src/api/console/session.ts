import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { createMiddleware } from 'hono/factory'
import { atSession, findSession, sessionTime } from '../../access/console-sessions.ts'
import { hashOf, sameHash } from '../../access/secret.ts'
import { Failure } from '../../failure.ts'
import { actAs } from '../actor.ts'
import type { Http } from '../http.ts'
import { originOf, pathAndQuery } from '../origin.ts'

/** Only this host sets it, over https (or localhost). */
const cookieName = '__Host-session'

const cookie = { path: '/', httpOnly: true, secure: true, sameSite: 'Strict' } as const

/** Signs the browser in, and sends it on. */
export function enter(c: Context<Http>, secret: string, to: string): Response {
  setCookie(c, cookieName, secret, { ...cookie, maxAge: sessionTime / 1000 })
  return c.redirect(to, 303)
}

export const secretOf = (c: Context<Http>): string => getCookie(c, cookieName) ?? ''

export const forgetCookie = (c: Context<Http>): string | undefined =>
  deleteCookie(c, cookieName, cookie)

/** Lets only who is signed in pass; leads everybody else to the page where one signs in. */
export const signedIn = createMiddleware<Http>(async (c, next) => {
  const secret = secretOf(c)
  c.set('res', await atSession(c.var.res, secret))
  const { res } = c.var
  const session = secret && (await findSession(res.database, secret, res.now()))
  if (!session) {
    if (c.req.method !== 'GET') throw new Failure({ reason: 'unauthenticated', why: 'invalid' })
    return c.redirect(`/console/sign-in?to=${encodeURIComponent(pathAndQuery(c))}`, 303)
  }
  const { caller, person } = session
  const who = person ?? caller.name
  actAs(c, { client: caller.client, name: who })
  c.set('who', who)
  c.set('caller', caller)
  c.set('workspace', caller.workspace)
  c.set('db', res.databaseOf(caller.workspace))
  c.set('replica', res.replicaOf(caller.workspace))
  c.set('formToken', await formTokenOf(secret))
  await next()
  return
})

/** Of every form: nobody else's page can know it. */
const formTokenOf = (secret: string): Promise<string> => hashOf(`form ${secret}`)

export const formTokenField = '_token'

/** Throws `form-expired` unless a form was sent by a page of this session. */
export function checkFormToken(c: Context<Http>, token: string): void {
  const origin = c.req.header('origin')
  const isForeign = origin !== undefined && origin !== 'null' && origin !== originOf(c)
  if (isForeign || !sameHash(token, c.var.formToken)) throw new Failure({ reason: 'form-expired' })
}

/** Only pages of the own host, whatever a link says. */
export const ownPath = (to: string | undefined): string =>
  to !== undefined && /^\/console(\/|$|\?)/.test(to) ? to : '/console'
