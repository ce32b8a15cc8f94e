import { and, eq, type SQLWrapper } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { experienceGroups } from '../db/schema.ts'
import { addMembers, removeMembers, removeUnseen, seeMembers, stretchEnd, undoRevision, type Stretch } from '../membership/members.ts'
import type { Resources } from '../resources.ts'
import { advance, claimJob, findJob, findNextJob, keepProblems, problemsMax, tally, unmoved, type GroupJob } from './jobs.ts'
import { hasEnded, outcomeOf } from './outcome.ts'
import { readSlice } from './slice.ts'
import { pruneDue } from './prune.ts'
import { wake } from './wake.ts'

/** A pass hands the rest of its job to another message after so many milliseconds, and before D1's 1,000 statements an invocation. */
const passTime = 20_000
const passStatements = 900

const idsPerStatement = 10_000
const idsPerBatchMax = 100_000
const rowsPerStretch = 50_000

/**
 * Carries a job on from where it stands: through its file slice by slice, through the members that a REPLACE did not see, or back
 * through what a failed job has written; and at its end, on to the next job of the group. Each step is one batch that moves the
 * job's checkpoint and holds only if nobody else has moved it, so that this may run twice, at the same time, or die anywhere.
 */
export async function runJob(res: Resources, workspace: number, key: number): Promise<void> {
  const db = res.databaseOf(workspace)
  const until = res.now() + passTime
  const over = () => res.now() > until || res.meter.statements > passStatements
  for (;;) {
    const job = await findJob(db, workspace, key)
    if (job === undefined) return
    if (hasEnded(job.state)) return handOver(res, db, job)
    if (over()) return wake(res, { kind: 'job', workspace, job: key })
    if (!(await step(res, db, job, over))) return
  }
}

/** Takes the job one state or one slice further. False: it must wait, or someone else moved it. */
async function step(res: Resources, db: Db, job: GroupJob, over: () => boolean): Promise<boolean> {
  switch (job.state) {
    case 'waiting':
      return claimJob(db, job, res.now())
    case 'applying':
      return job.offset < job.fileSize ? applySlice(res, db, job, over) : endOfFile(res, db, job)
    case 'sweeping':
      return walk(res, db, job, (stretch) => [removeUnseen(job, stretch, unmoved(job)), tally(job, 'removed')], endReplace)
    case 'undoing':
      return walk(res, db, job, (stretch) => undoRevision(job, stretch, unmoved(job)), endUndone)
    default:
      return false
  }
}

/** Runs one batch of a job, logs it, and tells whether the job was still where it was read. */
async function commit(res: Resources, db: Db, job: GroupJob, statements: SQLWrapper[], to: Parameters<typeof advance>[3]) {
  // Lets other requests in: where Worker and database share a thread, as locally, a chain of queries would keep it to itself.
  await scheduler.wait(1)
  const results = await together(db, [...statements, advance(db, job, res.now(), to)])
  const sum = (figure: 'duration' | 'rows_read' | 'rows_written') => results.reduce((total, { meta }) => total + meta[figure], 0)
  const ms = sum('duration')
  const moved = results.at(-1)?.meta.changes === 1
  const { workspace, id: jobId, state, step } = job
  const rows = { rowsRead: sum('rows_read'), rowsWritten: sum('rows_written') }
  console.log(JSON.stringify({ event: 'job-step', workspace, jobId, step, status: to.state ?? state, moved, ms, ...rows }))
  return { moved, ms }
}

