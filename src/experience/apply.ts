import { and, eq, type SQL, type SQLWrapper } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { experienceGroups, jobs, syncRules } from '../db/schema.ts'
import {
  addMembers,
  listed,
  removeMembers,
  removeUnseen,
  seeMembers,
  stretchEnd,
  undoRevision,
  type Stretch,
} from '../membership/members.ts'
import type { Limits, Resources } from '../resources.ts'
import { applySlice, commitJob, handOver, type Content } from '../work/apply.ts'
import { beginPass, unmoved } from '../work/checkpoint.ts'
import { claimJob, keepFileProblem, tally } from '../work/jobs.ts'
import { hasEnded, isMostlyBad, outcomeOf } from '../work/outcome.ts'
import { announce, ringFor } from '../webhooks/announce.ts'
import type { Event } from '../webhooks/event.ts'
import { wake } from '../work/wake.ts'
import { findJob, type GroupJob } from './jobs.ts'
import { pruneDue } from './prune.ts'
import { readParticipants } from './slice.ts'

const idsPerStatement = 10_000
const rowsPerStretch = 50_000

/** Takes a job whose participants are an audience one stretch of users further; false if someone else moved it (see audiences/apply.ts). */
export type ApplyAudience = (res: Resources, db: Db, job: GroupJob) => Promise<boolean>

/**
 * Carries a job on from where it stands: through its file slice by slice, through the members that a REPLACE did not see, or back
 * through what a failed job has written; and at its end, on to the next job of the group. Each step is one batch that moves the
 * job's checkpoint and holds only if nobody else has moved it, so that this may run twice, at the same time, or die anywhere.
 */
export async function runJob(
  res: Resources,
  workspace: number,
  key: number,
  applyAudience: ApplyAudience,
): Promise<void> {
  const db = res.databaseOf(workspace)
  const over = beginPass(res)
  for (;;) {
    const job = await findJob(db, workspace, key)
    if (job === undefined) return
    if (hasEnded(job.state)) return afterwards(res, db, job)
    if (over()) return wake(res, { kind: 'job', workspace, job: key })
    if (!(await step(res, db, job, over, applyAudience))) return
  }
}

/** Takes the job one state or one slice further. False: it must wait, or someone else moved it. */
async function step(
  res: Resources,
  db: Db,
  job: GroupJob,
  over: () => boolean,
  applyAudience: ApplyAudience,
): Promise<boolean> {
  switch (job.state) {
    case 'waiting':
      return claimJob(db, job, job.audience === null ? 'writing' : 'applying', res.now())
    case 'applying':
    case 'writing':
      if (job.format !== null && job.format.nulAt !== null)
        return endFailed(res, db, job, 'not-text')
      if (job.offset === job.fileSize) return endOfFile(res, db, job)
      return job.audience === null
        ? applySlice(res, db, job, participantsOf(res.limits), over)
        : applyAudience(res, db, job)
    case 'sweeping':
      return walk(
        res,
        db,
        job,
        (stretch) => [removeUnseen(job, stretch, unmoved(jobs, job)), tally(job, 'removed')],
        endReplace,
      )
    case 'undoing':
      return walk(
        res,
        db,
        job,
        (stretch) => undoRevision(job, stretch, unmoved(jobs, job)),
        endUndone,
      )
    default:
      return false
  }
}

const writers = { add: addMembers, remove: removeMembers, replace: seeMembers }

/** The statements that write what a job says of these participants: each takes a part of the run of ids, and counts whom it changed. */
function writeParticipants(ids: string[], job: GroupJob): SQL[] {
  const write = writers[job.type]
  const statements: SQL[] = []
  for (let from = 0; from < ids.length; from += idsPerStatement)
    statements.push(
      write(job, listed(ids.slice(from, from + idsPerStatement)), unmoved(jobs, job)),
      tally(job, 'touched'),
    )
  return statements
}

const participantsOf = ({ participantMax }: Limits): Content<string, GroupJob> => ({
  read: (bytes, at) => readParticipants(bytes, at, participantMax),
  write: writeParticipants,
})

