import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import type { experiments } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { parseJson } from '../json.ts'
import type { Split, Variant } from './split.ts'

type Stored = typeof experiments.$inferSelect

/** Who is drawn into which variant, and what people call it. */
export interface Experiment extends Split {
  key: number
  name: string
  description: string | null
  /** The id of the experience group whose members are eligible; null: everybody is. */
  group: string | null
  /** The id of the definition whose groups are drawn; null: participants are. */
  unit: string | null
  createdAt: number
  createdBy: string
  updatedAt: number
  updatedBy: string
}

/** The columns of an experiment `e`. */
export const columns = sql`e.key, e.id, e.name, e.description, e.group_id AS "group",
  e.unit_definition AS unit, e.variants, e.control, e.traffic, e.layer_id AS layer,
  e.layer_from AS layerFrom, e.layer_to AS layerTo, e.holdout_id AS holdout,
  e.holdout_share AS holdoutShare, e.status, e.version, e.created_on AS createdAt,
  e.created_by AS createdBy, e.last_modified_on AS updatedAt, e.last_modified_by AS updatedBy`

export type ExperimentRow = Omit<
  Stored,
  'variants' | 'workspace' | 'imbalancedVersion' | 'deletedAt'
> & {
  variants: string
}

export function experimentOf({
  variants,
  layer,
  layerFrom,
  layerTo,
  holdout,
  holdoutShare,
  ...row
}: ExperimentRow): Experiment {
  return {
    ...row,
    variants: parseJson(variants) as Variant[], // only variants are written
    layer: layer === null ? null : { id: layer, from: layerFrom ?? 0, to: layerTo ?? 0 },
    holdout: holdout === null ? null : { id: holdout, share: holdoutShare ?? 0 },
  }
}

/** What an experiment's id looks like; it is no UUID, as those are groups'. */
export const idPattern = /^[a-z0-9_.-]{3,64}$/

/** Whether an experiment `e` is one of a workspace. */
export const isOf = (workspace: number): SQL =>
  sql`e.workspace_id = ${workspace} AND e.deleted_at IS NULL`

/** The experiments `e` of a workspace, as the end of a SELECT. */
export const experimentsOf = (workspace: number): SQL =>
  sql`experiments AS e WHERE ${isOf(workspace)}`

/** Joins the group `g`, if any, of an experiment `e`. */
export const joinGroup = sql`
  LEFT JOIN experience_groups AS g
    ON g.workspace_id = e.workspace_id AND g.id = e.group_id AND g.deleted_at IS NULL`

/** Whom each variant is forced on, by its id. */
export type Forced = Map<string, string[]>

export type WithForced = Experiment & { forced: Forced }

/** Throws `not-found`. */
export async function getExperiment(db: Db, workspace: number, id: string): Promise<WithForced> {
  const only = sql`${experimentsOf(workspace)} AND e.id = ${id}`
  const [found, forced] = await together(db, [
    sql<ExperimentRow>`SELECT ${columns} FROM ${only}`,
    sql<{ variant: string; participant: string }>`
    SELECT f.variant, f.participant_id AS participant
    FROM (SELECT e.key FROM ${only}) AS e
      CROSS JOIN experiment_forced AS f ON f.experiment_key = e.key`,
  ])
  const [row] = found.rows
  if (row === undefined) throw new Failure({ reason: 'not-found', what: 'experiment', id })
  const byVariant = Map.groupBy(forced.rows, ({ variant }) => variant)
  const ids = [...byVariant].map(([variant, rows]): [string, string[]] => [
    variant,
    rows.map(({ participant }) => participant),
  ])
  return { ...experimentOf(row), forced: new Map(ids) }
}

export type ListedExperiment = Experiment & {
  /** Of the group, where it is not deleted. */
  groupName: string | null
}

/** The experiments of a workspace, in the order in which they were made. */
export async function listExperiments(db: Db, workspace: number): Promise<ListedExperiment[]> {
  const rows = await db.all<ExperimentRow & { groupName: string | null }>(sql`
    SELECT ${columns}, g.name AS groupName FROM experiments AS e ${joinGroup}
    WHERE ${isOf(workspace)} ORDER BY e.key`)
  return rows.map(({ groupName, ...row }) => ({ ...experimentOf(row), groupName }))
}

/** Whether an experiment `e` is as it was read: no two changes of one have the same time. */
export const isUnchanged = ({ key, updatedAt }: Experiment): SQL =>
  sql`e.key = ${key} AND e.deleted_at IS NULL AND e.last_modified_on = ${updatedAt}`

/** The columns that say who has changed an experiment, and when. */
export const modified = (now: number, by: string): SQL =>
  sql`last_modified_on = max(${now}, last_modified_on + 1), last_modified_by = ${by}`
