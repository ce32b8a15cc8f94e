import { sql, type SQL } from 'drizzle-orm'
import { correctedUsers, hasCorrections, isNoneCorrected } from './corrected.ts'
import { eligibleOfValue } from './crowded.ts'
import { listedUsers, type Listed } from './listed.ts'
import { isNoValueSql } from './no-value.ts'
import {
  groupValueColumn,
  userRows,
  usersByNormalizedValue,
  type Seating,
  type UserRows,
} from './user-rows.ts'

/** Values of groups in their order: after `after`, up to and including `upTo` or the end. */
export interface Range {
  after: string
  upTo: string | null
  /** The range is one value of more users than a step takes: it scans only who may get a seat. */
  crowded: boolean
  /** Its first users, where `countUsersOf` has them. */
  first?: string
}

export type Groups = Pick<Range, 'after' | 'upTo'> | Listed

/** Whether the value of one of some groups does not count as none. */
export const isWanted = (value: SQL, { wanted }: Pick<Listed, 'wanted'>) =>
  sql`${value} IN (SELECT value FROM json_each(${wanted}))`

export function within(value: SQL, groups: Groups): SQL {
  if ('values' in groups) return sql`${value} IN (SELECT value FROM json_each(${groups.values}))`
  const { after, upTo } = groups
  return upTo === null ? sql`${value} > ${after}` : sql`${value} > ${after} AND ${value} <= ${upTo}`
}

/** The end of a range, and whether the definition has corrections. */
export interface RangeEnd {
  upTo: string | null
  crowded: number
  corrected: number
}

type Ungrouped = Omit<Seating, 'hasCorrections'>

/** A query of the end of the range after `after` that holds about `users` users and members of whole groups. */
export const rangeAfter = (seating: Ungrouped, after: string, users: number): SQL => sql`
  SELECT e.*, ${hasCorrections(seating.definitionKey)} AS corrected
  FROM (${endOfUsers(seating, after, users)}) AS e`

function endOfUsers(seating: Ungrouped, after: string, users: number): SQL {
  const { workspace, definitionKey, source, matching } = seating
  const members = sql`identity_members
    WHERE definition_key = ${definitionKey} AND value > ${after}`
  if (matching === null)
    return endOfRange(
      sql`user_attributes
        WHERE workspace_id = ${workspace} AND name = ${source} AND value > ${after}`,
      members,
      users,
    )
  const { from, where } = usersByNormalizedValue(seating)
  const normalized = sql`(SELECT nv.normalized AS value FROM ${from}
    WHERE ${where} AND nv.normalized > ${after}) WHERE true`
  return endOfRange(normalized, members, users)
}

/**
 * A query of the `upTo` and `crowded` of a range of about `size` rows of either source; both have
 * a `value` after that of the range before.
 */
export function endOfRange(rows: SQL, otherRows: SQL, size: number): SQL {
  const valueBehind = (source: SQL) =>
    sql`(SELECT value FROM ${source} ORDER BY value LIMIT 1 OFFSET ${size})`
  const lastBefore = (source: SQL) => sql`(SELECT max(value) FROM ${source} AND value < next_value)`
  return sql`
    WITH behind AS (
        SELECT min(value) AS next_value
        FROM (SELECT ${valueBehind(rows)} AS value UNION ALL SELECT ${valueBehind(otherRows)})),
      range_end AS (
        SELECT next_value, max(value) AS upTo
        FROM (SELECT next_value, ${lastBefore(rows)} AS value FROM behind
          UNION ALL SELECT next_value, ${lastBefore(otherRows)} FROM behind))
    SELECT CASE WHEN next_value IS NULL THEN NULL ELSE coalesce(upTo, next_value) END AS upTo,
      next_value IS NOT NULL AND upTo IS NULL AS crowded
    FROM range_end`
}

/** All users of a range, also those whose value counts as none. */
function usersInRange(seating: Seating, range: Range): UserRows {
  const { from, where } = userRows(seating)
  return {
    from,
    where: sql`${where} AND ${within(groupValueColumn(seating), range)} AND u.type <> 'list'`,
  }
}

const caselessValue = sql.raw(
  `coalesce(
    iif(u.value GLOB '*[^' || char(1) || '-' || char(127) || ']*',
      (SELECT f.folded FROM user_attributes AS f
        WHERE f.workspace_id = u.workspace_id AND f.user_id = u.user_id AND f.name = u.name),
      NULL),
    lower(u.value))`,
)

/** Whether the value of a user `u` counts as none. */
export const hasNoValue = (seating: Pick<Seating, 'matching' | 'noValues'>) =>
  isNoValueSql(groupValueColumn(seating), caselessValue, seating.noValues)

/** The users of a range who may get a seat, if they have a value and no correction. */
const eligibleUsers = (seating: Seating, range: Range): UserRows =>
  range.crowded
    ? eligibleOfValue(seating, range.upTo ?? '', range.first ?? '[]')
    : usersInRange(seating, range)

/** The users `u` who may get a seat: their group's value, and whether it counts as none. */
interface Eligible extends UserRows {
  value: SQL
  none: SQL
}

