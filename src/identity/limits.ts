import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { jsonLists } from '../db/json-lists.ts'
import { Failure } from '../failure.ts'
import type { Limits } from '../limits.ts'

type Limit = 'users' | 'user-attributes' | 'profile-bytes'

/** SQL that fails with the name of a limit, so that D1 takes the whole batch back. */
const refuse = (limit: Limit): SQL => sql`json_extract('{}', ${limit})`

/** The limit by which `refuse` failed a batch. */
function limitOf(error: unknown): Limit | undefined {
  const [, name] = /bad JSON path: '([a-z-]+)'/.exec(String(error)) ?? []
  return name === 'users' || name === 'user-attributes' || name === 'profile-bytes'
    ? name
    : undefined
}

/** Runs a batch that checks limits. Throws `limit`; then nothing is written. */
export async function withinLimits<Result>(
  { usersMax, userAttributesMax, profileBytesMax }: Limits,
  batch: () => Promise<Result>,
): Promise<Result> {
  try {
    return await batch()
  } catch (error) {
    const what = limitOf(error)
    if (what === undefined) throw error
    const max = {
      users: usersMax,
      'user-attributes': userAttributesMax,
      'profile-bytes': profileBytesMax,
    }[what]
    throw new Failure({ reason: 'limit', what, max })
  }
}

/** Whether a batch failed because of a limit. */
export const isOverLimit = (error: unknown): boolean =>
  limitOf(error) !== undefined || (error instanceof Failure && error.facts.reason === 'limit')

/** The number of users of a workspace, in SQL. */
export const countUsers = (workspace: number): SQL => sql`coalesce(
  (SELECT users FROM workspaces WHERE workspace_id = ${workspace}), 0)`

/** Adds to the number of users of a workspace what `rows` selects as `added`. */
export const addUsers = (workspace: number, rows: SQL, { usersMax }: Limits): SQL => sql`
  INSERT INTO workspaces (workspace_id, users)
  SELECT ${workspace}, iif(added > ${usersMax}, ${refuse('users')}, added)
  FROM (${rows}) WHERE added > 0
  ON CONFLICT (workspace_id) DO UPDATE SET users =
    iif(users + excluded.users > ${usersMax}, ${refuse('users')}, users + excluded.users)`

/** Counts the users that the statement before has added. */
export const addNewUsers = (workspace: number, limits: Limits): SQL =>
  addUsers(workspace, sql`SELECT changes() AS added`, limits)

/** Takes users (a query of `user_id`) from the count. Stands before the statement that deletes them. */
export const subtractUsers = (workspace: number, users: SQL, guard = sql`true`): SQL => sql`
  UPDATE workspaces SET users = max(0, users - (SELECT count(*) FROM users
    WHERE workspace_id = ${workspace} AND user_id IN (${users})))
  WHERE workspace_id = ${workspace} AND ${guard}`

/** Checks how much each user has after the statements before. */
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

/** Changes of a user, each of another attribute. */
export interface UserChange {
  user: string
  changes: AttributeChange[]
}

/** The bytes of a name and its value, null without one, and since when it is so, in milliseconds. */
export type AttributeChange = [name: string, bytes: number | null, at: number]

export const bytesOf = (name: string, value: string): number => Buffer.byteLength(name + value)

/** The users whose changes would exceed a limit, of their own or of the workspace. */
export async function findRefused(
  db: Db,
  workspace: number,
  changes: UserChange[],
  { usersMax, userAttributesMax, profileBytesMax }: Limits,
): Promise<Set<string>> {
  const lists = jsonLists(changes.map(({ user, changes }) => JSON.stringify([user, changes])))
  const { users } = await db.get<{ users: number }>(sql`SELECT ${countUsers(workspace)} AS users`)
  const refused = new Set<string>()
  let usersLeft = usersMax - users
  for (const list of lists)
    for (const { user, isUser, attributes, bytes } of await findAfter(db, workspace, list)) {
      const fits = attributes <= userAttributesMax && bytes <= profileBytesMax
      if (!fits || (isUser === 0 && usersLeft-- <= 0)) refused.add(user)
    }
  return refused
}

/** What users would have after their changes: newer values stay. */
function findAfter(db: Db, workspace: number, changes: string) {
  const bytes = sql`octet_length(a.name) + octet_length(a.value)`
  const isTheirs = sql`a.workspace_id = ${workspace} AND a.user_id = r.value ->> 0`
  const own = sql`FROM user_attributes AS a WHERE ${isTheirs} AND a.value IS NOT NULL`
  const changed = sql`FROM json_each(r.value, '$[1]') AS c
    LEFT JOIN user_attributes AS a ON ${isTheirs} AND a.name = c.value ->> 0
    WHERE coalesce(a.updated_at <= c.value ->> 2, true)`
  return db.all<{ user: string; isUser: number; attributes: number; bytes: number }>(sql`
    SELECT r.value ->> 0 AS user,
      EXISTS (SELECT 1 FROM users WHERE workspace_id = ${workspace} AND user_id = r.value ->> 0)
        AS isUser,
      (SELECT count(*) ${own}) + (SELECT
        coalesce(sum((c.value ->> 1 IS NOT NULL) - (a.value IS NOT NULL)), 0) ${changed})
        AS attributes,
      (SELECT coalesce(sum(${bytes}), 0) ${own}) + (SELECT
        coalesce(sum(coalesce(c.value ->> 1, 0) - coalesce(${bytes}, 0)), 0) ${changed}) AS bytes
    FROM json_each(${changes}) AS r ORDER BY r.key`)
}
