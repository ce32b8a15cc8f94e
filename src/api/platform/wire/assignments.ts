import { isUnshown } from '../../../identity/corrections.ts'
import { z } from 'zod'
import type { Assignments } from '../../../experiments/lookup-many.ts'
import type { Check } from '../../../experiments/explain.ts'
import type { Experiment } from '../../../experiments/experiments.ts'
import type { Assignment } from '../../../experiments/lookup.ts'
import { reasons, valueOf, type Assigned } from '../../../experiments/split.ts'
import { FileFor, KeysetQuery } from '../../keyset.ts'
import { showExact } from './values.ts'

export const VariantValue = z
  .union([z.string(), z.number(), z.boolean(), z.record(z.string(), z.unknown())])
  .meta({ description: "The variant's value; the control's where there is no variant." })

const ShownAssigned = z.object({
  variant: z.string().nullable().meta({ description: 'null for those who take no part.' }),
  value: VariantValue,
  reason: z.enum(reasons).meta({
    description:
      'SPLIT and FORCED have a variant. NO_UNIT: a person of no household, or an id that nobody can have.',
  }),
})

const Version = z
  .int()
  .meta({ description: 'Of the experiment: with each version, all participants are drawn anew.' })

const Revision = z.int().optional().meta({
  description: 'The live revision of the group, of which the answer is; only where it has a group.',
})

export const ShownAssignment = ShownAssigned.extend({
  experiment_id: z.string(),
  participant_id: z.string().meta({ description: 'As requested.' }),
  version: Version,
  revision: Revision,
})

/** The value of an assignment, with all digits of numbers. */
export const showValue = (
  experiment: Experiment,
  assigned: Assigned,
): z.infer<typeof VariantValue> =>
  showExact(valueOf(experiment, assigned)) as z.infer<typeof VariantValue> // checked at creation

const showAssigned = (
  experiment: Experiment,
  assigned: Assigned,
): z.infer<typeof ShownAssigned> => ({
  variant: assigned.variant?.id ?? null,
  value: showValue(experiment, assigned),
  reason: assigned.reason,
})

const showRevision = (revision: number | null) => (revision === null ? {} : { revision })

export const showAssignment = (
  participant: string,
  assignment: Assignment,
): z.infer<typeof ShownAssignment> => ({
  experiment_id: assignment.experiment.id,
  participant_id: participant,
  ...showAssigned(assignment.experiment, assignment),
  version: assignment.experiment.version,
  ...showRevision(assignment.revision),
})

const Passed = z.boolean().meta({
  description:
    'Whether the participant goes on to the next check. The first that is not passed decides.',
})
const Shard = z.int().min(0).max(9999)
const Bound = z.int().min(0).max(10_000)
const HiddenShard = Shard.nullable().meta({
  description: 'null where it is of a household, and the token lacks users:read.',
})
const Salt = z.string().meta({ description: 'What is hashed: the salt, `-`, and the key.' })

const draw = <Name extends string>(check: Name, description: string) =>
  z
    .object({
      check: z.literal(check),
      passed: Passed,
      salt: Salt,
      shard: HiddenShard,
      from: Bound,
      to: Bound,
    })
    .meta({ description })

const ShownCheck = z.discriminatedUnion('check', [
  z.object({
    check: z.literal('running'),
    passed: Passed,
    status: z.enum(['draft', 'running', 'paused', 'ended']),
  }),
  z
    .object({ check: z.literal('forced'), passed: Passed, variant: z.string().nullable() })
    .meta({ description: 'Not passed by those on whom a variant is forced: they have it.' }),
  z.object({ check: z.literal('group'), passed: Passed, group_id: z.uuid().nullable() }),
  z.object({
    check: z.literal('unit'),
    passed: Passed,
    unit: z.string(),
    key: z
      .string()
      .nullable()
      .meta({
        description:
          "The participant's id, or its household's value, which only a token with users:read is " +
          'shown, and nobody where a correction keeps the user alone.',
      }),
  }),
  draw('holdout', 'Where the experiment has one. Passed from the share of the holdout on.'),
  draw('layer', 'Where the experiment has one.'),
  draw('traffic', 'Those below the traffic take part.'),
  z.object({
    check: z.literal('split'),
    passed: Passed,
    salt: Salt,
    shard: HiddenShard,
    variants: z.array(z.object({ id: z.string(), from: Bound, to: Bound })),
  }),
])

