import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { isUnderWay } from '../db/uses.ts'
import { invalid } from '../failure.ts'
import type { Settings } from './change.ts'

/** What an experiment needs of others: that they exist, and leave it its layer and holdout. */
export type Requirements = Pick<Settings, 'id' | 'group' | 'unit' | 'layer' | 'holdout'>

/** The id of what is missing or in the way, in SQL: null where nothing is. */
function problemsOf(workspace: number, { id, group, unit, layer, holdout }: Requirements) {
  const isOther = sql`e.workspace_id = ${workspace} AND e.id <> ${id} AND ${isUnderWay}`
  return {
    group: missing(
      group,
      sql`SELECT 1 FROM experience_groups AS g
      WHERE g.workspace_id = ${workspace} AND g.id = ${group} AND g.deleted_at IS NULL`,
    ),
    unit: missing(
      unit,
      sql`SELECT 1 FROM group_definitions AS d
      WHERE d.workspace_id = ${workspace} AND d.id = ${unit} AND d.deleted_at IS NULL`,
    ),
    layer:
      layer === null
        ? sql`NULL`
        : sql`(SELECT e.id FROM experiments AS e WHERE ${isOther} AND e.layer_id = ${layer.id}
            AND e.layer_from < ${layer.to} AND e.layer_to > ${layer.from} ORDER BY e.id LIMIT 1)`,
    holdout:
      holdout === null
        ? sql`NULL`
        : sql`(SELECT e.id FROM experiments AS e WHERE ${isOther}
            AND e.holdout_id = ${holdout.id} AND e.holdout_share <> ${holdout.share}
            ORDER BY e.id LIMIT 1)`,
  }
}

const missing = (id: string | null, found: SQL) =>
  id === null ? sql`NULL` : sql`iif((${found}) IS NULL, ${id}, NULL)`

/** Whether requirements are met: a condition of the statement that makes them the experiment's. */
export function requirementsMet(workspace: number, requirements: Requirements): SQL {
  const { group, unit, layer, holdout } = problemsOf(workspace, requirements)
  return sql`coalesce(${group}, ${unit}, ${layer}, ${holdout}) IS NULL`
}

/** Throws `invalid` for the first that is not met. */
export async function checkRequirements(
  db: Db,
  workspace: number,
  requirements: Requirements,
): Promise<void> {
  const { group, unit, layer, holdout } = problemsOf(workspace, requirements)
  const [found] = await db.all<Record<keyof ReturnType<typeof problemsOf>, string | null>>(
    sql`SELECT ${group} AS "group", ${unit} AS unit, ${layer} AS layer, ${holdout} AS holdout`,
  )
  if (found === undefined) throw new Error('a SELECT without FROM gave no row')
  if (found.group !== null) throw invalid('group_id', 'is not the id of an experience group')
  if (found.unit !== null)
    throw invalid('unit', 'must be participant or the id of a group definition')
  if (found.layer !== null) throw invalid('layer', `overlaps with the experiment ${found.layer}`)
  if (found.holdout !== null)
    throw invalid('holdout.share', `must be that of the experiment ${found.holdout}`)
}
