import { and, eq, isNotNull, sql, type SQL } from 'drizzle-orm'
import { costOf, together } from '../db/connect.ts'
import { deleteSome } from '../db/delete-some.ts'
import { groupDefinitions } from '../db/schema.ts'
import {
  checkUnusedByExperiments,
  checkUnused,
  namesOfDefinition,
  unusedByExperiments,
  unused,
} from '../db/uses.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { carryOnSteps } from '../jobs/carry-on.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { getDefinition, isLive, sharedExcept } from './definitions.ts'
import { cancelRuns } from './runs.ts'
import { startNextRun } from './turn.ts'

/**
 * Deletes a definition for every reader at once and ends its runs; the queue deletes its rows.
 * Throws `not-found`, `in-use` by an audience's rule, and `in-experiments`.
 */
export async function deleteDefinition(
  res: Resources,
  workspace: number,
  id: string,
): Promise<void> {
  const db = res.databaseOf(workspace)
  const { key } = await getDefinition(db, workspace, id)
  const now = res.now()
  const names = namesOfDefinition(id, sharedExcept(workspace, id, []))
  const results = await together(db, [
    db
      .update(groupDefinitions)
      .set({ deletedAt: now })
      .where(
        and(
          isLive(workspace),
          eq(groupDefinitions.key, key),
          unused(workspace, names),
          unusedByExperiments(workspace, 'definition', id),
        ),
      ),
    ...announce(res, workspace, { type: 'definition.deleted', data: { definition_id: id } }),
    cancelRuns(db, workspace, key, now),
  ])
  if (results[0].changes === 0) {
    await checkUnused(db, workspace, names, { what: 'definition', id })
    await checkUnusedByExperiments(db, workspace, 'definition', id)
    return deleteDefinition(res, workspace, id)
  }
  await enqueueAnnounced(res, workspace, results)
  await enqueue(res, { kind: 'erase-definition', workspace, definition: key })
}

const rowsFirst = 2000

/** Deletes a deleted definition's rows in bounded steps, the definition itself last. */
export async function eraseDefinition(
  res: Resources,
  workspace: number,
  key: number,
): Promise<void> {
  const db = res.databaseOf(workspace)
  const deleted = and(
    eq(groupDefinitions.workspace, workspace),
    eq(groupDefinitions.key, key),
    isNotNull(groupDefinitions.deletedAt),
  )
  const [found] = await db
    .select({ key: groupDefinitions.key })
    .from(groupDefinitions)
    .where(deleted)
  if (found === undefined) return
  await startNextRun(res, workspace) // its runs have ended by its deletion
  await carryOnSteps(
    res,
    { kind: 'erase-definition', workspace, definition: key },
    async (invocation) => {
      const rows = invocation.items(rowsFirst)
      const some = (table: SQL, primary: SQL) =>
        deleteSome(table, primary, sql`definition_key = ${key}`, rows)
      const results = await together(db, [
        some(sql`identity_members`, sql`definition_key, user_id`),
        some(sql`group_attributes`, sql`definition_key, value, name`),
        some(sql`group_corrections`, sql`definition_key, user_id`),
        some(sql`group_marks`, sql`definition_key, value`),
        some(sql`normalized_values`, sql`definition_key, normalized, value`),
        some(sql`recompute_runs`, sql`key`),
      ])
      await invocation.took(costOf(results).ms, rows)
      if (results.some(({ changes }) => changes > 0)) return true
      await db.delete(groupDefinitions).where(deleted)
      return false
    },
  )
}
