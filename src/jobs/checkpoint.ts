import { sql, type SQL, type SQLWrapper } from 'drizzle-orm'
import { costOf, together, type Db, type Result } from '../db/connect.ts'
import type { jobs, recomputeRuns } from '../db/schema.ts'

/** Where work stands: every change of its row raises `step`. */
export interface Checkpoint {
  key: number
  step: number
}

/** The condition that the work still stands where it was read. */
export function guardOf(work: typeof jobs | typeof recomputeRuns, { key, step }: Checkpoint): SQL {
  // Not EXISTS, which SQLite makes a join, evaluated for each row.
  return sql`(SELECT step FROM ${work} WHERE key = ${key}) = ${step}`
}

/**
 * Runs one step's statements as one batch, of which the last moves the checkpoint. Logs its cost
 * with `facts`, and gives whether it moved and the milliseconds.
 */
export async function commit(
  db: Db,
  facts: { event: string; workspace: number; step: number; status: string } & Record<
    string,
    unknown
  >,
  statements: SQLWrapper[],
): Promise<{ moved: boolean; ms: number; results: Result[] }> {
  const results = await together(db, statements)
  const cost = costOf(results)
  const moved = results.at(-1)?.changes === 1
  console.info(JSON.stringify({ ...facts, moved, ...cost }))
  return { moved, ms: cost.ms, results }
}
