import { and, eq, sql, type SQL, type SQLWrapper } from 'drizzle-orm'
import type { Actor } from '../actor.ts'
import type { Result } from '../db/connect.ts'
import { experienceGroups, jobs } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import type { Event } from '../webhooks/event.ts'
import { commitJob } from '../jobs/apply.ts'
import { guardOf } from '../jobs/checkpoint.ts'
import { actorOf, walkStart } from '../jobs/job.ts'
import { recordFileProblem } from '../jobs/job-problems.ts'
import type { Changes } from '../jobs/jobs.ts'
import { outcomeOf, removesTooMany } from '../jobs/outcome.ts'
import { countMembers } from './groups.ts'
import { typeNames, type GroupJob } from './jobs.ts'
import type { Source } from './source.ts'

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

/** What a job has added and removed: of others than these, `touched` counts the members that it leaves. */
function changesOf({ type, touched, removed, groupCount }: GroupJob) {
  if (type === 'add') return { added: touched, removed: 0 }
  if (type === 'remove') return { added: 0, removed: touched }
  return { added: touched - (groupCount - removed), removed }
}

/** Once all is written: holds a preview and what would remove too many; anything else goes live. */
export function finish(res: Resources, job: GroupJob, source: Source): Promise<boolean> {
  const counts = changesOf(job)
  const maxRemovePercent =
    job.maxRemovePercent ?? job.groupMaxRemovePercent ?? res.limits.maxRemovePercent
  const { removed } = counts
  const isGuarded = removesTooMany({ removed, groupCount: job.groupCount, maxRemovePercent })
  // Nobody who is erased stays because of a guard.
  if (job.source === 'erasure' || !(job.mode === 'preview' || isGuarded))
    return goLive(res, job, source)
  return hold(res, job, { ...counts, maxRemovePercent })
}

async function hold(
  res: Resources,
  job: GroupJob,
  to: { added: number; removed: number; maxRemovePercent: number },
): Promise<boolean> {
  const { added, removed } = to
  const data = { job_id: job.id, group_id: job.groupId, added, removed }
  const events: Event[] = [{ type: 'job.held', data }]
  return (await move(res, job, { to: { ...to, state: 'held' }, events })).moved
}

/**
 * Ends the job: every reader sees all its changes at once. Where the workspace would have too many
 * members, undoes it instead. `publisher`: who has published a held job.
 */
export async function goLive(
  res: Resources,
  job: GroupJob,
  source: Source,
  publisher?: Actor,
): Promise<boolean> {
  const { added, removed } = changesOf(job)
  const group = res
    .databaseOf(job.workspace)
    .update(experienceGroups)
    .set({
      revision: job.revision,
      participantCount: job.groupCount + added - removed,
      removedSincePrune: sql`removed_since_prune + ${removedBy(job)}`,
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
  const ofJob = { job_id: job.id, group_id: job.groupId }
  const events: Event[] = [
    ...(publisher === undefined ? [] : [{ type: 'job.published' as const, data: ofJob }]),
    { type: 'group.participants.changed', data },
    ...source.events(data),
  ]
  const to = { state: outcomeOf(job), added, removed }
  const undoing = undoIfTooMany(res, job, added - removed)
  const statements = [...undoing, group]
  const { moved, results } = await end(res, job, { statements, to, events, actor: publisher })
  return moved || (undoing.length > 0 && results[0]?.changes !== 0)
}

/** How many the live revision of a job's group has removed: once it is live no more, they may go. */
const removedBy = ({ group }: GroupJob) => sql`coalesce((SELECT j.removed FROM jobs AS j
  WHERE j.group_key = ${group} AND j.revision = experience_groups.revision), 0)`

/** Ends a job of which nothing is left: it has failed, or is cancelled. */
export async function endUndone(res: Resources, job: GroupJob): Promise<boolean> {
  const { failure } = job
  if (failure !== null && failure !== 'withdrawn' && failure !== 'cancelled')
    return endFailed(res, job, failure)
  const data = { job_id: job.id, group_id: job.groupId }
  const to = { ...noChanges, state: 'cancelled' as const }
  // What is cancelled by somebody was announced then.
  const events: Event[] = failure === 'cancelled' ? [] : [{ type: 'job.cancelled', data }]
  return (await end(res, job, { to, events })).moved
}

const noChanges = { added: 0, removed: 0, touched: 0 }

/** Ends the job without a change, and records why. */
export async function endFailed(
  res: Resources,
  job: GroupJob,
  failure: Exclude<NonNullable<GroupJob['failure']>, 'withdrawn' | 'cancelled'>,
): Promise<boolean> {
  const data = { job_id: job.id, group_id: job.groupId, reason: failure }
  const { moved } = await end(res, job, {
    statements: recordFileProblem(job, failure),
    to: { ...noChanges, state: 'failed', failure },
    events: [{ type: 'job.failed', data }],
  })
  return moved
}

interface Move {
  statements?: SQLWrapper[]
  to: Changes
  events?: Event[]
  /** Who has requested it, where that is not who has opened the job. */
  actor?: Actor | undefined
}

/** The last batch of a job. */
const end = (res: Resources, job: GroupJob, { to, ...more }: Move) =>
  move(res, job, { ...more, to: { ...to, endedAt: res.now() } })

/** One batch of a job, with its events. */
export async function move(
  res: Resources,
  job: GroupJob,
  { statements = [], to, events = [], actor = actorOf(job) }: Move,
): Promise<{ moved: boolean; results: Result[] }> {
  const announcing = events.flatMap((event) =>
    announce(res, job.workspace, { ...event, actor }, guardOf(jobs, job)),
  )
  const { moved, results } = await commitJob(res, job, [...statements, ...announcing], to)
  await enqueueAnnounced(res, job.workspace, results)
  return { moved, results }
}
