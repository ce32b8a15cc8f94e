import { sql, type SQL } from 'drizzle-orm'
import { jsonLists } from '../db/json-lists.ts'
import type { Resources } from '../resources.ts'
import { columnsOf, type Change } from './attributes.ts'
import { selectSharedNames } from './definitions.ts'
import { addNewUsers, checkProfiles, forgetCleared } from './limits.ts'
import { markChanged } from './marks.ts'

/** Changes of a user's attributes, true since `at`, in milliseconds. */
export interface Report {
  user: string
  at: number
  /** When the request came that has it; now where nothing is said. */
  taken?: number
  changes: Change[]
}

/** Whether a moment comes after the deletion of a user, if any. */
export const isAfterDeletion = (workspace: number, user: SQL, at: SQL): SQL =>
  sql`NOT EXISTS (
    SELECT 1 FROM deleted_users AS gone
    WHERE gone.workspace_id = ${workspace} AND gone.user_id = ${user}
      AND gone.deleted_at >= ${at})`

/**
 * The statements that write the reports for which `isAccepted` holds. Of two of the same moment the
 * later one wins; names of inherited attributes are left out.
 */
export function reportStatements(
  { limits, now }: Pick<Resources, 'limits' | 'now'>,
  workspace: number,
  reports: Report[],
  isAccepted: SQL,
): SQL[] {
  const takenNow = now()
  const usersOf = (which: (change: Change) => boolean) =>
    reports.flatMap(({ user, changes }) => (changes.some(which) ? [user] : []))
  const growing = usersOf(({ to }) => to !== null)
  const clearing = usersOf(({ to }) => to === null)
  const users = JSON.stringify(
    reports.map(({ user, at, taken = takenNow }) => [user, taken, null, null, at]),
  )
  const rows = reports.flatMap(({ user, at, changes }) =>
    changes.map(({ name, to }) => {
      const { value = null, sent = null, folded = null } = to === null ? {} : columnsOf(to)
      return JSON.stringify([user, name, value, to?.type ?? 'string', at, sent, folded])
    }),
  )
  // Most names have no colon, and so are of no definition.
  const own = reports.some(({ changes }) => changes.some(({ name }) => name.includes(':')))
    ? sql`(value ->> 2 IS NULL OR value ->> 1 NOT IN (${selectSharedNames(workspace)}))`
    : sql`true`
  return [
    sql`
    INSERT INTO users (workspace_id, user_id, created_at)
    SELECT ${workspace}, value ->> 0, value ->> 1
    FROM json_each(${users}) WHERE ${isAccepted}
    ON CONFLICT (workspace_id, user_id) DO NOTHING`,
    addNewUsers(workspace, limits),
    ...jsonLists(rows).map(
      (list) => sql`
    INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at, sent, folded)
    SELECT ${workspace}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
      value ->> 5, value ->> 6
    FROM json_each(${list}) WHERE ${isAccepted} AND ${own}
    ${keepNewest}`,
    ),
    ...markChanged(
      workspace,
      sql`SELECT value ->> 0 AS user_id, value ->> 4 AS at FROM json_each(${users})`,
      takenNow,
    ),
    ...(clearing.length === 0 ? [] : [forgetCleared(workspace, clearing, limits)]),
    ...(growing.length === 0 ? [] : [checkProfiles(workspace, growing, limits)]),
  ]
}

/** The end of a statement that writes attributes: a newer value that is there already stays. */
export const keepNewest = sql`ON CONFLICT (workspace_id, user_id, name) DO UPDATE
    SET value = excluded.value, type = excluded.type, updated_at = excluded.updated_at,
      sent = excluded.sent, folded = excluded.folded
    WHERE excluded.updated_at > updated_at OR (
      excluded.updated_at = updated_at AND (value, type, sent, folded)
        IS NOT (excluded.value, excluded.type, excluded.sent, excluded.folded))`
