import { z } from 'zod'
import { Failure } from '../../../failure.ts'
import { readAttributes, readName, userMax, type Change } from '../../../identity/attributes.ts'
import { isNoValue } from '../../../identity/no-value.ts'
import type { Report } from '../../../identity/write-reports.ts'
import { canonical, readId } from '../../../text.ts'
import { problemOfId, UserAttributes } from './users.ts'

/** SDKs write customer_id (Java, Go, .NET) or customerid (Node, Python, Ruby). */
const isCustomerId = (name: string) => name.toLowerCase().replace(/[\s_-]/g, '') === 'customerid'

/** The customer ids of a batch, with the names of their fields. */
const customerIds = (identities: object): [name: string, id: unknown][] =>
  Object.entries(identities).filter(
    ([name, id]) => isCustomerId(name) && id !== null && id !== undefined,
  )

const UserIdentities = z
  .looseObject({
    customer_id: z
      .string()
      .nullish()
      .meta({ description: 'May also be called customerid, as some SDKs do.' }),
  })
  .superRefine((identities, ctx) => {
    const refuse = (name: string, message: string) =>
      ctx.addIssue({ code: 'custom', path: [name], message })
    const ids = customerIds(identities)
    for (const [name, id] of ids) {
      if (typeof id !== 'string') refuse(name, 'must be of type string')
      else if (canonical(id) !== '' && isNoValue(id))
        refuse(name, `cannot be ${JSON.stringify(id.slice(0, 64))}, which names no user`)
    }
    const [[first, user] = [], ...others] = ids
    for (const [name, id] of others)
      if (canonical(String(id)) !== canonical(String(user)))
        refuse(name, `names another user than ${first}`)
  })

/** Milliseconds of 1973: a smaller time is in seconds. */
const millisecondsMin = 100_000_000_000

/** A batch as server SDKs send it, of which only the user's attributes are stored. */
export const Batch = z.object({
  mpid: z
    .unknown()
    .optional()
    .meta({
      type: ['integer', 'string'],
      description:
        'The id of the user, a 64-bit number in digits; takes precedence over customer_id.',
    }),
  user_identities: UserIdentities.nullish(),
  user_attributes: UserAttributes.optional(),
  deleted_user_attributes: z.array(z.string()).nullish(),
  environment: z.enum(['development', 'production'], 'must be development or production'),
  events: z.array(z.unknown()).nullish(),
  timestamp_unixtime_ms: z
    .int()
    .min(millisecondsMin, 'must be in milliseconds since 1970: it is in seconds')
    .nullish()
    .meta({
      description:
        'When the attributes had these values; now if not given. Attributes with a newer time stay.',
    }),
})

export const Batches = z
  .array(Batch)
  .min(1, 'must hold at least one batch')
  .max(100, 'cannot hold more than 100 batches')

/** The report of a batch. Throws `required`, `invalid` and `attribute-refused`. */
export function reportOf(batch: z.infer<typeof Batch>, now: number): Report {
  const deleted = (batch.deleted_user_attributes ?? []).map((name): Change => ({
    name: readName(name),
    to: null,
  }))
  return {
    user: userOf(batch),
    // A clock that is ahead would hold off all later changes.
    at: Math.min(batch.timestamp_unixtime_ms ?? now, now),
    changes: [...deleted, ...readAttributes(batch.user_attributes ?? {})],
  }
}

function userOf({ mpid, user_identities }: z.infer<typeof Batch>): string {
  const hasMpid = mpid !== undefined && mpid !== null
  if (hasMpid && (typeof mpid === 'object' || !/^-?\d{1,19}$/.test(String(mpid))))
    throw new Failure({ reason: 'invalid', field: 'mpid', problem: 'must be a whole number' })
  const [customer] = customerIds(user_identities ?? {})
  if (customer !== undefined) {
    const [name, id] = customer
    const read = readId(String(id), userMax)
    // Where mpid names the user, it may have any length.
    if ('problem' in read && (!hasMpid || read.problem === 'empty'))
      throw new Failure({
        reason: 'invalid',
        field: `user_identities.${name}`,
        problem: problemOfId(String(id)) ?? `must be 1 to ${userMax} characters`,
      })
    if (!hasMpid && 'id' in read) return read.id
  }
  if (!hasMpid) throw new Failure({ reason: 'required', field: 'mpid' })
  return String(mpid)
}
