import { isUnshown } from '../../identity/corrections.ts'
import { z } from 'zod'
import type { Flag } from '../../experiments/flags.ts'
import type { Assignment } from '../../experiments/lookup.ts'
import { Failure } from '../../failure.ts'
import type { Member } from '../../membership/lookup.ts'
import { canonical } from '../../text.ts'
import { showValue, VariantValue } from '../platform/wire/assignments.ts'
import { spelled, type RequestedFlag } from './key.ts'

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

const Key = z.string().meta({
  description: "The flag's key as requested: a group's id or its name, or an experiment's id.",
})

const GroupFlag = z.object({
  key: Key,
  value: z.boolean(),
  reason: z.literal('TARGETING_MATCH'),
  variant: z.enum(['member', 'other']),
  metadata: z.object({ groupId: z.uuid(), groupName: z.string(), revision: z.int() }),
})

/** As OpenFeature names metadata ("Appendix D: Observability"). */
const ExperimentMetadata = z.object({
  version: z.int().meta({ description: 'Of the experiment.' }),
  contextId: z
    .string()
    .optional()
    .meta({
      description:
        "What is hashed: the participant's id, or the value of its household, which only a token " +
        'with users:read is shown.',
    }),
  flagSetId: z.uuid().optional().meta({ description: "The experiment's group, if it has one." }),
})

const ExperimentFlag = z.object({
  key: Key,
  value: VariantValue,
  reason: z.enum(['SPLIT', 'TARGETING_MATCH', 'STATIC', 'DISABLED']).meta({
    description:
      'TARGETING_MATCH: the variant is forced. STATIC: the participant takes no part. DISABLED: the ' +
      'experiment is not running.',
  }),
  variant: z.string().optional(),
  metadata: ExperimentMetadata,
})

export const ShownFlag = z.union([GroupFlag, ExperimentFlag])

/** A group as a flag; `key` is that of the request. */
const showGroup = (
  key: string,
  { id, name, revision, member }: Member,
): z.infer<typeof GroupFlag> => ({
  key,
  value: member,
  reason: 'TARGETING_MATCH',
  variant: member ? 'member' : 'other',
  metadata: { groupId: id, groupName: name, revision },
})

/** An experiment as a flag. `mayReadUsers`: whether the caller may see values that form households. */
const showExperiment = (
  key: string,
  assignment: Assignment,
  mayReadUsers: boolean,
): z.infer<typeof ExperimentFlag> => ({
  key,
  value: showValue(assignment.experiment, assignment),
  reason: reasonOf(assignment),
  ...(assignment.variant !== undefined && { variant: assignment.variant.id }),
  metadata: showMetadata(assignment, mayReadUsers),
})

function reasonOf({ reason }: Assignment): z.infer<typeof ExperimentFlag>['reason'] {
  switch (reason) {
    case 'SPLIT':
      return 'SPLIT'
    case 'FORCED':
      return 'TARGETING_MATCH'
    case 'NOT_RUNNING':
      return 'DISABLED'
    default:
      return 'STATIC'
  }
}

const showMetadata = (
  { experiment: { version, group, unit }, candidate: { key } }: Assignment,
  mayReadUsers: boolean,
): z.infer<typeof ExperimentMetadata> => ({
  version,
  ...(key !== null && !isUnshown(key) && (mayReadUsers || unit === null) && { contextId: key }),
  ...(group !== null && { flagSetId: group }),
})

/** A flag under the spelling of the request by which it was found. */
export function showFlag(
  requested: RequestedFlag,
  flag: Flag,
  mayReadUsers: boolean,
): z.infer<typeof ShownFlag> {
  if ('group' in flag) return showGroup(spelled(requested, flag.group), flag.group)
  const { id } = flag.assignment.experiment
  return showExperiment(spelled(requested, { id, name: id }), flag.assignment, mayReadUsers)
}

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
  flags: z.array(z.union([ShownFlag, EvaluationError])).meta({
    description:
      'Each group twice: under its id, and under its name. Then each experiment, unless a group ' +
      'bears its id.',
  }),
  metadata: z
    .object({ targetingKey: z.string() })
    .optional()
    .meta({ description: 'The participant, if the request names one.' }),
})

export const targetingKeyMissing = 'context.targetingKey must name the participant'

/** All groups and experiments as flags; without a participant, each is an error. */
export function showFlags(
  { groups, assignments }: { groups: Member[]; assignments: Assignment[] },
  participant: string | undefined,
  mayReadUsers: boolean,
): z.infer<typeof ShownFlags> {
  const ofGroups = byKey(groups)
  const others = assignments.filter(({ experiment }) => !ofGroups.has(experiment.id))
  if (participant === undefined)
    return {
      flags: [...ofGroups.keys(), ...others.map(({ experiment }) => experiment.id)].map((key) => ({
        key,
        errorCode: 'TARGETING_KEY_MISSING',
        errorDetails: targetingKeyMissing,
      })),
    }
  return {
    flags: [
      ...[...ofGroups].map(([key, group]) => showGroup(key, group)),
      ...others.map((one) => showExperiment(one.experiment.id, one, mayReadUsers)),
    ],
    metadata: { targetingKey: participant },
  }
}

/** Groups by id and by name, where a name that is another group's id means that group. */
function byKey(groups: Member[]): Map<string, Member> {
  const byId = new Map(groups.map((group) => [group.id, group]))
  return new Map(
    groups.flatMap((group) => [
      [group.id, group],
      [group.name, byId.get(group.name.toLowerCase()) ?? group],
    ]),
  )
}
