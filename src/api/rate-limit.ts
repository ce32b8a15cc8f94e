import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { Failure, type Reason } from '../failure.ts'
import type { Http } from './http.ts'

/** So many requests of a client in a minute, and no more (draft-ietf-httpapi-ratelimit-headers). Throws `too-many-requests`. */
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

type TooMany = Extract<Reason, { reason: 'too-many-requests' }>

export const tooMany = ({ most, seconds }: TooMany) =>
  `No more than ${most} requests in ${seconds} seconds`

/** The headers of a refusal that the client may come back from. */
export function sayLimit(c: Context<Http>, facts: Reason): void {
  if (facts.reason !== 'too-many-requests') return
  c.header('Retry-After', `${facts.seconds}`)
  c.header('RateLimit-Policy', `"client";q=${facts.most};w=${facts.seconds}`)
  c.header('RateLimit', `"client";r=0;t=${facts.seconds}`)
}
