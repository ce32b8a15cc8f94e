import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { listDefinitions, type GroupDefinition } from './definitions.ts'
import { forgetCorrections } from './forget-corrections.ts'
import { subtractUsers } from './limits.ts'
import { forgetPreviews } from './previews.ts'
import { removeMembers } from './seat.ts'

/** Users to forget: a query of `user_id`. */
export interface Forgotten {
  workspace: number
  users: SQL
  guard: SQL
}

/** What is deleted, and counted by the statement after it. */
export type Kind = 'households' | 'attributes' | 'users' | 'corrections' | 'marks'

/**
 * The statements that delete users, compute what their households share without them, and keep
 * reports of up to `at` (milliseconds) from bringing them back. `counted` gives the statements that
 * count a kind, which follow its deletion.
 */
export async function forgetUsers(
  db: Db,
  forgotten: Forgotten,
  at: number,
  counted: (kind: Kind) => SQL[],
): Promise<SQL[]> {
  const { workspace, users, guard } = forgotten
  const isUser = sql`workspace_id = ${workspace} AND user_id IN (${users}) AND ${guard}`
  return [
    ...(await leaveHouseholds(db, forgotten, { at, counted })),
    ...forgetPreviews(forgotten),
    sql`DELETE FROM user_attributes WHERE ${isUser}`,
    ...counted('attributes'),
    sql`
    INSERT INTO deleted_users (workspace_id, user_id, deleted_at)
    SELECT ${workspace}, user_id, ${at} FROM (${users}) WHERE ${guard}
    ON CONFLICT (workspace_id, user_id) DO UPDATE
    SET deleted_at = max(deleted_at, excluded.deleted_at)`,
    subtractUsers(workspace, users, guard),
    sql`DELETE FROM users WHERE ${isUser}`,
    ...counted('users'),
  ]
}

/** The statements that take users out of their households, those of deleted definitions too. */
export async function leaveHouseholds(
  db: Db,
  forgotten: Forgotten,
  { at, counted }: { at: number; counted: (kind: Kind) => SQL[] },
): Promise<SQL[]> {
  const { workspace, users, guard } = forgotten
  const definitions = await listDefinitions(db, workspace)
  return [
    ...definitions.flatMap((definition) => [
      ...forgetCorrections(definition, forgotten, { at, counted }),
      ...removeMembers(
        { workspace, definitionKey: definition.key, attributes: definition.attributes },
        users,
        guard,
      ),
      ...counted('households'),
      ...forgetNormalized(definition, users, guard),
    ]),
    ...leaveDeleted({ workspace, users, guard }),
  ]
}

/** The same of deleted definitions, whose rows the queue may not have deleted yet. */
function leaveDeleted({ workspace, users, guard }: Forgotten): SQL[] {
  const isOfDeleted = sql`${guard} AND definition_key IN (
    SELECT key FROM group_definitions INDEXED BY group_definitions_deleted
    WHERE deleted_at IS NOT NULL AND workspace_id = ${workspace})`
  return [
    sql`
    DELETE FROM group_attributes WHERE (definition_key, value) IN (
      SELECT definition_key, value FROM identity_members
      WHERE user_id IN (${users}) AND ${isOfDeleted})`,
    sql`DELETE FROM identity_members WHERE user_id IN (${users}) AND ${isOfDeleted}`,
    sql`
    DELETE FROM group_corrections WHERE ${isOfDeleted}
      AND (user_id IN (${users}) OR other_user_id IN (${users}))`,
    sql`DELETE FROM group_marks WHERE ${isOfDeleted}`,
    sql`
    DELETE FROM normalized_values WHERE ${isOfDeleted} AND value IN (SELECT value
      FROM user_attributes WHERE workspace_id = ${workspace} AND user_id IN (${users}))`,
  ]
}

/** The values that nobody else has: they would stay until the next run. */
function forgetNormalized(
  { key, workspace, source, matching }: GroupDefinition,
  users: SQL,
  guard: SQL,
): SQL[] {
  if (matching === null) return []
  return [
    sql`
    DELETE FROM normalized_values WHERE definition_key = ${key} AND ${guard}
      AND value IN (SELECT value FROM user_attributes
        WHERE workspace_id = ${workspace} AND user_id IN (${users}) AND value IS NOT NULL)
      AND NOT EXISTS (SELECT 1 FROM user_attributes AS other INDEXED BY user_attributes_by_value
        WHERE other.workspace_id = ${workspace} AND other.name = ${source}
          AND other.value = normalized_values.value AND other.user_id NOT IN (${users}))`,
  ]
}

/**
 * The statement that deletes what keeps older reports from bringing `users` back, but for those
 * who were deleted after `at` (milliseconds).
 */
export const forgetDeletions = ({ workspace, users, guard }: Forgotten, at: number): SQL => sql`
  DELETE FROM deleted_users WHERE workspace_id = ${workspace} AND user_id IN (${users})
    AND deleted_at <= ${at} AND ${guard}`
