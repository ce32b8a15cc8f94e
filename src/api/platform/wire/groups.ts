import { z } from 'zod'
import type { Caller } from '../../../access/tokens.ts'
import { aggregates, functions } from '../../../identity/aggregate.ts'
import { nameMax } from '../../../identity/attributes.ts'
import { isUnshown } from '../../../identity/corrections.ts'
import type { DefinitionDraft, GroupDefinition } from '../../../identity/definitions.ts'
import type { Household } from '../../../identity/households.ts'
import { inheritedName } from '../../../identity/profiles.ts'
import { percentOfRun, type Run } from '../../../identity/runs.ts'
import { canonical, control, lengthOf, problemOfChosenId, readId } from '../../../text.ts'
import { pageSize } from '../../keyset.ts'
import { checkedBy, Description } from '../../name.ts'
import { Attributes, date, dateOrNull, showValue } from './values.ts'

// Definitions (Group Identity, "Limitations"; lengths in characters).

const named = (max: number) =>
  z
    .string()
    .regex(new RegExp(`^[^\\0]{1,${max}}$`, 'u'), `must be 1 to ${max} characters`)
    .refine(
      (text) => !control.test(text) && text.isWellFormed(),
      'must be text without control characters',
    )

const oneOf = new Intl.ListFormat('en-GB', { type: 'disjunction' })

export const FunctionName = z.enum(functions, `must be ${oneOf.format(functions)}`)

export const SharedAttribute = z.object({
  id: named(223),
  type: FunctionName.meta({
    description: [
      'What members share of their values of the attribute. Who has no value has no part; where ' +
        'nobody has one that counts, nothing is shared, unless said otherwise.',
      ...functions.map((name) => `- ${name}: ${aggregates[name].means}`),
    ].join('\n'),
  }),
})

const SharedAttributes = z
  .array(SharedAttribute)
  .refine(
    (list) => new Set(list.map(({ id }) => id)).size === list.length,
    'must not name one id twice',
  )

export const DefinitionChange = z.object({
  description: Description,
  source_user_attribute: named(nameMax).optional(),
  attributes: SharedAttributes.nullish(),
  matching: z
    .literal('normalized', 'must be normalized')
    .nullish()
    .meta({
      description:
        'normalized: values of the source attribute are equal if they differ only in case and in the ' +
        'amount of white space; null: they are compared as they are.',
    }),
  ignore_values: z
    .array(
      z
        .string()
        .regex(/^[^\0]{0,256}$/u, 'cannot exceed 256 characters')
        .refine((text) => text.isWellFormed(), 'must be text'),
    )
    .max(100, 'cannot be more than 100')
    .nullish()
    .meta({
      description:
        'Values of the source attribute that form no group, in any case and within punctuation too, ' +
        'as they mean that there is no value. If null: common ones such as N/A, null, unknown and -.',
    }),
  refresh: z
    .enum(['weekly', 'continuous'], 'must be weekly or continuous')
    .nullish()
    .meta({
      description:
        'continuous: a changed attribute reaches the group within seconds; weekly, also if null: with ' +
        'the run of the next Monday. A definition that becomes continuous, or is changed while it is, ' +
        'is recomputed at once.',
    }),
})

const definitionId = "must be 3 to 32 characters, and none of them ':', '/' or a control character"
const isDefinitionId = (id: string) =>
  lengthOf(id) >= 3 && !/[:/]/.test(id) && 'id' in readId(id, 32)

export const NewDefinition = DefinitionChange.extend({
  id: z
    .string()
    .refine((id) => !control.test(id), definitionId)
    .overwrite(canonical)
    .refine(isDefinitionId, definitionId)
    .superRefine(checkedBy(problemOfChosenId))
    .meta({ minLength: 3, maxLength: 32 }),
  source_user_attribute: named(nameMax),
})

export const AttributesChange = z.object({ attributes: SharedAttributes })

/** The fields that are given, in our words; null is empty. */
export const changeOf = (change: z.infer<typeof DefinitionChange>): Partial<DefinitionDraft> => ({
  ...(change.description !== undefined && { description: change.description ?? '' }),
  ...(change.source_user_attribute !== undefined && { source: change.source_user_attribute }),
  ...(change.attributes !== undefined && { attributes: change.attributes ?? [] }),
  ...(change.matching !== undefined && { matching: change.matching }),
  ...(change.ignore_values !== undefined && { ignoreValues: change.ignore_values }),
  ...(change.refresh !== undefined && {
    refresh: change.refresh === 'continuous' ? change.refresh : null,
  }),
})

/** A draft in our words; fields that are not given are empty. */
export const draftOf = (draft: Omit<z.infer<typeof NewDefinition>, 'id'>): DefinitionDraft => ({
  description: '',
  attributes: [],
  ...changeOf(draft),
  source: draft.source_user_attribute,
})

