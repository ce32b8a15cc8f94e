import { sql } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { groupValueColumn, userRows, type Seating, type UserRows } from './user-rows.ts'

// Millions may share a value, such as a country: its users are never scanned all at once.

/** The value as users wrote it: one of its spellings where values are normalized. */
const spellingOf = ({ matching }: Seating, value: string) =>
  matching === null ? sql`${value}` : sql.raw('nv.value')

/**
 * The users of a value who may get a seat: members keep theirs and free ones go by user id, so
 * that nobody beyond twice the seats gets one.
 */
export function eligibleOfValue(seating: Seating, value: string): UserRows {
  const { workspace, definitionKey, source, seatsMax } = seating
  const { from, where } = userRows(seating)
  const lastEligible = sql`(SELECT f.user_id FROM user_attributes AS f
    WHERE f.workspace_id = ${workspace} AND f.name = ${source}
      AND f.value = ${spellingOf(seating, value)} AND f.type <> 'list'
    ORDER BY f.user_id LIMIT 1 OFFSET ${2 * seatsMax})`
  const members = sql`(SELECT user_id FROM identity_members
    WHERE definition_key = ${definitionKey} AND value = ${value})`
  const select = sql`SELECT u.workspace_id, u.user_id, u.name, u.value, u.type
    FROM ${from} WHERE ${where} AND ${groupValueColumn(seating)} = ${value} AND u.type <> 'list'`
  return {
    from: sql`(SELECT ${value} AS normalized) AS nv CROSS JOIN (
      ${select} AND u.user_id <= ifnull(${lastEligible}, x'ff')
      UNION ${select} AND u.user_id IN ${members}) AS u`,
    where: sql`true`,
  }
}

const usersPerStatement = 25_000

interface Piece {
  scanned: number
  users: number
  /** Its last row. */
  spelling: string
  user: string
}

/** How many users have a value. */
export async function countUsersOf(db: Db, seating: Seating, value: string): Promise<number> {
  let users = 0
  for (let last = { spelling: '', user: '' }; ;) {
    const [piece] = await db.all<Piece>(countPiece(seating, value, last))
    if (piece === undefined) throw new Error('a count gave no row')
    users += piece.users
    if (piece.scanned < usersPerStatement) return users
    last = piece
  }
}

/** Counts the next users behind the last one of the piece before. */
export function countPiece(
  seating: Seating,
  value: string,
  last: Pick<Piece, 'spelling' | 'user'>,
) {
  const { from, where } = userRows(seating)
  const spelling = spellingOf(seating, value)
  const order = sql.raw(seating.matching === null ? 'u.user_id' : 'nv.value, u.user_id')
  return sql`
    WITH piece AS MATERIALIZED (
      SELECT ${spelling} AS spelling, u.user_id, u.type FROM ${from}
      WHERE ${where} AND ${groupValueColumn(seating)} = ${value} AND ${spelling} >= ${last.spelling}
        AND u.user_id > iif(${spelling} = ${last.spelling}, ${last.user}, '')
      ORDER BY ${order} LIMIT ${usersPerStatement})
    SELECT count(*) AS scanned, count(*) FILTER (WHERE type <> 'list') AS users,
      max(spelling) AS spelling, (SELECT max(user_id) FROM piece
        WHERE spelling = (SELECT max(spelling) FROM piece)) AS user
    FROM piece`
}
