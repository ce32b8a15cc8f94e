import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { Failure, type Reason } from '../failure.ts'
import type { Http } from './http.ts'

/** Counts requests by client. Throws `too-many-requests`. */
export const rateLimited = createMiddleware<Http>(async (c, next) => {
  const { limiter, limits } = c.var.res
  if (limiter === undefined) return next()
  const { success } = await limiter.limit({ key: c.var.caller.client })
  if (!success)
    throw new Failure({
      reason: 'too-many-requests',
      seconds: limits.ratePeriod,
      most: limits.rateLimit,
    })
  await next()
})

type TooManyRequests = Extract<Reason, { reason: 'too-many-requests' }>

export const rateLimitSentence = ({ most, seconds }: TooManyRequests) =>
  `No more than ${most} requests in ${seconds} seconds`

/** Sets the headers of a 429 (draft-ietf-httpapi-ratelimit-headers). */
export function setRateLimitHeaders(c: Context<Http>, facts: Reason): void {
  if (facts.reason !== 'too-many-requests') return
  c.header('Retry-After', `${facts.seconds}`)
  c.header('RateLimit-Policy', `"client";q=${facts.most};w=${facts.seconds}`)
  c.header('RateLimit', `"client";r=0;t=${facts.seconds}`)
}
