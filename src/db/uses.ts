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

/** The name of an audience that uses something; its id once it is deleted. */
export async function nameOfAudience(db: Db, workspace: number, id: string): Promise<string> {
  const [audience] = await db
    .select({ name: audiences.name })
    .from(audiences)
    .where(and(eq(audiences.workspace, workspace), eq(audiences.id, id)))
  return audience?.name ?? id
}
