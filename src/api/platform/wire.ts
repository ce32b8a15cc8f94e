import { z } from 'zod'
import { Failure } from '../../failure.ts'
import { isUserId, userMax, type Value } from '../../identity/attributes.ts'
import type { DefinitionDraft, GroupDefinition } from '../../identity/definitions.ts'
import type { Explanation } from '../../identity/explain.ts'
import type { Instance } from '../../identity/instances.ts'
import { inheritedName, type Profile } from '../../identity/profiles.ts'
import { percentOfRun, type Run } from '../../identity/runs.ts'
import type { Job, Problem } from '../../work/jobs.ts'
import { percentOf, type JobState } from '../../work/outcome.ts'

export const PlatformError = z.object({ errors: z.array(z.object({ message: z.string() })) })

const date = (ms: number) => new Date(ms).toISOString()
const dateOrNull = (ms: number | null) => (ms === null ? null : date(ms))

// Definitions (Group Identity, "Limitations"; lengths in characters).

const SharedAttribute = z.object({
  id: z.string().regex(/^[^\0]{1,223}$/u, 'must be 1 to 223 characters'),
  type: z.enum(['latest', 'boolean_or', 'sum', 'average'], 'must be latest, boolean_or, sum or average'),
})

const SharedAttributes = z
  .array(SharedAttribute)
  .refine((list) => new Set(list.map(({ id }) => id)).size === list.length, 'must not name one id twice')

export const DefinitionChange = z.object({
  description: z
    .string()
    .regex(/^[^\0]{0,255}$/u, 'cannot exceed 255 characters')
    .nullish(),
  source_user_attribute: z.string().regex(/^[^\0]{1,256}$/u, 'must be 1 to 256 characters'),
  attributes: SharedAttributes.nullish(),
})

export const NewDefinition = DefinitionChange.extend({
  id: z.string().regex(/^[^:/\p{Cc}]{3,32}$/u, "must be 3 to 32 characters, and none of them ':', '/' or a control character"),
})

export const AttributesChange = z.object({ attributes: SharedAttributes })

/** A draft in our words; what is left out is empty. */
export const draftOf = (draft: z.infer<typeof DefinitionChange>): DefinitionDraft => ({
  description: draft.description ?? '',
  source: draft.source_user_attribute,
  attributes: draft.attributes ?? [],
})

export const ShownDefinition = z.object({
  id: z.string(),
  description: z.string(),
  source_user_attribute: z.string(),
  attributes: z.array(SharedAttribute),
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
  created_on: date(definition.createdAt),
  created_by: definition.createdBy,
  last_modified_on: date(definition.updatedAt),
  last_modified_by: definition.updatedBy,
})

// Runs.

const statuses = {
  waiting: 'CREATED',
  running: 'PROCESSING',
  successful: 'SUCCESSFUL',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
} as const satisfies Record<Run['state'], string>

export const ShownRun = z.object({
  id: z.uuid(),
  status: z.enum(['CREATED', 'PROCESSING', 'SUCCESSFUL', 'FAILED', 'CANCELLED']),
  week: z.string().nullable().meta({ description: 'The ISO week that the run is of; null for one that was asked for.' }),
  progress_percent: z.int().min(0).max(100),
  users_seated: z.int(),
  users_over_limit: z.int(),
  groups: z.int(),
  rows_changed: z.int(),
  cursor: z
    .string()
    .nullable()
    .meta({ description: 'The last value of the source attribute that was dealt with, until the run succeeds.' }),
  created_on: z.iso.datetime(),
  started_on: z.iso.datetime().nullable(),
  ended_on: z.iso.datetime().nullable(),
})

