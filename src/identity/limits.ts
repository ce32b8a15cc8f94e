import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import type { Limits } from '../resources.ts'

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

/** A change of a user: names of attributes, and the bytes of those that are set. */
export interface UserChange {
  user: string
  set: string[]
  cleared: string[]
  bytes: number
}

/** The users whose changes would exceed a limit, of their own or of the workspace. */
export async function findRefused(
  db: Db,
  workspace: number,
  changes: UserChange[],
  { usersMax, userAttributesMax, profileBytesMax }: Limits,
): Promise<Set<string>> {
  const rows = changes.map(({ user, set, cleared }) => [user, set, cleared])
  const own = sql`FROM user_attributes AS a
    WHERE a.workspace_id = ${workspace} AND a.user_id = r.value ->> 0 AND a.value IS NOT NULL`
  const [found, counted] = await together(db, [
    sql<{ place: number; isUser: number; attributes: number; bytes: number }>`
    SELECT r.key AS place,
      EXISTS (SELECT 1 FROM users WHERE workspace_id = ${workspace} AND user_id = r.value ->> 0)
        AS isUser,
      (SELECT count(*) FROM (SELECT name ${own}
          AND a.name NOT IN (SELECT value FROM json_each(r.value, '$[2]'))
        UNION SELECT value FROM json_each(r.value, '$[1]'))) AS attributes,
      (SELECT coalesce(sum(octet_length(name) + octet_length(value)), 0) ${own}
        AND a.name NOT IN (SELECT value FROM json_each(r.value, '$[1]'))
        AND a.name NOT IN (SELECT value FROM json_each(r.value, '$[2]'))) AS bytes
    FROM json_each(${JSON.stringify(rows)}) AS r ORDER BY r.key`,
    sql<{ users: number }>`SELECT ${countUsers(workspace)} AS users`,
  ])
  const [{ users } = { users: 0 }] = counted.rows
  let usersLeft = usersMax - users
  const refused = found.rows.flatMap(({ place, isUser, attributes, bytes }) => {
    const change = changes[place]
    if (change === undefined) return []
    const fits = attributes <= userAttributesMax && bytes + change.bytes <= profileBytesMax
    return fits && (isUser === 1 || usersLeft-- > 0) ? [] : [change.user]
  })
  return new Set(refused)
}