function eligible(seating: Seating, groups: Range | Listed): Eligible {
  const isListed = 'values' in groups
  if (!isListed && !seating.hasCorrections) {
    const [value, none] = [groupValueColumn(seating), hasNoValue(seating)]
    return { ...eligibleUsers(seating, groups), value, none }
  }
  const uncorrected = isListed ? listedUsers(seating, groups) : selectRange(seating, groups)
  const corrected = isListed
    ? correctedUsers(seating, isWanted(sql`c.value`, groups), sql`0`)
    : correctedUsers(seating, within(sql`c.value`, groups), isNoneCorrected(seating))
  return {
    from: sql`(${uncorrected} ${seating.hasCorrections ? sql`UNION ALL ${corrected}` : sql``}) AS u`,
    where: sql`true`,
    value: sql.raw('u.value'),
    none: sql.raw('u.none'),
  }
}

function selectRange(seating: Seating, range: Range): SQL {
  const { from, where } = eligibleUsers(seating, range)
  return sql`SELECT ${groupValueColumn(seating)} AS value, u.user_id, ${hasNoValue(seating)} AS none,
    0 AS corrected FROM ${from} WHERE ${where}`
}

/** A query of `value` and `user_id` of eligible users with a value. */
export function candidates(seating: Seating, groups: Range | Listed): SQL {
  const { from, where, value, none } = eligible(seating, groups)
  return sql`SELECT ${value} AS value, u.user_id FROM ${from} WHERE ${where} AND NOT ${none}`
}

/** The same, with the value of the group that each sits in now as `seat`. */
export const candidatesWithSeat = (seating: Seating, groups: Range | Listed): SQL => {
  const { definitionKey } = seating
  // Most sit where they belong, and are found in the order of values; the others by their id.
  return sql`(
    SELECT c.value, c.user_id,
      coalesce(s.value, (SELECT value FROM identity_members
        WHERE definition_key = ${definitionKey} AND user_id = c.user_id)) AS seat
    FROM (${candidates(seating, groups)}) AS c
      LEFT JOIN identity_members AS s INDEXED BY identity_members_by_value
        ON s.definition_key = ${definitionKey} AND s.value = c.value AND s.user_id = c.user_id)`
}

/** What a range holds: `unseated`, `moving` and `staying` count the users who may get a seat. */
export interface Scan {
  /** Users who have a value. */
  users: number
  /** Users whose value counts as none. */
  withoutValue: number
  unseated: number
  /** Members of the group of another value. */
  moving: number
  /** Members of the group of their value. */
  staying: number
  /** Members of the range's groups, whatever their value is now. */
  members: number
  /** Members of the largest group. */
  largestGroup: number
  /** JSON of the values that most users have, of those with more users than seats, and users. */
  overLimit: string
}

/** How many values beyond the limit of seats a run shows. */
export const overLimitShown = 5

/** The query that scans a range: one row, a `Scan`; `crowd` counts the users of a crowded one. */
export function scanRange(seating: Seating, range: Range, crowd = 0): SQL {
  const { definitionKey, seatsMax } = seating
  // Rows come in the order of values, so grouping sorts nothing.
  return sql`
    WITH ${countedValues(seating, range, crowd)},
      g AS MATERIALIZED (
        SELECT count(*) AS size FROM identity_members
        WHERE definition_key = ${definitionKey} AND ${within(sql`value`, range)} GROUP BY value)
    SELECT coalesce(sum(users) FILTER (WHERE NOT none), 0) AS users,
      coalesce(sum(users) FILTER (WHERE none), 0) AS withoutValue,
      coalesce(sum(eligible - staying - moving) FILTER (WHERE NOT none), 0) AS unseated,
      coalesce(sum(moving) FILTER (WHERE NOT none), 0) AS moving,
      coalesce(sum(staying) FILTER (WHERE NOT none), 0) AS staying,
      (SELECT coalesce(sum(size), 0) FROM g) AS members,
      (SELECT coalesce(max(size), 0) FROM g) AS largestGroup,
      iif(coalesce(max(users) FILTER (WHERE NOT none), 0) > ${seatsMax},
        (SELECT json_group_array(json_object('value', value, 'users', users))
          FROM (SELECT value, users FROM v WHERE NOT none AND users > ${seatsMax}
            ORDER BY users DESC, value LIMIT ${overLimitShown})),
        '[]') AS overLimit
    FROM v`
}

/** The table `v` of a range's values, with the users and members of each. */
function countedValues(seating: Seating, range: Range, crowd: number): SQL {
  const { definitionKey, hasCorrections } = seating
  const { from, where, value, none } = eligible(seating, range)
  const users = range.crowded ? sql`${crowd}` : sql`count(*)`
  const corrected = hasCorrections ? sql`, u.corrected` : sql``
  const otherSeat = sql`(SELECT value FROM identity_members
    WHERE definition_key = ${definitionKey} AND user_id = u.user_id)`
  const counted = sql`
        SELECT ${value} AS value, ${none} AS none,
          ${hasCorrections ? sql`iif(u.corrected, count(*), ${users})` : users} AS users,
          count(*) AS eligible, count(s.value) AS staying,
          count(iif(s.value IS NULL, ${otherSeat}, NULL)) AS moving
        FROM ${from} LEFT JOIN identity_members AS s INDEXED BY identity_members_by_value
          ON s.definition_key = ${definitionKey} AND s.value = ${value} AND s.user_id = u.user_id
        WHERE ${where} GROUP BY ${value} ${corrected}`
  if (!hasCorrections) return sql`v AS MATERIALIZED (${counted})`
  return sql`v AS MATERIALIZED (
    SELECT value, none, sum(users) AS users, sum(eligible) AS eligible, sum(staying) AS staying,
      sum(moving) AS moving
    FROM (${counted}) GROUP BY value, none)`
}
