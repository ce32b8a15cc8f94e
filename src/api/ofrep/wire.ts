import { z } from 'zod'
import { Failure } from '../../failure.ts'
import type { GroupSeen } from '../../membership/lookup.ts'
import { canonical } from '../../text.ts'

/** An evaluation's context (OFREP 0.3.0): whom it is about. Other members of it decide nothing here. */
const Context = z.looseObject({
  targetingKey: z.string().nullish().meta({ description: 'The id of the participant.' }),
})

export const Evaluation = z.object({ context: Context })

export const BulkEvaluation = z.object({ context: Context.nullish() })

/** Whom an evaluation is about, as it says; undefined where it names nobody. */
export function participantAsked({ context }: z.infer<typeof BulkEvaluation>): string | undefined {
  const key = context?.targetingKey ?? ''
  return canonical(key) === '' ? undefined : key
}

/** The same of an evaluation that must name somebody. Throws `required`. */
export function participantNamed(evaluation: z.infer<typeof Evaluation>): string {
  const participant = participantAsked(evaluation)
  if (participant === undefined)
    throw new Failure({ reason: 'required', field: 'context.targetingKey' })
  return participant
}

const Key = z.string().meta({ description: 'What the flag was asked by: its id or its name.' })

export const ShownFlag = z.object({
  key: Key,
  value: z.boolean(),
  reason: z.literal('TARGETING_MATCH'),
  variant: z.enum(['member', 'other']),
  metadata: z.object({ groupId: z.uuid(), groupName: z.string(), revision: z.int() }),
})

type Evaluated = GroupSeen & { member: boolean }

/** A group as a flag; `key` is what it was asked by. */
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
    .meta({ description: 'Whom the flags are about; left out where nobody is named.' }),
})

export const nobodyNamed = 'context.targetingKey must name the participant'

/** All groups as flags; where nobody is named, each as the error that it is for this one. */
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
        errorDetails: nobodyNamed,
      })),
    }
  return {
    flags: flags.map(([key, group]) => showFlag(key, group)),
    metadata: { targetingKey: participant },
  }
}

/** Groups by all that they are asked by: a name that is another group's id means that one, as it does where it is asked for alone. */
function byKey(groups: Evaluated[]): Map<string, Evaluated> {
  const byId = new Map(groups.map((group) => [group.id, group]))
  return new Map(
    groups.flatMap((group) => [
      [group.id, group],
      [group.name, byId.get(group.name.toLowerCase()) ?? group],
    ]),
  )
}
