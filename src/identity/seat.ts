import { sql, type SQL } from 'drizzle-orm'
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
import { computeSharedOf, isNotShared } from './share.ts'
import { andUncorrected, type Definition, type Seating } from './user-rows.ts'

// Statements that change the members of groups, in one batch: each writes only rows that differ, and
// only while `guard` holds.

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
  const groups = sql`m.value IN (SELECT value FROM changed) AND ${guard}`
  return [
    ...computeSharedOf(definition, { groups, members: remains }, removed),
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

/** A query of a range's members and groups: `seated` and `groups`. */
export const countSeated = ({ definitionKey }: Definition, range: Range): SQL => sql`
  SELECT count(*) AS seated, count(DISTINCT value) AS groups FROM identity_members
  WHERE definition_key = ${definitionKey} AND ${within(sql`value`, range)}`