export const ShownDefinition = z.object({
  id: z.string(),
  description: z.string(),
  source_user_attribute: z.string(),
  attributes: z.array(SharedAttribute),
  matching: z.literal('normalized').optional(),
  ignore_values: z.array(z.string()).optional(),
  refresh: z.literal('continuous').optional(),
  created_on: z.iso.datetime(),
  created_by: z.string(),
  last_modified_on: z.iso.datetime(),
  last_modified_by: z.string(),
})

export const showDefinition = (definition: GroupDefinition): z.infer<typeof ShownDefinition> => ({
  id: definition.id,
  description: definition.description,
  source_user_attribute: definition.source,
  attributes: definition.attributes,
  ...(definition.matching !== null && { matching: definition.matching }),
  ...(definition.ignoreValues !== null && { ignore_values: definition.ignoreValues }),
  ...(definition.refresh !== null && { refresh: definition.refresh }),
  created_on: date(definition.createdAt),
  created_by: definition.createdBy,
  last_modified_on: date(definition.updatedAt),
  last_modified_by: definition.updatedBy,
})

// Runs.

const statuses = {
  waiting: 'CREATED',
  normalizing: 'PROCESSING',
  running: 'PROCESSING',
  successful: 'SUCCESSFUL',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
} as const satisfies Record<Run['state'], string>

export const ShownRun = z.object({
  id: z.uuid(),
  status: z.enum(['CREATED', 'PROCESSING', 'SUCCESSFUL', 'FAILED', 'CANCELLED']),
  week: z
    .string()
    .nullable()
    .meta({ description: 'The ISO week of the run; null if it was requested.' }),
  progress_percent: z.int().min(0).max(100),
  users_seated: z.int(),
  users_over_limit: z.int(),
  users_without_value: z.int().meta({
    description:
      'Users whose value of the source attribute is blank, or one that the definition ignores.',
  }),
  largest_groups: z.array(z.object({ value: z.string(), users: z.int() })).meta({
    description:
      'Up to five values that more users have than a group takes, most users first. Such a value ' +
      'often means that there is no value: see ignore_values. None without users:read.',
  }),
  users_corrected: z.int().meta({
    description: 'Users of whom a correction says where they belong, as the run began.',
  }),
  groups: z.int(),
  rows_changed: z.int(),
  cursor: z.string().nullable().meta({
    description:
      'The last value that the run has processed; null once it has succeeded, and without users:read.',
  }),
  created_on: z.iso.datetime(),
  started_on: z.iso.datetime().nullable(),
  ended_on: z.iso.datetime().nullable(),
})

/** Normalizing forms no group yet. */
const cursorOf = ({ state, cursor }: Run) =>
  state === 'successful' || state === 'normalizing' || cursor === '' ? null : cursor

/** Without values of users where the caller may not see them. */
export const showRun = (run: Run, { scopes }: Caller): z.infer<typeof ShownRun> => ({
  id: run.id,
  status: statuses[run.state],
  week: run.week,
  progress_percent: percentOfRun(run),
  users_seated: run.seated,
  users_over_limit: run.overLimit,
  users_without_value: run.withoutValue,
  largest_groups: scopes.includes('users:read') ? (run.largest ?? []) : [],
  users_corrected: run.corrected,
  groups: run.groups,
  rows_changed: run.changed,
  cursor: scopes.includes('users:read') ? cursorOf(run) : null,
  created_on: date(run.createdAt),
  started_on: dateOrNull(run.startedAt),
  ended_on: dateOrNull(run.endedAt),
})

// Groups that have formed.

export const InstanceQuery = z.object({
  value: z.string().optional().meta({ description: 'Only the group of users with this value.' }),
  after: z
    .string()
    .default('')
    .meta({ description: 'The value after which the page begins: `next` of the page before.' }),
  size: pageSize(100, 20),
})

export const ShownInstances = z.object({
  instances: z.array(
    z.object({
      value: z
        .string()
        .nullable()
        .meta({ description: 'Null of a user whom a correction keeps alone.' }),
      members: z.array(z.object({ user_id: z.string(), joined_on: z.iso.datetime() })),
      attributes: Attributes,
    }),
  ),
  next: z.string().nullable(),
})

export const showInstances = (
  definition: string,
  { households, next }: { households: Household[]; next: string | undefined },
): z.infer<typeof ShownInstances> => ({
  instances: households.map(({ value, members, shared }) => ({
    value: isUnshown(value) ? null : value,
    members: members.map(({ user, joinedAt }) => ({ user_id: user, joined_on: date(joinedAt) })),
    attributes: Object.fromEntries(
      shared.map(([attribute, result]) => [
        inheritedName(definition, attribute),
        showValue(result),
      ]),
    ),
  })),
  next: next ?? null,
})
