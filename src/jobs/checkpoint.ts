import { sql, type SQL, type SQLWrapper } from 'drizzle-orm'
import { costOf, together, type Result } from '../db/connect.ts'
import type { erasures, jobs, recomputeRuns } from '../db/schema.ts'
import type { Resources } from '../resources.ts'

/** Where work stands: every change of its row raises `step`. */
export interface Checkpoint {
  key: number
  step: number
}

/** The condition that the work still stands where it was read. */
export function guardOf(
  work: typeof jobs | typeof recomputeRuns | typeof erasures,
  { key, step }: Checkpoint,
): SQL {
  // Not EXISTS, which SQLite makes a join, evaluated for each row.
  return sql`(SELECT step FROM ${work} WHERE key = ${key}) = ${step}`
}

interface StepFacts extends Record<string, unknown> {
  event: string
  work: string
  workspace: number
  step: number
  status: string
}

/**
 * Runs one step's statements as one batch, of which the last moves the checkpoint. Logs its cost
 * with `facts`, and gives whether it moved and the milliseconds.
 */
export async function commit(
  res: Resources,
  facts: StepFacts,
  statements: SQLWrapper[],
): Promise<{ moved: boolean; ms: number; results: Result[] }> {
  const results = await together(res.databaseOf(facts.workspace), statements)
  const cost = costOf(results)
  const moved = (results.at(-1)?.changes ?? 0) > 0
  console.info(JSON.stringify({ ...facts, moved, ...cost }))
  res.measure({ kind: 'step', work: facts.work, state: facts.status, ...cost })
  return { moved, ms: cost.ms, results }
}
