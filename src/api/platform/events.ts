import { Hono, type Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { describeRoute } from 'hono-openapi'
import { z } from 'zod'
import { authenticate } from '../../access/clients.ts'
import { recordReports } from '../../identity/profiles.ts'
import { basicCredentials } from '../basic.ts'
import { allows } from '../bearer.ts'
import { json, tooOften } from '../describe.ts'
import type { Http } from '../http.ts'
import { rateLimited } from '../rate-limit.ts'
import { noSuchOperation } from '../refusal.ts'
import { jsonBody, valid } from '../valid.ts'
import { onEventsError } from './errors.ts'
import { Batch, Batches, reportOf } from './wire/batches.ts'

const EventsError = z.object({
  errors: z.array(z.object({ code: z.string(), message: z.string() })),
})

const operation = (operationId: string, summary: string) =>
  describeRoute({
    operationId,
    summary,
    tags: ['Users'],
    security: [{ basic: ['users:write'] }],
    responses: {
      202: { description: 'Taken' },
      400: json('Refused, and nothing of it is stored', EventsError),
      401: json('Not the id and secret of a client', EventsError),
      403: json('A client without the scope users:write', EventsError),
      429: tooOften(EventsError),
      500: json('A bug', EventsError),
    },
  })

/** A client by its id and secret, as server SDKs name themselves. */
const basic = createMiddleware<Http>(async (c, next) => {
  const { id, secret } = basicCredentials(c.req.header('authorization') ?? '')
  const caller = await authenticate(c.var.res.directory, id, secret)
  c.set('caller', caller)
  c.set('workspace', caller.workspace)
  c.set('db', c.var.res.databaseOf(caller.workspace))
  await next()
})

const take = (batches: z.infer<typeof Batches>, c: Context<Http>) => {
  const now = c.var.res.now()
  return recordReports(
    c.var.res,
    c.var.workspace,
    batches.map((batch) => reportOf(batch, now)),
  )
}

/** Events of server SDKs (CONTRACT 4, "Users"). */
export const events = new Hono<Http>()
  .onError(onEventsError)
  .use(basic, rateLimited, allows('users:write'))
  .post(
    '/events',
    operation('uploadEvents', 'Take a batch of a user'),
    jsonBody,
    valid('json', Batch),
    async (c) => {
      await take([c.req.valid('json')], c)
      return c.body(null, 202)
    },
  )
  .post(
    '/bulkevents',
    operation('uploadBulkEvents', 'Take up to 100 batches, all or none'),
    jsonBody,
    valid('json', Batches),
    async (c) => {
      await take(c.req.valid('json'), c)
      return c.body(null, 202)
    },
  )
  .all('*', noSuchOperation)
