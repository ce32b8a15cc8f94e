import { sql, type SQL } from 'drizzle-orm'
import { costOf, together } from '../db/connect.ts'
import { deleteSome } from '../db/delete-some.ts'
import { retried } from '../db/retried.ts'
import { invalid } from '../failure.ts'
import { carryOnSteps } from '../jobs/carry-on.ts'
import { enqueue } from '../jobs/enqueue.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { isUnderWay } from './change.ts'
import { getExperiment, isUnchanged } from './experiments.ts'

/**
 * Deletes an experiment for every reader at once; the queue deletes its rows. Throws `not-found`,
 * and `invalid` for one that is running or paused.
 */
export async function deleteExperiment(
  res: Resources,
  workspace: number,
  id: string,
): Promise<void> {
  const db = res.databaseOf(workspace)
  await retried(async () => {
    const before = await getExperiment(db, workspace, id)
    const { key, status } = before
    if (isUnderWay(before))
      throw invalid('status', `is ${status}: end the experiment before you delete it`)
    const results = await together(db, [
      sql`UPDATE experiments AS e SET deleted_at = ${res.now()} WHERE ${isUnchanged(before)}`,
      ...announce(res, workspace, { type: 'experiment.deleted', data: { experiment_id: id } }),
    ])
    if (results[0].changes === 0) return undefined
    await enqueueAnnounced(res, workspace, results)
    await enqueue(res, { kind: 'erase-experiment', workspace, experiment: key })
    return key
  })
}

const rowsFirst = 2000

/** Deletes a deleted experiment's rows in bounded steps, the experiment itself last. */
export async function eraseExperiment(
  res: Resources,
  workspace: number,
  key: number,
): Promise<void> {
  const db = res.databaseOf(workspace)
  const deleted = sql`workspace_id = ${workspace} AND key = ${key} AND deleted_at IS NOT NULL`
  const [found] = await db.all(sql`SELECT key FROM experiments WHERE ${deleted}`)
  if (found === undefined) return
  await carryOnSteps(
    res,
    { kind: 'erase-experiment', workspace, experiment: key },
    async (invocation) => {
      const rows = invocation.items(rowsFirst)
      const some = (table: SQL, primary: SQL) =>
        deleteSome(table, primary, sql`experiment_key = ${key}`, rows)
      const results = await together(db, [
        some(sql`experiment_forced`, sql`experiment_key, participant_id`),
        some(sql`exposures`, sql`experiment_key, participant_id, version`),
        some(sql`exposure_counts`, sql`experiment_key, version, day, variant`),
      ])
      await invocation.took(costOf(results).ms, rows)
      if (results.some(({ changes }) => changes > 0)) return true
      await together(db, [
        sql`DELETE FROM experiment_balances WHERE experiment_key = ${key}`,
        sql`DELETE FROM experiments WHERE ${deleted}`,
      ])
      return false
    },
  )
}
