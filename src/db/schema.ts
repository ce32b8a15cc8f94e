import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

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
  },
  (t) => [index('clients_by_workspace').on(t.workspace, t.id)],
)

/** `revision` is the last job whose changes readers see; a key is never used again, as rows of `members` may outlive their group. */
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
    removedSincePrune: integer('removed_since_prune').notNull().default(0),
    deletedAt: integer('deleted_at'),
  },
  (t) => [
    uniqueIndex('experience_groups_by_id').on(t.workspace, t.id),
    uniqueIndex('experience_groups_by_name')
      .on(t.workspace, t.name)
      .where(sql`deleted_at IS NULL`),
    index('experience_groups_deleted')
      .on(t.deletedAt)
      .where(sql`deleted_at IS NOT NULL`),
  ],
)

/** Who is in which group, by revision: in ⇔ added_rev <= revision AND (removed_rev IS NULL OR removed_rev > revision). */
export const members = sqliteTable(
  'members',
  {
    workspace: integer('workspace_id').notNull(),
    participant: text('participant_id').notNull(),
    group: integer('group_key').notNull(),
    addedRev: integer('added_rev').notNull(),
    removedRev: integer('removed_rev'),
    seenRev: integer('seen_rev').notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspace, t.participant, t.group] }), index('members_by_group').on(t.group, t.participant)],
)

export const jobStates = ['waiting', 'applying', 'sweeping', 'undoing', 'successful', 'partial', 'failed', 'cancelled'] as const

/** An upload and how far it has come. Every change of a job raises `step`, and every statement made for it is guarded by the step it saw. */
export const jobs = sqliteTable(
  'jobs',
  {
    key: integer('key').primaryKey({ autoIncrement: true }),
    id: text('id').notNull(),
    workspace: integer('workspace_id').notNull(),
    group: integer('group_key').notNull(),
    revision: integer('revision').notNull(),
    type: text('type', { enum: ['add', 'remove', 'replace'] }).notNull(),
    state: text('state', { enum: jobStates }).notNull(),
    failure: text('failure', { enum: ['no-good-row', 'gave-up'] }),
    fileName: text('file_name').notNull(),
    fileKey: text('file_key').notNull(),
    fileSize: integer('file_size').notNull(),
    sliceBytes: integer('slice_bytes').notNull(),
    createdBy: text('created_by').notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    endedAt: integer('ended_at'),
    step: integer('step').notNull().default(0),
    /** Where the next slice begins: byte, lines before it, and what it begins with (see csv.ts). */
    offset: integer('offset').notNull().default(0),
    line: integer('line').notNull().default(0),
    place: text('place', { enum: ['start', 'row', 'inside'] })
      .notNull()
      .default('start'),
    /** How many ids of that slice's sorted run are written; while sweeping or undoing, how many rows were looked at. */
    applied: integer('applied').notNull().default(0),
    batchIds: integer('batch_ids').notNull().default(10_000),
    reached: integer('reached').notNull().default(0),
    /** While sweeping or undoing: the last participant looked at, null once all were. */
    cursor: text('cursor').default(''),
    rows: integer('rows').notNull().default(0),
    badRows: integer('bad_rows').notNull().default(0),
    /** Rows of `members` that the file's ids changed. For a REPLACE that is each distinct id, once. */
    touched: integer('touched').notNull().default(0),
    added: integer('added').notNull().default(0),
    removed: integer('removed').notNull().default(0),
  },
  (t) => [
    uniqueIndex('jobs_by_id').on(t.workspace, t.id),
    uniqueIndex('jobs_by_group').on(t.group, t.revision),
    index('jobs_by_time').on(t.workspace, t.createdAt),
    index('jobs_unended')
      .on(t.updatedAt)
      .where(sql`ended_at IS NULL`),
  ],
)

/** The rows of a job's file that were refused, the first 10,000 of them. */
export const jobProblems = sqliteTable(
  'job_problems',
  {
    job: integer('job_key').notNull(),
    line: integer('line').notNull(),
    problem: text('problem', { enum: ['columns', 'format', 'too-long'] }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.job, t.line] })],
)
