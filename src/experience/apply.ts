import { and, eq, sql, type SQL, type SQLWrapper } from 'drizzle-orm'
import type { Result } from '../db/connect.ts'
import { experienceGroups, jobs } from '../db/schema.ts'
import { removeUnseen, rangeEnd, undoRevision, type Range } from '../membership/members.ts'
import { flagOf, type MessageOf } from '../messages.ts'
import type { Limits } from '../limits.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import type { Event } from '../webhooks/event.ts'
import { commitJob } from '../jobs/apply.ts'
import { carryOn } from '../jobs/carry-on.ts'
import { guardOf } from '../jobs/checkpoint.ts'
import { enqueue } from '../jobs/enqueue.ts'
import type { Invocation } from '../jobs/invocation.ts'
import { actorOf, walkedTo, walkStart } from '../jobs/job.ts'
import { recordFileProblem, tally, type Changes } from '../jobs/jobs.ts'
import { hasEnded, outcomeOf } from '../jobs/outcome.ts'
import { claimJob, startNext } from '../jobs/turn.ts'
import { countMembers } from './groups.ts'
import { findJob, typeNames, type GroupJob } from './jobs.ts'
import { isPruneDue } from './prune.ts'
import type { Source, SourceOf } from './source.ts'

/** Carries a job on: its source's items, then a sweep if need be; or it is undone. */
export function runJob(
  res: Resources,
  { workspace, job: key, scheduled }: MessageOf<'job'>,
  sourceOf: SourceOf,
): Promise<void> {
  const db = res.databaseOf(workspace)
  return carryOn(res, {
    message: { kind: 'job', workspace, job: key, ...flagOf(scheduled) },
    find: () => findJob(db, workspace, key),
    hasEnded: ({ state }) => hasEnded(state),
    step: (job, invocation) => step(res, { job, source: sourceOf(job), invocation }),
    afterwards: async (job, found) => {
      await sourceOf(job).cleanUp(res)
      await startNext(res, workspace, found)
      if (isPruneDue(job))
        await enqueue(res, { kind: 'prune', workspace, group: job.group, after: '' })
    },
  })
}

/** Takes the job one state or one slice further. False: it must wait, or someone else moved it. */
async function step(
  res: Resources,
  { job, source, invocation }: { job: GroupJob; source: Source; invocation: Invocation },
): Promise<boolean> {
  switch (job.state) {
    case 'waiting':
      return claimJob(res, job, source.starts)
    case 'applying': {
      if (hasTooMany(job, res.limits)) return undo(res, job, 'limit')
      if (!source.isAtEnd) return source.next(res, invocation)
      const end = source.end(res.limits)
      if (end === 'sweep') return startSweep(res, job)
      if (end === 'live') return goLive(res, job, source)
      return end === 'mostly-bad' ? undo(res, job, end) : endFailed(res, job, end)
    }
    case 'sweeping':
      return walk(res, job, {
        invocation,
        write: (range) => [removeUnseen(job, range, guardOf(jobs, job)), tally(job, 'removed')],
        end: () => goLive(res, job, source),
      })
    case 'undoing':
      return walk(res, job, {
        invocation,
        write: (range) => undoRevision(job, range, guardOf(jobs, job)),
        end: () => endUndone(res, job),
      })
    default:
      return false
  }
}

const startSweep = async (res: Resources, job: GroupJob): Promise<boolean> =>
  (await commitJob(res, job, [], { ...walkStart, state: 'sweeping' })).moved

/** Starts to undo what a job has written; then it has failed for this reason. */
const undo = async (
  res: Resources,
  job: GroupJob,
  failure: NonNullable<GroupJob['failure']>,
): Promise<boolean> =>
  (await commitJob(res, job, [], { ...walkStart, state: 'undoing', failure })).moved

/** Whether the job alone adds more than the workspace may have, so that the rest can be left out. */
const hasTooMany = ({ type, touched, groupCount }: GroupJob, { membersMax }: Limits): boolean =>
  // A REPLACE may leave more than the limit where the group had even more.
  type !== 'remove' && touched > (type === 'add' ? membersMax : Math.max(membersMax, groupCount))

