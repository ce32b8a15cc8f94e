import { sql, type SQL } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { Failure, type JobIs } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { walkStart } from '../jobs/job.ts'
import { hasEnded, removesTooMany } from '../jobs/outcome.ts'
import { startNext } from '../jobs/turn.ts'
import { day } from '../time.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { goLive, move } from './end.ts'
import { checkRevision, type Expected } from './expected.ts'
import { getJob, type GroupJob } from './jobs.ts'
import type { Source, SourceOf } from './source.ts'

/** What an invocation does about a held job: nothing, until its days are over. False: it stays held. */
export async function waitHeld(res: Resources, job: GroupJob, source: Source): Promise<boolean> {
  if (res.now() - job.updatedAt >= res.limits.heldDays * day) {
    const data = { job_id: job.id, group_id: job.groupId }
    const { moved } = await move(res, job, {
      to: { ...walkStart, state: 'undoing', failure: 'cancelled' },
      events: [{ type: 'job.cancelled', data }],
      actor: res.actor,
    })
    return moved
  }
  await source.cleanUp(res)
  // It has given its place back.
  await startNext(res, job.workspace, true)
  return false
}

interface Publication {
  expectedRemoved: number | undefined
  sourceOf: SourceOf
  expected?: Expected | undefined
}

/**
 * Makes a held job live, and gives it. Throws `not-found`, `job-state` unless it is held, `revision`, and
 * `removal` where `expectedRemoved` is another number than it removes, or is missing although it
 * removes more than it may.
 */
export async function publishJob(
  res: Resources,
  workspace: number,
  id: string,
  { expectedRemoved: given, sourceOf, expected }: Publication,
): Promise<GroupJob> {
  const db = res.databaseOf(workspace)
  const job = await getJob(db, workspace, id)
  if (job.state !== 'held')
    throw new Failure({ reason: 'job-state', id, to: 'publish', is: isNow(job) })
  // Nothing else goes live while it is held.
  checkRevision(job.groupRevision, expected)
  const { removed } = job
  if (given === undefined ? removesTooMany(job) : given !== removed)
    throw new Failure({ reason: 'removal', removed, given })
  // Somebody else may have been first.
  if (!(await goLive(res, job, sourceOf(job), res.actor)))
    return publishJob(res, workspace, id, { expectedRemoved: given, sourceOf, expected })
  await enqueue(res, { kind: 'job', workspace, job: job.key })
  return getJob(db, workspace, id)
}

/**
 * Cancels a job that waits, runs or is held, and gives it; the queue undoes what it has written.
 * Throws `not-found`, and `job-state` where it has ended or is being undone.
 */
export async function cancelJob(res: Resources, workspace: number, id: string): Promise<GroupJob> {
  const db = res.databaseOf(workspace)
  const job = await getJob(db, workspace, id)
  const data = { job_id: id, group_id: job.groupId }
  const results = await together(db, [
    cancel(job, res.now()),
    ...announce(res, workspace, { type: 'job.cancelled', data }),
  ])
  const after = await getJob(db, workspace, id)
  if (results[0].changes === 0)
    throw new Failure({ reason: 'job-state', id, to: 'cancel', is: isNow(after) })
  await enqueueAnnounced(res, workspace, results)
  await enqueue(res, { kind: 'job', workspace, job: job.key })
  return after
}

const cancel = ({ key }: GroupJob, now: number): SQL => sql`
  UPDATE jobs SET state = iif(state = 'waiting', 'cancelled', 'undoing'), failure = 'cancelled',
    cursor = ${walkStart.cursor}, applied = ${walkStart.applied}, step = step + 1,
    updated_at = ${now}, ended_at = iif(state = 'waiting', ${now}, NULL)
  WHERE key = ${key} AND ended_at IS NULL AND state <> 'undoing' AND erasure_key IS NULL`

/** Why a job is neither published nor cancelled. */
function isNow({ state, failure, source }: GroupJob): JobIs {
  if (state === 'cancelled' || failure === 'withdrawn' || failure === 'cancelled')
    return 'cancelled'
  if (state === 'undoing' || state === 'failed') return 'failed'
  if (hasEnded(state)) return 'live'
  return source === 'erasure' ? 'of-erasure' : 'not-held'
}
