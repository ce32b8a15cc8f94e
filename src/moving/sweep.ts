import { sql } from 'drizzle-orm'
import { costOf, together, type Db } from '../db/connect.ts'
import type { Invocation } from '../jobs/invocation.ts'
import { deleteSomeOf } from './rows.ts'
import { tables } from './tables.ts'

const rowsFirst = 1000
const rowsMost = 5000

/**
 * Deletes the rows of a workspace that are fenced in this state: those that belong to others first.
 * False: the invocation is out of time.
 */
export async function deleteAll(
  db: Db,
  workspace: number,
  { state, invocation }: { state: 'left' | 'arriving'; invocation: Invocation },
): Promise<boolean> {
  const isSwept = sql`(SELECT state FROM fences WHERE workspace_id = ${workspace}) = 'swept'`
  for (const table of tables.toReversed())
    for (let [most, deleted] = [0, 0]; deleted === most;) {
      if (invocation.isOutOfTime()) return false
      most = Math.min(invocation.items(rowsFirst), rowsMost)
      // Its own triggers let no other row of it be changed.
      const results = await together(db, [
        sql`UPDATE fences SET state = 'swept' WHERE workspace_id = ${workspace} AND state = ${state}`,
        deleteSomeOf({ workspace, table }, most, isSwept),
        sql`UPDATE fences SET state = ${state} WHERE workspace_id = ${workspace} AND state = 'swept'`,
      ])
      deleted = results[1].changes
      await invocation.took(costOf(results).ms, deleted)
    }
  return true
}
