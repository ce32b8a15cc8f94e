import { sql, type SQL } from 'drizzle-orm'
import type { SharedAttribute } from '../db/schema.ts'
import { aggregates, itemsOf, type Aggregate } from './aggregate.ts'
import { correctedUsers, isNoneCorrected } from './corrected.ts'
import type { Listed } from './listed.ts'
import {
  candidates,
  candidatesWithSeat,
  hasNoValue,
  isWanted,
  within,
  type Groups,
  type Range,
} from './ranges.ts'
import { andUncorrected, type Definition, type Seating } from './user-rows.ts'

// Statements that change the members of groups, and what these share, in one batch: each writes
// only rows that differ, and only while `guard` holds.

/** Lists members whose value is now that of another group, until `deleteMovers` ends the batch. */
export const recordMovers = (seating: Seating, range: Range, guard: SQL): SQL => sql`
  INSERT INTO identity_movers (definition_key, user_id)
  SELECT ${seating.definitionKey}, user_id
  FROM ${candidatesWithSeat(seating, range)} WHERE seat <> value AND ${guard}`

export const selectMovers = ({ definitionKey }: Definition): SQL =>
  sql`SELECT user_id FROM identity_movers WHERE definition_key = ${definitionKey}`

export const deleteMovers = ({ definitionKey }: Definition, guard: SQL): SQL => sql`
  DELETE FROM identity_movers WHERE definition_key = ${definitionKey} AND ${guard}`

/**
 * Removes users (a query of `user_id`) from their groups, and computes what those share without
 * them. Safe beside any other change: the groups are found when it runs.
 */
export function removeMembers(definition: Definition, users: SQL, guard: SQL): SQL[] {
  const { definitionKey, attributes } = definition
  const removed = sql`
    WITH removed AS MATERIALIZED (${users}),
      changed AS MATERIALIZED (
        SELECT value FROM identity_members
        WHERE definition_key = ${definitionKey}
          AND user_id IN (SELECT user_id FROM removed))`
  const remains = sql`m.user_id NOT IN (SELECT user_id FROM removed)`
  const remaining = sql`m.value IN (SELECT value FROM changed) AND ${remains}`
  return [
    ...computeSharedOf(definition, sql`${remaining} AND ${guard}`, removed),
    sql`${removed}
    DELETE FROM group_attributes
    WHERE definition_key = ${definitionKey} AND value IN (SELECT value FROM changed)
      AND ${guard} AND (
        ${isNotShared(attributes)}
        OR NOT EXISTS (
          SELECT 1 FROM identity_members AS m
          WHERE m.definition_key = ${definitionKey} AND m.value = group_attributes.value
            AND ${remains}))`,
    sql`
    DELETE FROM identity_members
    WHERE definition_key = ${definitionKey} AND user_id IN (${users}) AND ${guard}`,
  ]
}

/** Removes members of a range whose value is no longer their group's, or counts as none. */
export function removeUnmatched(seating: Seating, groups: Groups, guard: SQL): SQL {
  const { workspace, definitionKey, source, matching, hasCorrections } = seating
  const ownValue =
    matching === null
      ? sql`user_attributes AS u INDEXED BY user_attributes_by_value
        WHERE u.workspace_id = ${workspace} AND u.name = ${source}
          AND u.value = identity_members.value AND u.user_id = identity_members.user_id`
      : sql`user_attributes AS u CROSS JOIN normalized_values AS nv
        WHERE u.workspace_id = ${workspace} AND u.user_id = identity_members.user_id
          AND u.name = ${source} AND nv.definition_key = ${definitionKey}
          AND nv.normalized = identity_members.value AND nv.value = u.value`
  const seat = sql.raw('identity_members.value')
  const isPut = sql`c.value = ${seat} AND c.user_id = identity_members.user_id`
  const [isValue, isValueOfPut] =
    'values' in groups
      ? [isWanted(seat, groups), isWanted(seat, groups)]
      : [sql`NOT ${hasNoValue(seating)}`, sql`NOT ${isNoneCorrected(seating)}`]
  const put = correctedUsers(seating, sql`${isPut} AND ${isValueOfPut}`, sql`0`)
  return sql`
  DELETE FROM identity_members INDEXED BY identity_members_by_value
  WHERE definition_key = ${definitionKey} AND ${within(sql`value`, groups)} AND ${guard}
    AND NOT EXISTS (
      SELECT 1 FROM ${ownValue} AND u.type <> 'list' AND ${isValue}
        ${andUncorrected(seating)})
    ${hasCorrections ? sql`AND NOT EXISTS (${put})` : sql``}`
}

