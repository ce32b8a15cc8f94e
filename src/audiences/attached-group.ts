import { sql, type SQL } from 'drizzle-orm'

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
 * The statement that withdraws an audience's syncs while `guard` holds: a waiting one ends, another
 * is undone. Its rows are the keys of the jobs to enqueue, as `job`.
 */
export const withdrawSyncs = (workspace: number, audience: string, guard: SQL, now: number) => sql<{
  job: number
}>`
  UPDATE jobs SET state = iif(state = 'waiting', 'cancelled', 'undoing'), failure = 'withdrawn',
    cursor = '', applied = 0, step = step + 1, updated_at = ${now},
    ended_at = iif(state = 'waiting', ${now}, NULL)
  WHERE workspace_id = ${workspace} AND audience_id = ${audience}
    AND ended_at IS NULL AND state <> 'undoing' AND ${guard}
  RETURNING key AS job`
