import { sql, type SQL } from 'drizzle-orm'
import type { SharedAttribute } from '../db/schema.ts'
import { isNoValueSql, type NoValues } from './no-value.ts'

/**
 * The users of a range of values, and where they sit: what the statements of a run are made of (see seat-and-share.ts).
 */
export interface Definition {
  workspace: number
  definitionKey: number
  attributes: SharedAttribute[]
}

/** Whose value of which attribute decides, compared how, in groups of how many. */
export interface Seating extends Definition {
  source: string
  matching: 'normalized' | null
  noValues: NoValues
  seatsMax: number
}

/** Values of groups in their order: after `after`, up to and including `upTo` or the end. */
export interface Range {
  after: string
  upTo: string | null
  /** The range is one value that more users have than a step takes: only those who can get a seat are looked at. */
  crowded: boolean
}

export const within = (value: SQL, { after, upTo }: Pick<Range, 'after' | 'upTo'>) =>
  upTo === null ? sql`${value} > ${after}` : sql`${value} > ${after} AND ${value} <= ${upTo}`

/**
 * Where the range after `after` ends that holds about `users` users and members of whole groups: `upTo` is null where it is the
 * last, `crowded` tells that it is one value of more.
 */
export function rangeAfter(seating: Seating, after: string, users: number): SQL {
  const { workspace, definitionKey: definition, source, matching } = seating
  const ofMembers = sql`identity_members WHERE definition_key = ${definition} AND value > ${after}`
  if (matching === null)
    return endOfRange(
      sql`user_attributes WHERE workspace_id = ${workspace} AND name = ${source} AND value > ${after}`,
      ofMembers,
      users,
    )
  const { from, where } = usersByNormalizedValue(seating)
  const ofUsers = sql`(SELECT nv.normalized AS value FROM ${from} WHERE ${where} AND nv.normalized > ${after}) WHERE true`
  return endOfRange(ofUsers, ofMembers, users)
}

/** Where the range ends that holds about so many of either rows: both have a value after that of the range before. */
export function endOfRange(rows: SQL, others: SQL, many: number): SQL {
  // The value that the range stops short of.
  const next = (of: SQL) => sql`(SELECT value FROM ${of} ORDER BY value LIMIT 1 OFFSET ${many})`
  const last = (of: SQL) => sql`(SELECT max(value) FROM ${of} AND value < next)`
  return sql`
    WITH stop AS (SELECT min(value) AS next FROM (SELECT ${next(rows)} AS value UNION ALL SELECT ${next(others)})),
      short AS (SELECT next, max(value) AS upTo FROM (SELECT next, ${last(rows)} AS value FROM stop UNION ALL SELECT next, ${last(others)} FROM stop))
    SELECT CASE WHEN next IS NULL THEN NULL ELSE coalesce(upTo, next) END AS upTo, next IS NOT NULL AND upTo IS NULL AS crowded FROM short`
}

interface UserRows {
  from: SQL
  where: SQL
}

/** Users `u` by what their values are normalized, `nv`, in the order of that; without those of values that came since. */
const usersByNormalizedValue = ({
  workspace,
  definitionKey: definition,
  source,
}: Seating): UserRows => ({
  from: sql`normalized_values AS nv CROSS JOIN user_attributes AS u INDEXED BY user_attributes_by_value`,
  where: sql`nv.definition_key = ${definition} AND u.workspace_id = ${workspace} AND u.name = ${source} AND u.value = nv.value`,
})

const usersByExactValue = ({ workspace, source }: Seating): UserRows => ({
  from: sql`user_attributes AS u INDEXED BY user_attributes_by_value`,
  where: sql`u.workspace_id = ${workspace} AND u.name = ${source}`,
})

/** The value of the group that a user `u` is in. */
const groupValueColumn = ({ matching }: Pick<Seating, 'matching'>) =>
  sql.raw(matching === null ? 'u.value' : 'nv.normalized')

/** The users of a range: `u`, of a value that may be none. */
function usersInRange(seating: Seating, range: Range): UserRows {
  const { from, where } =
    seating.matching === null ? usersByExactValue(seating) : usersByNormalizedValue(seating)
  return {
    from,
    where: sql`${where} AND ${within(groupValueColumn(seating), range)} AND u.type <> 'list'`,
  }
}

const caselessValue = sql.raw(
  `coalesce(iif(u.value GLOB '*[^' || char(1) || '-' || char(127) || ']*', (SELECT f.folded FROM user_attributes AS f
    WHERE f.workspace_id = u.workspace_id AND f.user_id = u.user_id AND f.name = u.name), NULL), lower(u.value))`,
)

/** Whether that value is none. */
export const hasNoValue = (at: Pick<Seating, 'matching' | 'noValues'>) =>
  isNoValueSql(groupValueColumn(at), caselessValue, at.noValues)

