import { sql, type SQL } from 'drizzle-orm'
import type { Result } from '../db/connect.ts'
import { enqueueAll } from '../jobs/enqueue.ts'
import type { Message } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { resolveFollowers } from './resolve.ts'

/** A row that `selectUnmarked` or `markGroups` gives. */
interface Marked {
  /** A definition that had no mark before. */
  unmarked?: number
  /** A definition of which a group is marked. */
  marked?: number
}

/** The definitions `d` of a workspace whose groups follow each change. */
export const isContinuous = (workspace: number): SQL => sql`
  d.workspace_id = ${workspace} AND d.refresh = 'continuous' AND d.deleted_at IS NULL`

/** The value of the attribute by which a definition `d` groups the user `p`. */
export const valueOfUser = sql`(
  SELECT iif(a.type = 'list', NULL, nullif(a.value, '')) FROM user_attributes AS a
  WHERE a.workspace_id = d.workspace_id AND a.user_id = p.user_id
    AND a.name = d.source_user_attribute)`

/**
 * A query of `key`, `value` and `left` for each of `users`, a query of `key` (of a definition),
 * `user_id` and `always`: the group where the user belongs, by the value or correction of now, and
 * the one that the user is in. Unless `always`, none for a user who is where they belong.
 */
export const placesOf = (users: SQL, corrected = sql`nullif(c.value, '')`): SQL => sql`
  SELECT key, coalesce(wanted, seat) AS value, iif(wanted IS NULL, NULL, nullif(seat, wanted)) AS left
  FROM (
    SELECT p.key, p.always, s.value AS seat, iif(c.user_id IS NULL,
      ${valueOfUser}, ${corrected}) AS wanted
    FROM (${users}) AS p CROSS JOIN group_definitions AS d ON d.key = p.key
      LEFT JOIN group_corrections AS c ON c.definition_key = p.key AND c.user_id = p.user_id
      LEFT JOIN identity_members AS s ON s.definition_key = p.key AND s.user_id = p.user_id) AS p
  WHERE coalesce(wanted, seat) IS NOT NULL AND (always OR wanted IS NOT seat AND NOT EXISTS (
    SELECT 1 FROM normalized_values AS nv
    WHERE nv.definition_key = p.key AND nv.value = p.wanted AND nv.normalized = p.seat))`

/**
 * The statement that marks groups, a query of `key`, `value` and `left`. A mark that is there stays
 * as it is; a group that was left, and that no mark names so, gets a mark of its own.
 */
export const markGroups = (groups: SQL, now: number): SQL => sql`
  WITH g AS MATERIALIZED (${groups}),
    first AS MATERIALIZED (SELECT key, value, min(left) AS left FROM g GROUP BY key, value)
  INSERT INTO group_marks (definition_key, value, left_value, marked_at)
  SELECT key, value, left, ${now} FROM first WHERE true
  UNION ALL
  SELECT g.key, g.left, NULL, ${now} FROM g CROSS JOIN first AS f USING (key, value)
    LEFT JOIN group_marks AS m ON m.definition_key = g.key AND m.value = g.value
  WHERE g.left IS NOT NULL AND g.left IS NOT iif(m.value IS NULL, f.left, m.left_value)
  ON CONFLICT (definition_key, value) DO NOTHING
  RETURNING definition_key AS marked`

/** The query of the definitions that have no marks yet: who marks their first group enqueues. */
export const selectUnmarked = (definitions: SQL): SQL => sql`
  SELECT d.key AS unmarked FROM group_definitions AS d WHERE ${definitions}
    AND NOT EXISTS (
      SELECT 1 FROM group_marks AS m WHERE m.definition_key = d.key AND m.value > '')`

/** Enqueues the definitions whose first groups a batch has marked, by its results. */
export async function enqueueMarked(
  res: Resources,
  workspace: number,
  results: Result[],
): Promise<void> {
  const rows = results.flatMap(({ rows }) => rows as Marked[]) // rows of others have neither
  const marked = new Set(rows.flatMap(({ marked }) => marked ?? []))
  const first = rows.flatMap(({ unmarked }) => unmarked ?? []).filter((key) => marked.has(key))
  await enqueueAll(
    res,
    [...new Set(first)].map((definition): Message => ({
      kind: 'refresh-groups',
      workspace,
      definition,
    })),
  )
}

/**
 * The statements that follow those that write attributes of `users`, a query of `user_id` and `at`
 * (when what is written is true since): they have those who follow somebody follow, and mark the
 * groups of definitions that follow each change. A workspace without such definitions reads nothing.
 */
export function markChanged(workspace: number, users: SQL, now: number): SQL[] {
  const from = sql`
    FROM group_definitions AS d INDEXED BY group_definitions_continuous CROSS JOIN (${users}) AS x
    WHERE ${isContinuous(workspace)}`
  const isWritten = sql`EXISTS (SELECT 1 FROM user_attributes AS a
    WHERE a.workspace_id = ${workspace} AND a.user_id = x.user_id AND a.updated_at = x.at`
  const moves = sql`${isWritten} AND a.name = d.source_user_attribute)`
  const shares = sql`${isWritten} AND a.name IN (
    SELECT value ->> 'id' FROM json_each(d.attributes)))`
  const followers = sql`
    SELECT x.key, c.user_id, 0 FROM (SELECT d.key, x.user_id ${from} AND ${moves}) AS x
      CROSS JOIN group_corrections AS c INDEXED BY group_corrections_by_other
        ON c.definition_key = x.key AND c.other_user_id = x.user_id`
  const touched = sql`
    SELECT key, user_id, shares AS always
    FROM (SELECT d.key, x.user_id, ${shares} AS shares, ${moves} AS moves ${from})
    WHERE shares OR moves UNION ALL ${followers}`
  return [
    resolveFollowers(sql`SELECT d.key, x.user_id ${from} AND ${moves}`),
    selectUnmarked(isContinuous(workspace)),
    markGroups(placesOf(touched), now),
  ]
}
