import { sql, type SQL } from 'drizzle-orm'
import { enqueueAll } from '../jobs/enqueue.ts'
import { flagOf, type Message } from '../messages.ts'
import type { Resources } from '../resources.ts'

/** Runs of a workspace that go on at once: so many that a cron opened, and so many others. */
export const runsAtOnce = 2

/** A run that may have its turn. */
export interface NextRun {
  workspace: number
  run: number
  scheduled: number
}

/** The runs of a workspace that have not ended, those of a cron or the others. */
const unended = (workspace: number | SQL, scheduled: SQL) => sql`
  FROM recompute_runs AS u INDEXED BY recompute_runs_unended_by_workspace
  WHERE u.workspace_id = ${workspace} AND u.ended_at IS NULL
    AND (u.week IS NOT NULL) = ${scheduled}`

/** Whether it is the turn of a row of `recompute_runs`, in SQL: enough before it have ended. */
export const isTurn = sql`(
  SELECT u.key ${unended(sql`recompute_runs.workspace_id`, sql`(recompute_runs.week IS NOT NULL)`)}
    AND u.key < recompute_runs.key LIMIT 1 OFFSET ${runsAtOnce - 1}) IS NULL`

/** Selects the run whose turn comes once one of its kind has ended; in the batch of that end. */
export const selectNext = (workspace: number, scheduled: boolean) =>
  sql<NextRun>`
  SELECT u.workspace_id AS workspace, u.key AS run, u.week IS NOT NULL AS scheduled
  ${unended(workspace, sql`${Number(scheduled)}`)} ORDER BY u.key LIMIT 1 OFFSET ${runsAtOnce}`

/**
 * The statement that makes void what runs under way have read, as a range may end with the value of
 * somebody who is erased. They are to be enqueued, as who moves them finds them moved.
 */
export const voidReads = (workspace: number, guard: SQL) =>
  sql<NextRun>`
  UPDATE recompute_runs INDEXED BY recompute_runs_unended_by_workspace SET step = step + 1
  WHERE workspace_id = ${workspace} AND ended_at IS NULL AND state <> 'waiting' AND ${guard}
  RETURNING workspace_id AS workspace, key AS run, week IS NOT NULL AS scheduled`

/** Enqueues runs whose turn has come, or that somebody else has moved. */
export const enqueueRuns = (res: Resources, runs: NextRun[]): Promise<void> =>
  enqueueAll(
    res,
    runs.map(({ workspace, run, scheduled }): Message => ({
      kind: 'recompute',
      workspace,
      run,
      ...flagOf(scheduled),
    })),
  )

/**
 * Enqueues a run whose turn has come, as who ended the run before may have failed to: one at most,
 * so that messages do not multiply.
 */
export async function startNextRun(res: Resources, workspace: number): Promise<void> {
  const first = (scheduled: 0 | 1) => sql`
    SELECT * FROM (SELECT u.* ${unended(workspace, sql`${scheduled}`)}
      ORDER BY u.key LIMIT ${runsAtOnce})`
  const waiting = await res.databaseOf(workspace).all<NextRun>(sql`
    SELECT workspace_id AS workspace, key AS run, week IS NOT NULL AS scheduled
    FROM (${first(0)} UNION ALL ${first(1)}) WHERE state = 'waiting' ORDER BY key DESC LIMIT 1`)
  await enqueueRuns(res, waiting)
}