export const showRun = (run: Run): z.infer<typeof ShownRun> => ({
  id: run.id,
  status: statuses[run.state],
  week: run.week,
  progress_percent: percentOfRun(run),
  users_seated: run.seated,
  users_over_limit: run.overLimit,
  groups: run.groups,
  rows_changed: run.changed,
  cursor: run.state === 'successful' || run.cursor === '' ? null : run.cursor,
  created_on: date(run.createdAt),
  started_on: dateOrNull(run.startedAt),
  ended_on: dateOrNull(run.endedAt),
})

// Groups that have formed.

export const InstanceQuery = z.object({
  value: z.string().optional().meta({ description: 'Only the group of this value.' }),
  after: z.string().default('').meta({ description: 'The value to go on after.' }),
  size: z.coerce.number().int().min(1).max(100).default(20),
})

const AttributeValue = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])
const Attributes = z.record(z.string(), AttributeValue)

export const ShownInstances = z.object({
  instances: z.array(
    z.object({
      value: z.string(),
      members: z.array(z.object({ user_id: z.string(), joined_on: z.iso.datetime() })),
      attributes: Attributes,
    }),
  ),
  next: z.string().nullable(),
})

export const showInstances = (
  definition: string,
  { instances, next }: { instances: Instance[]; next: string | undefined },
): z.infer<typeof ShownInstances> => ({
  instances: instances.map(({ value, members, shared }) => ({
    value,
    members: members.map(({ user, joinedAt }) => ({ user_id: user, joined_on: date(joinedAt) })),
    attributes: Object.fromEntries(shared.map(([attribute, result]) => [inheritedName(definition, attribute), result])),
  })),
  next: next ?? null,
})

// Users.

/** Throws `user-missing` or `invalid`. */
export function userIdOf(text: string): string {
  if (text.trim() === '') throw new Failure({ reason: 'user-missing' })
  if (!isUserId(text))
    throw new Failure({ reason: 'invalid', field: 'user_id', problem: `must be 1 to ${userMax} characters without control characters` })
  return text
}

/** Attributes are read by identity/attributes.ts, which knows their limits; zod would drop one that is named as a prototype. */
export const UserAttributes = z.unknown().meta({
  type: 'object',
  description: 'At most 100, each a string of at most 4096 characters, a number, a boolean or a list of strings; null deletes.',
  additionalProperties: { type: ['string', 'number', 'boolean', 'null', 'array'], items: { type: 'string' } },
})

export const UserChange = z.object({ user_attributes: UserAttributes })

export const ShownUser = z.object({
  user_id: z.string().max(userMax),
  user_attributes: Attributes,
  groups: z.array(z.object({ definition: z.string(), value: z.string() })),
  created_on: z.iso.datetime(),
  last_modified_on: z.iso.datetime(),
})

export const showUser = (profile: Profile): z.infer<typeof ShownUser> => ({
  user_id: profile.user,
  user_attributes: showAttributes(profile),
  groups: profile.groups,
  created_on: date(profile.createdAt),
  last_modified_on: date(profile.updatedAt),
})

export const showAttributes = ({ attributes }: Profile): Record<string, Value> => Object.fromEntries(attributes)

export const ShownExplanation = z.object({
  attribute: z.string(),
  definition: z.string(),
  source_user_attribute: z.string(),
  group_value: z.string(),
  function: SharedAttribute.shape.type,
  value: AttributeValue,
  computed_on: z.iso
    .datetime()
    .nullable()
    .meta({ description: 'When the run began that computed the value. What a member has changed since counts from the next run on.' }),
  contributions: z.array(
    z.object({
      user_id: z.string(),
      value: AttributeValue.nullable(),
      last_updated_on: z.iso.datetime().nullable(),
      counts: z.boolean().meta({ description: 'Whether this value has a part in the result.' }),
    }),
  ),
})

export const showExplanation = (attribute: string, explanation: Explanation): z.infer<typeof ShownExplanation> => ({
  attribute,
  definition: explanation.definition,
  source_user_attribute: explanation.source,
  group_value: explanation.group,
  function: explanation.function,
  value: explanation.value,
  computed_on: dateOrNull(explanation.computedAt),
  contributions: explanation.members.map(({ user, value, updatedAt, counts }) => ({
    user_id: user,
    value,
    last_updated_on: dateOrNull(updatedAt),
    counts,
  })),
})

