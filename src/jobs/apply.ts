import { sql, type SQL, type SQLWrapper } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { jobs } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { commit, guardOf, type Checkpoint } from './checkpoint.ts'
import type { FileJob, Job } from './job.ts'
import { advance, findNextJob, problemsMax, type Changes } from './jobs.ts'
import { legacyFormat } from './format.ts'
import type { SliceOptions, RefusedRow, Slice } from './slice.ts'
import { enqueue } from './enqueue.ts'

const itemsPerBatchMax = 100_000

/** How a slice of a file is read, and the statements that write some of its items. */
export interface Content<Item, Of extends FileJob> {
  read: (bytes: ArrayBuffer, at: SliceOptions) => Slice<Item>
  write: (items: Item[], job: Of) => SQL[]
  /** What the job keeps of the slice beside its counts. */
  columns?: (slice: Slice<Item>) => Changes
}

/** Runs one batch of a job as `commit` does. */
export function commitJob(res: Resources, db: Db, job: Job, statements: SQLWrapper[], to: Changes) {
  const { workspace, id: jobId, state, step } = job
  const facts = { event: 'job-step', workspace, jobId, step, status: String(to.state ?? state) }
  return commit(db, facts, [...statements, advance(db, job, res.now(), to)])
}

/** Applies the next slice of a job's file, or as much of it as there is time for. False: someone else moved the job. */
export async function applySlice<Item, Of extends FileJob>(
  res: Resources,
  db: Db,
  job: Of,
  { read, write, columns: columns }: Content<Item, Of>,
  isOutOfTime: () => boolean,
): Promise<boolean> {
  if (job.format === null) return setFormat(res, db, job)
  const range = { offset: job.offset, length: Math.min(job.sliceBytes, job.fileSize - job.offset) }
  const file = await res.files.get(job.fileKey, { range })
  if (file === null) throw new Error(`the file of job ${job.id} is gone`)
  const slice = read(await file.arrayBuffer(), {
    place: job.place,
    line: job.line,
    last: range.offset + range.length === job.fileSize,
    format: job.format,
    rowsMax: job.rowsMax,
    problemsMax: problemsMax - Math.min(job.badRows, problemsMax),
  })

  for (let current = job; ;) {
    const applied = Math.min(current.applied + current.batchItems, slice.items.length)
    const statements =
      applied === current.applied ? [] : write(slice.items.slice(current.applied, applied), current)
    const done = applied === slice.items.length
    if (done) statements.push(...recordProblems(current, slice.problems))
    const reached =
      job.offset + (done ? slice.length : Math.floor((slice.length * applied) / slice.items.length))
    const to = done
      ? {
          ...columns?.(slice),
          offset: reached,
          line: job.line + slice.lines,
          place: slice.place,
          rows: job.rows + slice.rows,
          badRows: job.badRows + slice.badRows,
          applied: 0,
          reached,
        }
      : { applied, reached }
    const { moved, ms } = await commitJob(res, db, current, statements, {
      ...to,
      batchIds: current.batchItems,
    })
    if (!moved || done || isOutOfTime()) return moved
    current = {
      ...current,
      applied,
      step: current.step + 1,
      batchItems: nextBatchItems(current.batchItems, ms),
    }
  }
}

/** A slice that the version before began starts over, as that version read rows differently. */
const setFormat = async (res: Resources, db: Db, job: FileJob): Promise<boolean> =>
  (await commitJob(res, db, job, [], { format: legacyFormat, applied: 0 })).moved

/** Problems of one statement: D1 takes strings of up to 2 MB. */
const problemsPerStatement = 2000

/** The statements that keep problems of a job's rows. */
function recordProblems(job: Checkpoint, problems: RefusedRow[]): SQL[] {
  const statements: SQL[] = []
  for (let from = 0; from < problems.length; from += problemsPerStatement) {
    const rows = JSON.stringify(problems.slice(from, from + problemsPerStatement))
    statements.push(sql`
      INSERT INTO job_problems (job_key, line, problem, value)
      SELECT ${job.key}, value ->> 0, value ->> 1, value ->> 2 FROM json_each(${rows})
      WHERE ${guardOf(jobs, job)}`)
  }
  return statements
}

/** Batches grow while they are quick and shrink when they are slow: D1 ends one that takes longer than 30 seconds. */
function nextBatchItems(items: number, ms: number): number {
  if (ms < 1000) return Math.min(items * 2, itemsPerBatchMax)
  return ms > 5000 ? Math.max(1000, Math.floor(items / 2)) : items
}

/** Deletes the file of a job that has ended. Safe to repeat. */
export const deleteFile = (res: Resources, { fileKey }: FileJob): Promise<void> =>
  res.files.delete(fileKey)

/** Enqueues the next job of the queue. Safe to repeat. */
export async function startNext(
  res: Resources,
  db: Db,
  job: Job,
  kind: 'job' | 'import',
): Promise<void> {
  const next = await findNextJob(db, job)
  if (next !== undefined) await enqueue(res, { kind, workspace: job.workspace, job: next })
}
