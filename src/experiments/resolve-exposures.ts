import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure, invalid } from '../failure.ts'
import type { SentExposure } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { countExposures } from './exposure-counts.ts'
import { experimentsOf, type Experiment } from './experiments.ts'

/** That a participant saw a variant, by its ids; `at` in milliseconds, now where nothing is said. */
export interface Exposure {
  experiment: string
  participant: string
  variant: string
  at?: number | undefined
}

/** Milliseconds by which the clock of who reports may be ahead. */
const aheadMost = 5 * 60_000

/**
 * Exposures to the version of now, by keys. Throws `invalid` with the field of the first that names
 * no experiment, a draft, no variant of it, a time to come, or one of before 1970; and `limit`
 * where the workspace would have too many.
 */
export async function resolveExposures(
  { databaseOf, now, limits }: Pick<Resources, 'databaseOf' | 'now' | 'limits'>,
  workspace: number,
  exposures: Exposure[],
): Promise<SentExposure[]> {
  // From the primary: a replica may not know yet what has just begun.
  const { known, count } = await findExposable(databaseOf(workspace), workspace, exposures)
  const { exposuresMax: max } = limits
  if (count + exposures.length > max) throw new Failure({ reason: 'limit', what: 'exposures', max })
  const taken = now()
  return exposures.map(({ experiment, participant, variant, at = taken }, i) => {
    const refuse = (field: 'experiment_id' | 'variant' | 'at', problem: string) =>
      invalid(`exposures.${i}.${field}`, problem)
    const found = known.get(experiment)
    if (found === undefined) throw refuse('experiment_id', 'names no experiment')
    if (found.status === 'draft')
      throw refuse('experiment_id', 'names a draft, which nobody can see')
    if (!found.variants.has(variant)) throw refuse('variant', 'names no variant of the experiment')
    if (at > taken + aheadMost) throw refuse('at', 'lies in the future')
    if (at < 0) throw refuse('at', 'lies before 1970')
    const { key, version } = found
    return { experiment: key, version, participant, variant, at: Math.min(at, taken) }
  })
}

type Exposable = Pick<Experiment, 'key' | 'id' | 'status' | 'version'> & { variants: Set<string> }

async function findExposable(
  db: Db,
  workspace: number,
  exposures: Exposure[],
): Promise<{ known: Map<string, Exposable>; count: number }> {
  const ids = JSON.stringify([...new Set(exposures.map(({ experiment }) => experiment))])
  const [found, counted] = await together(db, [
    sql<Omit<Exposable, 'variants'> & { variants: string }>`
    SELECT e.key, e.id, e.status, e.version,
      (SELECT json_group_array(value ->> 'id') FROM json_each(e.variants)) AS variants
    FROM ${experimentsOf(workspace)} AND e.id IN (SELECT value FROM json_each(${ids}))`,
    sql<{ count: number }>`SELECT ${countExposures(workspace)} AS count`,
  ])
  const known = new Map(
    found.rows.map(({ variants, ...row }) => [
      row.id,
      { ...row, variants: new Set(JSON.parse(variants) as string[]) }, // as the query makes it
    ]),
  )
  return { known, count: counted.rows[0]?.count ?? 0 }
}
