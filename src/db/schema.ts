import { sql } from 'drizzle-orm'
import {
  blob,
  customType,
  index,
  integer,
  primaryKey,
  sqliteTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core'
import type { Actor } from '../actor.ts'
import { parseJson, stringifyJson } from '../json.ts'

/** JSON in which whole numbers keep all of their digits. */
const exactJson = customType<{ data: unknown; driverData: string }>({
  dataType: () => 'text',
  toDriver: stringifyJson,
  fromDriver: parseJson,
})

/** Counts of a workspace's rows: to count the rows would read them all. */
export const workspaces = sqliteTable('workspaces', {
  id: integer('workspace_id').primaryKey(),
  users: integer('users').notNull().default(0),
})

/** Who may ask for tokens. Times everywhere are milliseconds since 1970. */
export const clients = sqliteTable(
  'clients',
  {
    id: text('id').primaryKey(),
    workspace: integer('workspace_id').notNull(),
    name: text('name').notNull(),
    scopes: text('scopes', { mode: 'json' }).$type<string[]>().notNull(),
    secretHash: text('secret_hash').notNull(),
    createdAt: integer('created_at').notNull(),
    /** The secret before the last rotation, which is good until then. */
    formerHash: text('former_secret_hash'),
    formerUntil: integer('former_until'),
    /** Seconds that its tokens are valid; null: eight hours. */
    tokenLifetime: integer('token_lifetime'),
    expiresAt: integer('expires_at'),
  },
  (t) => [
    index('clients_by_workspace').on(t.workspace, t.id),
    index('clients_by_former')
      .on(t.formerUntil)
      .where(sql`former_secret_hash IS NOT NULL`),
  ],
)

/** Tokens of a client that were issued up to `until` are refused; kept until all have expired. */
export const revocations = sqliteTable('revocations', {
  client: text('client_id').primaryKey(),
  workspace: integer('workspace_id').notNull(),
  until: integer('not_before').notNull(),
})

/** `revision` is the live one. Keys are never reused, as `members` may outlive a group. */
export const experienceGroups = sqliteTable(
  'experience_groups',
  {
    key: integer('key').primaryKey({ autoIncrement: true }),
    id: text('id').notNull(),
    workspace: integer('workspace_id').notNull(),
    name: text('name').notNull(),
    description: text('description'),
    type: text('type').notNull(),
    platform: text('platform').notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    revision: integer('revision').notNull().default(0),
    participantCount: integer('participant_count').notNull().default(0),
    /** How many revisions before the live one have removed: those may be pruned. */
    removedSincePrune: integer('removed_since_prune').notNull().default(0),
    deletedAt: integer('deleted_at'),
    /** The audience that fills it: such a group takes no uploads. */
    audience: text('audience_id'),
    /** A job that would remove a larger share of its members is held; null: as the installation says. */
    maxRemovePercent: integer('max_remove_percent'),
  },
  (t) => [
    uniqueIndex('experience_groups_by_id').on(t.workspace, t.id),
    uniqueIndex('experience_groups_by_name')
      .on(t.workspace, t.name)
      .where(sql`deleted_at IS NULL`),
    uniqueIndex('experience_groups_by_audience')
      .on(t.workspace, t.audience)
      .where(sql`audience_id IS NOT NULL AND deleted_at IS NULL`),
    index('experience_groups_deleted')
      .on(t.deletedAt)
      .where(sql`deleted_at IS NOT NULL`),
    index('experience_groups_to_prune')
      .on(t.updatedAt)
      .where(sql`removed_since_prune > 0 AND deleted_at IS NULL`),
  ],
)

/** In ⇔ added_rev <= revision AND (removed_rev IS NULL OR removed_rev > revision). */
export const members = sqliteTable(
  'members',
  {
    workspace: integer('workspace_id').notNull(),
    participant: text('participant_id').notNull(),
    group: integer('group_key').notNull(),
    addedRev: integer('added_rev').notNull(),
    removedRev: integer('removed_rev'),
    seenRev: integer('seen_rev').notNull(),
    /** The removal that `added_rev` has taken back; undoing that revision brings it back. */
    wasRemovedRev: integer('was_removed_rev'),
  },
  (t) => [
    primaryKey({ columns: [t.workspace, t.participant, t.group] }),
    index('members_by_group').on(t.group, t.participant),
  ],
)

/** How a CSV file is read. */
export interface FileFormat {
  separator: string
  /** Whether the first record names the columns, as the client said: `auto` goes by its words. */
  header: 'auto' | 'present' | 'absent'
  /** Whether it does; null: found out when it is read. */
  headed: boolean | null
  /** The header of the column of ids, in small letters; empty where there is none. */
  name: string
  /** The only column with content, from 0; null where several have some. */
  column: number | null
  /** Whether the first line only names the separator: `sep=;`. */
  named: boolean
  /** The offset of the first NUL byte, which no text has. */
  nulAt: number | null
}

/** `applying` and `writing` differ only in the rows of a slice: see jobs/job.ts. */
export const jobStates = [
  'waiting',
  'applying',
  'writing',
  'sweeping',
  'held',
  'undoing',
  'successful',
  'partial',
  'failed',
  'cancelled',
] as const

/** Every change of a job raises `step`, which guards the statements of its steps. */
export const jobs = sqliteTable(
  'jobs',
  {
    key: integer('key').primaryKey({ autoIncrement: true }),
    id: text('id').notNull(),
    workspace: integer('workspace_id').notNull(),
    /** The queue: a group's key, or the negative number of a workspace for its files of users. */
    group: integer('group_key').notNull(),
    /** The order of acceptance; of a group, the revision that the job makes. */
    revision: integer('revision').notNull(),
    type: text('type', { enum: ['add', 'remove', 'replace', 'revert', 'users'] }).notNull(),
    state: text('state', { enum: jobStates }).notNull(),
    failure: text('failure', {
      enum: [
        'no-good-row',
        'gave-up',
        'header',
        'withdrawn',
        'cancelled',
        'not-text',
        'mostly-bad',
        'rule',
        'limit',
        'overtaken',
        'not-kept',
      ],
    }),
    fileName: text('file_name').notNull(),
    fileKey: text('file_key').notNull(),
    fileSize: integer('file_size').notNull(),
    sliceBytes: integer('slice_bytes').notNull(),
    createdBy: text('created_by').notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    endedAt: integer('ended_at'),
    step: integer('step').notNull().default(0),
    /** The next slice: first byte, lines before it, and what it begins with (see csv.ts). */
    offset: integer('offset').notNull().default(0),
    line: integer('line').notNull().default(0),
    place: text('place', { enum: ['start', 'row', 'inside'] })
      .notNull()
      .default('start'),
    /** Items of that slice that are written; while sweeping or undoing, members scanned. */
    applied: integer('applied').notNull().default(0),
    batchIds: integer('batch_ids').notNull().default(10_000),
    reached: integer('reached').notNull().default(0),
    /** While sweeping or undoing: the last participant scanned, null once all are. */
    cursor: text('cursor').default(''),
    rows: integer('rows').notNull().default(0),
    badRows: integer('bad_rows').notNull().default(0),
    /** Rows of `members`, or users' attributes, that were changed; of a REPLACE, distinct ids. */
    touched: integer('touched').notNull().default(0),
    added: integer('added').notNull().default(0),
    /** Of a file of users: of those added, the ones that are counted in `workspaces`. */
    removed: integer('removed').notNull().default(0),
    /** Of a file of users: its columns after the first, once its first slice is read. */
    header: text('header', { mode: 'json' }).$type<string[]>(),
    /** Set for a sync: bytes then count users, and `cursor` is the last user scanned. */
    audience: text('audience_id'),
    /** How the file is read; null for syncs and old jobs. */
    format: text('format', { mode: 'json' }).$type<FileFormat>(),
    /** Null for older jobs. */
    actor: text('actor', { mode: 'json' }).$type<Actor>(),
    /** Set for a job that removes the people of an erasure from its group. */
    erasure: integer('erasure_key'),
    /** SHA-256 of the file as it was sent, in hexadecimal digits; null for syncs and old jobs. */
    fileSha256: text('file_sha256'),
    /** `preview`: held before it goes live; null for old jobs, which are applied. */
    mode: text('mode', { enum: ['apply', 'preview'] }),
    /** A job that would remove a larger share of the members is held; null: as its group says. */
    maxRemovePercent: integer('max_remove_percent'),
  },
  (t) => [
    index('jobs_by_erasure')
      .on(t.erasure)
      .where(sql`erasure_key IS NOT NULL`),
    uniqueIndex('jobs_by_id').on(t.workspace, t.id),
    uniqueIndex('jobs_by_group').on(t.group, t.revision),
    index('jobs_by_time').on(t.workspace, t.createdAt),
    index('jobs_by_audience')
      .on(t.workspace, t.audience)
      .where(sql`audience_id IS NOT NULL AND ended_at IS NULL`),
    index('jobs_unended')
      .on(t.updatedAt)
      .where(sql`ended_at IS NULL`),
    index('jobs_unended_by_workspace')
      .on(t.workspace, sql`(state = 'waiting')`)
      .where(sql`ended_at IS NULL`),
    index('jobs_unended_by_group')
      .on(t.group, t.revision)
      .where(sql`ended_at IS NULL`),
  ],
)

export const problems = [
  'columns',
  'format',
  'gave-up',
  'header',
  'limit',
  'no-row',
  'not-kept',
  'not-text',
  'operation',
  'overtaken',
  'rule',
  'too-long',
] as const

/** The first 10,000 refused rows of a job; line 0 is why its file failed as a whole. */
export const jobProblems = sqliteTable(
  'job_problems',
  {
    job: integer('job_key').notNull(),
    line: integer('line').notNull(),
    problem: text('problem', { enum: problems }).notNull(),
    /** An excerpt of the row (see jobs/problem.ts); of a sync, the user's id. */
    value: text('value'),
  },
  (t) => [primaryKey({ columns: [t.job, t.line] })],
)

export const users = sqliteTable(
  'users',
  {
    workspace: integer('workspace_id').notNull(),
    id: text('user_id').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspace, t.id] })],
)

