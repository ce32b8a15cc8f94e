import { sql, type SQL } from 'drizzle-orm'
import type { GroupDefinition } from './definitions.ts'
import type { Forgotten, Kind } from './forget.ts'
import { markGroups, placesOf, selectUnmarked, valueOfUser } from './marks.ts'

/**
 * The statements that delete the corrections of users and of who follows them, and the marks of
 * values that nobody else has. They stand before those that delete the users; the groups of who
 * followed them, and those that have a free seat then, are marked.
 */
export function forgetCorrections(
  { key, workspace, source, refresh }: GroupDefinition,
  { users, guard }: Forgotten,
  { at, counted }: { at: number; counted: (kind: Kind) => SQL[] },
): SQL[] {
  const followers = sql`
    SELECT c.user_id FROM (${users}) AS p
      CROSS JOIN group_corrections AS c INDEXED BY group_corrections_by_other
        ON c.definition_key = ${key} AND c.other_user_id = p.user_id`
  const left = sql`
    SELECT ${key} AS key, s.value, NULL AS left FROM identity_members AS s
    WHERE s.definition_key = ${key} AND s.user_id IN (${users}) AND ${guard}
      AND EXISTS (SELECT 1 FROM identity_members AS other WHERE other.definition_key = ${key}
        AND other.value = s.value AND other.user_id NOT IN (${users}))`
  const own = sql`SELECT value FROM user_attributes
    WHERE workspace_id = ${workspace} AND name = ${source} AND user_id IN (${users})`
  return [
    selectUnmarked(sql`d.key = ${key}`),
    markGroups(
      placesOf(
        sql`SELECT ${key} AS key, user_id, 1 AS always FROM (${followers}) WHERE ${guard}
          AND user_id NOT IN (${users})`,
        valueOfUser,
      ),
      at,
    ),
    ...(refresh === 'continuous' ? [markGroups(left, at)] : []),
    sql`
    DELETE FROM group_corrections WHERE definition_key = ${key} AND ${guard}
      AND user_id IN (${users} UNION ${followers})`,
    ...counted('corrections'),
    sql`
    UPDATE group_corrections SET reason = NULL
    WHERE definition_key = ${key} AND reason IS NOT NULL AND ${guard}
      AND EXISTS (SELECT 1 FROM (${users}) AS p WHERE instr(reason, p.user_id) > 0)`,
    sql`
    DELETE FROM group_marks WHERE definition_key = ${key} AND ${guard} AND value IN (${own})
      AND NOT EXISTS (SELECT 1 FROM user_attributes AS other INDEXED BY user_attributes_by_value
        WHERE other.workspace_id = ${workspace} AND other.name = ${source}
          AND other.value = group_marks.value AND other.user_id NOT IN (${users}))`,
    ...counted('marks'),
  ]
}
