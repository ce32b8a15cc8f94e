import { sql, type SQL } from 'drizzle-orm'
import { addCounts, dayOf } from './exposure-counts.ts'

/** What is deleted, and counted by the statement after it. */
type Kind = 'forced_variants' | 'exposures'

/** Experiments of a workspace, and those that are deleted but still have rows. */
const live = (workspace: number): SQL => sql`
  SELECT key FROM experiments INDEXED BY experiments_by_id
  WHERE workspace_id = ${workspace} AND deleted_at IS NULL`
const deleted = (workspace: number): SQL => sql`
  SELECT key FROM experiments INDEXED BY experiments_deleted
  WHERE workspace_id = ${workspace} AND deleted_at IS NOT NULL`

/** The exposures `x` of people, a query of `user_id`, as the end of a SELECT. */
export const exposuresOf = (workspace: number, people: SQL): SQL => sql`
  FROM (${live(workspace)}) AS e CROSS JOIN (${people}) AS p
    CROSS JOIN exposures AS x ON x.experiment_key = e.key AND x.participant_id = p.user_id`

/**
 * The statements that take people, a query of `user_id`, out of all experiments of a workspace.
 * `counted` gives the statements that count a kind, which follow its deletion.
 */
export function forgetParticipants(
  workspace: number,
  people: SQL,
  counted: (kind: Kind) => SQL[],
): SQL[] {
  const theirs = sql`(experiment_key, participant_id) IN (
    SELECT e.key, p.user_id FROM (${live(workspace)} UNION ALL ${deleted(workspace)}) AS e
      CROSS JOIN (${people}) AS p)`
  return [
    sql`DELETE FROM experiment_forced WHERE ${theirs}`,
    ...counted('forced_variants'),
    addCounts(sql`
    SELECT x.experiment_key AS experiment, x.version, ${dayOf(sql`x.at`)} AS day, x.variant,
      -count(*) AS participants
    ${exposuresOf(workspace, people)} GROUP BY 1, 2, 3, 4`),
    sql`DELETE FROM exposures WHERE ${theirs}`,
    ...counted('exposures'),
  ]
}

/**
 * The statement that voids what balances have read, as it may end with one of these people. A balance
 * whose checkpoint is one of them begins again. Gives those to enqueue.
 */
export const voidCounts = (workspace: number, people: SQL, guard: SQL) =>
  sql<{ workspace: number; experiment: number }>`
  UPDATE experiment_balances SET step = step + 1,
    progress = iif(progress ->> 'after' IN (${people}), NULL, progress)
  WHERE experiment_key IN (${live(workspace)} UNION ALL ${deleted(workspace)})
    AND state <> 'complete' AND ${guard}
  RETURNING workspace_id AS workspace, experiment_key AS experiment`