/** Reports of before a deletion bring nothing back. */
export const deletedUsers = sqliteTable(
  'deleted_users',
  {
    workspace: integer('workspace_id').notNull(),
    id: text('user_id').notNull(),
    deletedAt: integer('deleted_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspace, t.id] })],
)

export const valueTypes = ['string', 'number', 'boolean', 'list'] as const

/**
 * Values as text, a list as JSON; a deleted one is NULL, and keeps its time against older events.
 * The index has the type, as lists form no group.
 */
export const userAttributes = sqliteTable(
  'user_attributes',
  {
    workspace: integer('workspace_id').notNull(),
    user: text('user_id').notNull(),
    name: text('name').notNull(),
    value: text('value'),
    type: text('type', { enum: valueTypes }).notNull(),
    updatedAt: integer('updated_at').notNull(),
    /** The text as it was sent, where `value` differs, which is trimmed and in NFC. */
    sent: text('sent'),
    /** The text with its case folded, where SQLite's lower() gives another (see text.ts). */
    folded: text('folded'),
  },
  (t) => [
    primaryKey({ columns: [t.workspace, t.user, t.name] }),
    index('user_attributes_by_value').on(t.workspace, t.name, t.value, t.user, t.type),
  ],
)

export const functions = [
  'latest',
  'boolean_or',
  'sum',
  'average',
  'min',
  'max',
  'count',
  'count_distinct',
  'boolean_and',
  'earliest',
  'most_frequent',
  'unique_list',
] as const

/** An attribute that members share, and the function that makes it of their own. */
export interface SharedAttribute {
  id: string
  type: (typeof functions)[number]
}

/** Users who have a value of `source` in common form a group. */
export const groupDefinitions = sqliteTable(
  'group_definitions',
  {
    key: integer('key').primaryKey({ autoIncrement: true }),
    workspace: integer('workspace_id').notNull(),
    id: text('id').notNull(),
    description: text('description').notNull(),
    source: text('source_user_attribute').notNull(),
    attributes: text('attributes', { mode: 'json' }).$type<SharedAttribute[]>().notNull(),
    createdAt: integer('created_on').notNull(),
    createdBy: text('created_by').notNull(),
    updatedAt: integer('last_modified_on').notNull(),
    updatedBy: text('last_modified_by').notNull(),
    deletedAt: integer('deleted_at'),
    /** How values are compared; null: as they are, trimmed. */
    matching: text('matching', { enum: ['normalized'] }),
    /** Values that count as none; null: the default list (see identity/no-value.ts). */
    ignoreValues: text('ignore_values', { mode: 'json' }).$type<string[]>(),
    /** When changes of users reach their groups; null: every Monday. */
    refresh: text('refresh', { enum: ['continuous'] }),
    /** Since when groups are formed anew of which no event tells yet. */
    refreshedSince: integer('refreshed_since'),
  },
  (t) => [
    uniqueIndex('group_definitions_by_id')
      .on(t.workspace, t.id)
      .where(sql`deleted_at IS NULL`),
    index('group_definitions_continuous')
      .on(t.workspace)
      .where(sql`refresh = 'continuous' AND deleted_at IS NULL`),
    index('group_definitions_refreshed')
      .on(t.refreshedSince)
      .where(sql`refreshed_since IS NOT NULL`),
    index('group_definitions_deleted')
      .on(t.deletedAt)
      .where(sql`deleted_at IS NOT NULL`),
  ],
)

/** A user is in at most one group of a definition, that of `value`. */
export const identityMembers = sqliteTable(
  'identity_members',
  {
    definition: integer('definition_key').notNull(),
    user: text('user_id').notNull(),
    value: text('value').notNull(),
    joinedAt: integer('joined_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.definition, t.user] }),
    index('identity_members_by_value').on(t.definition, t.value, t.user),
  ],
)

export const correctionKinds = ['with', 'value', 'alone'] as const

/** Where a user belongs although the source attribute says otherwise. */
export const groupCorrections = sqliteTable(
  'group_corrections',
  {
    definition: integer('definition_key').notNull(),
    user: text('user_id').notNull(),
    kind: text('kind', { enum: correctionKinds }).notNull(),
    /** With `with`: whom the user follows, who follows nobody. */
    other: text('other_user_id'),
    /** The value that the user has instead, and its folded form, as of `user_attributes`. */
    text: text('text'),
    folded: text('folded'),
    /** The value of the group of `text`; null: none. */
    value: text('value'),
    reason: text('reason'),
    actor: text('actor', { mode: 'json' }).$type<Actor>().notNull(),
    createdAt: integer('created_on').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.definition, t.user] }),
    index('group_corrections_by_value').on(t.definition, t.value, t.user),
    index('group_corrections_by_other')
      .on(t.definition, t.other)
      .where(sql`other_user_id IS NOT NULL`),
  ],
)