// Files of users.

const importStatuses = {
  waiting: 'CREATED',
  applying: 'PROCESSING',
  sweeping: 'PROCESSING',
  undoing: 'PROCESSING',
  successful: 'SUCCESSFUL',
  partial: 'PARTIAL_SUCCESS',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
} as const satisfies Record<JobState, string>

const usersFile = {
  type: 'string',
  format: 'binary',
  description: 'user_id, then a column for each attribute; an empty cell says nothing.',
} as const

/** The body of a file of users, which is streamed and so validated by hand. */
export const usersBody = {
  required: true,
  content: {
    'text/csv': { schema: usersFile },
    'multipart/form-data': { schema: { type: 'object' as const, required: ['file'], properties: { file: usersFile } } },
  },
}

export const UsersFileQuery = z.object({
  fileName: z.string().default('users.csv').meta({ description: 'For a body that is the file itself.' }),
})

export const ShownImport = z.object({
  id: z.uuid(),
  status: z.enum(['CREATED', 'PROCESSING', 'SUCCESSFUL', 'PARTIAL_SUCCESS', 'FAILED', 'CANCELLED']),
  file_name: z.string(),
  rows: z.int(),
  rows_refused: z.int(),
  users_created: z.int(),
  attributes_changed: z.int(),
  progress_percent: z.int().min(0).max(100),
  details: z.string().nullable(),
  created_by: z.string(),
  created_on: z.iso.datetime(),
  last_modified_on: z.iso.datetime(),
})

const failures = {
  'no-good-row': 'No row could be read: see its errors.',
  header: 'The first row must be user_id and then up to 100 attribute names, each once.',
  'gave-up': 'The file could not be finished. What was written of it stays; it may be sent again.',
}

export const showImport = (job: Job): z.infer<typeof ShownImport> => ({
  id: job.id,
  status: importStatuses[job.state],
  file_name: job.fileName,
  rows: job.rows,
  rows_refused: job.badRows,
  users_created: job.added,
  attributes_changed: job.touched,
  progress_percent: percentOf({ ...job, looked: 1 }),
  details: job.failure === null ? null : failures[job.failure],
  created_by: job.createdBy,
  created_on: date(job.createdAt),
  last_modified_on: date(job.updatedAt),
})

export const ImportsQuery = z.object({
  before: z.coerce.number().int().default(Number.MAX_SAFE_INTEGER).meta({ description: 'As `next` of the page before says.' }),
  size: z.coerce.number().int().min(1).max(100).default(20),
})

export const ShownImports = z.object({ imports: z.array(ShownImport), next: z.int().nullable() })

export const showImports = (jobs: Job[], size: number): z.infer<typeof ShownImports> => ({
  imports: jobs.map(showImport),
  next: jobs.length < size ? null : (jobs.at(-1)?.revision ?? null),
})

export const ImportErrorsQuery = z.object({
  page: z.coerce.number().int().min(0).max(10_000).default(0),
  size: z.coerce.number().int().min(1).max(1000).default(100),
})

export const ShownImportErrors = z.object({ errors: z.array(z.object({ line: z.int(), message: z.string() })), total: z.int() })

const problemSentences: Record<Problem, string> = {
  columns: 'The row has not as many columns as the header',
  format: 'The row is not CSV in UTF-8, or its user_id is empty or has control characters',
  header: failures.header,
  'too-long': 'user_id cannot exceed 64 characters, nor a value 4096',
}

export const showImportErrors = ({
  items,
  total,
}: {
  items: { line: number; problem: Problem }[]
  total: number
}): z.infer<typeof ShownImportErrors> => ({
  errors: items.map(({ line, problem }) => ({ line, message: problemSentences[problem] })),
  total,
})
