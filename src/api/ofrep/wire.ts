import { z } from 'zod'
import type { GroupSeen } from '../../membership/lookup.ts'

/** An evaluation's context (OFREP 0.3.0): whom it is about. Other members of it decide nothing here. */
export const Evaluation = z.object({
  context: z.looseObject({ targetingKey: z.string().min(1) }),
})

export const ShownFlag = z.object({
  key: z.string(),
  value: z.boolean(),
  reason: z.literal('TARGETING_MATCH'),
  variant: z.enum(['member', 'other']),
  metadata: z.object({ groupId: z.uuid(), groupName: z.string(), revision: z.int() }),
})

/** A group as a flag; `key` is what it was asked by. */
export const showFlag = (
  key: string,
  { id, name, revision, member }: GroupSeen & { member: boolean },
): z.infer<typeof ShownFlag> => ({
  key,
  value: member,
  reason: 'TARGETING_MATCH',
  variant: member ? 'member' : 'other',
  metadata: { groupId: id, groupName: name, revision },
})

export const ShownFlags = z.object({
  flags: z.array(ShownFlag),
  metadata: z.object({ targetingKey: z.string() }),
})

const codes = z.enum([
  'PARSE_ERROR',
  'TARGETING_KEY_MISSING',
  'INVALID_CONTEXT',
  'GENERAL',
  'FLAG_NOT_FOUND',
])

export const EvaluationError = z.object({
  key: z.string(),
  errorCode: codes,
  errorDetails: z.string(),
})
export const BulkError = EvaluationError.omit({ key: true })
