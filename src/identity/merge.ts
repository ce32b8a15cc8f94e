import { sql, type SQL } from 'drizzle-orm'
import { Failure, invalid } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { checkValue, writeCorrections, type Corrected } from './correct.ts'
import { getDefinition, type GroupDefinition } from './definitions.ts'
import { groupValue } from './matching.ts'

interface Merge {
  /** The values of the group whose members go, and of the one that they join or found. */
  value: string
  into: string
  reason: string | null
}

/** Puts all members of a group into another one. Gives how many; throws `not-found` and `invalid`. */
export async function mergeGroups(
  res: Resources,
  workspace: number,
  definitionId: string,
  merge: Merge,
): Promise<number> {
  const definition = await getDefinition(res.databaseOf(workspace), workspace, definitionId)
  const users = await membersOf(res, definition, merge.value)
  return put(res, definition, { ...merge, users, type: 'household.merged' })
}

/** Puts some members of a group into another one, which may be new. As `mergeGroups`. */
export async function splitGroup(
  res: Resources,
  workspace: number,
  definitionId: string,
  { users, ...split }: Merge & { users: string[] },
): Promise<number> {
  const definition = await getDefinition(res.databaseOf(workspace), workspace, definitionId)
  const members = new Set(await membersOf(res, definition, split.value))
  if (users.some((user) => !members.has(user)))
    throw invalid('users', 'must be members of the group')
  if (members.size === new Set(users).size)
    throw invalid('users', 'cannot be all members of the group')
  return put(res, definition, { ...split, users: [...new Set(users)], type: 'household.split' })
}

async function membersOf(
  res: Resources,
  { key, workspace, matching }: GroupDefinition,
  value: string,
): Promise<string[]> {
  const rows = await res.databaseOf(workspace).all<{ user: string }>(sql`
    SELECT user_id AS user FROM identity_members
    WHERE definition_key = ${key} AND value = ${groupValue(value, matching)} ORDER BY user_id`)
  if (rows.length === 0) throw new Failure({ reason: 'not-found', what: 'household', id: value })
  return rows.map(({ user }) => user)
}

async function put(
  res: Resources,
  definition: GroupDefinition,
  {
    value,
    into,
    users,
    reason,
    type,
  }: Merge & {
    users: string[]
    type: 'household.merged' | 'household.split'
  },
): Promise<number> {
  const { key, id, matching } = definition
  const [from, to] = [groupValue(value, matching), groupValue(into, matching)]
  if (from === to) throw invalid('into', 'must be another group')
  const corrected: Corrected = { users, correction: { value: into }, reason }
  checkValue(definition, corrected.correction)
  const data = { definition_id: id, corrections: users.length }
  const guard = areThere(key, { users, from, to, seatsMax: res.limits.groupUsersMax })
  if (await writeCorrections(res, definition, { corrected, event: { type, data }, guard }))
    return users.length
  throw invalid('into', 'has no seats for all of them, or they have moved meanwhile')
}

/**
 * Whether the users are members of a group still, and another group has seats for them beside its
 * members and those whom corrections put there, who may not have come yet.
 */
function areThere(
  key: number,
  { users, from, to, seatsMax }: { users: string[]; from: string; to: string; seatsMax: number },
): SQL {
  const list = sql`SELECT value FROM json_each(${JSON.stringify(users)})`
  return sql`(SELECT count(*) FROM (
      SELECT m.user_id FROM identity_members AS m
        LEFT JOIN group_corrections AS c ON c.definition_key = ${key} AND c.user_id = m.user_id
      WHERE m.definition_key = ${key} AND m.value = ${to} AND (c.user_id IS NULL OR c.value = ${to})
      UNION SELECT user_id FROM group_corrections
      WHERE definition_key = ${key} AND value = ${to}
      UNION ${list})) <= ${seatsMax}
    AND (SELECT count(*) FROM identity_members
      WHERE definition_key = ${key} AND value = ${from} AND user_id IN (${list})) = ${users.length}`
}
