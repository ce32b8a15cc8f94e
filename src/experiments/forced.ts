import { sql, type SQL } from 'drizzle-orm'
import type { GivenVariant } from './variants.ts'
import type { Forced } from './experiments.ts'

/** Whom variants are forced on anew: those of variants of which a request says so. */
const rowsOf = (given: GivenVariant[], forced: Forced): [participant: string, variant: string][] =>
  given.flatMap(({ id, forced: ids }) =>
    ids === undefined ? [] : (forced.get(id) ?? []).map((one): [string, string] => [one, id]),
  )

/** The statement that forces variants on whom a request names; `experiment` is a query of one `key`. */
export const force = (experiment: SQL, given: GivenVariant[], forced: Forced): SQL => sql`
  INSERT INTO experiment_forced (experiment_key, participant_id, variant)
  SELECT e.key, f.value ->> 0, f.value ->> 1
  FROM (${experiment}) AS e
    CROSS JOIN json_each(${JSON.stringify(rowsOf(given, forced))}) AS f
  WHERE true ON CONFLICT (experiment_key, participant_id)
    DO UPDATE SET variant = excluded.variant WHERE variant <> excluded.variant`

/** The statement, before that of `force`, that releases whom a request no longer names. */
export function release(experiment: SQL, given: GivenVariant[], forced: Forced): SQL {
  const left = given.flatMap(({ id, forced: ids }) => (ids === undefined ? [id] : []))
  const named = rowsOf(given, forced).map(([participant]) => participant)
  return sql`
  DELETE FROM experiment_forced WHERE experiment_key = (${experiment})
    AND variant NOT IN (SELECT value FROM json_each(${JSON.stringify(left)}))
    AND participant_id NOT IN (SELECT value FROM json_each(${JSON.stringify(named)}))`
}
