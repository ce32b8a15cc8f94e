import { z } from 'zod'
import { Failure } from '../../../failure.ts'
import { readAttributes, readName, isUserId, type Change } from '../../../identity/attributes.ts'
import type { Report } from '../../../identity/profiles.ts'
import { UserAttributes } from './users.ts'

/** A batch as server SDKs send it. Its events are not kept: what they say of the user is. */
export const Batch = z.object({
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

export const Batches = z
  .array(Batch)
  .min(1, 'must hold at least one batch')
  .max(100, 'cannot hold more than 100 batches')

/** What a batch says of its user. Throws `required`, `invalid` and `attribute-refused`. */
export function reportOf(batch: z.infer<typeof Batch>, now: number): Report {
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
