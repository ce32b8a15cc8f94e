import { Hono, type Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { describeRoute } from 'hono-openapi'
import { z } from 'zod'
import { authenticate } from '../../access/clients.ts'
import { recordReports } from '../../identity/profiles.ts'
import { basicCredentials } from '../basic.ts'
import { allows } from '../bearer.ts'
import { json, rateLimitExceeded } from '../describe.ts'
import type { Http } from '../http.ts'
import { limitByNamedClient, limitedByAddress } from '../rate-limit.ts'
import { unknownOperation } from '../refusal.ts'
import { jsonBody, valid } from '../valid.ts'
import { onEventsError } from './errors.ts'
import { Batch, Batches, reportOf } from './wire/batches.ts'

const EventsError = z.object({
  errors: z.array(z.object({ code: z.string(), message: z.string() })),
})

const scope = 'users:write'

const operation = (operationId: string, summary: string) =>
  describeRoute({
    operationId,
    summary,
    tags: ['Users'],
    security: [{ basic: [scope] }],
    responses: {
      202: { description: 'Stored' },
      400: json('Refused; nothing is stored', EventsError),
      401: json('The client is unknown, or its secret wrong', EventsError),
      403: json(`The client lacks the scope ${scope}`, EventsError),
      429: rateLimitExceeded(EventsError),
      500: json('An internal error', EventsError),
    },
  })

/** The caller by HTTP Basic, as server SDKs authenticate. */
const basic = createMiddleware<Http>(async (c, next) => {
  const { id, secret } = basicCredentials(c.req.header('authorization') ?? '')
  await limitByNamedClient(c.var.res, 'requests', id)
  const caller = await authenticate(c.var.res.directory, id, secret)
  c.set('caller', caller)
  c.set('workspace', caller.workspace)
  c.set('db', c.var.res.databaseOf(caller.workspace))
  await next()
})

const record = (batches: z.infer<typeof Batches>, c: Context<Http>) => {
  const now = c.var.res.now()
  return recordReports(
    c.var.res,
    c.var.workspace,
    batches.map((batch) => reportOf(batch, now)),
  )
}

/** Batches of events, as server SDKs send them. */
export const batches = new Hono<Http>()
  .onError(onEventsError)
  .use(limitedByAddress('requests'), basic, allows([scope]))
  .post(
    '/events',
    operation('uploadEvents', 'Store the user attributes of a batch of events'),
    jsonBody,
    valid('json', Batch),
    async (c) => {
      await record([c.req.valid('json')], c)
      return c.body(null, 202)
    },
  )
  .post(
    '/bulkevents',
    operation('uploadBulkEvents', 'Store the user attributes of up to 100 batches, all or none'),
    jsonBody,
    valid('json', Batches),
    async (c) => {
      await record(c.req.valid('json'), c)
      return c.body(null, 202)
    },
  )
  .all('*', unknownOperation)
