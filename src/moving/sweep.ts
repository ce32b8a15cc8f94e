import { sql } from 'drizzle-orm'
import { costOf, together, type Db } from '../db/connect.ts'
import type { Invocation } from '../jobs/invocation.ts'
import { deleteSomeOf } from './rows.ts'
import { tables } from './tables.ts'

const rowsFirst = 1000
const rowsMost = 5000

/**
 * Deletes some of the rows of a workspace that are fenced in this state: those that belong to others
 * first. False: there are none.
 */
export async function deleteSome(
  db: Db,
  workspace: number,
  { state, invocation }: { state: 'left' | 'arriving'; invocation: Invocation },
): Promise<boolean> {
  for (const table of tables.toReversed()) {
    const most = Math.min(invocation.items(rowsFirst), rowsMost)
    const isSwept = sql`(SELECT state FROM fences WHERE workspace_id = ${workspace}) = 'swept'`
    // Its own triggers let no other row of it be changed.
    const results = await together(db, [
      sql`UPDATE fences SET state = 'swept' WHERE workspace_id = ${workspace} AND state = ${state}`,
      deleteSomeOf({ workspace, table }, most, isSwept),
      sql`UPDATE fences SET state = ${state} WHERE workspace_id = ${workspace} AND state = 'swept'`,
    ])
    if (results[1].changes === 0) continue
    await invocation.took(costOf(results).ms, results[1].changes)
    return true
  }
  return false
}
