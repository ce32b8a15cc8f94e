import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { recomputeRuns } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { commit, guardOf } from '../jobs/checkpoint.ts'
import { collapsedSql } from './matching.ts'
import { advanceRun, type BegunRun } from './runs.ts'
import { endOfRange, within, type Range } from './ranges.ts'

/**
 * Takes a run one range of raw values further that writes down what each of them is normalized; a value that no user has any more
 * is forgotten. Of a definition that compares values as they are, all are. False: someone else moved the run.
 */
export async function normalize(res: Resources, db: Db, run: BegunRun): Promise<boolean> {
  const { workspace, cursor } = run
  const [end] = await db.all<{ upTo: string | null }>(endOfValues(run, res.limits.usersPerStep))
  const values = { after: cursor, upTo: end?.upTo ?? null }
  const guard = guardOf(recomputeRuns, run)
  const last = values.upTo === null
  const to = last ? { state: 'running' as const, cursor: '' } : { cursor: values.upTo ?? cursor }
  const facts = {
    event: 'recompute-step',
    workspace,
    runId: run.id,
    step: run.step,
    status: run.state,
  }
  const { moved } = await commit(db, facts, [
    deleteUnused(run, values, guard),
    ...(run.matching === null ? [] : [writeNormalized(run, values, guard)]),
    advanceRun(db, run, res.now(), to),
  ])
  return moved
}

type Values = Pick<Range, 'after' | 'upTo'>

const userRows = ({ workspace, source }: BegunRun) =>
  sql`user_attributes AS u INDEXED BY user_attributes_by_value WHERE u.workspace_id = ${workspace} AND u.name = ${source}`
const normalizedRows = ({ definition }: BegunRun) =>
  sql`normalized_values INDEXED BY normalized_values_by_value WHERE definition_key = ${definition}`

/** Where the range of values ends that about so many users have. */
export function endOfValues(run: BegunRun, many: number): SQL {
  const after = sql`value > ${run.cursor}`
  const nobody = sql`(SELECT NULL AS value) WHERE ${after}`
  return endOfRange(
    run.matching === null ? nobody : sql`${userRows(run)} AND ${after}`,
    sql`${normalizedRows(run)} AND ${after}`,
    many,
  )
}

/** Forgets the values of a range that no user has. */
export function deleteUnused(run: BegunRun, values: Values, guard: SQL): SQL {
  const had = sql`EXISTS (SELECT 1 FROM ${userRows(run)} AND u.value = normalized_values.value AND u.type <> 'list')`
  return sql`
    DELETE FROM ${normalizedRows(run)} AND ${within(sql`value`, values)} AND ${guard}
      ${run.matching === null ? sql`` : sql`AND NOT ${had}`}`
}

/** One that users had before its letters were folded for every alphabet is folded by A to Z. */
const caseless = (run: BegunRun) => sql`
  coalesce(iif(v.value GLOB '*[^' || char(1) || '-' || char(127) || ']*',
    (SELECT u.folded FROM ${userRows(run)} AND u.value = v.value AND u.type <> 'list' AND u.folded IS NOT NULL LIMIT 1), NULL), lower(v.value))`

/** Writes down what each value of a range is, where that is new. */
export const writeNormalized = (run: BegunRun, values: Values, guard: SQL): SQL => sql`
  INSERT INTO normalized_values (definition_key, normalized, value)
  SELECT ${run.definition}, v.normalized, v.value
  FROM (SELECT v.value, ${collapsedSql(caseless(run))} AS normalized
    FROM (SELECT DISTINCT u.value FROM ${userRows(run)} AND ${within(sql`u.value`, values)} AND u.type <> 'list') AS v
    WHERE ${guard}) AS v WHERE true
  ON CONFLICT (definition_key, value) DO UPDATE SET normalized = excluded.normalized WHERE normalized <> excluded.normalized`
