import { and, eq, type SQLWrapper } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { experienceGroups, jobs } from '../db/schema.ts'
import { removeUnseen, rangeEnd, undoRevision, type Range } from '../membership/members.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import type { Event } from '../webhooks/event.ts'
import { commitJob, startNext } from '../jobs/apply.ts'
import { carryOn } from '../jobs/carry-on.ts'
import { guardOf } from '../jobs/checkpoint.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { walkedTo, walkStart } from '../jobs/job.ts'
import { claimJob, recordFileProblem, tally } from '../jobs/jobs.ts'
import { hasEnded, outcomeOf } from '../jobs/outcome.ts'
import { findJob, type GroupJob } from './jobs.ts'
import { isPruneDue } from './prune.ts'
import type { Source, SourceOf } from './source.ts'

const rowsPerRange = 50_000

/** Carries a job on through its source's items and its sweep, or through undoing, to its end. */
export function runJob(
  res: Resources,
  workspace: number,
  key: number,
  sourceOf: SourceOf,
): Promise<void> {
  const db = res.databaseOf(workspace)
  return carryOn(res, {
    message: { kind: 'job', workspace, job: key },
    find: () => findJob(db, workspace, key),
    hasEnded: ({ state }) => hasEnded(state),
    step: (job, isOver) => step(res, db, { job, source: sourceOf(job), isOver }),
    afterwards: (job) => afterwards(res, db, job, sourceOf(job)),
  })
}

/** Takes the job one state or one slice further. False: it must wait, or someone else moved it. */
async function step(
  res: Resources,
  db: Db,
  { job, source, isOver }: { job: GroupJob; source: Source; isOver: () => boolean },
): Promise<boolean> {
  switch (job.state) {
    case 'waiting':
      return claimJob(db, job, res.now())
    case 'applying': {
      if (!source.isAtEnd) return source.next(res, db, isOver)
      const end = source.end(res.limits)
      if (end === 'sweep') return startSweep(res, db, job)
      if (end === 'live') return goLive(res, db, job, source)
      return end === 'mostly-bad' ? undo(res, db, job, end) : endFailed(res, db, job, end)
    }
    case 'sweeping':
      return walk(
        res,
        db,
        job,
        (range) => [removeUnseen(job, range, guardOf(jobs, job)), tally(job, 'removed')],
        (res, db, job) => goLive(res, db, job, source),
      )
    case 'undoing':
      return walk(res, db, job, (range) => undoRevision(job, range, guardOf(jobs, job)), endUndone)
    default:
      return false
  }
}

const startSweep = async (res: Resources, db: Db, job: GroupJob): Promise<boolean> =>
  (await commitJob(res, db, job, [], { ...walkStart, state: 'sweeping' })).moved

/** Takes back what a job has written, which then has failed for this reason. */
const undo = async (
  res: Resources,
  db: Db,
  job: GroupJob,
  failure: NonNullable<GroupJob['failure']>,
): Promise<boolean> =>
  (await commitJob(res, db, job, [], { ...walkStart, state: 'undoing', failure })).moved

/** How many a job has added and removed: a REPLACE touches each distinct id of its file once. */
function changesOf({ type, touched, removed, groupCount }: GroupJob) {
  if (type === 'add') return { added: touched, removed: 0 }
  if (type === 'remove') return { added: 0, removed: touched }
  return { added: touched - (groupCount - removed), removed }
}

/** The moment at which every reader sees the job's changes, all of them. */
async function goLive(res: Resources, db: Db, job: GroupJob, source: Source): Promise<boolean> {
  const { added, removed } = changesOf(job)
  const group = db
    .update(experienceGroups)
    .set({
      revision: job.revision,
      participantCount: job.groupCount + added - removed,
      removedSincePrune: job.groupRemoved + removed,
      updatedAt: res.now(),
    })
    .where(and(eq(experienceGroups.key, job.group), guardOf(jobs, job)))
  const data = {
    group_id: job.groupId,
    job_id: job.id,
    type: shownTypes[job.type],
    revision: job.revision,
    added,
    removed,
    unchanged: job.rows - job.badRows - (job.type === 'remove' ? removed : added),
    failed: job.badRows,
  }
  const events: Event[] = [{ type: 'group.participants.changed', data }, ...source.events(data)]
  return end(res, db, job, [group], { state: outcomeOf(job), added, removed }, events)
}

const shownTypes = { add: 'ADD', remove: 'REMOVE', replace: 'REPLACE' } as const

async function endUndone(res: Resources, db: Db, job: GroupJob): Promise<boolean> {
  const { failure } = job
  if (failure !== null && failure !== 'withdrawn') return endFailed(res, db, job, failure)
  return end(res, db, job, [], { ...nothingDone, state: 'cancelled' }, [])
}

const nothingDone = { added: 0, removed: 0, touched: 0 }

/** The job ends without having changed anything, and says why. */
async function endFailed(
  res: Resources,
  db: Db,
  job: GroupJob,
  failure: Exclude<NonNullable<GroupJob['failure']>, 'withdrawn'>,
): Promise<boolean> {
  const data = { job_id: job.id, group_id: job.groupId, reason: failure }
  const kept = recordFileProblem(job, failure)
  return end(res, db, job, kept, { ...nothingDone, state: 'failed', failure }, [
    { type: 'job.failed', data },
  ])
}

/** The last batch of a job, with its events. */
async function end(
  res: Resources,
  db: Db,
  job: GroupJob,
  statements: SQLWrapper[],
  to: Parameters<typeof commitJob>[4],
  events: Event[],
): Promise<boolean> {
  const now = res.now()
  const announcing = events.flatMap((event) =>
    announce(job.workspace, event, now, guardOf(jobs, job)),
  )
  const { moved, results } = await commitJob(res, db, job, [...statements, ...announcing], {
    ...to,
    endedAt: now,
  })
  await enqueueAnnounced(res, job.workspace, results)
  return moved
}

/** Goes one range of the group's rows further, and ends the job's state after the last. */
async function walk(
  res: Resources,
  db: Db,
  job: GroupJob,
  write: (range: Range) => SQLWrapper[],
  end: (res: Resources, db: Db, job: GroupJob) => Promise<boolean>,
): Promise<boolean> {
  const { after, members } = job.walk
  if (after === null) return end(res, db, job)
  const [bound] = await db.all<{ id: string }>(rangeEnd(job, after, rowsPerRange))
  const to = walkedTo({ after: bound?.id ?? null, members: members + rowsPerRange })
  return (await commitJob(res, db, job, write({ after, upTo: bound?.id }), to)).moved
}

/** After a job: its source cleans up, the next one starts, and rows long dead go when there are many. */
async function afterwards(res: Resources, db: Db, job: GroupJob, source: Source): Promise<void> {
  await source.cleanUp(res, db)
  await startNext(res, db, job, 'job')
  if (isPruneDue(job))
    await enqueue(res, { kind: 'prune', workspace: job.workspace, group: job.group, after: '' })
}
