import {
  and,
  asc,
  desc,
  eq,
  inArray,
  isNull,
  lte,
  sql,
  type SQL,
  type SQLWrapper,
} from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { recomputeRuns, type SharedAttribute } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { commit } from '../jobs/checkpoint.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { getDefinition, selectDefinitions, type GroupDefinition } from './definitions.ts'
import { openRun } from './open-run.ts'

type RunRow = typeof recomputeRuns.$inferSelect

/** A run under way, with the definition that it began with. */
export type BegunRun = RunRow & {
  state: 'normalizing' | 'running'
  source: string
  attributes: SharedAttribute[]
}

export type Run = BegunRun | (RunRow & { state: Exclude<RunRow['state'], BegunRun['state']> })

function readRun({ state, ...row }: RunRow): Run {
  if (state !== 'normalizing' && state !== 'running') return { ...row, state }
  const { source, attributes } = row
  if (source === null || attributes === null)
    throw new Error(`run ${row.id} is under way and has no definition`)
  return { ...row, state, source, attributes }
}

/** Opens a run beside those of the weeks, or gives the waiting one. Throws `not-found`. */
export async function requestRun(
  res: Resources,
  workspace: number,
  definitionId: string,
): Promise<Run> {
  const db = res.databaseOf(workspace)
  const id = crypto.randomUUID()
  const results = await together(db, [
    openRun(res, workspace, { id, definition: definitionId }),
    ...announce(res, workspace, {
      type: 'recompute.requested',
      data: { definition_id: definitionId, run_id: id },
    }),
  ])
  await enqueueAnnounced(res, workspace, results)
  const { key } = await getDefinition(db, workspace, definitionId)
  const latest = (which?: SQL) =>
    db
      .select()
      .from(recomputeRuns)
      .where(and(eq(recomputeRuns.definition, key), which))
      .orderBy(desc(recomputeRuns.key))
      .limit(1)
  const [waiting] = await latest(
    and(eq(recomputeRuns.state, 'waiting'), isNull(recomputeRuns.endedAt)),
  )
  // It may have begun meanwhile.
  const run = waiting ?? (await latest())[0]
  if (run === undefined)
    throw new Failure({ reason: 'not-found', what: 'definition', id: definitionId })
  return readRun(run)
}

export async function findRun(db: Db, workspace: number, key: number): Promise<Run | undefined> {
  const [run] = await db
    .select()
    .from(recomputeRuns)
    .where(and(eq(recomputeRuns.workspace, workspace), eq(recomputeRuns.key, key)))
  return run && readRun(run)
}

/** Throws `not-found`, also for another definition's or workspace's run. */
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

/** The definitions of a workspace, oldest first, and the last run of each, by its key. */
export async function listDefinitionsWithRuns(
  db: Db,
  workspace: number,
): Promise<{ definitions: GroupDefinition[]; runs: Map<number, Run> }> {
  const last = sql`(SELECT (SELECT max(r.key) FROM recompute_runs AS r
      WHERE r.definition_key = d.key) FROM group_definitions AS d
    WHERE d.workspace_id = ${workspace} AND d.deleted_at IS NULL)`
  const [definitions, runs] = await db.batch([
    selectDefinitions(db, workspace),
    db.select().from(recomputeRuns).where(inArray(recomputeRuns.key, last)),
  ])
  return { definitions, runs: new Map(runs.map((run) => [run.definition, readRun(run)])) }
}

/** Whether an earlier run of the same definition has not ended. */
export const earlierRunUnended = sql`EXISTS (
  SELECT 1 FROM recompute_runs AS earlier
  WHERE earlier.definition_key = recompute_runs.definition_key
    AND earlier.key < recompute_runs.key AND earlier.ended_at IS NULL)`

/** Runs one batch of a run as `commit` does. */
export function commitRun(
  res: Resources,
  run: Run,
  statements: SQLWrapper[],
  { to, facts }: { to: { [Column in keyof RunRow]?: RunRow[Column] | SQL }; facts?: object },
) {
  const { workspace, key, id: runId, state, step } = run
  const db = res.databaseOf(workspace)
  const advance = db
    .update(recomputeRuns)
    .set({ ...to, step: step + 1, updatedAt: res.now() })
    .where(and(eq(recomputeRuns.key, key), eq(recomputeRuns.step, step)))
  const runFacts = { event: 'recompute-step', work: 'recompute', workspace, runId, step }
  return commit(res, { ...runFacts, status: state, ...facts }, [...statements, advance])
}

/**
 * Marks a run as failed where it stands: the groups that it has computed are complete. False if it
 * has ended, or was moved after `before`.
 */
export async function giveUpRun(
  res: Resources,
  workspace: number,
  key: number,
  before?: number,
): Promise<boolean> {
  const now = res.now()
  const { meta } = await res
    .databaseOf(workspace)
    .update(recomputeRuns)
    .set({
      state: 'failed',
      // While values are normalized, no group is computed yet.
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
        before === undefined ? undefined : lte(recomputeRuns.updatedAt, before),
      ),
    )
  return meta.changes > 0
}

/** The statement that ends the runs of a deleted definition. */
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

/** The definition's next run, if one waits. */
export async function findNextRun(
  db: Db,
  workspace: number,
  definition: number,
): Promise<Pick<Run, 'key' | 'week'> | undefined> {
  const [next] = await db
    .select({ key: recomputeRuns.key, week: recomputeRuns.week })
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
  return next
}

/** Whole percent of the users that the run has to scan. */
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
