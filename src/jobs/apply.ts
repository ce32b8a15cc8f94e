import { sql, type SQL, type SQLWrapper } from 'drizzle-orm'
import type { Result } from '../db/connect.ts'
import { jobs } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { commit, guardOf, type Checkpoint } from './checkpoint.ts'
import { firstUpTo } from './batch-size.ts'
import type { FileJob, Job } from './job.ts'
import { problemsMax } from './job-problems.ts'
import { advance, type Changes } from './jobs.ts'
import { legacyFormat } from './format.ts'
import type { Invocation } from './invocation.ts'
import type { Interruptible } from './interruptible.ts'
import type { SliceOptions, RefusedRow, Slice } from './slice.ts'

/** More problems than these are written in a batch of their own. */
const problemsBesideItems = 1000

/** The first batch of a sorted slice costs several times as much a row as the last one before it. */
const firstOfSliceMax = 12_000

/** How a file's slices are read, and their items written. */
export interface Content<Item, Of extends FileJob> {
  read: (bytes: ArrayBuffer, options: SliceOptions) => Interruptible<Slice<Item>>
  write: (items: Item[], job: Of) => SQL[]
  /** Bytes of an item, where they differ much. */
  bytesOf?: (item: Item) => number
  /** What the slice changes in the job's row beside its counts. */
  columns?: (slice: Slice<Item>) => Changes
  /** What follows a batch, by its results. */
  written?: (results: Result[]) => Promise<void>
  /** The items that exceed a limit, where that failed their batch; throws any other error. */
  refuse?: (error: unknown, items: Item[]) => Promise<Map<Item, RefusedRow>>
}

/** Runs one batch of a job as `commit` does. */
export function commitJob(res: Resources, job: Job, statements: SQLWrapper[], to: Changes) {
  const { workspace, id: jobId, state, step, source: work } = job
  const of = { event: 'job-step', work, workspace, jobId, step }
  const facts = { ...of, status: String(to.state ?? state) }
  const db = res.databaseOf(workspace)
  return commit(res, facts, [...statements, advance(db, job, res.now(), to)])
}

/** Applies a file's next slice, as time allows. False: someone else moved the job. */
export async function applySlice<Item, Of extends FileJob>(
  res: Resources,
  job: Of,
  content: Content<Item, Of>,
  invocation: Invocation,
): Promise<boolean> {
  if (job.format === null) return setFormat(res, job)
  const { read, bytesOf, columns } = content
  const range = { offset: job.offset, length: Math.min(job.sliceBytes, job.fileSize - job.offset) }
  const file = await res.files.get(job.fileKey, { range })
  if (file === null) throw new Error(`the file of job ${job.id} is missing`)
  const reading = read(await file.arrayBuffer(), {
    place: job.place,
    line: job.line,
    last: range.offset + range.length === job.fileSize,
    format: job.format,
    rowsMax: job.rowsMax,
    problemsMax: problemsMax - Math.min(job.badRows, problemsMax),
  })
  const slice = await invocation.runYielding(reading)
  invocation.limitNext(job, firstOfSliceMax)
  if (job.applied > slice.items.length)
    throw new Error(`a slice of job ${job.id} has fewer items than are applied`)

  for (let current = job; ;) {
    const most = slice.items.slice(current.applied, current.applied + invocation.itemsOf(job))
    const items = bytesOf === undefined ? most : firstUpTo(most, bytesOf, bytesMost)
    const applied = current.applied + items.length
    const isLast = applied === slice.items.length
    const done = isLast && (items.length === 0 || slice.problems.length <= problemsBesideItems)
    const reached =
      job.offset + (done ? slice.length : Math.floor((slice.length * applied) / slice.items.length))
    const to = done
      ? {
          ...columns?.(slice),
          offset: reached,
          line: job.line + slice.lines,
          place: slice.place,
          rows: job.rows + slice.rows,
          applied: 0,
          reached,
        }
      : { ...columns?.(slice), applied, reached }
    const [badRows, problems] = done ? [slice.badRows, slice.problems] : [0, []]
    const batch = { items, problems, badRows, to: { ...to, batchIds: invocation.itemsOf(job) } }
    const { moved, ms, refused } = await commitItems(res, current, content, batch)
    await invocation.took(ms, items.length)
    if (!moved || done || invocation.isOutOfTime()) return moved
    current = { ...current, applied, badRows: current.badRows + refused, step: current.step + 1 }
  }
}

interface Batch<Item> {
  items: Item[]
  problems: RefusedRow[]
  badRows: number
  to: Changes
}

/** Runs the batch of items; where some exceed a limit, that of the others. Gives how many do. */
async function commitItems<Item, Of extends FileJob>(
  res: Resources,
  job: Of,
  { write, written, refuse }: Content<Item, Of>,
  { items, problems, badRows, to }: Batch<Item>,
): Promise<{ moved: boolean; ms: number; refused: number }> {
  const commitAll = async (accepted: Item[], refused: RefusedRow[]) => {
    const shown = refused.slice(0, Math.max(0, problemsMax - job.badRows))
    const statements = [
      ...(accepted.length === 0 ? [] : write(accepted, job)),
      ...recordProblems(job, [...shown, ...problems]),
    ]
    const counted = { ...to, badRows: job.badRows + badRows + refused.length }
    const committed = await commitJob(res, job, statements, counted)
    await written?.(committed.results)
    return { ...committed, refused: refused.length }
  }
  try {
    return await commitAll(items, [])
  } catch (error) {
    if (refuse === undefined) throw error
    const refused = await refuse(error, items)
    const accepted = items.filter((item) => !refused.has(item))
    return commitAll(accepted, [...refused.values()])
  }
}

/** Bytes of a batch's items, about: in JSON they may be six times as many. */
const bytesMost = 2 ** 20

/** A slice begun by a version without formats starts over, as that read rows differently. */
const setFormat = async (res: Resources, job: FileJob): Promise<boolean> =>
  (await commitJob(res, job, [], { format: legacyFormat, applied: 0 })).moved

/** Problems of one statement: D1 takes strings of up to 2 MB. */
const problemsPerStatement = 2000

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

/** Deletes the file of a job that has ended. Safe to repeat. */
export const deleteFile = (res: Resources, { fileKey }: FileJob): Promise<void> =>
  res.files.delete(fileKey)
