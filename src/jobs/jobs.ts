import { and, eq, isNull, lte, sql, type SQL } from 'drizzle-orm'
import type { Actor } from '../actor.ts'
import { together, type Db, type Result } from '../db/connect.ts'
import { jobs, type FileFormat } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import type { Limits } from '../limits.ts'
import type { Resources } from '../resources.ts'
import type { Checkpoint } from './checkpoint.ts'
import { walkStart, type FileJob, type JobRow } from './job.ts'

export interface Paging<Field extends string> {
  page: number
  size: number
  sort: { field: Field; descending: boolean }
}

/** A file in storage that no job has applied yet. */
export interface StoredFile {
  fileName: string
  fileKey: string
  fileSize: number
  format: FileFormat
  /** Of the bytes that were sent, before they were unpacked; in hexadecimal digits. */
  fileSha256: string
}

/** The number of a queue's jobs that have not ended, in SQL. Those of erasures do not count. */
export const countUnended = (queue: SQL) => sql`(
  SELECT count(*) FROM jobs
  WHERE group_key = ${queue} AND ended_at IS NULL AND erasure_key IS NULL)`

/** The same of a workspace. */
export const countUnendedOf = (workspace: number) => sql`(
  SELECT count(*) FROM jobs INDEXED BY jobs_unended_by_workspace
  WHERE workspace_id = ${workspace} AND ended_at IS NULL AND erasure_key IS NULL)`

/** The bytes of a workspace's files that are not applied yet, or still being sent, in SQL. */
export const waitingBytes = (workspace: number) => sql`((
  SELECT coalesce(sum(file_size), 0) FROM jobs INDEXED BY jobs_unended_by_workspace
  WHERE workspace_id = ${workspace} AND ended_at IS NULL
    AND audience_id IS NULL AND erasure_key IS NULL AND type <> 'revert' AND state <> 'held') + (
  SELECT coalesce(sum(length), 0) FROM resumable_uploads INDEXED BY resumable_uploads_open
  WHERE workspace_id = ${workspace} AND job_id IS NULL AND updated_at > 0))`

/** The limits of files, and the bytes that count already, as they came by an upload in pieces. */
type FileLimits = Limits & { counted?: number }

/** Whether a queue and its workspace take one more file of a size, in SQL. */
export const takesFile = (
  workspace: number,
  queue: SQL,
  size: number,
  { jobsWaitingMax, jobsUnendedMax, waitingBytesMax, counted = 0 }: FileLimits,
) => sql`(${countUnended(queue)} < ${jobsWaitingMax}
  AND ${countUnendedOf(workspace)} < ${jobsUnendedMax}
  AND ${waitingBytes(workspace)} + ${size - counted} <= ${waitingBytesMax})`

/**
 * Gives the bytes that one more file may have. Throws `jobs-waiting` where a queue or its workspace
 * takes no more files now, and `limit` where their bytes are too many.
 */
export async function checkTakesFile(
  db: Db,
  workspace: number,
  queue: number,
  { jobsWaitingMax, jobsUnendedMax, waitingBytesMax, counted = 0 }: FileLimits,
): Promise<number> {
  const unended = await db.get<{ ofQueue: number; ofWorkspace: number; bytes: number }>(sql`
    SELECT ${countUnended(sql`${queue}`)} AS ofQueue, ${countUnendedOf(workspace)} AS ofWorkspace,
      ${waitingBytes(workspace)} - ${counted} AS bytes`)
  if (unended.ofQueue >= jobsWaitingMax)
    throw new Failure({ reason: 'jobs-waiting', max: jobsWaitingMax })
  if (unended.ofWorkspace >= jobsUnendedMax)
    throw new Failure({ reason: 'jobs-waiting', max: jobsUnendedMax })
  if (unended.bytes >= waitingBytesMax) throw tooManyBytes(waitingBytesMax)
  return waitingBytesMax - unended.bytes
}

export const tooManyBytes = (max: number) =>
  new Failure({ reason: 'limit', what: 'waiting-bytes', max })

export type NewJob = Pick<JobRow, 'type' | 'createdBy'> & {
  actor: Actor
  fileName: string | SQL
  fileKey: string | SQL
  fileSize: number | SQL
  format?: FileFormat
  fileSha256?: string
  audience?: SQL
  erasure?: SQL
  mode?: JobRow['mode']
  maxRemovePercent?: number | null
}

/** Items of a job's first batch: users have many values, and a rule may cost much. */
const firstBatch = { add: 4000, remove: 4000, replace: 2000, revert: 4000, users: 500 }

