import { sql, type SQL } from 'drizzle-orm'
import { together, type Db, type Results } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import type { Limits } from '../limits.ts'
import { isOf } from './experiments.ts'
import { fitOf, type VariantCount, type Fit } from './chi-squared.ts'

/** A variant, and how many participants saw it. */
interface ExposedVariant extends VariantCount {
  id: string
}

/** Who was exposed to the current version of an experiment. */
export interface Exposed {
  key: number
  id: string
  version: number
  /** The id of the definition whose households are drawn; null: participants are. */
  unit: string | null
  variants: ExposedVariant[]
}

/** The day in UTC of a moment in milliseconds, in SQL. */
export const dayOf = (at: SQL): SQL => sql`date(${at} / 1000.0, 'unixepoch')`

/** The `day` of rows that count all days: a writer reads only these, however many days there are. */
const allDays = ''

/** The exposures of a workspace, as its experiments count them together. */
export const countExposures = (workspace: number): SQL => sql`(
  SELECT coalesce(sum(c.participants), 0) FROM experiments AS e
    CROSS JOIN exposure_counts AS c ON c.experiment_key = e.key AND c.version = 0
      AND c.day = ${allDays}
  WHERE ${isOf(workspace)})`

/**
 * The statement that adds to the counts of days, of all days, and of all versions: `counted` is a query of
 * `experiment`, `version`, `day`, `variant` and `participants`.
 */
export const addCounts = (counted: SQL): SQL => sql`
  INSERT INTO exposure_counts (experiment_key, version, day, variant, participants)
  SELECT experiment, iif(part.value = 2, 0, version), iif(part.value > 0, ${allDays}, day),
    iif(part.value = 2, '', variant), sum(participants)
  FROM (${counted}) CROSS JOIN json_each('[0, 1, 2]') AS part
  WHERE true GROUP BY 1, 2, 3, 4
  ON CONFLICT (experiment_key, version, day, variant) DO UPDATE
  SET participants = participants + excluded.participants`

/** The queries that `exposedOf` reads: of the experiments `e` for which `which` holds. */
export const exposedQueries = (which: SQL) =>
  [
    sql<Omit<Exposed, 'variants'> & { variants: string }>`
    SELECT e.key, e.id, e.version, e.unit_definition AS unit,
      (SELECT json_group_array(json_array(value ->> 'id', (value ->> 'to') - (value ->> 'from')))
        FROM json_each(e.variants)) AS variants
    FROM experiments AS e WHERE ${which}`,
    sql<{ key: number; variant: string; participants: number }>`
    SELECT e.key, c.variant, c.participants
    FROM (SELECT e.key, e.version FROM experiments AS e WHERE ${which}) AS e
      CROSS JOIN exposure_counts AS c ON c.experiment_key = e.key AND c.version = e.version
        AND c.day = ${allDays}`,
  ] as const

export function exposedOf([found, counts]: Results<ReturnType<typeof exposedQueries>>): Exposed[] {
  const byExperiment = Map.groupBy(counts.rows, ({ key }) => key)
  return found.rows.map(({ variants, ...experiment }) => {
    const observed = new Map(
      byExperiment.get(experiment.key)?.map((row) => [row.variant, row.participants]),
    )
    const all = JSON.parse(variants) as [id: string, weight: number][] // as the query makes it
    return {
      ...experiment,
      variants: all.map(([id, weight]) => ({ id, weight, observed: observed.get(id) ?? 0 })),
    }
  })
}

/**
 * How well exposures fit weights. Members of a household come together: where households are drawn,
 * each is taken to have as many as it may, so that none makes a mismatch by its size.
 */
export const fitOfExposed = (
  { variants, unit }: Exposed,
  { groupUsersMax }: Pick<Limits, 'groupUsersMax'>,
): Fit =>
  fitOf(
    unit === null
      ? variants
      : variants.map((variant) => ({ ...variant, observed: variant.observed / groupUsersMax })),
  )

/** How many participants saw each variant for the first time on a day. */
export interface ExposedDay {
  day: string
  variants: [id: string, participants: number][]
}

/** Days of an answer at most, the last: of variants there may be a hundred. */
export const daysMost = 400

/** Who was exposed to the current version, by variant, and by day in their order. Throws `not-found`. */
export async function getExposed(
  db: Db,
  workspace: number,
  id: string,
): Promise<Exposed & { days: ExposedDay[] }> {
  const only = sql`${isOf(workspace)} AND e.id = ${id}`
  const counts = sql`(SELECT e.key, e.version FROM experiments AS e WHERE ${only}) AS e
    CROSS JOIN exposure_counts AS c ON c.experiment_key = e.key AND c.version = e.version
      AND c.day > ${allDays} AND c.participants > 0`
  const [found, totals, byDay] = await together(db, [
    ...exposedQueries(only),
    sql<{ day: string; variant: string; participants: number }>`
    SELECT c.day, c.variant, c.participants FROM ${counts}
    WHERE c.day IN (SELECT DISTINCT c.day FROM ${counts} ORDER BY c.day DESC LIMIT ${daysMost})`,
  ])
  const [exposed] = exposedOf([found, totals])
  if (exposed === undefined) throw new Failure({ reason: 'not-found', what: 'experiment', id })
  const days = [...Map.groupBy(byDay.rows, ({ day }) => day)].sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    ...exposed,
    days: days.map(([day, rows]) => ({
      day,
      variants: rows.map(({ variant, participants }) => [variant, participants]),
    })),
  }
}
