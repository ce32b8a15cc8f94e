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
  const session = secret && (await findSession(res, secret))
  if (!session) {
    if (!/^(GET|HEAD)$/.test(c.req.method))
      throw new Failure({ reason: 'unauthenticated', why: 'invalid' })
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
  if (isForeign(c) || !sameHash(token, c.var.formToken))
    throw new Failure({ reason: 'form-expired' })
}

/** Whether a browser says that a page of elsewhere has sent this; ours have no `Origin` to send. */
function isForeign(c: Context<Http>): boolean {
  const origin = c.req.header('origin')
  if (origin !== undefined && origin !== 'null' && origin !== originOf(c)) return true
  return /^(cross|same)-site$/.test(c.req.header('sec-fetch-site') ?? '')
}

/**
 * Of forms by which one signs in, so that nobody is signed in as somebody else by a page of theirs.
 * Throws `form-expired`.
 */
export const fromOwnPage = createMiddleware<Http>(async (c, next) => {
  if (isForeign(c)) throw new Failure({ reason: 'form-expired' })
  await next()
})

const anyOrigin = 'https://own.invalid'

/** Only pages of the console, whatever a link says; as a header can have it. */
export function ownPath(to = ''): string {
  const url = URL.parse(to, anyOrigin)
  const isOwn = url?.origin === anyOrigin && /^\/console(\/|$)/.test(url.pathname)
  return isOwn ? url.pathname + url.search : '/console'
}
