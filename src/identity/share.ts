import { sql, type SQL } from 'drizzle-orm'
import type { SharedAttribute } from '../db/schema.ts'
import { aggregates, itemsOf, type Aggregate } from './aggregate.ts'
import { within, type Groups } from './ranges.ts'
import type { Definition } from './user-rows.ts'

// Statements that compute what groups share, in the batch that changes their members: each writes
// only rows that differ, and only while `guard` holds.

/** Computes what groups share, once their members are final. */
export const computeShared = (definition: Definition, groups: Groups, guard: SQL): SQL[] =>
  computeSharedOf(definition, sql`${within(sql`m.value`, groups)} AND ${guard}`)

/** Attributes of one statement: D1 takes a hundred parameters. */
const aggregatesPerStatement = 20

/** Computes what groups share of the members `m` that `condition` selects. */
export function computeSharedOf(definition: Definition, condition: SQL, withClause = sql``): SQL[] {
  const { definitionKey, attributes } = definition
  const isOfItems = ({ type }: SharedAttribute) => 'ofItems' in aggregates[type]
  const atOnce = attributes.filter((attribute) => !isOfItems(attribute))
  const selections = attributes
    .filter(isOfItems)
    .map((attribute) => resultOfItems(definition, attribute, condition))
  for (let from = 0; from < atOnce.length; from += aggregatesPerStatement)
    selections.push(
      resultsAtOnce(definition, atOnce.slice(from, from + aggregatesPerStatement), condition),
    )
  return selections.map(
    (selection) => sql`${withClause}
      INSERT INTO group_attributes (definition_key, value, name, function, result, type, folded)
      SELECT ${definitionKey}, in_group, name, function, result, type, folded
      FROM (${selection}) WHERE true
      ON CONFLICT (definition_key, value, name) DO UPDATE
      SET function = excluded.function, result = excluded.result,
        type = excluded.type, folded = excluded.folded
      WHERE result IS NOT excluded.result OR type IS NOT excluded.type
        OR function <> excluded.function OR folded IS NOT excluded.folded`,
  )
}

/** Members `m` with their values of an attribute, as `u`. */
const valueOf = ({ workspace }: Definition, id: string, u: SQL): SQL => sql`
  LEFT JOIN user_attributes AS ${u}
    ON ${u}.workspace_id = ${workspace} AND ${u}.user_id = m.user_id AND ${u}.name = ${id}`

const ofMembers = ({ definitionKey }: Definition, condition: SQL) =>
  sql`m.definition_key = ${definitionKey} AND ${condition}`

/** All that needs no order of items, in one scan of the members: each attribute by a join of its own. */
function resultsAtOnce(definition: Definition, attributes: SharedAttribute[], condition: SQL): SQL {
  const joined = attributes.map((attribute, i) => ({ ...attribute, u: sql.raw(`u${i}`) }))
  const joins = sql.join(joined.map(({ id, u }) => valueOf(definition, id, u)))
  const results = joined.map(
    ({ type, u }, i) => sql`, ${resultOf(aggregates[type], u)} AS ${sql.raw(`r${i}`)}`,
  )
  const cases = attributes.map((_, i) => sql.raw(`WHEN ${i} THEN r${i} `))
  const shared = attributes.map(({ id, type }) => {
    const aggregate = aggregates[type]
    return [id, type, 'computed' in aggregate ? aggregate.type : null]
  })
  // Of what is chosen of one member, the result is its id: the value is that member's.
  return sql`
    SELECT s.in_group, s.name, s.function,
      iif(s.type IS NULL, coalesce(c.sent, c.value), s.result) AS result,
      coalesce(s.type, c.type) AS type, c.folded
    FROM (SELECT g.in_group, f.value ->> 0 AS name, f.value ->> 1 AS function,
        CASE f.key ${sql.join(cases)} END AS result, f.value ->> 2 AS type
      FROM (SELECT m.value AS in_group ${sql.join(results)}
        FROM identity_members AS m ${joins}
        WHERE ${ofMembers(definition, condition)} GROUP BY m.value) AS g
      CROSS JOIN json_each(${JSON.stringify(shared)}) AS f) AS s
    LEFT JOIN user_attributes AS c ON c.workspace_id = ${definition.workspace}
      AND c.user_id = iif(s.type IS NULL, s.result, NULL) AND c.name = s.name`
}

function resultOf(aggregate: Aggregate, u: SQL): SQL {
  if ('computed' in aggregate) return aggregate.computed(u)
  if ('ofItems' in aggregate) throw new Error('items are not computed at once')
  const { order, where } = aggregate
  return sql`json_group_array(m.user_id ORDER BY ${order(u)}, m.user_id)
    FILTER (WHERE ${u}.value IS NOT NULL ${where && sql`AND ${where(u)}`}) ->> 0`
}

function resultOfItems(definition: Definition, { id, type }: SharedAttribute, condition: SQL): SQL {
  const aggregate = aggregates[type]
  if (!('ofItems' in aggregate)) throw new Error(`${type} is computed at once`)
  const items = itemsOf({
    from: sql`identity_members AS m ${valueOf(definition, id, sql`u`)}`,
    where: ofMembers(definition, condition),
  })
  return sql`SELECT in_group, ${id} AS name, ${type} AS function, result, type, folded
    FROM (${aggregate.ofItems(items)})`
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
