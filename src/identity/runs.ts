import { and, asc, desc, eq, gt, isNull, lte, sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { groupDefinitions, recomputeRuns, type SharedAttribute } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import type { Checkpoint } from '../jobs/checkpoint.ts'
import { getDefinition } from './definitions.ts'

type RunRow = typeof recomputeRuns.$inferSelect

/** A run that goes on, with its definition as that was when the run began. */
export type BegunRun = RunRow & {
  state: 'normalizing' | 'running'
  source: string
  attributes: SharedAttribute[]
}

export type Run = BegunRun | (RunRow & { state: Exclude<RunRow['state'], BegunRun['state']> })

function readRun({ state, ...row }: RunRow): Run {
  if (state !== 'normalizing' && state !== 'running') return { ...row, state }
  const { source, attributes } = row
  if (source === null || attributes === null) throw new Error(`run ${row.id} was never begun`)
  return { ...row, state, source, attributes }
}

/** How many users are counted before a run begins; of more, its progress is told as if they were so many. */
const countedMax = 500_000

/** Opens a run beside those of the weeks, or gives the one that waits already. Throws `not-found`. */
export async function requestRun(
  db: Db,
  workspace: number,
  definitionId: string,
  now: number,
): Promise<Run> {
  const waiting = sql`EXISTS (SELECT 1 FROM recompute_runs AS r WHERE r.definition_key = d.key AND r.state = 'waiting')`
  await db.run(sql`
    INSERT INTO recompute_runs (id, workspace_id, definition_key, state, created_at, updated_at)
    SELECT ${crypto.randomUUID()}, d.workspace_id, d.key, 'waiting', ${now}, ${now} FROM group_definitions AS d
    WHERE d.workspace_id = ${workspace} AND d.id = ${definitionId} AND d.deleted_at IS NULL AND NOT ${waiting}`)
  const { key } = await getDefinition(db, workspace, definitionId)
  const [run] = await db
    .select()
    .from(recomputeRuns)
    .where(eq(recomputeRuns.definition, key))
    .orderBy(desc(eq(recomputeRuns.state, 'waiting')), desc(recomputeRuns.key))
    .limit(1)
  if (run === undefined)
    throw new Failure({ reason: 'not-found', what: 'definition', id: definitionId })
  return readRun(run)
}

/**
 * Opens the run of a week for up to `most` definitions that were there at `before` and do not have it, in the order of their keys.
 * Tells the runs, and the key to go on after, if there may be more.
 */
export async function openWeeklyRuns(
  db: Db,
  week: string,
  { before, after, most, now }: { before: number; after: number; most: number; now: number },
): Promise<{ opened: { workspace: number; run: number }[]; next: number | undefined }> {
  const missing = sql`NOT EXISTS (SELECT 1 FROM recompute_runs AS r WHERE r.definition_key = ${groupDefinitions.key} AND r.week = ${week})`
  const due = await db
    .select({ definition: groupDefinitions.key })
    .from(groupDefinitions)
    .where(
      and(
        gt(groupDefinitions.key, after),
        isNull(groupDefinitions.deletedAt),
        lte(groupDefinitions.createdAt, before),
        missing,
      ),
    )
    .orderBy(asc(groupDefinitions.key))
    .limit(most)
  if (due.length === 0) return { opened: [], next: undefined }
  const rows = due.map(({ definition }) => [crypto.randomUUID(), definition])
  const opened = await db.all<{ workspace: number; run: number }>(sql`
    INSERT INTO recompute_runs (id, workspace_id, definition_key, week, state, created_at, updated_at)
    SELECT value ->> 0, d.workspace_id, d.key, ${week}, 'waiting', ${now}, ${now}
    FROM json_each(${JSON.stringify(rows)}) CROSS JOIN group_definitions AS d ON d.key = value ->> 1
    WHERE d.deleted_at IS NULL -- since they were found due, some may have gone
    ON CONFLICT (definition_key, week) DO NOTHING RETURNING workspace_id AS workspace, key AS run`)
  return { opened, next: due.length < most ? undefined : due.at(-1)?.definition }
}

/** The run as it stands now, for whoever carries it on. */
export async function findRun(db: Db, workspace: number, key: number): Promise<Run | undefined> {
  const [run] = await db
    .select()
    .from(recomputeRuns)
    .where(and(eq(recomputeRuns.workspace, workspace), eq(recomputeRuns.key, key)))
  return run && readRun(run)
}

/** Throws `not-found` for an unknown run, one of another definition, of a deleted one, and of another workspace alike. */
export async function getRun(
  db: Db,
  workspace: number,
  definitionId: string,
  id: string,
): Promise<Run> {
  const { key } = await getDefinition(db, workspace, definitionId)
  const [run] = await db
    .select()
    .from(recomputeRuns)
    .where(
      and(
        eq(recomputeRuns.workspace, workspace),
        eq(recomputeRuns.id, id),
        eq(recomputeRuns.definition, key),
      ),
    )
  if (run === undefined) throw new Failure({ reason: 'not-found', what: 'run', id })
  return readRun(run)
}

/** The last hundred runs of a definition, newest first. Throws `not-found`. */
export async function listRuns(db: Db, workspace: number, definitionId: string): Promise<Run[]> {
  const { key } = await getDefinition(db, workspace, definitionId)
  const runs = await db
    .select()
    .from(recomputeRuns)
    .where(and(eq(recomputeRuns.workspace, workspace), eq(recomputeRuns.definition, key)))
    .orderBy(desc(recomputeRuns.key))
    .limit(100)
  return runs.map(readRun)
}

/** Whether an earlier run of the same definition has not ended. */
export const earlierRunUnended = sql`EXISTS (SELECT 1 FROM recompute_runs AS earlier
  WHERE earlier.definition_key = recompute_runs.definition_key AND earlier.key < recompute_runs.key AND earlier.ended_at IS NULL)`

/** Whether the definition has compared values normalized, and that is still written down. */
const hasNormalizedValues = sql`EXISTS (SELECT 1 FROM normalized_values AS n WHERE n.definition_key = d.key)`

/** Begins a waiting run with the definition as it is now, unless an earlier run of it has not ended. Tells whether it did. */
export async function claimRun(db: Db, run: Run, now: number): Promise<boolean> {
  const { meta } = await db.run(sql`
    UPDATE recompute_runs SET state = iif(d.matching IS NULL AND NOT ${hasNormalizedValues}, 'running', 'normalizing'), step = step + 1, started_at = ${now}, updated_at = ${now},
      source_user_attribute = d.source_user_attribute, attributes = d.attributes,
      matching = d.matching, ignore_values = d.ignore_values,
      without_value = (SELECT count(*) FROM user_attributes AS u
        WHERE u.workspace_id = d.workspace_id AND u.name = d.source_user_attribute AND u.value = '' AND u.type <> 'list'),
      expected = (SELECT count(*) FROM (SELECT 1 FROM user_attributes AS u
        WHERE u.workspace_id = d.workspace_id AND u.name = d.source_user_attribute AND u.value > '' LIMIT ${countedMax}))
    FROM group_definitions AS d
    WHERE recompute_runs.key = ${run.key} AND recompute_runs.step = ${run.step} AND d.key = recompute_runs.definition_key
      AND NOT ${earlierRunUnended}`)
  return meta.changes === 1
}

/** The last statement of a run's batch: moves it on, if nobody has moved it since it was read. */
export function advanceRun(
  db: Db,
  run: Checkpoint,
  now: number,
  to: { [Column in keyof RunRow]?: RunRow[Column] | SQL },
) {
  return db
    .update(recomputeRuns)
    .set({ ...to, step: run.step + 1, updatedAt: now })
    .where(and(eq(recomputeRuns.key, run.key), eq(recomputeRuns.step, run.step)))
}

/** Marks a run as failed where it stands. What it has computed is whole, group by group; the next run begins anew. */
export async function giveUpRun(
  db: Db,
  workspace: number,
  key: number,
  now: number,
): Promise<void> {
  await db
    .update(recomputeRuns)
    .set({
      state: 'failed',
      // While values are normalized, no group has been dealt with.
      cursor: sql`iif(state = 'normalizing', '', cursor)`,
      step: sql`step + 1`,
      updatedAt: now,
      endedAt: now,
    })
    .where(
      and(
        eq(recomputeRuns.workspace, workspace),
        eq(recomputeRuns.key, key),
        isNull(recomputeRuns.endedAt),
      ),
    )
}

/** The statement that ends the runs of a definition that is deleted. */
export function cancelRuns(db: Db, workspace: number, definition: number, now: number) {
  return db
    .update(recomputeRuns)
    .set({ state: 'cancelled', step: sql`step + 1`, updatedAt: now, endedAt: now })
    .where(
      and(
        eq(recomputeRuns.workspace, workspace),
        eq(recomputeRuns.definition, definition),
        isNull(recomputeRuns.endedAt),
        sql`(SELECT deleted_at FROM group_definitions WHERE key = ${definition}) IS NOT NULL`,
      ),
    )
}

/** The run of a definition that is next, if one waits. */
export async function findNextRun(
  db: Db,
  workspace: number,
  definition: number,
): Promise<number | undefined> {
  const [next] = await db
    .select({ key: recomputeRuns.key })
    .from(recomputeRuns)
    .where(
      and(
        eq(recomputeRuns.workspace, workspace),
        eq(recomputeRuns.definition, definition),
        isNull(recomputeRuns.endedAt),
      ),
    )
    .orderBy(asc(recomputeRuns.key))
    .limit(1)
  return next?.key
}

/** Whole percent of the users that the run has to look at. */
export function percentOfRun({
  state,
  scanned,
  withoutValue,
  expected,
}: Pick<Run, 'state' | 'scanned' | 'withoutValue' | 'expected'>): number {
  return state === 'successful'
    ? 100
    : Math.min(99, Math.floor((100 * (scanned + withoutValue)) / Math.max(1, expected)))
}
