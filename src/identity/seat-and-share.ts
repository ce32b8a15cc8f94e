import { sql, type SQL } from 'drizzle-orm'
import type { SharedAttribute } from '../db/schema.ts'
import { aggregates, type Aggregated } from './aggregate.ts'
import {
  candidatesWithSeat,
  candidates,
  hasNoValue,
  within,
  type Definition,
  type Seating,
  type Range,
} from './ranges.ts'

// The statements that change who sits in which group of a definition, and what the groups share. A group and what it shares
// change in one batch, each row only where it differs, and only while `guard` holds.

/** Writes down who of a range's users sits in the group of another value, for as long as the batch lasts: see `forgetMovers`. */
export const recordMovers = (seating: Seating, range: Range, guard: SQL): SQL => sql`
  INSERT INTO identity_movers (definition_key, user_id)
  SELECT ${seating.definitionKey}, user_id FROM ${candidatesWithSeat(seating, range)} WHERE seat <> value AND ${guard}`

export const selectMovers = ({ definitionKey: definition }: Definition): SQL =>
  sql`SELECT user_id FROM identity_movers WHERE definition_key = ${definition}`

export const deleteMovers = ({ definitionKey: definition }: Definition, guard: SQL): SQL => sql`
  DELETE FROM identity_movers WHERE definition_key = ${definition} AND ${guard}`

/**
 * Takes users (a query of their ids) out of the groups that they sit in, and computes what those groups share without them.
 * Safe beside any other change: the groups are found when it runs.
 */
export function removeMembers(definition: Definition, users: SQL, guard: SQL): SQL[] {
  const { definitionKey: definition, attributes } = definition
  const going = sql`
    WITH going AS MATERIALIZED (${users}),
      touched AS MATERIALIZED (SELECT value FROM identity_members WHERE definition_key = ${definition} AND user_id IN (SELECT user_id FROM going))`
  const staying = sql`m.user_id NOT IN (SELECT user_id FROM going)`
  return [
    ...computeSharedOf(
      definition,
      sql`m.value IN (SELECT value FROM touched) AND ${staying}`,
      guard,
      going,
    ),
    sql`${going}
    DELETE FROM group_attributes
    WHERE definition_key = ${definition} AND value IN (SELECT value FROM touched) AND ${guard} AND (
      ${isNotShared(attributes)}
      OR NOT EXISTS (SELECT 1 FROM identity_members AS m WHERE m.definition_key = ${definition} AND m.value = group_attributes.value AND ${staying}))`,
    sql`DELETE FROM identity_members WHERE definition_key = ${definition} AND user_id IN (${users}) AND ${guard}`,
  ]
}

/** Takes out of a range's groups who has their value no more, or whose value is none. */
export function removeUnmatched(seating: Seating, range: Range, guard: SQL): SQL {
  const { workspace, definitionKey: definition, source, matching } = seating
  const theirs =
    matching === null
      ? sql`user_attributes AS u INDEXED BY user_attributes_by_value
        WHERE u.workspace_id = ${workspace} AND u.name = ${source} AND u.value = identity_members.value AND u.user_id = identity_members.user_id`
      : sql`user_attributes AS u CROSS JOIN normalized_values AS nv
        WHERE u.workspace_id = ${workspace} AND u.user_id = identity_members.user_id AND u.name = ${source}
          AND nv.definition_key = ${definition} AND nv.normalized = identity_members.value AND nv.value = u.value`
  return sql`
  DELETE FROM identity_members
  WHERE definition_key = ${definition} AND ${within(sql`value`, range)} AND ${guard} AND NOT EXISTS
    (SELECT 1 FROM ${theirs} AND u.type <> 'list' AND NOT ${hasNoValue(seating)})`
}

/** Takes out of a range's groups whose seat is beyond the limit, where that was lowered: the last by user id. */
export const removeBeyondSeats = (
  { definitionKey: definition, seatsMax }: Seating,
  range: Range,
  guard: SQL,
): SQL => sql`
  DELETE FROM identity_members WHERE definition_key = ${definition} AND ${guard} AND user_id IN
    (SELECT user_id FROM (SELECT user_id, row_number() OVER (PARTITION BY value ORDER BY user_id) AS place
      FROM identity_members WHERE definition_key = ${definition} AND ${within(sql`value`, range)}) WHERE place > ${seatsMax})`

/** Gives a range's free seats to who sits nowhere, by user id; and writes them in that order, which is that of the key. */
export const fillSeats = (seating: Seating, range: Range, now: number, guard: SQL): SQL => {
  const { definitionKey: definition, seatsMax } = seating
  return sql`
  INSERT INTO identity_members (definition_key, user_id, value, joined_at)
  SELECT ${definition}, n.user_id, n.value, ${now}
  FROM (SELECT value, user_id, row_number() OVER (PARTITION BY value ORDER BY user_id) AS place FROM (${candidates(seating, range)}) AS c
    WHERE NOT EXISTS (SELECT 1 FROM identity_members AS s WHERE s.definition_key = ${definition} AND s.user_id = c.user_id)) AS n
    LEFT JOIN (SELECT value, count(*) AS size FROM identity_members
      WHERE definition_key = ${definition} AND ${within(sql`value`, range)} GROUP BY value) AS g ON g.value = n.value
  WHERE n.place + coalesce(g.size, 0) <= ${seatsMax} AND ${guard}
  ORDER BY n.user_id`
}

