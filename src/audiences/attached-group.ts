import { sql, type SQL } from 'drizzle-orm'
import type { Result } from '../db/connect.ts'
import { enqueueAll } from '../jobs/enqueue.ts'
import type { Resources } from '../resources.ts'
import { announceEach, enqueueAnnounced } from '../webhooks/announce.ts'

/** The statement that attaches an audience to a group that has none, while `guard` holds. */
export const attach = (
  workspace: number,
  groupId: string,
  audience: string,
  guard: SQL,
): SQL => sql`
  UPDATE experience_groups SET audience_id = ${audience}
  WHERE workspace_id = ${workspace} AND id = ${groupId} AND deleted_at IS NULL
    AND audience_id IS NULL AND ${guard}`

/** The statement that detaches an audience from its group, while `guard` holds. */
export const detach = (workspace: number, audience: string, guard: SQL): SQL => sql`
  UPDATE experience_groups SET audience_id = NULL
  WHERE workspace_id = ${workspace} AND audience_id = ${audience} AND deleted_at IS NULL
    AND ${guard}`

/**
 * The statements that withdraw an audience's syncs while `guard` holds: a waiting one ends, another
 * is undone.
 */
export function withdrawSyncs(
  res: Resources,
  workspace: number,
  audience: string,
  guard: SQL,
): SQL[] {
  const now = res.now()
  const unended = sql`workspace_id = ${workspace} AND audience_id = ${audience}
    AND ended_at IS NULL AND state <> 'undoing' AND ${guard}`
  return [
    ...announceEach(
      res,
      workspace,
      'job.cancelled',
      sql`SELECT id, json_object('job_id', id, 'group_id',
          (SELECT g.id FROM experience_groups AS g WHERE g.key = group_key)) AS data
        FROM jobs WHERE ${unended} AND state = 'waiting'`,
    ),
    sql`
    UPDATE jobs SET state = iif(state = 'waiting', 'cancelled', 'undoing'), failure = 'withdrawn',
      cursor = '', applied = 0, step = step + 1, updated_at = ${now},
      ended_at = iif(state = 'waiting', ${now}, NULL)
    WHERE ${unended} RETURNING key AS job`,
  ]
}

/**
 * Enqueues the jobs that a batch has withdrawn: their writes are undone, and the next job of their
 * group begins.
 */
export async function enqueueWithdrawn(
  res: Resources,
  workspace: number,
  results: Result[],
): Promise<void> {
  const jobs = results.flatMap(({ rows }) =>
    (rows as { job?: number }[]).flatMap(({ job }) => (job === undefined ? [] : [job])),
  )
  await enqueueAll(
    res,
    jobs.map((job) => ({ kind: 'job', workspace, job })),
  )
  await enqueueAnnounced(res, workspace, results)
}
