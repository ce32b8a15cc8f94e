import { z } from 'zod'
import { Failure } from '../../failure.ts'
import type { LiveGroup } from '../../membership/lookup.ts'
import { canonical } from '../../text.ts'

/** The context of an evaluation (OFREP 0.3.0), of which only `targetingKey` counts. */
const Context = z.looseObject({
  targetingKey: z.string().nullish().meta({ description: 'The id of the participant.' }),
})

export const Evaluation = z.object({ context: Context })

export const BulkEvaluation = z.object({ context: Context.nullish() })

/** The participant of an evaluation; undefined where it names nobody. */
export function findParticipant({ context }: z.infer<typeof BulkEvaluation>): string | undefined {
  const key = context?.targetingKey ?? ''
  return canonical(key) === '' ? undefined : key
}

/** The participant of an evaluation. Throws `required`. */
export function getParticipant(evaluation: z.infer<typeof Evaluation>): string {
  const participant = findParticipant(evaluation)
  if (participant === undefined)
    throw new Failure({ reason: 'required', field: 'context.targetingKey' })
  return participant
}

const Key = z
  .string()
  .meta({ description: "The flag's key as requested: the group's id or its name." })

export const ShownFlag = z.object({
  key: Key,
  value: z.boolean(),
  reason: z.literal('TARGETING_MATCH'),
  variant: z.enum(['member', 'other']),
  metadata: z.object({ groupId: z.uuid(), groupName: z.string(), revision: z.int() }),
})

type Evaluated = LiveGroup & { member: boolean }

/** A group as a flag; `key` is that of the request. */
export const showFlag = (
  key: string,
  { id, name, revision, member }: Evaluated,
): z.infer<typeof ShownFlag> => ({
  key,
  value: member,
  reason: 'TARGETING_MATCH',
  variant: member ? 'member' : 'other',
  metadata: { groupId: id, groupName: name, revision },
})

const codes = z.enum([
  'PARSE_ERROR',
  'TARGETING_KEY_MISSING',
  'INVALID_CONTEXT',
  'GENERAL',
  'FLAG_NOT_FOUND',
])

export const EvaluationError = z.object({ key: Key, errorCode: codes, errorDetails: z.string() })
export const BulkError = EvaluationError.omit({ key: true })

export const ShownFlags = z.object({
  flags: z
    .array(z.union([ShownFlag, EvaluationError]))
    .meta({ description: 'Each group twice: under its id, and under its name.' }),
  metadata: z
    .object({ targetingKey: z.string() })
    .optional()
    .meta({ description: 'The participant, if the request names one.' }),
})

export const targetingKeyMissing = 'context.targetingKey must name the participant'

/** All groups as flags; without a participant, each is an error. */
export function showFlags(
  groups: Evaluated[],
  participant: string | undefined,
): z.infer<typeof ShownFlags> {
  const flags = [...byKey(groups)]
  if (participant === undefined)
    return {
      flags: flags.map(([key]) => ({
        key,
        errorCode: 'TARGETING_KEY_MISSING',
        errorDetails: targetingKeyMissing,
      })),
    }
  return {
    flags: flags.map(([key, group]) => showFlag(key, group)),
    metadata: { targetingKey: participant },
  }
}

/** Groups by id and by name, where a name that is another group's id means that group. */
function byKey(groups: Evaluated[]): Map<string, Evaluated> {
  const byId = new Map(groups.map((group) => [group.id, group]))
  return new Map(
    groups.flatMap((group) => [
      [group.id, group],
      [group.name, byId.get(group.name.toLowerCase()) ?? group],
    ]),
  )
}
