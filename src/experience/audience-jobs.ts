import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { stringifyJson } from '../json.ts'
import type { Limits } from '../resources.ts'
import { insertNextJob, countUnended } from '../jobs/jobs.ts'
import { getGroup } from './groups.ts'
import { findJob, type GroupJob } from './jobs.ts'

/** Users of a workspace that are counted for the progress of a sync; of more, it is told as if they were so many. */
const countedMax = 500_000

/** An audience that is to fill a group by its rule. */
export interface SyncDraft {
  audience: string
  rule: object
  createdBy: string
  /** The week or day for which it does so once, if nobody has asked for it. */
  period: string | undefined
}

/**
 * Opens the job that makes a group what an audience is, or gives the rule to the one that waits already. Gives undefined where the
 * period has had its job. Throws `not-found`, `not-tied` or `jobs-waiting`.
 */
export async function openSync(
  db: Db,
  workspace: number,
  groupId: string,
  { audience, rule, createdBy, period }: SyncDraft,
  { jobsWaitingMax, sliceBytes }: Limits,
  now: number,
): Promise<GroupJob | undefined> {
  const users = sql`(SELECT max(1, count(*)) FROM (SELECT 1 FROM users WHERE workspace_id = ${workspace} LIMIT ${countedMax}))`
  const draft = {
    type: 'replace',
    fileName: `audience ${audience}`,
    fileKey: `audiences/${audience}`,
    fileSize: users,
    createdBy,
    audience,
  } as const
  const attached = sql`experience_groups AS g
    WHERE g.workspace_id = ${workspace} AND g.id = ${groupId} AND g.deleted_at IS NULL AND g.audience_id = ${audience}`
  const waiting = sql`(SELECT w.key FROM jobs AS w WHERE w.workspace_id = ${workspace} AND w.audience_id = ${audience} AND w.ended_at IS NULL
    AND w.state = 'waiting' AND w.group_key = (SELECT g.key FROM ${attached}))`
  const open = sql`audiences AS a WHERE a.workspace_id = ${workspace} AND a.id = ${audience} AND coalesce(a.refreshed, '') < ${period ?? ''}`
  const due = period === undefined ? sql`true` : sql`EXISTS (SELECT 1 FROM ${open})`
  // One batch, so that a period is not marked as done without its job, nor gets two.
  const [, , , { rows }] = await together(db, [
    insertNextJob(
      {
        workspace: sql`g.workspace_id`,
        queue: sql`g.key`,
        from: sql`FROM ${attached} AND ${due} AND ${countUnended(sql`g.key`)} < ${jobsWaitingMax}
          AND ${waiting} IS NULL`,
      },
      draft,
      { id: crypto.randomUUID(), sliceBytes, now },
    ),
    sql`
    INSERT INTO sync_rules (job_key, rule) SELECT key, ${stringifyJson(rule)} FROM jobs WHERE key = ${waiting}
    ON CONFLICT (job_key) DO UPDATE SET rule = excluded.rule`,
    sql`UPDATE audiences SET refreshed = ${period ?? null}
      WHERE ${period === undefined ? sql`false` : sql`true`} AND workspace_id = ${workspace}
        AND id = ${audience} AND ${waiting} IS NOT NULL`,
    sql<{
      job: number | null
      attached: number
      due: number
    }>`SELECT ${waiting} AS job, EXISTS (SELECT 1 FROM ${attached}) AS attached, ${due} AS due`,
  ])
  const [found] = rows
  if (found?.job != null) return findJob(db, workspace, found.job)
  await getGroup(db, workspace, groupId)
  if (found?.attached === 0) throw new Failure({ reason: 'not-attached', audience })
  if (found?.due === 0) return undefined
  throw new Failure({ reason: 'jobs-waiting', max: jobsWaitingMax })
}

/**
 * The statement that ends the syncs of an audience, while `guard` holds: one that waits at once, one that has begun once what it wrote is
 * undone. Gives the jobs to enqueue, as `job`.
 */
export const withdrawSyncs = (
  workspace: number,
  audience: string,
  guard: SQL,
  now: number,
): SQL => sql`
  UPDATE jobs SET state = iif(state = 'waiting', 'cancelled', 'undoing'), failure = 'withdrawn', cursor = '', applied = 0, step = step + 1,
    updated_at = ${now}, ended_at = iif(state = 'waiting', ${now}, NULL)
  WHERE workspace_id = ${workspace} AND audience_id = ${audience} AND ended_at IS NULL AND state <> 'undoing' AND ${guard}
  RETURNING key AS job`
