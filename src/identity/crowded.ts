import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import {
  andUncorrected,
  groupValueColumn,
  userRows,
  type Seating,
  type UserRows,
} from './user-rows.ts'

// Millions may share a value, such as a country: its users are never scanned all at once.

/** The value as users wrote it: one of its spellings where values are normalized. */
const spellingOf = ({ matching }: Seating, value: string) =>
  matching === null ? sql`${value}` : sql.raw('nv.value')

/** So many users of a value, by user id: members keep their seats, and nobody beyond gets one. */
export const eligibleMost = ({ seatsMax }: Pick<Seating, 'seatsMax'>) => 2 * seatsMax + 1

/**
 * The users of a value who may get a seat: its members and the first of all. `first` has those of
 * a value of many spellings, as JSON.
 */
export function eligibleOfValue(seating: Seating, value: string, first: string): UserRows {
  const { definitionKey, matching } = seating
  const members = sql`SELECT user_id FROM identity_members
    WHERE definition_key = ${definitionKey} AND value = ${value}`
  const eligible =
    matching === null
      ? ofOneSpelling(seating, value, members)
      : ofSpellings(seating, value, sql`SELECT value FROM json_each(${first}) UNION ${members}`)
  return {
    from: sql`(SELECT ${value} AS normalized) AS nv CROSS JOIN (${eligible}) AS u`,
    where: sql`true`,
  }
}

const select = sql`SELECT u.workspace_id, u.user_id, u.name, u.value, u.type`

function ofOneSpelling(seating: Seating, value: string, members: SQL): SQL {
  const { workspace, source } = seating
  const { from, where } = userRows(seating)
  const last = sql`(SELECT f.user_id FROM user_attributes AS f
    WHERE f.workspace_id = ${workspace} AND f.name = ${source}
      AND f.value = ${value} AND f.type <> 'list'
      ${andUncorrected(seating, sql.raw('f.user_id'))}
    ORDER BY f.user_id LIMIT 1 OFFSET ${eligibleMost(seating) - 1})`
  const users = sql`${select} FROM ${from} WHERE ${where} AND u.value = ${value} AND u.type <> 'list'`
  return sql`${users} AND u.user_id <= ifnull(${last}, x'ff')
    UNION ${users} AND u.user_id IN (${members})`
}

const ofSpellings = (seating: Seating, value: string, ids: SQL) => sql`
  ${select} FROM (${ids}) AS e
    CROSS JOIN user_attributes AS u ON u.workspace_id = ${seating.workspace}
      AND u.user_id = e.value AND u.name = ${seating.source} AND u.type <> 'list'
      ${andUncorrected(seating)}
    CROSS JOIN normalized_values AS s ON s.definition_key = ${seating.definitionKey}
      AND s.normalized = ${value} AND s.value = u.value`

const usersPerStatement = 15_000

/** Users of a value. */
export interface Crowd {
  users: number
  /** The first of them by user id, as JSON, where the value has spellings. */
  first: string
}

interface Piece extends Crowd {
  scanned: number
  /** Its last row. */
  spelling: string
  user: string
}

const none = { users: 0, first: '[]', spelling: '', user: '' }

/** Counts the users who have a value. */
export async function countUsersOf(db: Db, seating: Seating, value: string): Promise<Crowd> {
  let users = 0
  for (let last: Omit<Piece, 'scanned'> = none; ;) {
    const [piece] = await db.all<Piece>(countPiece(seating, value, last))
    if (piece === undefined) throw new Error('a count gave no row')
    users += piece.users
    if (piece.scanned < usersPerStatement) return { users, first: piece.first }
    last = piece
  }
}

/** Counts the next users behind the last one of the piece before. */
export function countPiece(
  seating: Seating,
  value: string,
  last: Pick<Piece, 'spelling' | 'user' | 'first'>,
) {
  const { from, where } = userRows(seating)
  const spelling = spellingOf(seating, value)
  const isOne = seating.matching === null
  const order = sql.raw(isOne ? 'u.user_id' : 'nv.value, u.user_id')
  const first = sql`(SELECT json_group_array(user_id) FROM (
    SELECT user_id FROM piece WHERE type <> 'list'
    UNION ALL SELECT value FROM json_each(${last.first})
    ORDER BY user_id LIMIT ${eligibleMost(seating)}))`
  return sql`
    WITH piece AS MATERIALIZED (
      SELECT ${spelling} AS spelling, u.user_id, u.type FROM ${from}
      WHERE ${where} AND ${groupValueColumn(seating)} = ${value} AND ${spelling} >= ${last.spelling}
        AND u.user_id > iif(${spelling} = ${last.spelling}, ${last.user}, '')
      ORDER BY ${order} LIMIT ${usersPerStatement})
    SELECT count(*) AS scanned, count(*) FILTER (WHERE type <> 'list') AS users,
      ${isOne ? sql`'[]'` : first} AS first,
      max(spelling) AS spelling,
      (SELECT user_id FROM piece ORDER BY spelling DESC, user_id DESC LIMIT 1) AS user
    FROM piece`
}