/** Groups that are to be formed anew, by a value as users or as groups have it. */
export const groupMarks = sqliteTable(
  'group_marks',
  {
    definition: integer('definition_key').notNull(),
    value: text('value').notNull(),
    /** A group that is to be formed anew with it, as somebody has left it for this one. */
    left: text('left_value'),
    at: integer('marked_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.definition, t.value] })],
)

/** Members who change groups in the running batch; empty between batches. */
export const identityMovers = sqliteTable(
  'identity_movers',
  { definition: integer('definition_key').notNull(), user: text('user_id').notNull() },
  (t) => [primaryKey({ columns: [t.definition, t.user] })],
)

/**
 * NULL: no member has a value. Readers skip results of a `function` that is not the definition's.
 * `result` has no affinity: a sum stays a number.
 */
export const groupAttributes = sqliteTable(
  'group_attributes',
  {
    definition: integer('definition_key').notNull(),
    value: text('value').notNull(),
    name: text('name').notNull(),
    function: text('function', { enum: functions }).notNull(),
    result: blob('result').$type<string | number>(),
    type: text('type', { enum: valueTypes }),
    /** As of `user_attributes`. */
    folded: text('folded'),
  },
  (t) => [primaryKey({ columns: [t.definition, t.value, t.name] })],
)

/** The normalized form of each value, of definitions that compare those; each run updates it. */
export const normalizedValues = sqliteTable(
  'normalized_values',
  {
    definition: integer('definition_key').notNull(),
    normalized: text('normalized').notNull(),
    value: text('value').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.definition, t.normalized, t.value] }),
    uniqueIndex('normalized_values_by_value').on(t.definition, t.value),
  ],
)

