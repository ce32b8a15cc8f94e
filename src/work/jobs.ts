import { and, asc, desc, eq, isNull, sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { jobProblems, jobs } from '../db/schema.ts'
import type { Checkpoint } from './checkpoint.ts'

/** A file and how far it has been applied (see schema.ts). */
export type Job = typeof jobs.$inferSelect

/** What was wrong with a row of a file. */
export type Problem = (typeof jobProblems.$inferSelect)['problem']

export interface Paging<Field extends string> {
  page: number
  size: number
  sort: { field: Field; descending: boolean }
}

/** Problems kept of one job; beyond them only their number is. */
export const problemsMax = 10_000

export type ProblemField = 'line' | 'problem'

/** One page of a job's kept problems. `problem` sorts as its sentences do (see groups-v3/errors.ts). */
export async function listProblems(
  db: Db,
  { key, badRows }: Pick<Job, 'key' | 'badRows'>,
  { page, size, sort }: Paging<ProblemField>,
): Promise<{ items: { line: number; problem: Problem }[]; total: number }> {
  const order = sort.descending ? desc : asc
  const items = await db
    .select({ line: jobProblems.line, problem: jobProblems.problem })
    .from(jobProblems)
    .where(eq(jobProblems.job, key))
    .orderBy(order(jobProblems[sort.field]), asc(jobProblems.line))
    .limit(size)
    .offset(page * size)
  return { items, total: Math.min(badRows, problemsMax) }
}

/** A file in storage that no job has applied yet. */
export interface StoredFile {
  fileName: string
  fileKey: string
  fileSize: number
}

/** How many jobs of a group (see schema.ts) have not ended. */
export const unended = (group: SQL) =>
  sql`(SELECT count(*) FROM jobs WHERE group_key = ${group} AND ended_at IS NULL)`

export type NewJob = Omit<StoredFile, 'fileSize'> & {
  fileSize: number | SQL
  audience?: string | null
} & Pick<Job, 'type' | 'createdBy'>

/** The columns of a new job, for an insert from a select: the next of its group. */
export function newJob(
  workspace: SQL,
  group: SQL,
  { type, fileName, fileKey, fileSize, createdBy, audience = null }: NewJob,
  sliceBytes: number,
  now: number,
): SQL {
  return sql`NULL, ${crypto.randomUUID()}, ${workspace}, ${group}, 1 + coalesce((SELECT max(revision) FROM jobs WHERE group_key = ${group}), 0),
    ${type}, 'waiting', NULL, ${fileName}, ${fileKey}, ${fileSize}, ${sliceBytes},
    ${createdBy}, ${now}, ${now}, NULL, 0, 0, 0, 'start', 0, 10000, 0, '', 0, 0, 0, 0, 0, NULL, ${audience}, NULL`
}

/** The last statement of a job's batch: moves it on, if nobody has moved it since it was read. */
export function advance(
  db: Db,
  job: Checkpoint,
  now: number,
  to: { [Column in keyof Job]?: Job[Column] | SQL },
) {
  return db
    .update(jobs)
    .set({ ...to, step: job.step + 1, updatedAt: now })
    .where(and(eq(jobs.key, job.key), eq(jobs.step, job.step)))
}

/** Adds the rows that the statement before it changed to one of the job's counts. */
export function tally({ key, step }: Checkpoint, count: 'touched' | 'added' | 'removed'): SQL {
  return sql`UPDATE jobs SET ${sql.raw(count)} = ${sql.raw(count)} + changes() WHERE key = ${key} AND step = ${step}`
}

/** Whether an earlier job of the same group has not ended. */
export const earlierUnended = sql`EXISTS (SELECT 1 FROM jobs AS earlier WHERE earlier.group_key = jobs.group_key
  AND earlier.revision < jobs.revision AND earlier.ended_at IS NULL)`

/** Starts a waiting job, in slices of as many rows as `state` has, unless an earlier one of its group has not ended. Tells whether it did. */
export async function claimJob(
  db: Db,
  job: Checkpoint,
  state: 'applying' | 'writing',
  now: number,
): Promise<boolean> {
  const { meta } = await db
    .update(jobs)
    .set({ state, step: job.step + 1, updatedAt: now })
    .where(and(eq(jobs.key, job.key), eq(jobs.step, job.step), sql`NOT ${earlierUnended}`))
  return meta.changes === 1
}

/** Marks a job as failed that could not be finished, so that what it has written is undone. Tells whether there was such a job. */
export async function giveUp(
  db: Db,
  workspace: number,
  key: number,
  now: number,
): Promise<boolean> {
  const { meta } = await db
    .update(jobs)
    .set({
      state: 'undoing',
      failure: 'gave-up',
      cursor: '',
      applied: 0,
      step: sql`step + 1`,
      updatedAt: now,
    })
    .where(
      and(
        eq(jobs.workspace, workspace),
        eq(jobs.key, key),
        isNull(jobs.endedAt),
        sql`state <> 'undoing'`,
      ),
    )
  return meta.changes === 1
}

/** The job of a group that is next to run, if one waits. */
export async function findNextJob(
  db: Db,
  { workspace, group }: Pick<Job, 'workspace' | 'group'>,
): Promise<number | undefined> {
  const [next] = await db
    .select({ key: jobs.key })
    .from(jobs)
    .where(and(eq(jobs.workspace, workspace), eq(jobs.group, group), isNull(jobs.endedAt)))
    .orderBy(asc(jobs.revision))
    .limit(1)
  return next?.key
}
