import { and, eq, sql, type SQL } from 'drizzle-orm'
import { Failure } from '../failure.ts'
import type { Db } from './connect.ts'
import { audiences } from './schema.ts'

/** Names that audiences' rules use; `names` is a condition on `kind` and `name`. */
const used = (workspace: number, names: SQL): SQL =>
  sql`FROM rule_names WHERE workspace_id = ${workspace} AND ${names}`

/** Whether no rule uses such a name: a condition of the statement that deletes what it names. */
export const unused = (workspace: number, names: SQL): SQL =>
  sql`(SELECT 1 ${used(workspace, names)} LIMIT 1) IS NULL`

/** Throws `in-use` where a rule uses such a name; without `id`, with the names that are used. */
export async function checkUnused(
  db: Db,
  workspace: number,
  names: SQL,
  what: { what: 'group' | 'definition' | 'attribute'; id?: string },
): Promise<void> {
  const uses = await db.all<{ audience: string; name: string }>(
    sql`SELECT DISTINCT audience_id AS audience, name ${used(workspace, names)} ORDER BY 1, 2`,
  )
  if (uses.length === 0) return
  const by = [...new Set(uses.map(({ audience }) => audience))]
  const id = [...new Set(uses.map(({ name }) => name))].join(', ')
  throw new Failure({ reason: 'in-use', id, ...what, by })
}

export const namesOfGroup = (id: string): SQL => sql`kind = 'group' AND name = ${id}`

/** The names of attributes that a definition shares; `shared` is a query of their `id`. */
export const namesOfShared = (definition: string, shared: SQL): SQL =>
  sql`kind = 'attribute'
    AND name IN (SELECT ${`${definition}:`} || shared.id FROM (${shared}) AS shared)`

/** The names of a definition and of what it shares. */
export const namesOfDefinition = (definition: string, shared: SQL): SQL =>
  sql`(kind = 'group' AND name = ${definition} OR ${namesOfShared(definition, shared)})`

/** Whether an experiment `e` is running or paused: what it uses must stay. */
export const isUnderWay = sql`e.deleted_at IS NULL AND e.status IN ('running', 'paused')`

const columns = { group: sql`e.group_id`, definition: sql`e.unit_definition` }

/** Running and paused experiments that use a group or a definition. */
const experimentsWith = (workspace: number, what: keyof typeof columns, id: string): SQL =>
  sql`FROM experiments AS e
    WHERE e.workspace_id = ${workspace} AND ${isUnderWay} AND ${columns[what]} = ${id}`

/** Whether no such experiment uses it: a condition of the statement that deletes it. */
export const unusedByExperiments = (
  workspace: number,
  what: keyof typeof columns,
  id: string,
): SQL => sql`(SELECT 1 ${experimentsWith(workspace, what, id)} LIMIT 1) IS NULL`

/** Throws `in-experiments` where one uses it. */
export async function checkUnusedByExperiments(
  db: Db,
  workspace: number,
  what: keyof typeof columns,
  id: string,
): Promise<void> {
  const using = await db.all<{ id: string }>(
    sql`SELECT e.id ${experimentsWith(workspace, what, id)} ORDER BY 1`,
  )
  if (using.length === 0) return
  throw new Failure({ reason: 'in-experiments', what, id, by: using.map(({ id }) => id) })
}

/** Whether no experiment has the id: OFREP asks for a group's name and an experiment's id alike. */
export const isNoExperiment = (workspace: number, id: string): SQL =>
  sql`(SELECT 1 FROM experiments AS e
    WHERE e.workspace_id = ${workspace} AND e.id = ${id} AND e.deleted_at IS NULL) IS NULL`

/** Throws `taken` where one has it. */
export async function checkNoExperiment(db: Db, workspace: number, id: string): Promise<void> {
  const [free] = await db.all(sql`SELECT 1 WHERE ${isNoExperiment(workspace, id)}`)
  if (free === undefined) throw new Failure({ reason: 'taken', what: 'experiment', name: id })
}

/** Whether no experience group has the name. */
export const isNoGroupName = (workspace: number, name: string): SQL =>
  sql`(SELECT 1 FROM experience_groups AS g
    WHERE g.workspace_id = ${workspace} AND g.name = ${name} AND g.deleted_at IS NULL) IS NULL`

/** The name of an audience that uses something; its id once it is deleted. */
export async function nameOfAudience(db: Db, workspace: number, id: string): Promise<string> {
  const [audience] = await db
    .select({ name: audiences.name })
    .from(audiences)
    .where(and(eq(audiences.workspace, workspace), eq(audiences.id, id)))
  return audience?.name ?? id
}