async function applySlice(res: Resources, db: Db, job: GroupJob, over: () => boolean): Promise<boolean> {
  const range = { offset: job.offset, length: Math.min(job.sliceBytes, job.fileSize - job.offset) }
  const file = await res.files.get(job.fileKey, { range })
  if (file === null) throw new Error(`the file of job ${job.id} is gone`)
  const { place, line } = job
  const last = range.offset + range.length === job.fileSize
  const slice = readSlice(await file.arrayBuffer(), { place, line, last }, problemsMax - Math.min(job.badRows, problemsMax))

  const write = { add: addMembers, remove: removeMembers, replace: seeMembers }[job.type]
  for (let here = job; ;) {
    const applied = Math.min(here.applied + here.batchIds, slice.ids.length)
    const statements: SQLWrapper[] = []
    for (let from = here.applied; from < applied; from += idsPerStatement)
      statements.push(write(job, slice.ids.slice(from, Math.min(from + idsPerStatement, applied)), unmoved(here)), tally(here, 'touched'))

    const done = applied === slice.ids.length
    if (done && slice.problems.length > 0) statements.push(keepProblems(here, slice.problems))
    const reached = job.offset + (done ? slice.length : Math.floor((slice.length * applied) / slice.ids.length))
    const to = done
      ? {
          offset: reached,
          line: job.line + slice.lines,
          place: slice.place,
          rows: job.rows + slice.rows,
          badRows: job.badRows + slice.badRows,
          applied: 0,
          reached,
        }
      : { applied, reached }
    const { moved, ms } = await commit(res, db, here, statements, { ...to, batchIds: here.batchIds })
    if (!moved || done || over()) return moved
    here = { ...here, applied, step: here.step + 1, batchIds: nextBatch(here.batchIds, ms) }
  }
}

/** Batches grow while they are quick and shrink when they are slow: D1 ends one that takes longer than 30 seconds. */
function nextBatch(ids: number, ms: number): number {
  if (ms < 1000) return Math.min(ids * 2, idsPerBatchMax)
  return ms > 5000 ? Math.max(1000, Math.floor(ids / 2)) : ids
}

async function endOfFile(res: Resources, db: Db, job: GroupJob): Promise<boolean> {
  const outcome = outcomeOf(job)
  if (outcome === 'failed') {
    const { moved } = await commit(res, db, job, [], { state: 'failed', failure: 'no-good-row', endedAt: res.now() })
    return moved
  }
  if (job.type === 'replace') return (await commit(res, db, job, [], { state: 'sweeping', cursor: '', applied: 0 })).moved
  return goLive(res, db, job, job.type === 'add' ? { added: job.touched, removed: 0 } : { added: 0, removed: job.touched })
}

/** A REPLACE has touched each distinct id once: they are the group now, and those of them that were not kept are new. */
async function endReplace(res: Resources, db: Db, job: GroupJob): Promise<boolean> {
  const kept = job.groupCount - job.removed
  return goLive(res, db, job, { added: job.touched - kept, removed: job.removed })
}

/** The moment at which every reader sees the job's changes, all of them. */
async function goLive(res: Resources, db: Db, job: GroupJob, { added, removed }: { added: number; removed: number }): Promise<boolean> {
  const now = res.now()
  const group = db
    .update(experienceGroups)
    .set({
      revision: job.revision,
      participantCount: job.groupCount + added - removed,
      removedSincePrune: job.groupRemoved + removed,
      updatedAt: now,
    })
    .where(and(eq(experienceGroups.key, job.group), unmoved(job)))
  return (await commit(res, db, job, [group], { state: outcomeOf(job), added, removed, endedAt: now })).moved
}

async function endUndone(res: Resources, db: Db, job: GroupJob): Promise<boolean> {
  return (await commit(res, db, job, [], { state: 'failed', added: 0, removed: 0, touched: 0, endedAt: res.now() })).moved
}

/** Goes one stretch of the group's rows further, and ends the job's state after the last. */
async function walk(
  res: Resources,
  db: Db,
  job: GroupJob,
  write: (stretch: Stretch) => SQLWrapper[],
  end: (res: Resources, db: Db, job: GroupJob) => Promise<boolean>,
): Promise<boolean> {
  if (job.cursor === null) return end(res, db, job)
  const [bound] = await db.all<{ id: string }>(stretchEnd(job, job.cursor, rowsPerStretch))
  const statements = write({ after: job.cursor, upTo: bound?.id })
  return (await commit(res, db, job, statements, { cursor: bound?.id ?? null, applied: job.applied + rowsPerStretch })).moved
}

/** After a job: its file goes, the group's next job starts, and rows long dead go when there are many. Safe to repeat. */
async function handOver(res: Resources, db: Db, job: GroupJob): Promise<void> {
  await res.files.delete(job.fileKey)
  const next = await findNextJob(db, job.workspace, job.group)
  if (next !== undefined) await wake(res, { kind: 'job', workspace: job.workspace, job: next })
  if (pruneDue(job)) await wake(res, { kind: 'prune', workspace: job.workspace, group: job.group, after: '' })
}