/** Computes what the groups of a range share: last of all, as it counts who sits there. */
export const computeShared = (definition: Definition, range: Range, guard: SQL): SQL[] =>
  computeSharedOf(definition, within(sql`m.value`, range), guard)

type AggregatedAttribute = SharedAttribute & { type: Aggregated }

/** Attributes of one statement: D1 takes a hundred parameters. */
const aggregatesPerStatement = 20

/** The statements of the groups of those members (a condition on `m`) whom it names; each begins with `going`. */
function computeSharedOf(definition: Definition, condition: SQL, guard: SQL, going = sql``): SQL[] {
  const { definitionKey: definition, attributes } = definition
  const aggregated = attributes.filter(
    (attribute): attribute is AggregatedAttribute => attribute.type !== 'latest',
  )
  const selections = attributes
    .filter(({ type }) => type === 'latest')
    .map(({ id }) => latest(definition, id, sql`${condition} AND ${guard}`))
  for (let from = 0; from < aggregated.length; from += aggregatesPerStatement)
    selections.push(
      aggregatesOf(
        definition,
        aggregated.slice(from, from + aggregatesPerStatement),
        sql`${condition} AND ${guard}`,
      ),
    )
  return selections.map(
    (selection) => sql`${going}
      INSERT INTO group_attributes (definition_key, value, name, function, result, type, folded)
      SELECT ${definition}, in_group, name, function, result, type, folded FROM (${selection}) WHERE true
      ON CONFLICT (definition_key, value, name) DO UPDATE
      SET function = excluded.function, result = excluded.result, type = excluded.type, folded = excluded.folded
      WHERE result IS NOT excluded.result OR type IS NOT excluded.type OR function <> excluded.function OR folded IS NOT excluded.folded`,
  )
}

const isValueOfMember = ({ workspace }: Definition, name: SQL) =>
  sql`u.workspace_id = ${workspace} AND u.user_id = m.user_id AND u.name ${name}`

/** All aggregates in one scan of the members. */
function aggregatesOf(
  definition: Definition,
  attributes: AggregatedAttribute[],
  condition: SQL,
): SQL {
  const names = sql.join(
    attributes.map(({ id }) => sql`${id}`),
    sql`, `,
  )
  const results = attributes.map(
    ({ id, type }, i) => sql`, ${aggregates[type].result(id)} AS ${sql.raw(`r${i}`)}`,
  )
  const cases = attributes.map((_, i) => sql.raw(`WHEN ${i} THEN r${i} `))
  const shared = attributes.map(({ id, type }) => [id, type, aggregates[type].type])
  return sql`
    SELECT g.in_group, f.value ->> 0 AS name, f.value ->> 1 AS function,
      CASE f.key ${sql.join(cases)} END AS result, f.value ->> 2 AS type, NULL AS folded
    FROM (SELECT m.value AS in_group ${sql.join(results)}
      FROM identity_members AS m
        LEFT JOIN user_attributes AS u ON ${isValueOfMember(definition, sql`IN (${names})`)}
      WHERE m.definition_key = ${definition.definitionKey} AND ${condition} GROUP BY m.value) AS g
    CROSS JOIN json_each(${JSON.stringify(shared)}) AS f`
}

/** The most recently updated value; of two of one moment, that of the smaller user id. */
const latest = (definition: Definition, id: string, condition: SQL): SQL => sql`
  SELECT in_group, ${id} AS name, 'latest' AS function, result, type, folded
  FROM (SELECT m.value AS in_group, coalesce(u.sent, u.value) AS result, u.type, u.folded,
      row_number() OVER (PARTITION BY m.value ORDER BY u.value IS NULL, u.updated_at DESC, m.user_id) AS place
    FROM identity_members AS m LEFT JOIN user_attributes AS u ON ${isValueOfMember(definition, sql`= ${id}`)}
    WHERE m.definition_key = ${definition.definitionKey} AND ${condition})
  WHERE place = 1`

/** What is asked for no more is not computed anew. It would be wrong if it were asked for again, and so it goes. */
const isNotShared = (attributes: SharedAttribute[]) =>
  sql`(name, function) NOT IN (SELECT value ->> 'id', value ->> 'type' FROM json_each(${JSON.stringify(attributes)}))`

/** Deletes what is asked for no more, or was shared by a group that has no member left. */
export const deleteUnshared = (
  { definitionKey: definition, attributes }: Definition,
  range: Range,
  guard: SQL,
): SQL => sql`
  DELETE FROM group_attributes
  WHERE definition_key = ${definition} AND ${within(sql`value`, range)} AND ${guard} AND (
    ${isNotShared(attributes)}
    OR NOT EXISTS (SELECT 1 FROM identity_members AS m WHERE m.definition_key = ${definition} AND m.value = group_attributes.value))`

/** How many members and groups a range has: a query of `seated`, `groups`. */
export const countSeated = ({ definitionKey: definition }: Definition, range: Range): SQL => sql`
  SELECT count(*) AS seated, count(DISTINCT value) AS groups FROM identity_members
  WHERE definition_key = ${definition} AND ${within(sql`value`, range)}`
