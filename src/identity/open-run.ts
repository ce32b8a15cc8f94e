import { sql, type SQL } from 'drizzle-orm'
import type { Result } from '../db/connect.ts'
import { enqueue } from '../jobs/enqueue.ts'
import type { Resources } from '../resources.ts'

/** The statement that opens a run of a definition, by its id, unless one waits; gives its key. */
export function openRun(
  { now, actor }: Pick<Resources, 'now' | 'actor'>,
  workspace: number,
  { id, definition }: { id: string; definition: string },
  guard: SQL = sql`true`,
): SQL<{ run: number }> {
  return sql`
  INSERT INTO recompute_runs
    (id, workspace_id, definition_key, state, created_at, updated_at, actor)
  SELECT ${id}, d.workspace_id, d.key, 'waiting', ${now()}, ${now()}, ${JSON.stringify(actor)}
  FROM group_definitions AS d
  WHERE d.workspace_id = ${workspace} AND d.id = ${definition} AND d.deleted_at IS NULL
    AND ${guard} AND NOT EXISTS (
      SELECT 1 FROM recompute_runs AS r
      WHERE r.definition_key = d.key AND r.state = 'waiting' AND r.ended_at IS NULL)
  RETURNING key AS run`
}

/** The same of one whose groups follow each change: what was there before must follow, too. */
export const openRunOfContinuous = (
  res: Pick<Resources, 'now' | 'actor'>,
  workspace: number,
  definition: string,
  guard: SQL,
) => {
  const run = { id: crypto.randomUUID(), definition }
  return openRun(res, workspace, run, sql`d.refresh = 'continuous' AND ${guard}`)
}

/** Holds for a definition `d` of which no run was ever opened. */
export const isWithoutRuns = sql`NOT EXISTS (
  SELECT 1 FROM recompute_runs AS r WHERE r.definition_key = d.key)`

/** Enqueues the runs that a batch has opened, by the results of its statements. */
export const enqueueOpened = async (
  res: Resources,
  workspace: number,
  results: Result[],
): Promise<void> => {
  const rows = results.flatMap(({ rows }) => rows as { run?: number }[]) // rows of others have none
  for (const run of rows.flatMap(({ run }) => run ?? []))
    await enqueue(res, { kind: 'recompute', workspace, run })
}
