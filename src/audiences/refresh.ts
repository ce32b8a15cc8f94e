import { and, eq, sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { audiences } from '../db/schema.ts'
import { Failure, faultOf } from '../failure.ts'
import type { Limits, Resources } from '../resources.ts'
import { cronsName } from '../jobs/job.ts'
import { countUnended } from '../jobs/jobs.ts'
import { periodOf, weekBegan } from './refresh-period.ts'
import { beginSync } from './sync.ts'

/** The others wait for the next cron, five minutes later. */
const syncsPerInvocation = 50

type Due = Pick<typeof audiences.$inferSelect, 'workspace' | 'id' | 'refresh'>

/**
 * Opens a sync for each audience whose day or week has begun at `at` (milliseconds); weekly ones
 * wait for the recomputes. Safe to repeat.
 */
export async function refreshDue(res: Resources, at: number): Promise<void> {
  for (const audience of await findDue(res.directory, at, res.limits))
    await refresh(res, audience, periodOf(audience.refresh, at) ?? '')
}

/** Logs a sync that does not open, so that other audiences are not held up. */
async function refresh(res: Resources, { workspace, id }: Due, period: string): Promise<void> {
  try {
    await beginSync(res, workspace, id, { by: cronsName, period })
  } catch (error) {
    const isRefused = error instanceof Failure
    const event = isRefused ? 'refresh-refused' : 'refresh-failed'
    const facts = isRefused ? error.facts : faultOf(error)
    console.error(JSON.stringify({ event, workspace, audience: id, period, ...facts }))
    // The next cron tries again, unless only a change by somebody could help.
    if (isRefused && error.facts.reason !== 'jobs-waiting')
      await markRefreshed(res, workspace, id, period)
  }
}

async function markRefreshed(
  res: Resources,
  workspace: number,
  id: string,
  period: string,
): Promise<void> {
  await res
    .databaseOf(workspace)
    .update(audiences)
    .set({ refreshed: period })
    .where(and(eq(audiences.workspace, workspace), eq(audiences.id, id)))
}

export function findDue(db: Db, at: number, { jobsWaitingMax }: Limits): Promise<Due[]> {
  const week = periodOf('weekly', at)
  const hasUnendedRun = sql`EXISTS (SELECT 1 FROM group_definitions AS d
    WHERE d.workspace_id = audiences.workspace_id AND d.deleted_at IS NULL
      AND d.created_on <= ${weekBegan(at)}
      AND NOT EXISTS (SELECT 1 FROM recompute_runs AS r
        WHERE r.definition_key = d.key AND r.week = ${week} AND r.ended_at IS NOT NULL))`
  const isAttached = sql`EXISTS (SELECT 1 FROM experience_groups AS g
    WHERE g.workspace_id = audiences.workspace_id AND g.audience_id = audiences.id
      AND g.deleted_at IS NULL AND ${countUnended(sql`g.key`)} < ${jobsWaitingMax})`
  const dueSince = (refresh: 'daily' | 'weekly', period: string, condition: SQL) => sql`
    SELECT workspace_id AS workspace, id, refresh, refreshed, key
    FROM audiences INDEXED BY audiences_by_due
    WHERE refresh <> 'on_demand' AND refresh = ${refresh} AND coalesce(refreshed, '') < ${period}
      AND ${condition}`
  return db.all<Due>(sql`
    ${dueSince('daily', periodOf('daily', at) ?? '', isAttached)}
    UNION ALL
    ${dueSince('weekly', week ?? '', sql`${isAttached} AND NOT ${hasUnendedRun}`)}
    ORDER BY refreshed, key LIMIT ${syncsPerInvocation}`)
}
