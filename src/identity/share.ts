import { sql, type SQL } from 'drizzle-orm'
import type { SharedAttribute } from '../db/schema.ts'
import { aggregates, itemsOf } from './aggregate.ts'
import { within, type Groups } from './ranges.ts'
import type { Definition } from './user-rows.ts'

// Statements that compute what groups share, in the batch that changes their members: each writes
// only rows that differ, and only while `guard` holds.

/** Of whom it is computed, as conditions of members `m`. */
interface Shared {
  groups: SQL
  /** Which members of these groups count; all, where it is not given. */
  members?: SQL
}

/** Computes what groups share, once their members are final. */
export const computeShared = (definition: Definition, groups: Groups, guard: SQL): SQL[] =>
  computeSharedOf(definition, { groups: sql`${within(sql`m.value`, groups)} AND ${guard}` })

/** Attributes of one statement: D1 takes a hundred parameters, SQLite a hundred columns to aggregate. */
const attributesPerStatement = 12

/** Computes what the groups share; `withClause` stands before each statement. */
export function computeSharedOf(definition: Definition, shared: Shared, withClause = sql``): SQL[] {
  const { definitionKey, attributes } = definition
  const statements: SQL[] = []
  for (let from = 0; from < attributes.length; from += attributesPerStatement) {
    const some = attributes.slice(from, from + attributesPerStatement)
    statements.push(sql`${withClause}
      INSERT INTO group_attributes (definition_key, value, name, function, result, type, folded)
      SELECT ${definitionKey}, in_group, name, function, result, type, folded
      FROM (${resultsOf(definition, some, shared)}) WHERE true
      ON CONFLICT (definition_key, value, name) DO UPDATE
      SET function = excluded.function, result = excluded.result,
        type = excluded.type, folded = excluded.folded
      WHERE result IS NOT excluded.result OR type IS NOT excluded.type
        OR function <> excluded.function OR folded IS NOT excluded.folded`)
  }
  return statements
}

/** The value of an attribute of a member `m`, as `u`. */
const valueOf = ({ workspace }: Definition, id: string, u: SQL): SQL => sql`
  user_attributes AS ${u}
    ON ${u}.workspace_id = ${workspace} AND ${u}.user_id = m.user_id AND ${u}.name = ${id}`

/** What is computed for each group: of its members' values, or where that is NULL, by a query. */
interface Selected {
  join: SQL
  computed: SQL
  query?: SQL
  /** That of the result; `member`: that of the member's value; `items`: the result is a list that has it. */
  type: 'number' | 'boolean' | 'member' | 'items'
}

/** All in one scan of the members, in which each group's pages are read once. */
function resultsOf(definition: Definition, attributes: SharedAttribute[], shared: Shared): SQL {
  const { workspace, definitionKey } = definition
  const { groups, members } = shared
  const selected = attributes.map((attribute, i) =>
    selectOf(definition, attribute, { u: sql.raw(`u${i}`), members }),
  )
  const r = (i: number) => sql.raw(`r${i}`)
  const joins = selected.map(({ join }) => join)
  const computed = selected.map(({ computed }, i) => sql`, ${computed} AS ${r(i)}`)
  const queried = selected.map(({ query }, i) =>
    query ? sql`, coalesce(${r(i)}, (${query})) AS ${r(i)}` : sql`, ${r(i)}`,
  )
  // Or a query would run for each part of its result.
  const materialized = sql.raw(selected.some(({ query }) => query) ? 'MATERIALIZED' : '')
  const cases = selected.map((_, i) => sql.raw(`WHEN ${i} THEN r${i} `))
  const named = attributes.map(({ id, type }, i) => [id, type, selected[i]?.type])
  return sql`
    WITH g AS (
        SELECT m.value AS in_group ${sql.join(computed)}
        FROM identity_members AS m ${sql.join(joins)}
        WHERE m.definition_key = ${definitionKey} AND ${groups} ${members && sql`AND ${members}`}
        GROUP BY m.value),
      r AS ${materialized} (SELECT in_group ${sql.join(queried)} FROM g)
    SELECT s.in_group, s.name, s.function,
      CASE s.type WHEN 'member' THEN coalesce(c.sent, c.value) WHEN 'items' THEN s.result ->> 0
        ELSE s.result END AS result,
      CASE s.type WHEN 'member' THEN c.type WHEN 'items' THEN s.result ->> 1
        ELSE s.type END AS type,
      iif(s.type = 'items', s.result ->> 2, c.folded) AS folded
    FROM (SELECT r.in_group, f.value ->> 0 AS name, f.value ->> 1 AS function,
        CASE f.key ${sql.join(cases)} END AS result, f.value ->> 2 AS type
      FROM r CROSS JOIN json_each(${JSON.stringify(named)}) AS f) AS s
    LEFT JOIN user_attributes AS c ON c.workspace_id = ${workspace}
      AND c.user_id = iif(s.type = 'member', s.result, NULL) AND c.name = s.name`
}

function selectOf(
  definition: Definition,
  { id, type }: SharedAttribute,
  { u, members }: { u: SQL; members: SQL | undefined },
): Selected {
  const aggregate = aggregates[type]
  const join = sql`LEFT JOIN ${valueOf(definition, id, u)}`
  if ('ofItems' in aggregate) {
    const items = itemsOf({
      from: sql`identity_members AS m CROSS JOIN ${valueOf(definition, id, sql`u`)}`,
      where: sql`m.definition_key = ${definition.definitionKey} AND m.value = g.in_group
        ${members && sql`AND ${members}`}`,
    })
    const computed = sql`iif(max(${u}.type = 'list'), NULL, ${aggregate.ofTexts(u)})`
    return { join, computed, query: aggregate.ofItems(items), type: 'items' }
  }
  if ('computed' in aggregate)
    return { join, computed: aggregate.computed(u), type: aggregate.type }
  const { order, where } = aggregate
  // The id of the member whose value it is.
  const computed = sql`json_group_array(m.user_id ORDER BY ${order(u)}, m.user_id)
    FILTER (WHERE ${u}.value IS NOT NULL ${where && sql`AND ${where(u)}`}) ->> 0`
  return { join, computed, type: 'member' }
}

/** Whether a result is of no shared attribute: nothing keeps it up to date any more. */
export const isNotShared = (attributes: SharedAttribute[]) =>
  sql`(name, function) NOT IN (
    SELECT value ->> 'id', value ->> 'type' FROM json_each(${JSON.stringify(attributes)}))`

/** Deletes results that are no longer shared, or of no member. */
export const deleteUnshared = (
  { definitionKey, attributes }: Definition,
  groups: Groups,
  guard: SQL,
): SQL => sql`
  DELETE FROM group_attributes
  WHERE definition_key = ${definitionKey} AND ${within(sql`value`, groups)} AND ${guard} AND (
    ${isNotShared(attributes)}
    OR NOT EXISTS (
      SELECT 1 FROM identity_members AS m
      WHERE m.definition_key = ${definitionKey} AND m.value = group_attributes.value))`
