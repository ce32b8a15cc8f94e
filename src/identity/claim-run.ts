import { sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import type { Resources } from '../resources.ts'
import { resolveAll } from './resolve.ts'
import { earlierRunUnended, type Run } from './runs.ts'
import { isTurn } from './turn.ts'

/** Users counted for the progress of a run; of more, it is shown as if they were so many. */
const countedMax = 500_000

const hasNormalizedValues = sql`EXISTS (
  SELECT 1 FROM normalized_values AS n WHERE n.definition_key = d.key)`

/**
 * Begins a waiting run with its definition as it is now; false where an earlier run of it, or enough
 * of its workspace, go on.
 */
export async function claimRun(res: Resources, run: Run): Promise<boolean> {
  const now = res.now()
  const claim = sql`
    UPDATE recompute_runs SET
      state = iif(d.matching IS NULL AND NOT ${hasNormalizedValues}, 'running', 'normalizing'),
      step = step + 1, started_at = ${now}, updated_at = ${now},
      source_user_attribute = d.source_user_attribute, attributes = d.attributes,
      matching = d.matching, ignore_values = d.ignore_values,
      corrected = (SELECT count(*) FROM group_corrections AS c
        WHERE c.definition_key = d.key AND c.user_id > ''),
      expected = (
        SELECT count(*) FROM (
          SELECT 1 FROM user_attributes AS u
          WHERE u.workspace_id = d.workspace_id AND u.name = d.source_user_attribute
            AND u.value > '' LIMIT ${countedMax}))
    FROM group_definitions AS d
    WHERE recompute_runs.key = ${run.key} AND recompute_runs.step = ${run.step}
      AND d.key = recompute_runs.definition_key AND NOT ${earlierRunUnended} AND ${isTurn}`
  const [claimed] = await together(res.databaseOf(run.workspace), [
    claim,
    resolveAll(run.definition),
  ])
  return claimed.changes > 0
}
