import { sql, type SQL } from 'drizzle-orm'
import { Failure } from '../failure.ts'
import type { Db } from './connect.ts'

/** Names in the rules of audiences that others keep, by a condition on `kind` and `name`. */
const used = (workspace: number, names: SQL): SQL =>
  sql`FROM rule_names WHERE workspace_id = ${workspace} AND ${names}`

/** Whether no rule has such a name: a condition of the very statement that takes away what it stands for. */
export const unused = (workspace: number, names: SQL): SQL =>
  sql`(SELECT 1 ${used(workspace, names)} LIMIT 1) IS NULL`

/** Throws `in-use` where a rule has such a name; without `id`, by the names that are found. */
export async function checkUnused(
  db: Db,
  workspace: number,
  names: SQL,
  what: { what: 'group' | 'definition' | 'attribute'; id?: string },
): Promise<void> {
  const found = await db.all<{ audience: string; name: string }>(
    sql`SELECT DISTINCT audience_id AS audience, name ${used(workspace, names)} ORDER BY 1, 2`,
  )
  if (found.length === 0) return
  const by = [...new Set(found.map(({ audience }) => audience))]
  const id = [...new Set(found.map(({ name }) => name))].join(', ')
  throw new Failure({ reason: 'in-use', id, ...what, by })
}

/** The names of an experience group. */
export const namesOfGroup = (id: string): SQL => sql`kind = 'group' AND name = ${id}`

/** The names of what a definition shares: `shared` are ids of attributes, a query of `id`. */
export const namesOfShared = (definition: string, shared: SQL): SQL =>
  sql`kind = 'attribute' AND name IN (SELECT ${`${definition}:`} || shared.id FROM (${shared}) AS shared)`

/** The names of a definition and of what it shares. */
export const namesOfDefinition = (definition: string, shared: SQL): SQL =>
  sql`(kind = 'group' AND name = ${definition} OR ${namesOfShared(definition, shared)})`