export const ShownExplanation = ShownAssignment.extend({
  checks: z.array(ShownCheck).meta({
    description:
      'In their order, also those after the one that decides. A draw is passed where `shard` is ' +
      '`from` or more, and less than `to`. Who has no key is in no draw.',
  }),
})

/** `mayReadUsers`: whether the caller may see the values by which households form. */
export const showExplanation = (
  participant: string,
  assignment: Assignment & { checks: Check[] },
  mayReadUsers: boolean,
): z.infer<typeof ShownExplanation> => ({
  ...showAssignment(participant, assignment),
  checks: assignment.checks.map((check) =>
    showCheck(
      check,
      (mayReadUsers || assignment.experiment.unit === null) &&
        !isUnshown(assignment.candidate.key ?? ''),
    ),
  ),
})

/** Shards are hidden with their key: a few of them tell it from all others. */
function showCheck(check: Check, withKey: boolean): z.infer<typeof ShownCheck> {
  const { passed } = check
  switch (check.check) {
    case 'running':
    case 'forced':
      return check
    case 'group':
      return { check: 'group', passed, group_id: check.group }
    case 'unit': {
      const { unit, key } = check
      return { check: 'unit', passed, unit: unit ?? 'participant', key: withKey ? key : null }
    }
    case 'split': {
      const variants = check.variants.map(({ id, from, to }) => ({ id, from, to }))
      const shard = withKey ? check.shard : null
      return { check: 'split', passed, salt: check.salt, shard, variants }
    }
    default: {
      const { check: name, salt, from, to } = check
      return { check: name, passed, salt, shard: withKey ? check.shard : null, from, to }
    }
  }
}

export const AssignmentsQuery = KeysetQuery('participant', 'the last of a file that broke off')
  .pick({ after: true })
  .extend({ for: FileFor })

export const AssignmentsRequest = z.object({
  participant_ids: z
    .array(z.string())
    .min(1, 'must name at least one')
    .max(1000, 'cannot name more than 1000'),
  experiment_ids: z
    .array(z.string())
    .max(100, 'cannot name more than 100')
    .nullish()
    .meta({ description: 'Only these experiments; all that are no drafts if not given.' }),
})

export const ShownAssignments = z.object({
  assignments: z.array(
    z.object({
      participant_id: z.string(),
      experiments: z
        .record(z.string(), ShownAssigned)
        .meta({ description: 'By the ids of experiments.' }),
    }),
  ),
  experiments: z.array(z.object({ id: z.string(), version: Version, revision: Revision })),
})

/** `ShownAssignments` as JSON, in parts. */
export function* showAssignments({ experiments, assignments }: Assignments): Generator<string> {
  const shown = experiments.map(shownVariants)
  yield '{"assignments":['
  for (const [i, { participant, assigned }] of assignments.entries()) {
    const variants = shown.map((show, place) => show(assigned[place] ?? none)).join(',')
    const id = JSON.stringify(participant)
    yield `${i === 0 ? '' : ','}{"participant_id":${id},"experiments":{${variants}}}`
  }
  const located = experiments.map(({ id, version, revision }) => ({
    ...{ id, version },
    ...showRevision(revision),
  }))
  yield `],"experiments":${JSON.stringify(located)}}`
}

const none: Assigned = { variant: undefined, reason: 'NOT_RUNNING' }

/** Shows a variant of an experiment under its id: those that are alike by one text. */
function shownVariants(experiment: Experiment): (assigned: Assigned) => string {
  const id = JSON.stringify(experiment.id)
  const texts = new Map<string, string>()
  return (assigned) => {
    const alike = `${assigned.reason} ${assigned.variant?.id ?? ''}`
    const text = texts.get(alike) ?? `${id}:${JSON.stringify(showAssigned(experiment, assigned))}`
    texts.set(alike, text)
    return text
  }
}
