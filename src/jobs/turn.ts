import { and, eq, sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { jobs } from '../db/schema.ts'
import { flagOf, type Message } from '../messages.ts'
import type { Resources } from '../resources.ts'
import type { Checkpoint } from './checkpoint.ts'
import { enqueueAll } from './enqueue.ts'
import { cronsName, startedState, type Job } from './job.ts'
import type { Changes } from './jobs.ts'
import { stalledAfter } from './stalled.ts'

/** Jobs of a workspace that run at once. */
export const atOnce = 4

/** Of these, jobs that a cron opened: the rest is left to uploads. */
export const scheduledAtOnce = 2

/** Whether a cron opened a job, in SQL. */
export const isScheduled = (job = sql`jobs`) =>
  sql<number>`(${job}.audience_id IS NOT NULL AND ${job}.created_by = ${cronsName})`

/** Whether an earlier job of the same queue has not ended. */
export const earlierJobUnended = sql`EXISTS (
  SELECT 1 FROM jobs AS earlier WHERE earlier.group_key = jobs.group_key
    AND earlier.revision < jobs.revision AND earlier.ended_at IS NULL)`

/** The id of the held job of the same queue that a job waits for, in SQL; or null. */
export const heldBefore = (job = sql`jobs`) => sql<string | null>`(
  SELECT held.id FROM jobs AS held INDEXED BY jobs_unended_by_group
  WHERE held.group_key = ${job}.group_key AND held.revision < ${job}.revision
    AND held.ended_at IS NULL AND held.state = 'held' LIMIT 1)`

/** How many more jobs may start. A held job and a stalled undo give their places back. */
const placesLeft = (workspace: number, scheduled: SQL, now: number) => sql`(
  SELECT min(${atOnce} - count(*), iif(${scheduled},
    ${scheduledAtOnce} - count(*) FILTER (WHERE ${isScheduled(sql`s`)}), ${atOnce}))
  FROM jobs AS s INDEXED BY jobs_unended_by_workspace
  WHERE s.workspace_id = ${workspace} AND s.ended_at IS NULL AND (s.state = 'waiting') = 0
    AND s.state <> 'held' AND (s.state <> 'undoing' OR s.updated_at > ${now - stalledAfter}))`

/**
 * Starts a waiting job, and sets `more` of its columns; false where an earlier one of its queue, or
 * enough of its workspace, go on.
 */
export async function claimJob(
  res: Resources,
  { key, step, workspace, source }: Checkpoint & Pick<Job, 'source' | 'workspace'>,
  more: Changes = {},
): Promise<boolean> {
  const now = res.now()
  const places = placesLeft(workspace, isScheduled(), now)
  const state = startedState({ source })
  const { meta } = await res
    .databaseOf(workspace)
    .update(jobs)
    .set({ ...more, state, step: step + 1, updatedAt: now })
    .where(
      and(
        eq(jobs.key, key),
        eq(jobs.step, step),
        sql`NOT ${earlierJobUnended}`,
        sql`${places} > 0`,
      ),
    )
  return meta.changes > 0
}

/** What the message about a job is made of. */
export interface JobAddress {
  workspace: number
  key: number
  type: string
  scheduled: number
}

/** The waiting jobs of a workspace that may start now, up to `most`; of each kind the oldest first. */
export function findNextJobs(
  db: Db,
  workspace: number,
  { now, most }: { now: number; most: number },
): Promise<JobAddress[]> {
  const oldest = (scheduled: 0 | 1) => sql`
    SELECT * FROM (SELECT workspace_id AS workspace, key, type, ${scheduled} AS scheduled
    FROM jobs INDEXED BY jobs_unended_by_workspace
    WHERE workspace_id = ${workspace} AND ended_at IS NULL AND (state = 'waiting') = 1
      AND ${isScheduled()} = ${scheduled} AND NOT ${earlierJobUnended}
    ORDER BY key LIMIT max(0, ${placesLeft(workspace, sql`${scheduled}`, now)}))`
  return db.all<JobAddress>(sql`${oldest(0)} UNION ALL ${oldest(1)} LIMIT ${most}`)
}

/**
 * Enqueues what may start once a job of the workspace has ended. A message that `found` it ended
 * already enqueues one at most, so that messages do not multiply.
 */
export async function startNext(res: Resources, workspace: number, found = false): Promise<void> {
  const which = { now: res.now(), most: found ? 1 : atOnce + scheduledAtOnce }
  const db = res.databaseOf(workspace)
  const next = await findNextJobs(db, workspace, which)
  const erasures = await findFreedErasures(db, workspace, which.most)
  await enqueueAll(res, [...next.map(messageOf), ...erasures])
}

/**
 * Whether all jobs have ended, or are held, that were accepted before an erasure's people were
 * forgotten. What a held one has written is removed by a job behind it.
 */
export const hasNoEarlierJob = (workspace: number) => sql`place ->> 'jobs' < coalesce((
  SELECT min(key) FROM jobs INDEXED BY jobs_unended_by_workspace
  WHERE workspace_id = ${workspace} AND ended_at IS NULL AND state <> 'held'), 9e99)`

/** The messages about erasures whose earlier jobs have all ended. */
async function findFreedErasures(db: Db, workspace: number, most: number): Promise<Message[]> {
  const freed = await db.all<{ key: number }>(sql`
    SELECT key FROM erasures INDEXED BY erasures_unended
    WHERE ended_at IS NULL AND workspace_id = ${workspace} AND state = 'waiting'
      AND ${hasNoEarlierJob(workspace)} LIMIT ${most}`)
  return freed.map(({ key }) => ({ kind: 'erase-people', workspace, erasure: key }))
}

/** The message about a job, whatever its kind. */
export const messageOf = ({ workspace, key, type, scheduled }: JobAddress): Message => ({
  kind: type === 'users' ? 'import' : 'job',
  workspace,
  job: key,
  ...flagOf(scheduled),
})
