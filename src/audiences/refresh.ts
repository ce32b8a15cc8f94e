import { and, eq, sql } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { audiences } from '../db/schema.ts'
import { Failure, faultOf } from '../failure.ts'
import type { Limits, Resources } from '../resources.ts'
import { countUnended } from '../jobs/jobs.ts'
import { periodOf, weekBegan } from './period.ts'
import { beginSync } from './sync.ts'

/** An invocation leaves the rest to the next, five minutes later. */
const syncsPerInvocation = 50

/**
 * Opens a sync for the audiences whose week or day has begun at `at` (milliseconds): weekly ones once their workspace's groups have been
 * formed anew. Safe to repeat: what is due is done once.
 */
export async function refreshDue(res: Resources, at: number): Promise<void> {
  for (const { workspace, id, refresh } of await findDue(res.directory, at, res.limits)) {
    const period = periodOf(refresh, at) ?? ''
    try {
      await beginSync(res, workspace, id, 'refresh', period)
    } catch (error) {
      if (!(error instanceof Failure)) {
        // The next cron tries again, and nobody waits for another's trouble.
        console.error(
          JSON.stringify({
            event: 'refresh-failed',
            workspace,
            audience: id,
            period,
            ...faultOf(error),
          }),
        )
        continue
      }
      console.error(
        JSON.stringify({
          event: 'refresh-refused',
          workspace,
          audience: id,
          period,
          ...error.facts,
        }),
      )
      // A group with too many jobs has room again soon. Another reason holds until somebody changes something.
      if (error.facts.reason === 'jobs-waiting') continue
      await res
        .databaseOf(workspace)
        .update(audiences)
        .set({ refreshed: period })
        .where(and(eq(audiences.workspace, workspace), eq(audiences.id, id)))
    }
  }
}

function findDue(
  db: Db,
  at: number,
  { jobsWaitingMax }: Limits,
): Promise<Pick<typeof audiences.$inferSelect, 'workspace' | 'id' | 'refresh'>[]> {
  const week = periodOf('weekly', at)
  const unformed = sql`EXISTS (SELECT 1 FROM group_definitions AS d WHERE d.workspace_id = audiences.workspace_id AND d.deleted_at IS NULL
    AND d.created_on <= ${weekBegan(at)}
    AND NOT EXISTS (SELECT 1 FROM recompute_runs AS r WHERE r.definition_key = d.key AND r.week = ${week} AND r.ended_at IS NOT NULL))`
  const attached = sql`EXISTS (SELECT 1 FROM experience_groups AS g
    WHERE g.workspace_id = audiences.workspace_id AND g.audience_id = audiences.id AND g.deleted_at IS NULL
      AND ${countUnended(sql`g.key`)} < ${jobsWaitingMax})`
  const due = sql`(${audiences.refresh} = 'daily' AND coalesce(${audiences.refreshed}, '') < ${periodOf('daily', at)})
    OR (${audiences.refresh} = 'weekly' AND coalesce(${audiences.refreshed}, '') < ${week} AND NOT ${unformed})`
  return db
    .select({ workspace: audiences.workspace, id: audiences.id, refresh: audiences.refresh })
    .from(audiences)
    .where(and(sql`${audiences.refresh} <> 'on_demand'`, attached, sql`(${due})`))
    .orderBy(audiences.refreshed, audiences.key)
    .limit(syncsPerInvocation)
}
