import { sql, type SQL } from 'drizzle-orm'
import { recomputeRuns } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { guardOf } from '../jobs/checkpoint.ts'
import type { Invocation } from '../jobs/invocation.ts'
import type { GroupDefinition } from './definitions.ts'
import { collapsedSql } from './matching.ts'
import { commitRun, type BegunRun } from './runs.ts'
import { endOfRange, within, type Range } from './ranges.ts'
import { usersByExactValue } from './user-rows.ts'

/**
 * Updates the normalized values of the run's next range; a definition that compares values as they
 * are has none. False: someone else moved the run.
 */
export async function normalize(
  res: Resources,
  run: BegunRun,
  invocation: Invocation,
): Promise<boolean> {
  const { workspace, cursor } = run
  const users = usersOf(res, invocation)
  const [end] = await res
    .databaseOf(workspace)
    .all<{ upTo: string | null; crowded: number }>(endOfValues(run, users))
  const values = { after: cursor, upTo: end?.upTo ?? null, crowded: end?.crowded === 1 }
  const guard = guardOf(recomputeRuns, run)
  const statements = [deleteUnused(run, values, guard)]
  if (run.matching !== null) statements.push(writeNormalized(run, values, guard))
  const last = values.upTo === null
  const to = last ? { state: 'running' as const, cursor: '' } : { cursor: values.upTo ?? cursor }
  const { moved, ms } = await commitRun(res, run, statements, { to })
  await invocation.took(ms, users)
  return moved
}

const usersFirst = 1000

/** Users of a run's next range, about. */
export const usersOf = ({ limits }: Resources, invocation: Invocation): number =>
  Math.min(invocation.items(usersFirst), limits.usersPerStep)

/** Whose values are normalized, and how far. */
type Normalizing = Pick<BegunRun, 'workspace' | 'definition' | 'source' | 'matching' | 'cursor'>

/** By which attribute of which definition users are grouped. */
type Source = Pick<BegunRun, 'workspace' | 'definition' | 'source'>

const sourceRows = (run: Source) => {
  const { from, where } = usersByExactValue(run)
  return sql`${from} WHERE ${where}`
}
const normalizedRows = ({ definition }: Normalizing) =>
  sql`normalized_values INDEXED BY normalized_values_by_value
    WHERE definition_key = ${definition}`

/** A query of the `upTo` and `crowded` of the next values that about so many users have. */
export function endOfValues(run: Normalizing, users: number): SQL {
  const after = sql`value > ${run.cursor}`
  const noRows = sql`(SELECT NULL AS value) WHERE ${after}`
  return endOfRange(
    run.matching === null ? noRows : sql`${sourceRows(run)} AND ${after}`,
    sql`${normalizedRows(run)} AND ${after}`,
    users,
  )
}

/** Deletes normalized values that no user has, or all where values are compared as they are. */
export function deleteUnused(run: Normalizing, values: Range, guard: SQL): SQL {
  const isUsed = sql`EXISTS (
    SELECT 1 FROM ${sourceRows(run)} AND u.value = normalized_values.value AND u.type <> 'list')`
  return sql`
    DELETE FROM ${normalizedRows(run)} AND ${within(sql`value`, values)} AND ${guard}
      ${run.matching === null ? sql`` : sql`AND NOT ${isUsed}`}`
}

/** A value of before `folded` was stored has its case folded by A to Z alone. */
const caselessValue = (run: Source) => sql`
  coalesce(
    iif(v.value GLOB '*[^' || char(1) || '-' || char(127) || ']*',
      (SELECT u.folded FROM ${sourceRows(run)}
        AND u.value = v.value AND u.type <> 'list' AND u.folded IS NOT NULL LIMIT 1),
      NULL),
    lower(v.value))`

/** The values of a range, of which a crowded one is not read row by row. */
const valuesOf = (run: Normalizing, values: Range) =>
  values.crowded
    ? sql`SELECT ${values.upTo} AS value
      WHERE EXISTS (SELECT 1 FROM ${sourceRows(run)}
        AND u.value = ${values.upTo} AND u.type <> 'list')`
    : sql`SELECT DISTINCT u.value FROM ${sourceRows(run)}
      AND ${within(sql`u.value`, values)} AND u.type <> 'list'`

/** Writes the normalized form of each new value of a range. */
export const writeNormalized = (run: Normalizing, values: Range, guard: SQL): SQL =>
  writeNormalizedOf(run, valuesOf(run, values), guard)

/**
 * The same of each value that users have of a JSON list, and of the values that members of some
 * groups have by now: who writes the same in a new way stays.
 */
export function normalizeListed(
  { key, workspace, source }: GroupDefinition,
  { texts, groups }: { texts: string; groups: string },
  guard: SQL,
): SQL {
  const of = { definition: key, workspace, source }
  const listed = sql`SELECT value FROM json_each(${texts})
    UNION SELECT u.value FROM json_each(${groups}) AS g
      CROSS JOIN identity_members AS m INDEXED BY identity_members_by_value
        ON m.definition_key = ${key} AND m.value = g.value
      CROSS JOIN user_attributes AS u
        ON u.workspace_id = ${workspace} AND u.user_id = m.user_id AND u.name = ${source}`
  // No range has the blank value: who has it is counted apart.
  const used = sql`SELECT l.value FROM (${listed}) AS l WHERE l.value > '' AND EXISTS (
    SELECT 1 FROM ${sourceRows(of)} AND u.value = l.value AND u.type <> 'list')`
  return writeNormalizedOf(of, used, guard)
}

const writeNormalizedOf = (of: Source, values: SQL, guard: SQL): SQL => sql`
  INSERT INTO normalized_values (definition_key, normalized, value)
  SELECT ${of.definition}, v.normalized, v.value
  FROM (
    SELECT v.value, ${collapsedSql(caselessValue(of))} AS normalized
    FROM (${values}) AS v
    WHERE ${guard}) AS v
  WHERE true
  ON CONFLICT (definition_key, value) DO UPDATE SET normalized = excluded.normalized
  WHERE normalized <> excluded.normalized`