/** The statement that undoes a job where members would be too many; then those after it do nothing. */
function undoIfTooMany(res: Resources, job: GroupJob, added: number): SQL[] {
  if (added <= 0) return []
  const areTooMany = sql`${countMembers(job.workspace)} + ${added} > ${res.limits.membersMax}`
  return [
    sql`
    UPDATE jobs SET state = 'undoing', failure = 'limit', cursor = ${walkStart.cursor},
      applied = ${walkStart.applied}, step = step + 1, updated_at = ${res.now()}
    WHERE key = ${job.key} AND step = ${job.step} AND ${areTooMany}`,
  ]
}

/** What a job has added and removed: a REPLACE touches each distinct id once. */
function changesOf({ type, touched, removed, groupCount }: GroupJob) {
  if (type === 'add') return { added: touched, removed: 0 }
  if (type === 'remove') return { added: 0, removed: touched }
  return { added: touched - (groupCount - removed), removed }
}

/**
 * Ends the job: every reader sees all its changes at once. Where the workspace would have too many
 * members, undoes it instead.
 */
async function goLive(res: Resources, job: GroupJob, source: Source): Promise<boolean> {
  const { added, removed } = changesOf(job)
  const group = res
    .databaseOf(job.workspace)
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
    type: typeNames[job.type],
    revision: job.revision,
    added,
    removed,
    unchanged: job.rows - job.badRows - (job.type === 'remove' ? removed : added),
    failed: job.badRows,
  }
  const events: Event[] = [{ type: 'group.participants.changed', data }, ...source.events(data)]
  const to = { state: outcomeOf(job), added, removed }
  const undoing = undoIfTooMany(res, job, added - removed)
  const { moved, results } = await end(res, job, { statements: [...undoing, group], to, events })
  return moved || (undoing.length > 0 && results[0]?.changes === 1)
}

async function endUndone(res: Resources, job: GroupJob): Promise<boolean> {
  const { failure } = job
  if (failure !== null && failure !== 'withdrawn') return endFailed(res, job, failure)
  const data = { job_id: job.id, group_id: job.groupId }
  const to = { ...noChanges, state: 'cancelled' as const }
  return (await end(res, job, { to, events: [{ type: 'job.cancelled', data }] })).moved
}

const noChanges = { added: 0, removed: 0, touched: 0 }

/** Ends the job without a change, and records why. */
async function endFailed(
  res: Resources,
  job: GroupJob,
  failure: Exclude<NonNullable<GroupJob['failure']>, 'withdrawn'>,
): Promise<boolean> {
  const data = { job_id: job.id, group_id: job.groupId, reason: failure }
  const { moved } = await end(res, job, {
    statements: recordFileProblem(job, failure),
    to: { ...noChanges, state: 'failed', failure },
    events: [{ type: 'job.failed', data }],
  })
  return moved
}

/** The last batch of a job, with its events. */
async function end(
  res: Resources,
  job: GroupJob,
  {
    statements = [],
    to,
    events = [],
  }: { statements?: SQLWrapper[]; to: Changes; events?: Event[] },
): Promise<{ moved: boolean; results: Result[] }> {
  const now = res.now()
  const actor = actorOf(job)
  const announcing = events.flatMap((event) =>
    announce(res, job.workspace, { ...event, actor }, guardOf(jobs, job)),
  )
  const { moved, results } = await commitJob(res, job, [...statements, ...announcing], {
    ...to,
    endedAt: now,
  })
  await enqueueAnnounced(res, job.workspace, results)
  return { moved, results }
}

/** Writes one more range of the group's rows; `end` follows the last. */
async function walk(
  res: Resources,
  job: GroupJob,
  {
    invocation,
    write,
    end,
  }: {
    invocation: Invocation
    write: (range: Range) => SQLWrapper[]
    end: () => Promise<boolean>
  },
): Promise<boolean> {
  const { after, members } = job.walk
  if (after === null) return end()
  const db = res.databaseOf(job.workspace)
  const rows = invocation.itemsOf(job)
  const [bound] = await db.all<{ id: string }>(rangeEnd(job, after, rows))
  const { moved, ms } = await commitJob(res, job, write({ after, upTo: bound?.id }), {
    ...walkedTo({ after: bound?.id ?? null, members: members + rows }),
    batchIds: rows,
  })
  await invocation.took(ms, rows)
  return moved
}