async function endOfFile(res: Resources, db: Db, job: GroupJob): Promise<boolean> {
  // A sync has taken out already who has left: it goes by user, and looks for both at once.
  if (job.audience !== null) return endReplace(res, db, job)
  if (outcomeOf(job) === 'failed') return endFailed(res, db, job, 'no-good-row')
  if (isMostlyBad(job, res.limits.badRowsMaxPercent)) return undo(res, db, job, 'mostly-bad')
  if (job.type === 'replace')
    return (await commitJob(res, db, job, [], { state: 'sweeping', cursor: '', applied: 0 })).moved
  return goLive(
    res,
    db,
    job,
    job.type === 'add' ? { added: job.touched, removed: 0 } : { added: 0, removed: job.touched },
  )
}

/** Takes back what a job has written, which then has failed for this reason. */
const undo = async (
  res: Resources,
  db: Db,
  job: GroupJob,
  failure: NonNullable<GroupJob['failure']>,
): Promise<boolean> =>
  (await commitJob(res, db, job, [], { state: 'undoing', failure, cursor: '', applied: 0 })).moved

/** A REPLACE has touched each distinct id once: they are the group now, and those of them that were not kept are new. */
async function endReplace(res: Resources, db: Db, job: GroupJob): Promise<boolean> {
  const kept = job.groupCount - job.removed
  return goLive(res, db, job, { added: job.touched - kept, removed: job.removed })
}

/** The moment at which every reader sees the job's changes, all of them. */
async function goLive(
  res: Resources,
  db: Db,
  job: GroupJob,
  { added, removed }: { added: number; removed: number },
): Promise<boolean> {
  const group = db
    .update(experienceGroups)
    .set({
      revision: job.revision,
      participantCount: job.groupCount + added - removed,
      removedSincePrune: job.groupRemoved + removed,
      updatedAt: res.now(),
    })
    .where(and(eq(experienceGroups.key, job.group), unmoved(jobs, job)))
  const data = {
    group_id: job.groupId,
    job_id: job.id,
    type: typesTold[job.type],
    revision: job.revision,
    added,
    removed,
    unchanged: job.rows - job.badRows - (job.type === 'remove' ? removed : added),
    failed: job.badRows,
  }
  const told: Event[] = [{ type: 'group.participants.changed', data }]
  if (job.audience !== null)
    told.push({ type: 'audience.synced', data: { ...data, audience_id: job.audience } })
  return end(res, db, job, [group], { state: outcomeOf(job), added, removed }, told)
}

const typesTold = { add: 'ADD', remove: 'REMOVE', replace: 'REPLACE' } as const

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
  const kept = keepFileProblem(job, failure)
  return end(res, db, job, kept, { ...nothingDone, state: 'failed', failure }, [
    { type: 'job.failed', data },
  ])
}

/** The last batch of a job, in which others are told of it. */
async function end(
  res: Resources,
  db: Db,
  job: GroupJob,
  statements: SQLWrapper[],
  to: Parameters<typeof commitJob>[4],
  told: Event[],
): Promise<boolean> {
  const now = res.now()
  const telling = told.flatMap((event) => announce(job.workspace, event, now, unmoved(jobs, job)))
  const { moved, results } = await commitJob(res, db, job, [...statements, ...telling], {
    ...to,
    endedAt: now,
  })
  await ringFor(res, job.workspace, results)
  return moved
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
  return (
    await commitJob(res, db, job, statements, {
      cursor: bound?.id ?? null,
      applied: job.applied + rowsPerStretch,
    })
  ).moved
}

/** After a job: what any file's job does, and rows long dead go when there are many. Safe to repeat. */
async function afterwards(res: Resources, db: Db, job: GroupJob): Promise<void> {
  if (job.audience !== null) await db.delete(syncRules).where(eq(syncRules.job, job.key))
  await handOver(res, db, job, 'job')
  if (pruneDue(job))
    await wake(res, { kind: 'prune', workspace: job.workspace, group: job.group, after: '' })
}
