import { Hono, type Context } from 'hono'
import { describeRoute } from 'hono-openapi'
import { z } from 'zod'
import { answers } from '../db/connect.ts'
import { json, rateLimitExceeded, type Responses } from './describe.ts'
import type { Http } from './http.ts'
import { OAuthError } from './oauth/wire.ts'
import { limitedByAddress } from './rate-limit.ts'

const Health = z.object({ status: z.enum(['ok', 'down']) })

const operation = (operationId: string, summary: string, more: Responses = {}) =>
  describeRoute({
    operationId,
    summary,
    tags: ['Service'],
    security: [],
    responses: {
      200: json('The database answers', Health),
      503: json('The database does not answer', Health),
      ...more,
    },
  })

/** Milliseconds for which an isolate does not ask the database again. */
const cachedTime = 5000
let last = { at: 0, up: false }

const show = (c: Context<Http>, up: boolean) =>
  up ? c.json({ status: 'ok' as const }) : c.json({ status: 'down' as const }, 503)

/** Anybody may ask whether the database answers; `/ready` asks it each time. */
export const health = new Hono<Http>()
  .get(
    '/health',
    operation('health', 'Check that the database answers, as of the last five seconds'),
    async (c) => {
      const { res } = c.var
      const age = res.now() - last.at
      if (age < 0 || age >= cachedTime) last = { up: await answers(res.directory), at: res.now() }
      return show(c, last.up)
    },
  )
  .get(
    '/ready',
    operation('ready', 'Check that the database answers now', {
      429: rateLimitExceeded(OAuthError),
    }),
    limitedByAddress('doors'),
    async (c) => show(c, await answers(c.var.res.directory)),
  )
