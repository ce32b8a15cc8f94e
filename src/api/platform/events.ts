import { Hono, type Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { describeRoute, resolver } from 'hono-openapi'
import { z } from 'zod'
import { authenticate } from '../../access/clients.ts'
import { isUserId, readAttributes, readName, type Change } from '../../identity/attributes.ts'
import { recordReports, type Report } from '../../identity/profiles.ts'
import { Failure } from '../../failure.ts'
import { basicCredentials } from '../basic.ts'
import { allows } from '../bearer.ts'
import { json, tooOften } from '../describe.ts'
import type { Http } from '../http.ts'
import { limited } from '../limited.ts'
import { noSuchOperation } from '../refusal.ts'
import { boundedBody, refusalOfShape } from '../valid.ts'
import { onEventsError } from './errors.ts'
import { UserAttributes } from './wire/users.ts'

/** A batch as server SDKs send it. Its events are not kept: what they say of the user is. */
const Batch = z.object({
  mpid: z
    .unknown()
    .optional()
    .meta({
      type: ['integer', 'string'],
      description: 'Names the user, before customer_id does; a 64-bit number, in digits.',
    }),
  user_identities: z.object({ customer_id: z.string().nullish() }).nullish(),
  user_attributes: UserAttributes.optional(),
  deleted_user_attributes: z.array(z.string()).nullish(),
  environment: z.enum(['development', 'production'], 'must be development or production'),
  events: z.array(z.unknown()).nullish(),
  timestamp_unixtime_ms: z.int().min(0).nullish().meta({
    description:
      'When it was so; now, if not given. Older news than what is known of an attribute changes nothing.',
  }),
})

const Batches = z
  .array(Batch)
  .min(1, 'must hold at least one batch')
  .max(100, 'cannot hold more than 100 batches')

const EventsError = z.object({
  errors: z.array(z.object({ code: z.string(), message: z.string() })),
})

const operation = (operationId: string, summary: string, body: z.ZodType) =>
  describeRoute({
    operationId,
    summary,
    tags: ['Users'],
    security: [{ basic: ['users:write'] }],
    requestBody: { required: true, content: { 'application/json': { schema: resolver(body) } } },
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
    c.var.db,
    c.var.workspace,
    batches.map((batch) => reportOf(batch, now)),
    now,
  )
}

/** Events of server SDKs (CONTRACT 4, "Users"). */
export const events = new Hono<Http>()
  .onError(onEventsError)
  .use(basic, limited, allows('users:write'), boundedBody)
  .post('/events', operation('uploadEvents', 'Take a batch of a user', Batch), async (c) => {
    await take([await read(c, Batch)], c)
    return c.body(null, 202)
  })
  .post(
    '/bulkevents',
    operation('uploadBulkEvents', 'Take up to 100 batches, all or none', Batches),
    async (c) => {
      await take(await read(c, Batches), c)
      return c.body(null, 202)
    },
  )
  .all('*', noSuchOperation)

/** The body, in which a whole number beyond 2^53 keeps its digits. */
async function read<Schema extends z.ZodType>(
  c: Context<Http>,
  schema: Schema,
): Promise<z.infer<Schema>> {
  const body = parse(await c.req.text())
  const result = schema.safeParse(body)
  if (!result.success) throw refusalOfShape(result.error.issues[0], body)
  return result.data
}

type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown
// TypeScript's library does not know yet that a reviver is told the source of a value.
const parseWith = JSON.parse as (text: string, reviver: Reviver) => unknown

function parse(text: string): unknown {
  try {
    return parseWith(text, (_, value, { source = '' }) =>
      typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source)
        ? BigInt(source)
        : value,
    )
  } catch {
    throw new Failure({ reason: 'malformed', what: 'JSON' })
  }
}

function reportOf(batch: z.infer<typeof Batch>, now: number): Report {
  const deleted = (batch.deleted_user_attributes ?? []).map((name): Change => ({
    name: readName(name),
    to: null,
  }))
  return {
    user: userOf(batch),
    // A clock that is ahead would keep all later news out.
    at: Math.min(batch.timestamp_unixtime_ms ?? now, now),
    changes: [...deleted, ...readAttributes(batch.user_attributes ?? {})],
  }
}

function userOf({ mpid, user_identities }: z.infer<typeof Batch>): string {
  const user = mpid ?? user_identities?.customer_id ?? undefined
  if (user === undefined) throw new Failure({ reason: 'required', field: 'mpid' })
  if (
    mpid !== undefined &&
    mpid !== null &&
    (typeof mpid === 'object' || !/^-?\d{1,19}$/.test(String(mpid)))
  )
    throw new Failure({ reason: 'invalid', field: 'mpid', problem: 'must be a whole number' })
  const id = String(user).toWellFormed()
  if (!isUserId(id))
    throw new Failure({
      reason: 'invalid',
      field: 'user_identities.customer_id',
      problem: 'must be 1 to 64 characters',
    })
  return id
}