/** What a definition would form, counted up to a value. */
export interface Forecast {
  /** Users who have a value, users whose value counts as none, and users with a list. */
  users: number
  withoutValue: number
  withList: number
  overLimit: number
  groups: number
  /** Groups and their users, by size: see identity/forecast.ts. */
  sizes: { groups: number; users: number }[]
  /** Values of groups, and values that count as none, of most users. */
  largest: { value: string; users: number }[]
  none: { value: string; users: number }[]
  /** Groups with the least random numbers. */
  samples: { value: string; users: number; at: number }[]
}

/** What a definition that is not saved would form. Its normalized values have its negative key. */
export const definitionPreviews = sqliteTable(
  'definition_previews',
  {
    key: integer('key').primaryKey({ autoIncrement: true }),
    id: text('id').notNull(),
    workspace: integer('workspace_id').notNull(),
    source: text('source_user_attribute').notNull(),
    matching: text('matching', { enum: ['normalized'] }),
    ignoreValues: text('ignore_values', { mode: 'json' }).$type<string[]>(),
    state: text('state', { enum: ['normalizing', 'counting', 'complete'] }).notNull(),
    step: integer('step').notNull().default(0),
    cursor: text('cursor').notNull().default(''),
    /** Users who have the attribute, as far as they were counted. */
    expected: integer('expected').notNull(),
    /** Users of the ranges so far, of the state. */
    scanned: integer('scanned').notNull().default(0),
    forecast: text('forecast', { mode: 'json' }).$type<Forecast>().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    uniqueIndex('definition_previews_by_id').on(t.workspace, t.id),
    index('definition_previews_by_age').on(t.createdAt),
  ],
)

/** `normalizing`: the run updates the normalized values before its groups. */
export const runStates = [
  'waiting',
  'normalizing',
  'running',
  'successful',
  'failed',
  'cancelled',
] as const

/** A recompute of a definition as it was when the run began; guarded by `step`, as jobs are. */
export const recomputeRuns = sqliteTable(
  'recompute_runs',
  {
    key: integer('key').primaryKey({ autoIncrement: true }),
    id: text('id').notNull(),
    workspace: integer('workspace_id').notNull(),
    definition: integer('definition_key').notNull(),
    /** By ISO 8601, 2026-W48; null for a run that somebody requested. */
    week: text('week'),
    state: text('state', { enum: runStates }).notNull(),
    step: integer('step').notNull().default(0),
    source: text('source_user_attribute'),
    attributes: text('attributes', { mode: 'json' }).$type<SharedAttribute[]>(),
    /** The greatest value that was scanned. */
    cursor: text('cursor').notNull().default(''),
    /** Users to scan, as counted when the run began; then those scanned, seated, without a seat. */
    expected: integer('expected').notNull().default(0),
    scanned: integer('looked').notNull().default(0),
    seated: integer('seated').notNull().default(0),
    overLimit: integer('over_limit').notNull().default(0),
    groups: integer('groups').notNull().default(0),
    changed: integer('changed').notNull().default(0),
    /** Users whose value is blank or counts as none. */
    withoutValue: integer('without_value').notNull().default(0),
    /** Users of whom a correction says where they belong. */
    corrected: integer('corrected').notNull().default(0),
    /** The largest groups beyond the limit of users, at most five. */
    largest: text('largest', { mode: 'json' }).$type<{ value: string; users: number }[]>(),
    matching: text('matching', { enum: ['normalized'] }),
    ignoreValues: text('ignore_values', { mode: 'json' }).$type<string[]>(),
    createdAt: integer('created_at').notNull(),
    startedAt: integer('started_at'),
    updatedAt: integer('updated_at').notNull(),
    endedAt: integer('ended_at'),
    actor: text('actor', { mode: 'json' }).$type<Actor>(),
  },
  (t) => [
    index('recompute_runs_unended_by_workspace')
      .on(t.workspace, t.key)
      .where(sql`ended_at IS NULL`),
    uniqueIndex('recompute_runs_by_id').on(t.workspace, t.id),
    uniqueIndex('recompute_runs_by_week').on(t.definition, t.week),
    index('recompute_runs_by_definition').on(t.definition, t.key),
    index('recompute_runs_unended')
      .on(t.updatedAt)
      .where(sql`ended_at IS NULL`),
    index('recompute_runs_unended_by_definition')
      .on(t.definition, t.key)
      .where(sql`ended_at IS NULL`),
  ],
)

