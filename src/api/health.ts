import { Hono, type Context } from 'hono'
import { describeRoute } from 'hono-openapi'
import { z } from 'zod'
import { answers } from '../db/connect.ts'
import { lookAt } from '../places/look.ts'
import { actAsAdmin } from './admin.ts'
import { bearerToken } from './bearer.ts'
import { json, rateLimitExceeded, type Responses } from './describe.ts'
import type { Http } from './http.ts'
import { OAuthError } from './oauth/wire.ts'
import { limitedByAddress } from './rate-limit.ts'

const Health = z.object({ status: z.enum(['ok', 'down']) })

const Ready = Health.extend({
  shards: z
    .array(
      z.object({
        shard: z.number(),
        status: z.enum(['ok', 'down', 'unprepared']),
        bytes: z.number().optional().meta({
          description: 'The size of its database, which holds 10 GB; for the holder of ADMIN_TOKEN',
        }),
        ms: z.number().optional().meta({
          description: 'Until it answered a small query: others wait as long; for the same',
        }),
      }),
    )
    .meta({
      description: 'Each database; one that is unprepared has no tables, or no keys of its own.',
    }),
})

const operation = (
  operationId: string,
  summary: string,
  {
    schema = Health,
    ...more
  }: { schema?: z.ZodType; 401?: Responses[number]; 429?: Responses[number] } = {},
) =>
  describeRoute({
    operationId,
    summary,
    tags: ['Service'],
    security: schema === Ready ? [{}, { admin: [] }] : [],
    responses: {
      200: json('The database answers', schema),
      503: json('The database does not answer', schema),
      ...more,
    },
  })

/** Milliseconds for which an isolate does not ask the database again. */
const cachedTime = 5000
let last = { at: 0, up: false }

const show = (c: Context<Http>, up: boolean) =>
  up ? c.json({ status: 'ok' as const }) : c.json({ status: 'down' as const }, 503)

/** How large shards are, and how busy, is said to the holder of ADMIN_TOKEN: they are all tenants'. */
async function seesLoad(c: Context<Http>): Promise<boolean> {
  const authorization = c.req.header('authorization')
  if (authorization !== undefined) await actAsAdmin(c, bearerToken(authorization))
  return authorization !== undefined
}

/** Anybody may ask whether the database answers; `/ready` asks all of them each time. */
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
    operation('ready', 'Check that every database answers now, and see its size and load', {
      schema: Ready,
      401: json('invalid_token', OAuthError),
      429: rateLimitExceeded(OAuthError),
    }),
    limitedByAddress('doors'),
    async (c) => {
      const { res } = c.var
      const isAdmin = await seesLoad(c)
      const looks = await Promise.all(
        [...Array(res.shards).keys()].map((shard) => lookAt(res, shard)),
      )
      const shards = isAdmin ? looks : looks.map(({ shard, status }) => ({ shard, status }))
      const isReady = shards.every(({ status }) => status === 'ok')
      return isReady
        ? c.json({ status: 'ok' as const, shards })
        : c.json({ status: 'down' as const, shards }, 503)
    },
  )
