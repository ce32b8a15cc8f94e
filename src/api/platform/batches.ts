import { Hono, type Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { describeRoute } from 'hono-openapi'
import { z } from 'zod'
import { takeReports } from '../../identity/reports.ts'
import { basicCredentials } from '../basic.ts'
import { allows } from '../bearer.ts'
import { authenticatedClient } from '../client.ts'
import { json, rateLimitExceeded } from '../describe.ts'
import type { Http } from '../http.ts'
import { idempotent } from '../idempotent.ts'
import { limitedByAddress } from '../rate-limit.ts'
import { unknownOperation } from '../refusal.ts'
import { jsonBody, valid } from '../valid.ts'
import { onEventsError } from './errors.ts'
import { Batch, Batches, reportOf } from './wire/batches.ts'

const EventsError = z.object({
  errors: z.array(z.object({ code: z.string(), message: z.string() })),
})

const scope = 'users:write'

const soon =
  'What is accepted is written within seconds, later where the database is out, in any order: the ' +
  'newest value of an attribute wins; among equal timestamps of a request, the last.'

const operation = (operationId: string, summary: string, description: string) =>
  describeRoute({
    operationId,
    summary,
    description,
    tags: ['Users'],
    security: [{ basic: [scope] }],
    responses: {
      202: { description: 'Accepted: it will be written' },
      400: json('Refused; nothing is accepted', EventsError),
      401: json('The client is unknown or has expired, or its secret is wrong', EventsError),
      403: json(`The client lacks the scope ${scope}`, EventsError),
      429: rateLimitExceeded(EventsError),
      500: json('Not known to be accepted: send it again', EventsError),
    },
  })

/** The caller by HTTP Basic, as server SDKs authenticate. */
const basic = createMiddleware<Http>(async (c, next) => {
  const credentials = basicCredentials(c.req.header('authorization') ?? '')
  const caller = await authenticatedClient(c, credentials, 'requests')
  c.set('caller', caller)
  c.set('workspace', caller.workspace)
  c.set('db', c.var.res.databaseOf(caller.workspace))
  await next()
})

const record = (batches: z.infer<typeof Batches>, c: Context<Http>) => {
  const now = c.var.res.now()
  return takeReports(
    c.var.res,
    c.var.workspace,
    batches.map((batch) => reportOf(batch, now)),
  )
}

const accepted = idempotent<'users.reported'>((c) => c.body(null, 202))

/** Batches of events, as server SDKs send them. */
export const batches = new Hono<Http>()
  .onError(onEventsError)
  .use(limitedByAddress('requests'), basic, allows(scope))
  .post(
    '/events',
    operation('uploadEvents', 'Take the user attributes of a batch of events', soon),
    jsonBody,
    valid('json', Batch),
    accepted,
    async (c) => {
      await record([c.req.valid('json')], c)
      return c.body(null, 202)
    },
  )
  .post(
    '/bulkevents',
    operation(
      'uploadBulkEvents',
      'Take the user attributes of up to 100 batches, all or none',
      `${soon} Of 120 to 240 KB some may be seen before others; all else is written at once.`,
    ),
    jsonBody,
    valid('json', Batches),
    accepted,
    async (c) => {
      await record(c.req.valid('json'), c)
      return c.body(null, 202)
    },
  )
  .all('*', unknownOperation)
