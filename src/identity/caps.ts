import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { jsonLists } from '../db/json-lists.ts'
import { Failure } from '../failure.ts'
import type { Limits } from '../resources.ts'

type Cap = 'users' | 'user-attributes' | 'profile-bytes'

/** What fails in SQL, so that D1 takes the whole batch back; `capOf` reads it. */
const refuse = (cap: Cap): SQL => sql`json_extract('{}', ${cap})`

function capOf(error: unknown): Cap | undefined {
  const [, cap] = /bad JSON path: '([a-z-]+)'/.exec(String(error)) ?? []
  return cap === 'users' || cap === 'user-attributes' || cap === 'profile-bytes' ? cap : undefined
}

/** Runs a batch that ends with checks of caps. Throws `limit`; then nothing is written. */
export async function withinCaps<Result>(
  { usersMax, userAttributesMax, profileBytesMax }: Limits,
  batch: () => Promise<Result>,
): Promise<Result> {
  try {
    return await batch()
  } catch (error) {
    const what = capOf(error)
    if (what === undefined) throw error
    const max = {
      users: usersMax,
      'user-attributes': userAttributesMax,
      'profile-bytes': profileBytesMax,
    }[what]
    throw new Failure({ reason: 'limit', what, max })
  }
}

/** Whether a batch failed by a check of a cap. */
export const isOverCap = (error: unknown): boolean =>
  capOf(error) !== undefined || (error instanceof Failure && error.facts.reason === 'limit')

/** The users of a workspace, in SQL. */
export const countUsers = (workspace: number): SQL => sql`coalesce(
  (SELECT users FROM workspaces WHERE workspace_id = ${workspace}), 0)`

/** Adds `rows` (`SELECT … WHERE …` of a number above 0) to the users of a workspace. */
export const addUsers = (workspace: number, rows: SQL, { usersMax }: Limits): SQL => sql`
  INSERT INTO workspaces (workspace_id, users)
  SELECT ${workspace}, iif(added > ${usersMax}, ${refuse('users')}, added)
  FROM (${rows}) WHERE added > 0
  ON CONFLICT (workspace_id) DO UPDATE SET users =
    iif(users + excluded.users > ${usersMax}, ${refuse('users')}, users + excluded.users)`

/** Counts the users that the statement before has added. */
export const addNewUsers = (workspace: number, limits: Limits): SQL =>
  addUsers(workspace, sql`SELECT changes() AS added`, limits)

/** Stands before the deletion of users, a query of `user_id`, and takes them from the count. */
export const subtractUsers = (workspace: number, users: SQL, guard = sql`true`): SQL => sql`
  UPDATE workspaces SET users = max(0, users - (SELECT count(*) FROM users
    WHERE workspace_id = ${workspace} AND user_id IN (${users})))
  WHERE workspace_id = ${workspace} AND ${guard}`

/** Checks what users have after the statements before. */
export const checkProfiles = (
  workspace: number,
  users: string[],
  { userAttributesMax, profileBytesMax }: Limits,
): SQL => sql`
  SELECT iif(attributes > ${userAttributesMax}, ${refuse('user-attributes')},
    iif(bytes > ${profileBytesMax}, ${refuse('profile-bytes')}, 0))
  FROM (
    SELECT count(*) AS attributes, sum(octet_length(name) + octet_length(value)) AS bytes
    FROM user_attributes WHERE workspace_id = ${workspace} AND value IS NOT NULL
      AND user_id IN (SELECT value FROM json_each(${JSON.stringify([...new Set(users)])}))
    GROUP BY user_id)`

/**
 * Deletes what says since when users no longer have an attribute, but for the latest, as many as
 * they may have: names that come and go would add up.
 */
export const forgetCleared = (
  workspace: number,
  users: string[],
  { userAttributesMax }: Limits,
): SQL => sql`
  DELETE FROM user_attributes WHERE (workspace_id, user_id, name) IN (
    SELECT workspace_id, user_id, name FROM (
      SELECT workspace_id, user_id, name,
        row_number() OVER (PARTITION BY user_id ORDER BY updated_at DESC, name) AS nth
      FROM user_attributes WHERE workspace_id = ${workspace} AND value IS NULL
        AND user_id IN (SELECT value FROM json_each(${JSON.stringify([...new Set(users)])})))
    WHERE nth > ${userAttributesMax})`

/** What is to be written of a user: each name once. */
export interface Wanted {
  user: string
  changes: WantedChange[]
}

/** The bytes of a name and its value, null without one, and since when it is so, in milliseconds. */
export type WantedChange = [name: string, bytes: number | null, at: number]

export const bytesOf = (name: string, value: string): number => Buffer.byteLength(name + value)

/** Users of whom all that is wanted cannot be written, as they or the workspace have enough. */
export async function findRefused(
  db: Db,
  workspace: number,
  wanted: Wanted[],
  { usersMax, userAttributesMax, profileBytesMax }: Limits,
): Promise<Set<string>> {
  const lists = jsonLists(wanted.map(({ user, changes }) => JSON.stringify([user, changes])))
  const { users } = await db.get<{ users: number }>(sql`SELECT ${countUsers(workspace)} AS users`)
  const refused = new Set<string>()
  let room = usersMax - users
  for (const list of lists)
    for (const { user, known, attributes, bytes } of await findAfter(db, workspace, list)) {
      const fits = attributes <= userAttributesMax && bytes <= profileBytesMax
      if (!fits || (known === 0 && room-- <= 0)) refused.add(user)
    }
  return refused
}

/** What users would have after what is wanted: newer values stay. */
function findAfter(db: Db, workspace: number, wanted: string) {
  const bytes = sql`octet_length(a.name) + octet_length(a.value)`
  const isTheirs = sql`a.workspace_id = ${workspace} AND a.user_id = r.value ->> 0`
  const own = sql`FROM user_attributes AS a WHERE ${isTheirs} AND a.value IS NOT NULL`
  const changed = sql`FROM json_each(r.value, '$[1]') AS c
    LEFT JOIN user_attributes AS a ON ${isTheirs} AND a.name = c.value ->> 0
    WHERE coalesce(a.updated_at <= c.value ->> 2, true)`
  return db.all<{ user: string; known: number; attributes: number; bytes: number }>(sql`
    SELECT r.value ->> 0 AS user,
      EXISTS (SELECT 1 FROM users WHERE workspace_id = ${workspace} AND user_id = r.value ->> 0)
        AS known,
      (SELECT count(*) ${own}) + (SELECT
        coalesce(sum((c.value ->> 1 IS NOT NULL) - (a.value IS NOT NULL)), 0) ${changed})
        AS attributes,
      (SELECT coalesce(sum(${bytes}), 0) ${own}) + (SELECT
        coalesce(sum(coalesce(c.value ->> 1, 0) - coalesce(${bytes}, 0)), 0) ${changed}) AS bytes
    FROM json_each(${wanted}) AS r ORDER BY r.key`)
}