/** Users for whom a rule holds (see audiences/rule.ts); its members are not stored. */
export const audiences = sqliteTable(
  'audiences',
  {
    key: integer('key').primaryKey({ autoIncrement: true }),
    workspace: integer('workspace_id').notNull(),
    id: text('id').notNull(),
    name: text('name').notNull(),
    description: text('description').notNull(),
    rule: exactJson('rule').notNull(),
    /** The audiences that the rule names. */
    uses: text('uses', { mode: 'json' }).$type<string[]>().notNull(),
    refresh: text('refresh', { enum: ['on_demand', 'weekly', 'daily'] }).notNull(),
    /** The last week or day (2026-W48, 2026-11-24) that needs no further refresh. */
    refreshed: text('refreshed'),
    createdAt: integer('created_on').notNull(),
    createdBy: text('created_by').notNull(),
    updatedAt: integer('last_modified_on').notNull(),
    updatedBy: text('last_modified_by').notNull(),
  },
  (t) => [
    uniqueIndex('audiences_by_id').on(t.workspace, t.id),
    index('audiences_by_refresh')
      .on(t.refreshed)
      .where(sql`refresh <> 'on_demand'`),
    index('audiences_by_due')
      .on(t.refresh, sql`coalesce(refreshed, '')`)
      .where(sql`refresh <> 'on_demand'`),
  ],
)

/** The rule of a sync as it was when that was requested, with the rules that it uses. */
export const syncRules = sqliteTable('sync_rules', {
  job: integer('job_key').primaryKey(),
  rule: exactJson('rule').notNull(),
})

/** Where a part of a cron stopped: the next goes on after that row (see cron-place.ts). */
export const cronPlaces = sqliteTable('cron_places', {
  part: text('part').primaryKey(),
  after: text('after', { mode: 'json' }).$type<{ at: number | string; key: number }>().notNull(),
})

/** `secret` signs events, and until `formerUntil` so does `former`. */
export const webhooks = sqliteTable(
  'webhooks',
  {
    key: integer('key').primaryKey({ autoIncrement: true }),
    workspace: integer('workspace_id').notNull(),
    id: text('id').notNull(),
    url: text('url').notNull(),
    description: text('description').notNull(),
    /** Null: all types. */
    eventTypes: text('event_types', { mode: 'json' }).$type<string[]>(),
    secret: text('secret').notNull(),
    former: text('former_secret'),
    formerUntil: integer('former_until'),
    /** Why it is sent nothing; null while it is enabled. */
    disabled: text('disabled', { enum: ['asked', 'gone', 'failing'] }),
    /** Since when every delivery has failed. */
    failingSince: integer('failing_since'),
    /** Until when one invocation alone sends to it; it has died if it takes longer. */
    busyUntil: integer('busy_until'),
    createdAt: integer('created_on').notNull(),
    createdBy: text('created_by').notNull(),
    updatedAt: integer('last_modified_on').notNull(),
    updatedBy: text('last_modified_by').notNull(),
  },
  (t) => [
    uniqueIndex('webhooks_by_id').on(t.workspace, t.id),
    index('webhooks_by_former')
      .on(t.formerUntil)
      .where(sql`former_secret IS NOT NULL`),
  ],
)

/**
 * What has happened, in the order of `key`; each is written in the batch of its change. No column
 * holds an attribute's value or a person's id.
 */
export const events = sqliteTable(
  'events',
  {
    key: integer('key').primaryKey({ autoIncrement: true }),
    workspace: integer('workspace_id').notNull(),
    id: text('id').notNull(),
    type: text('type').notNull(),
    at: integer('at').notNull(),
    data: text('data', { mode: 'json' }).notNull(),
    actorId: text('actor_id'),
    actor: text('actor', { mode: 'json' }).$type<Actor>(),
    objectKind: text('object_kind'),
    objectId: text('object_id'),
    /** What it was before, and is since. */
    change: text('change', { mode: 'json' }).$type<{ before: object; after: object }>(),
  },
  (t) => [
    uniqueIndex('events_by_id').on(t.workspace, t.id),
    index('events_by_workspace').on(t.workspace, t.key),
    index('events_by_actor')
      .on(t.workspace, t.actorId, t.key)
      .where(sql`actor_id IS NOT NULL`),
    index('events_by_object')
      .on(t.workspace, t.objectKind, t.objectId, t.key)
      .where(sql`object_kind IS NOT NULL`),
  ],
)

/** A signed sum of the events of each day, so that a change of them is noticed. */
export const eventDigests = sqliteTable(
  'event_digests',
  {
    workspace: integer('workspace_id').notNull(),
    day: text('day').notNull(),
    /** Ids of events; null on a day without any. */
    first: text('first'),
    last: text('last'),
    /** The key of the last event of this or an earlier day. */
    lastKey: integer('last_key').notNull(),
    count: integer('count').notNull(),
    sha256: text('sha256').notNull(),
    previous: text('previous'),
    signature: text('signature').notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspace, t.day] })],
)

/** The parts of an erasure, in their order. */
export const erasureStates = [
  'waiting',
  'rows',
  'jobs',
  'runs',
  'answers',
  'files',
  'receipt',
  'complete',
] as const