/** Of the users of a range, those who can get a seat, if their value is one. */
function eligibleUsers(seating: Seating, range: Range): UserRows {
  const { definitionKey: definition, seatsMax } = seating
  const { from, where } = usersInRange(seating, range)
  if (!range.crowded) return { from, where }
  // Those who sit in the group keep their seats and the free ones go by user id: nobody beyond twice the seats comes into question.
  const crowd = sql`${where} AND ${groupValueColumn(seating)} = ${range.upTo}`
  const pivot = sql`(SELECT u.user_id FROM ${from} WHERE ${crowd} ORDER BY u.user_id LIMIT 1 OFFSET ${2 * seatsMax})`
  const sitting = sql`SELECT user_id FROM identity_members WHERE definition_key = ${definition} AND value = ${range.upTo}`
  return {
    from,
    where: sql`${where} AND (coalesce(u.user_id <= ${pivot}, 1) OR u.user_id IN (${sitting}))`,
  }
}

/** Who comes into question for a seat: a query of value and user. */
export function candidates(seating: Seating, range: Range): SQL {
  const { from, where } = eligibleUsers(seating, range)
  return sql`SELECT ${groupValueColumn(seating)} AS value, u.user_id FROM ${from} WHERE ${where} AND NOT ${hasNoValue(seating)}`
}

/** The same with the value of the group that each sits in now. */
export const candidatesWithSeat = (seating: Seating, range: Range): SQL => {
  const { definitionKey: definition } = seating
  // Most sit where they belong, and are found side by side in the order of values; the others by their id.
  return sql`(
    SELECT c.value, c.user_id,
      coalesce(s.value, (SELECT value FROM identity_members WHERE definition_key = ${definition} AND user_id = c.user_id)) AS seat
    FROM (${candidates(seating, range)}) AS c LEFT JOIN identity_members AS s INDEXED BY identity_members_by_value
      ON s.definition_key = ${definition} AND s.value = c.value AND s.user_id = c.user_id)`
}

/** What a look at a range tells: users with its values; of them, who sits nowhere, elsewhere, where they belong; and who sits there. */
export interface Scan {
  users: number
  /** Beside them: whose value is none. */
  withoutValue: number
  unseated: number
  moving: number
  staying: number
  members: number
  /** Members of the largest group. */
  largestGroup: number
  /** The five values that most users have, of those that more have than there are seats: JSON of value and users. */
  overLimit: string
}

/** How many crowded values a run shows. */
export const overLimitShown = 5

export function scanRange(seating: Seating, range: Range): SQL {
  const { definitionKey: definition, seatsMax } = seating
  const value = groupValueColumn(seating)
  const { from, where } = eligibleUsers(seating, range)
  const all = usersInRange(seating, range)
  const users = range.crowded
    ? sql`(SELECT count(*) FROM ${all.from} WHERE ${all.where})`
    : sql`count(*)`
  const elsewhere = sql`(SELECT value FROM identity_members WHERE definition_key = ${definition} AND user_id = u.user_id)`
  // The rows come in the order of values, so that grouping them sorts nothing.
  return sql`
    WITH v AS MATERIALIZED (
        SELECT ${value} AS value, ${hasNoValue(seating)} AS none, ${users} AS users, count(*) AS asking, count(s.value) AS staying,
          count(iif(s.value IS NULL, ${elsewhere}, NULL)) AS moving
        FROM ${from} LEFT JOIN identity_members AS s INDEXED BY identity_members_by_value
          ON s.definition_key = ${definition} AND s.value = ${value} AND s.user_id = u.user_id
        WHERE ${where} GROUP BY ${value}),
      g AS MATERIALIZED (SELECT count(*) AS size FROM identity_members
        WHERE definition_key = ${definition} AND ${within(sql`value`, range)} GROUP BY value)
    SELECT coalesce(sum(users) FILTER (WHERE NOT none), 0) AS users, coalesce(sum(users) FILTER (WHERE none), 0) AS withoutValue,
      coalesce(sum(asking - staying - moving) FILTER (WHERE NOT none), 0) AS seatless,
      coalesce(sum(moving) FILTER (WHERE NOT none), 0) AS moving, coalesce(sum(staying) FILTER (WHERE NOT none), 0) AS staying,
      (SELECT coalesce(sum(size), 0) FROM g) AS members, (SELECT coalesce(max(size), 0) FROM g) AS largest,
      iif(coalesce(max(users) FILTER (WHERE NOT none), 0) > ${seatsMax}, (SELECT json_group_array(json_object('value', value, 'users', users))
        FROM (SELECT value, users FROM v WHERE NOT none AND users > ${seatsMax} ORDER BY users DESC, value LIMIT ${overLimitShown})), '[]') AS crowds
    FROM v`
}