/**
 * The statement that opens the next job of a queue for each row of `from` (`FROM … WHERE …`).
 * Revisions number jobs in the order of acceptance.
 */
export function insertNextJob(
  { workspace, queue, from }: { workspace: SQL; queue: SQL; from: SQL },
  { type, fileName, fileKey, fileSize, createdBy, actor, ...more }: NewJob,
  { id, sliceBytes, now }: { id: string | SQL; sliceBytes: number; now: number },
) {
  return sql<{ job: number }>`
    INSERT INTO jobs (id, workspace_id, group_key, revision, type, state, file_name, file_key,
      file_size, slice_bytes, batch_ids, created_by, actor, created_at, updated_at,
      format, audience_id, erasure_key, file_sha256, mode, max_remove_percent)
    SELECT ${id}, ${workspace}, ${queue},
      1 + coalesce((SELECT max(revision) FROM jobs WHERE group_key = ${queue}), 0),
      ${type}, 'waiting', ${fileName}, ${fileKey}, ${fileSize}, ${sliceBytes},
      ${firstBatch[type]}, ${createdBy}, ${JSON.stringify(actor)}, ${now}, ${now},
      ${more.format === undefined ? null : JSON.stringify(more.format)}, ${more.audience ?? null},
      ${more.erasure ?? null}, ${more.fileSha256 ?? null}, ${more.mode ?? null},
      ${more.maxRemovePercent ?? null}
    ${from} RETURNING key AS job`
}

/** What a client is shown of a job that was just opened. */
export type OpenedJob = Pick<FileJob, 'key' | 'id'> & Pick<StoredFile, 'fileName' | 'fileSha256'>

/** The database did not say whether it has opened a job. */
export class UnknownOutcome extends Error {}

/**
 * Runs `insertNextJob` and what `follows` in one batch. Gives the job's key, undefined where it
 * opened none, and the results, none where the answer was lost. Throws `UnknownOutcome`.
 */
export async function openNextJob(
  db: Db,
  { workspace, id }: { workspace: number; id: string },
  insert: SQL<{ job: number }>,
  follows: SQL[],
): Promise<{ key: number | undefined; results: Result[] }> {
  try {
    const results = await together(db, [insert, ...follows])
    return { key: results[0].rows[0]?.job, results }
  } catch (error) {
    // The answer alone may be lost.
    const key = await findKey(db, workspace, id).catch((cause: unknown) => {
      throw new UnknownOutcome(`job ${id} may be open`, { cause })
    })
    if (key === undefined) throw error
    return { key, results: [] }
  }
}

async function findKey(db: Db, workspace: number, id: string): Promise<number | undefined> {
  const [found] = await db
    .select({ key: jobs.key })
    .from(jobs)
    .where(and(eq(jobs.workspace, workspace), eq(jobs.id, id)))
  return found?.key
}

/** Columns of a job, and what they become. */
export type Changes = { [Column in keyof JobRow]?: JobRow[Column] | SQL }

/** The last statement of a job's batch: moves it, unless another invocation has. */
export function advance(db: Db, job: Checkpoint, now: number, to: Changes) {
  return db
    .update(jobs)
    .set({ ...to, step: job.step + 1, updatedAt: now })
    .where(and(eq(jobs.key, job.key), eq(jobs.step, job.step)))
}

/** Adds the changes of the statement before to a job's count. */
export function tally({ key, step }: Checkpoint, count: 'touched' | 'added' | 'removed'): SQL {
  return sql`
    UPDATE jobs SET ${sql.raw(count)} = ${sql.raw(count)} + changes()
    WHERE key = ${key} AND step = ${step}`
}

/**
 * Starts to undo a job that cannot be finished; false if it has ended, is held or being undone, or
 * was moved after `before`.
 */
export async function giveUp(
  res: Resources,
  workspace: number,
  key: number,
  before?: number,
): Promise<boolean> {
  const { meta } = await res
    .databaseOf(workspace)
    .update(jobs)
    .set({
      ...walkStart,
      state: 'undoing',
      failure: 'gave-up',
      step: sql`step + 1`,
      updatedAt: res.now(),
    })
    .where(
      and(
        eq(jobs.workspace, workspace),
        eq(jobs.key, key),
        isNull(jobs.endedAt),
        before === undefined ? undefined : lte(jobs.updatedAt, before),
        sql`state NOT IN ('held', 'undoing')`,
      ),
    )
  return meta.changes > 0
}