/** What an erasure goes by, and how far the part of its state has come. */
export interface ErasurePlace {
  /** The key of the last job that was accepted before the people were forgotten. */
  jobs: number
  /** Milliseconds. */
  forgottenAt: number
  /** The last row, or file, that was looked through. */
  after?: typeof cronPlaces.$inferSelect.after
}

/** A request to erase people. */
export const erasures = sqliteTable(
  'erasures',
  {
    key: integer('key').primaryKey({ autoIncrement: true }),
    id: text('id').notNull(),
    workspace: integer('workspace_id').notNull(),
    people: integer('people').notNull(),
    /** Of one person alone. */
    personHash: text('person_hash'),
    state: text('state', { enum: erasureStates }).notNull(),
    step: integer('step').notNull().default(0),
    place: text('place', { mode: 'json' }).$type<ErasurePlace>(),
    /** How many things of each kind are removed. */
    removed: text('removed', { mode: 'json' }).$type<Record<string, number>>().notNull(),
    actor: text('actor', { mode: 'json' }).$type<Actor>(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    endedAt: integer('ended_at'),
  },
  (t) => [
    uniqueIndex('erasures_by_id').on(t.workspace, t.id),
    index('erasures_unended')
      .on(t.updatedAt)
      .where(sql`ended_at IS NULL`),
  ],
)

/** The ids of an erasure's people; none once it has ended. */
export const erasurePeople = sqliteTable(
  'erasure_people',
  { erasure: integer('erasure_key').notNull(), person: text('person_id').notNull() },
  (t) => [primaryKey({ columns: [t.erasure, t.person] })],
)

/** Keyed hashes of erased people, whom nothing older brings back. */
export const erasedPeople = sqliteTable(
  'erased_people',
  {
    workspace: integer('workspace_id').notNull(),
    hash: text('person_hash').notNull(),
    erasedAt: integer('erased_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.workspace, t.hash] }),
    index('erased_people_by_workspace').on(t.workspace, t.erasedAt),
    index('erased_people_by_time').on(t.erasedAt),
  ],
)

/** An event on its way to a webhook. */
export const deliveries = sqliteTable(
  'deliveries',
  {
    webhook: integer('webhook_key').notNull(),
    event: integer('event_key').notNull(),
    workspace: integer('workspace_id').notNull(),
    state: text('state', { enum: ['pending', 'delivered', 'failed'] }).notNull(),
    /** In all, and since the delivery was last requested: `tries` counts in the schedule. */
    attempts: integer('attempts').notNull(),
    tries: integer('tries').notNull(),
    nextAttemptAt: integer('next_attempt_at'),
  },
  (t) => [
    primaryKey({ columns: [t.webhook, t.event] }),
    index('deliveries_by_event').on(t.event),
    index('deliveries_due')
      .on(t.webhook, t.nextAttemptAt)
      .where(sql`state = 'pending'`),
    index('deliveries_failed')
      .on(t.webhook, t.event)
      .where(sql`state = 'failed'`),
  ],
)

/** `status` is the receiver's; without one, `answer` says why. */
export const deliveryAttempts = sqliteTable(
  'delivery_attempts',
  {
    webhook: integer('webhook_key').notNull(),
    event: integer('event_key').notNull(),
    attempt: integer('attempt').notNull(),
    at: integer('at').notNull(),
    status: integer('status'),
    /** Milliseconds. */
    duration: integer('duration').notNull(),
    answer: text('answer').notNull(),
  },
  (t) => [primaryKey({ columns: [t.webhook, t.event, t.attempt] })],
)

export const experimentStatuses = ['draft', 'running', 'paused', 'ended'] as const
export type ExperimentStatus = (typeof experimentStatuses)[number]

/** A variant as it is stored: shards from `from` up to `to` of the split, and a value of JSON. */
export interface StoredVariant {
  id: string
  from: number
  to: number
  value: string | number | bigint | boolean | object
}

/** Shares are in hundredths of a percent. */
export const experiments = sqliteTable(
  'experiments',
  {
    key: integer('key').primaryKey({ autoIncrement: true }),
    workspace: integer('workspace_id').notNull(),
    id: text('id').notNull(),
    name: text('name').notNull(),
    description: text('description'),
    /** The id of the experience group whose members are eligible; null: everybody. */
    group: text('group_id'),
    /** The id of the definition whose groups are drawn; null: participants are. */
    unit: text('unit_definition'),
    variants: exactJson('variants').$type<StoredVariant[]>().notNull(),
    control: text('control').notNull(),
    traffic: integer('traffic').notNull(),
    layer: text('layer_id'),
    layerFrom: integer('layer_from'),
    layerTo: integer('layer_to'),
    holdout: text('holdout_id'),
    holdoutShare: integer('holdout_share'),
    status: text('status', { enum: experimentStatuses }).notNull(),
    version: integer('version').notNull().default(1),
    createdAt: integer('created_on').notNull(),
    createdBy: text('created_by').notNull(),
    updatedAt: integer('last_modified_on').notNull(),
    updatedBy: text('last_modified_by').notNull(),
    /** The version of which an event `experiment.imbalanced` was written. */
    imbalancedVersion: integer('imbalanced_version'),
    deletedAt: integer('deleted_at'),
  },
  (t) => [
    uniqueIndex('experiments_by_id')
      .on(t.workspace, t.id)
      .where(sql`deleted_at IS NULL`),
    index('experiments_running')
      .on(t.key)
      .where(sql`status = 'running' AND deleted_at IS NULL`),
    index('experiments_deleted')
      .on(t.deletedAt)
      .where(sql`deleted_at IS NOT NULL`),
  ],
)

/** Who gets a variant whatever is drawn. */
export const experimentForced = sqliteTable(
  'experiment_forced',
  {
    experiment: integer('experiment_key').notNull(),
    participant: text('participant_id').notNull(),
    variant: text('variant').notNull(),
  },
  (t) => [primaryKey({ columns: [t.experiment, t.participant] })],
)

/** `due`: requested by a cron; `waiting`: requested by a client. */
export const balanceStates = ['due', 'waiting', 'counting', 'complete'] as const

/** How many members are drawn into each variant; `modifiedAt`: of the experiment as it was then. */
export interface BalanceCount {
  version: number
  modifiedAt: number
  revision: number
  members: number
  variants: { id: string; weight: number; observed: number }[]
}

/** How the members of an experiment's group fall into its variants: guarded by `step`, as jobs are. */
export const experimentBalances = sqliteTable(
  'experiment_balances',
  {
    experiment: integer('experiment_key').primaryKey(),
    workspace: integer('workspace_id').notNull(),
    state: text('state', { enum: balanceStates }).notNull(),
    step: integer('step').notNull().default(0),
    /** What is counted up to the participant `after`, since `begunAt`. */
    progress: text('progress', { mode: 'json' }).$type<
      BalanceCount & { after: string; begunAt: number }
    >(),
    /** The last that was complete. */
    result: text('result', { mode: 'json' }).$type<BalanceCount>(),
    updatedAt: integer('updated_at').notNull(),
  },
  (t) => [
    index('experiment_balances_unended')
      .on(t.updatedAt)
      .where(sql`state <> 'complete'`),
  ],
)

/** The first exposure of each participant to a version. */
export const exposures = sqliteTable(
  'exposures',
  {
    experiment: integer('experiment_key').notNull(),
    participant: text('participant_id').notNull(),
    version: integer('version').notNull(),
    variant: text('variant').notNull(),
    at: integer('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.experiment, t.participant, t.version] })],
)

/** Rows of `exposures`, counted: of a day in UTC, of all days, whose day is '', and of all versions, the version 0. */
export const exposureCounts = sqliteTable(
  'exposure_counts',
  {
    experiment: integer('experiment_key').notNull(),
    version: integer('version').notNull(),
    day: text('day').notNull(),
    variant: text('variant').notNull(),
    participants: integer('participants').notNull(),
  },
  (t) => [primaryKey({ columns: [t.experiment, t.version, t.day, t.variant] })],
)

/** Answers of requests with an Idempotency-Key, for a day. Written in the batch that the request makes. */
export const idempotencyKeys = sqliteTable(
  'idempotency_keys',
  {
    /** 0 for the installation's own administrator. */
    workspace: integer('workspace_id').notNull(),
    client: text('client_id').notNull(),
    /** SHA-256: a key may name a person. */
    keyHash: text('key_hash').notNull(),
    /** Of the request that was first. */
    request: text('request').notNull(),
    fingerprint: text('fingerprint').notNull(),
    at: integer('at').notNull(),
    /** The data of the event of what it has made; null where it makes nothing. */
    made: text('made', { mode: 'json' }).$type<Record<string, unknown>>(),
    /** Sealed with the key, which is not stored; null until the answer is sent. */
    answer: text('answer'),
  },
  (t) => [
    primaryKey({ columns: [t.workspace, t.client, t.keyHash] }),
    index('idempotency_keys_by_time').on(t.at),
    index('idempotency_keys_answered')
      .on(t.workspace)
      .where(sql`answer IS NOT NULL`),
  ],
)

/** Files that are sent piece by piece: by tus 1.0. */
export const resumableUploads = sqliteTable(
  'resumable_uploads',
  {
    key: integer('key').primaryKey({ autoIncrement: true }),
    id: text('id').notNull(),
    workspace: integer('workspace_id').notNull(),
    /** Null for a file of users. */
    group: text('group_id'),
    /** Of the whole file, in bytes, and how many are stored: whole parts until all are. */
    length: integer('length').notNull(),
    offset: integer('offset').notNull().default(0),
    fileName: text('file_name').notNull(),
    /** What was said of it: its name, and the fields of an upload in one request. */
    fields: text('fields', { mode: 'json' }).$type<Record<string, string>>().notNull(),
    /** The revisions of its group that it expects, as its If-Match has them. */
    expected: text('if_match', { mode: 'json' }).$type<{
      header: string
      revisions: readonly number[]
    }>(),
    fileKey: text('file_key').notNull(),
    /** R2's id of the multipart upload, and the parts that are stored. */
    multipart: text('multipart'),
    parts: text('parts', { mode: 'json' })
      .$type<{ partNumber: number; etag: string }[]>()
      .notNull()
      .default([]),
    /** SHA-256 after the bytes that are stored, as it goes on. */
    sha256: text('sha256'),
    /** How it is read, by its first part; null where it must be unpacked first. */
    format: text('format', { mode: 'json' }).$type<FileFormat>(),
    /** The request that stores bytes now, and when it has last stored some. */
    claim: text('claim'),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    job: text('job_id'),
  },
  (t) => [
    uniqueIndex('resumable_uploads_by_id').on(t.workspace, t.id),
    index('resumable_uploads_open')
      .on(t.workspace, t.length)
      .where(sql`job_id IS NULL`),
    index('resumable_uploads_by_time').on(t.updatedAt),
  ],
)

/** Who is signed in to the console, and links that sign in once. */
export const consoleSessions = sqliteTable(
  'console_sessions',
  {
    /** SHA-256 of what the cookie or the link has. */
    hash: text('hash').primaryKey(),
    kind: text('kind', { enum: ['session', 'link'] }).notNull(),
    client: text('client_id').notNull(),
    /** The e-mail of who came by Cloudflare Access; null by a client's secret. */
    person: text('person'),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (t) => [index('console_sessions_by_expiry').on(t.expiresAt)],
)

/** Which client somebody acts as who comes by Cloudflare Access. */
export const consolePeople = sqliteTable('console_people', {
  email: text('email').primaryKey(),
  client: text('client_id').notNull(),
})

export const placeStates = ['settled', 'copying', 'closing'] as const

/** Of the directory: where a workspace lives; one without a row lives on shard 0. */
export const places = sqliteTable(
  'places',
  {
    workspace: integer('workspace_id').primaryKey(),
    shard: integer('shard').notNull(),
    state: text('state', { enum: placeStates }).notNull().default('settled'),
    /** The shard that it is being moved to. */
    target: integer('target'),
    /** The shard that it was last moved from. */
    former: integer('former'),
    changedAt: integer('changed_at').notNull(),
  },
  (t) => [
    index('places_by_shard').on(t.shard),
    index('places_moved')
      .on(t.changedAt)
      .where(sql`target IS NOT NULL OR former IS NOT NULL`),
  ],
)

/** Of the directory: whose a client is; one without a row is of a workspace on shard 0. */
export const clientPlaces = sqliteTable('client_places', {
  client: text('client_id').primaryKey(),
  workspace: integer('workspace_id').notNull(),
})

/** `switched`: the workspace lives on the target, whose crons do not know yet; `moved`: they do. */
export const moveStates = [
  'preparing',
  'copying',
  'closing',
  'switched',
  'moved',
  'sweeping',
  'complete',
  'returning',
  'cancelled',
] as const

/** Of the directory: moves of workspaces from one shard to another, guarded by `step`, as jobs are. */
export const moves = sqliteTable(
  'moves',
  {
    key: integer('key').primaryKey({ autoIncrement: true }),
    workspace: integer('workspace_id').notNull(),
    source: integer('source').notNull(),
    target: integer('target').notNull(),
    state: text('state', { enum: moveStates }).notNull(),
    /** The last attempt to end it. */
    step: integer('step').notNull().default(0),
    /** Where it stands, as JSON. */
    place: text('place', { mode: 'json' }).$type<Record<string, unknown>>(),
    /** Rows that were copied, and changes that were copied after them, once the workspace has moved. */
    rows: integer('rows').notNull().default(0),
    changes: integer('changes').notNull().default(0),
    /** Milliseconds for which writers waited. */
    paused: integer('paused'),
    problem: text('problem'),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    endedAt: integer('ended_at'),
    /** From where the target numbers its rows from then on (see moving/key-range.ts). */
    keyRange: integer('key_range'),
  },
  (t) => [
    uniqueIndex('moves_unended')
      .on(t.workspace)
      .where(sql`ended_at IS NULL`),
    index('moves_by_workspace').on(t.workspace, t.key),
  ],
)

/** On the shard that a workspace is moved from: rows that were changed meanwhile. */
export const moveChanges = sqliteTable(
  'move_changes',
  {
    seq: integer('seq').primaryKey({ autoIncrement: true }),
    workspace: integer('workspace_id').notNull(),
    table: text('table_name').notNull(),
    /** Its primary key, as a JSON list. */
    key: text('row_key').notNull(),
  },
  (t) => [index('move_changes_by_workspace').on(t.workspace, t.seq)],
)

/**
 * On a shard: workspaces whose rows there nobody but a move may change: a copy that is not complete
 * (`arriving`), what it is made from while writers wait (`closed`), and what is `left` behind, or is
 * deleted in this batch (`swept`). `open`: they wait no more.
 */
export const fences = sqliteTable('fences', {
  workspace: integer('workspace_id').primaryKey(),
  state: text('state', { enum: ['arriving', 'closed', 'left', 'open', 'swept'] }).notNull(),
  /** Milliseconds, by the clock of the database. */
  until: integer('until').notNull(),
  /** Guards a copy, as that of a job; of what it is made from, the attempt to end the move. */
  step: integer('step').notNull().default(0),
  place: text('place', { mode: 'json' }).$type<CopyPlace>(),
})

/** How far a copy is: `table` by its place in the list of moving/tables.ts. */
export interface CopyPlace {
  phase: 'copying' | 'comparing' | 'following'
  table: number
  /** The key of the row that its rows belong to, where they belong to one. */
  parent: number
  /** The last row's columns of the table's order, as a JSON list. */
  after: string | null
  /** Copied, compared, and copied again as they had changed. */
  rows: number
  compared: number
  changes: number
  /** Ranges in a row that were not alike. */
  unlike: number
}
