import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { Failure, type Reason } from '../failure.ts'
import type { Limits } from '../limits.ts'
import type { Resources } from '../resources.ts'
import type { Limiters } from '../vars.ts'
import type { Http } from './http.ts'
import { isLookup, routeOf } from './route.ts'

const limitNames = {
  requests: 'rateLimit',
  lookups: 'lookupRateLimit',
  doors: 'doorRateLimit',
  questions: 'questionRateLimit',
} as const satisfies Record<keyof Limiters, keyof Limits>

/** Throws `too-many-requests`. */
async function count(
  { limiters, limits }: Resources,
  kind: keyof Limiters,
  key: string,
): Promise<void> {
  const { success = true } = (await limiters[kind]?.limit({ key })) ?? {}
  if (!success)
    throw new Failure({
      reason: 'too-many-requests',
      seconds: limits.ratePeriod,
      most: limits[limitNames[kind]],
    })
}

/** Counts requests by client, look-ups by themselves. Throws `too-many-requests`. */
export const rateLimited = createMiddleware<Http>(async (c, next) => {
  const { res, caller } = c.var
  await count(res, isLookup(routeOf(c)) ? 'lookups' : 'requests', caller.client)
  await next()
})

/** Counts questions about the users of audiences, by workspace. Throws `too-many-requests`. */
export const questionLimited = createMiddleware<Http>(async (c, next) => {
  await count(c.var.res, 'questions', `${c.var.workspace}`)
  await next()
})

/** Counts requests by address, before who sends them is known. Throws `too-many-requests`. */
export const limitedByAddress = (kind: keyof Limiters) =>
  createMiddleware<Http>(async (c, next) => {
    const address = c.req.header('cf-connecting-ip')
    if (address !== undefined) await count(c.var.res, kind, `address ${networkOf(address)}`)
    await next()
  })

/**
 * Counts requests that name a client, before its secret is checked; apart from its own requests,
 * so that a guesser takes nothing from it. Throws `too-many-requests`.
 */
export const limitByNamedClient = (res: Resources, kind: keyof Limiters, id: string) =>
  count(res, kind, `named ${id.slice(0, 100)}`)

/** Of an address of IPv6 the first 64 bits: a household or a server has all others. */
function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [groups = ''] = address.split('::')
  return [...groups.split(':'), '0', '0', '0'].slice(0, 4).join(':')
}

type TooManyRequests = Extract<Reason, { reason: 'too-many-requests' }>

export const rateLimitSentence = ({ most, seconds }: TooManyRequests) =>
  `No more than ${most} requests in ${seconds} seconds`

/** Sets the headers of what may be tried again (draft-ietf-httpapi-ratelimit-headers). */
export function setRateLimitHeaders(c: Context<Http>, facts: Reason): void {
  if (facts.reason === 'uploads-in-flight') c.header('Retry-After', `${facts.seconds}`)
  if (facts.reason === 'resumable' && facts.refusal.is === 'crowded')
    c.header('Retry-After', `${facts.refusal.seconds}`)
  if (facts.reason === 'moving') c.header('Retry-After', '1')
  if (facts.reason !== 'too-many-requests') return
  c.header('Retry-After', `${facts.seconds}`)
  c.header('RateLimit-Policy', `"client";q=${facts.most};w=${facts.seconds}`)
  c.header('RateLimit', `"client";r=0;t=${facts.seconds}`)
}
