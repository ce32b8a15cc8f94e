import { and, asc, gt, isNull, lte, sql } from 'drizzle-orm'
import { groupDefinitions } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { enqueueAll } from '../jobs/enqueue.ts'
import { weekOf } from './week.ts'

/** As many as one `sendBatch` takes. */
const runsPerBatch = 100

/**
 * Opens and enqueues the run of the week of `at` (milliseconds) for each definition that was there.
 * Safe to repeat.
 */
export async function beginWeek(res: Resources, at: number): Promise<void> {
  for (let after: number | undefined = 0; after !== undefined;) {
    const { opened, next } = await openWeeklyRuns(res, {
      week: weekOf(at),
      before: at,
      after,
    })
    await enqueueAll(
      res,
      opened.map((run) => ({ kind: 'recompute', ...run })),
    )
    after = next
  }
}

/**
 * Opens the run of a week for the next definitions created by `before` that lack it. `next` is the
 * key to go on after, if there may be more.
 */
async function openWeeklyRuns(
  res: Resources,
  { week, before, after }: { week: string; before: number; after: number },
): Promise<{ opened: { workspace: number; run: number }[]; next: number | undefined }> {
  const db = res.directory
  const now = res.now()
  const hasNoRun = sql`NOT EXISTS (
    SELECT 1 FROM recompute_runs AS r
    WHERE r.definition_key = ${groupDefinitions.key} AND r.week = ${week})`
  const due = await db
    .select({ definition: groupDefinitions.key })
    .from(groupDefinitions)
    .where(
      and(
        gt(groupDefinitions.key, after),
        isNull(groupDefinitions.deletedAt),
        lte(groupDefinitions.createdAt, before),
        hasNoRun,
      ),
    )
    .orderBy(asc(groupDefinitions.key))
    .limit(runsPerBatch)
  if (due.length === 0) return { opened: [], next: undefined }
  const rows = due.map(({ definition }) => [crypto.randomUUID(), definition])
  const opened = await db.all<{ workspace: number; run: number }>(sql`
    INSERT INTO recompute_runs
      (id, workspace_id, definition_key, week, state, created_at, updated_at)
    SELECT value ->> 0, d.workspace_id, d.key, ${week}, 'waiting', ${now}, ${now}
    FROM json_each(${JSON.stringify(rows)}) CROSS JOIN group_definitions AS d ON d.key = value ->> 1
    WHERE d.deleted_at IS NULL -- some may have been deleted since the query above
    ON CONFLICT (definition_key, week) DO NOTHING
    RETURNING workspace_id AS workspace, key AS run`)
  return { opened, next: due.length < runsPerBatch ? undefined : due.at(-1)?.definition }
}
