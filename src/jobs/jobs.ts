import { and, asc, desc, eq, isNull, sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { jobProblems, jobs, problems, type FileFormat } from '../db/schema.ts'
import { unmoved, type Checkpoint } from './checkpoint.ts'
import { fileProblemOf } from './outcome.ts'
import type { Problem } from './problem.ts'

/** A file and how far it has been applied (see schema.ts). */
export type Job = typeof jobs.$inferSelect

export interface Paging<Field extends string> {
  page: number
  size: number
  sort: { field: Field; descending: boolean }
}

/** Problems kept of one job; beyond them only their number is. */
export const problemsMax = 10_000

export type ProblemField = 'line' | 'problem'

/** What was wrong with a row, and the beginning of its text; line 0 is the file as a whole. */
export interface KeptProblem {
  line: number
  problem: Problem
  value: string | null
}

/** One page of a job's kept problems; `ranks` are the problems in the order of their sentences. */
export async function listProblems(
  db: Db,
  job: Pick<Job, 'key' | 'badRows' | 'state' | 'failure'>,
  { page, size, sort }: Paging<ProblemField>,
  ranks: readonly Problem[] = problems,
): Promise<{ items: KeptProblem[]; total: number }> {
  const order = sort.descending ? desc : asc
  const rank = sql`instr(${ranks.join()}, ${jobProblems.problem})`
  const { line, problem, value } = jobProblems
  const items = await db
    .select({ line, problem, value })
    .from(jobProblems)
    .where(eq(jobProblems.job, job.key))
    .orderBy(order(sort.field === 'problem' ? rank : line), asc(line))
    .limit(size)
    .offset(page * size)
  const ofFile = fileProblemOf(job) === undefined ? 0 : 1
  return { items, total: Math.min(job.badRows, problemsMax) + ofFile }
}

/** The statement that keeps why a job fails as a whole, where no refused row says it. */
export function keepFileProblem(job: Job, failure: NonNullable<Job['failure']>): SQL[] {
  const problem = fileProblemOf({ ...job, state: 'failed', failure })
  if (problem === undefined) return []
  const guard = unmoved(jobs, job)
  const value = failure === 'not-text' ? `byte ${job.format?.nulAt}` : null
  return [
    sql`
    INSERT INTO job_problems (job_key, line, problem, value)
    SELECT ${job.key}, 0, ${problem}, ${value} WHERE ${guard} ON CONFLICT DO NOTHING`,
  ]
}

/** A file in storage that no job has applied yet. */
export interface StoredFile {
  fileName: string
  fileKey: string
  fileSize: number
  format: FileFormat
}

/** How many jobs of a group (see schema.ts) have not ended. */
export const unended = (group: SQL) =>
  sql`(SELECT count(*) FROM jobs WHERE group_key = ${group} AND ended_at IS NULL)`

export type NewJob = Omit<StoredFile, 'fileSize' | 'format'> & {
  fileSize: number | SQL
  format?: FileFormat
  audience?: string
} & Pick<Job, 'type' | 'createdBy'>

/**
 * The statement that opens the next job of a group, where `from` (`FROM … WHERE …`) gives a row: its
 * revision is the order in which it was accepted.
 */
export function openNext(
  { workspace, group, from }: { workspace: SQL; group: SQL; from: SQL },
  { type, fileName, fileKey, fileSize, createdBy, format, audience }: NewJob,
  { id, sliceBytes, now }: { id: string; sliceBytes: number; now: number },
): SQL {
  return sql`
    INSERT INTO jobs (id, workspace_id, group_key, revision, type, state, file_name, file_key,
      file_size, slice_bytes, created_by, created_at, updated_at, format, audience_id)
    SELECT ${id}, ${workspace}, ${group},
      1 + coalesce((SELECT max(revision) FROM jobs WHERE group_key = ${group}), 0),
      ${type}, 'waiting', ${fileName}, ${fileKey}, ${fileSize}, ${sliceBytes}, ${createdBy},
      ${now}, ${now}, ${format === undefined ? null : JSON.stringify(format)}, ${audience ?? null}
    ${from}`
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
