import { jobs } from '../db/schema.ts'
import { removeUnseen, undoRevision } from '../membership/members.ts'
import { flagOf, type MessageOf } from '../messages.ts'
import type { Limits } from '../limits.ts'
import type { Resources } from '../resources.ts'
import { commitJob } from '../jobs/apply.ts'
import { carryOn } from '../jobs/carry-on.ts'
import { guardOf } from '../jobs/checkpoint.ts'
import { enqueue } from '../jobs/enqueue.ts'
import type { Invocation } from '../jobs/invocation.ts'
import { walkStart } from '../jobs/job.ts'
import { tally } from '../jobs/jobs.ts'
import { hasEnded } from '../jobs/outcome.ts'
import { claimJob, startNext } from '../jobs/turn.ts'
import { beingErased } from './erased-people.ts'
import { endFailed, endUndone, finish } from './end.ts'
import { waitHeld } from './held.ts'
import { findJob, type GroupJob } from './jobs.ts'
import { isPruneDue } from './prune.ts'
import type { Source, SourceOf } from './source.ts'
import { walkOn } from './walk.ts'

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
  const { after } = job.walk
  switch (job.state) {
    case 'waiting':
      return claimJob(res, job, source.starts)
    case 'applying': {
      if (hasTooMany(job, res.limits)) return undo(res, job, 'limit')
      if (!source.isAtEnd) return source.next(res, invocation)
      const end = source.end(res.limits)
      if (end === 'sweep') return startSweep(res, job)
      if (end === 'live') return finish(res, job, source)
      if (end === 'mostly-bad' || end === 'not-kept') return undo(res, job, end)
      return endFailed(res, job, end)
    }
    case 'sweeping':
      if (after === null) return finish(res, job, source)
      return walkOn(res, job, {
        ...{ after, invocation },
        write: (range) => [removeUnseen(job, range, guardOf(jobs, job)), tally(job, 'removed')],
      })
    case 'held':
      return waitHeld(res, job, source)
    case 'undoing':
      if (after === null) return endUndone(res, job)
      return walkOn(res, job, {
        ...{ after, invocation },
        write: (range) => undoRevision(job, range, beingErased(job.workspace), guardOf(jobs, job)),
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
  // A REPLACE may leave more than the limit where the group had even more; a revert has not removed
  // all before its end.
  type !== 'remove' &&
  type !== 'revert' &&
  touched > (type === 'add' ? membersMax : Math.max(membersMax, groupCount))