/** Removes the last members, by user id, of groups that have more than a lowered limit allows. */
export const removeBeyondSeats = (
  { definitionKey, seatsMax }: Seating,
  groups: Groups,
  guard: SQL,
): SQL => sql`
  DELETE FROM identity_members
  WHERE definition_key = ${definitionKey} AND ${guard} AND user_id IN (
    SELECT user_id FROM (
      SELECT user_id, row_number() OVER (PARTITION BY value ORDER BY user_id) AS place
      FROM identity_members
      WHERE definition_key = ${definitionKey} AND ${within(sql`value`, groups)})
    WHERE place > ${seatsMax})`

/** Moves members in place to where everybody has a seat: half of the rows of leaving and joining. */
export const moveSeats = (seating: Seating, listed: Listed, now: number, guard: SQL): SQL => {
  const { definitionKey, seatsMax } = seating
  return sql`
  INSERT INTO identity_members (definition_key, user_id, value, joined_at)
  SELECT ${definitionKey}, user_id, value, ${now}
  FROM (
    SELECT user_id, value, seat, count(*) OVER (PARTITION BY value) AS users
    FROM ${candidatesWithSeat(seating, listed)})
  WHERE seat <> value AND users <= ${seatsMax} AND ${within(sql`seat`, listed)} AND ${guard}
  ON CONFLICT (definition_key, user_id) DO UPDATE
  SET value = excluded.value, joined_at = excluded.joined_at`
}

/** Gives free seats to users in no group, by user id: the order of the key too. */
export const fillSeats = (
  seating: Seating,
  groups: Range | Listed,
  now: number,
  guard: SQL,
): SQL => {
  const { definitionKey, seatsMax } = seating
  return sql`
  INSERT INTO identity_members (definition_key, user_id, value, joined_at)
  SELECT ${definitionKey}, n.user_id, n.value, ${now}
  FROM (
    SELECT value, user_id, row_number() OVER (PARTITION BY value ORDER BY user_id) AS place
    FROM (${candidates(seating, groups)}) AS c
    WHERE NOT EXISTS (
      SELECT 1 FROM identity_members AS s
      WHERE s.definition_key = ${definitionKey} AND s.user_id = c.user_id)) AS n
  LEFT JOIN (
    SELECT value, count(*) AS size FROM identity_members
    WHERE definition_key = ${definitionKey} AND ${within(sql`value`, groups)}
    GROUP BY value) AS g ON g.value = n.value
  WHERE n.place + coalesce(g.size, 0) <= ${seatsMax} AND ${guard}
  ORDER BY n.user_id`
}

/** Computes what groups share, once their members are final. */
export const computeShared = (definition: Definition, groups: Groups, guard: SQL): SQL[] =>
  computeSharedOf(definition, sql`${within(sql`m.value`, groups)} AND ${guard}`)

/** Attributes of one statement: D1 takes a hundred parameters. */
const aggregatesPerStatement = 20

/** Computes what groups share of the members `m` that `condition` selects. */
function computeSharedOf(definition: Definition, condition: SQL, withClause = sql``): SQL[] {
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
const isNotShared = (attributes: SharedAttribute[]) =>
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

/** A query of a range's members and groups: `seated` and `groups`. */
export const countSeated = ({ definitionKey }: Definition, range: Range): SQL => sql`
  SELECT count(*) AS seated, count(DISTINCT value) AS groups FROM identity_members
  WHERE definition_key = ${definitionKey} AND ${within(sql`value`, range)}`
