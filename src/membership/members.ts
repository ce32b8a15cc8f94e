import { sql, type SQL } from 'drizzle-orm'

/**
 * The revision that a job's statements write. No reader sees it before it is live. Ids are a table
 * of distinct `value`s.
 */
export interface Revision extends Group {
  revision: number
}

export interface Group {
  workspace: number
  group: number
}

/** Ids as a table of `value`, in their order: one parameter, however many there are. */
export const listed = (ids: string[]): SQL => sql`json_each(${JSON.stringify(ids)})`

/** Adds ids. Rows written: two for a new id, none for a member. */
export function addMembers({ workspace, group, revision }: Revision, ids: SQL, guard: SQL): SQL {
  return sql`
    INSERT INTO members (workspace_id, participant_id, group_key, added_rev, removed_rev, seen_rev)
    SELECT ${workspace}, value, ${group}, ${revision}, NULL, ${revision} FROM ${ids} WHERE ${guard}
    ON CONFLICT (workspace_id, participant_id, group_key) DO UPDATE
    SET added_rev = excluded.added_rev, was_removed_rev = removed_rev, removed_rev = NULL,
      seen_rev = excluded.seen_rev
    WHERE removed_rev IS NOT NULL`
}

/** Removes ids. Rows written: one for each that is a member. */
export function removeMembers({ workspace, group, revision }: Revision, ids: SQL, guard: SQL): SQL {
  return sql`
    UPDATE members SET removed_rev = ${revision}
    WHERE workspace_id = ${workspace} AND group_key = ${group}
      AND participant_id IN (SELECT value FROM ${ids}) AND removed_rev IS NULL AND ${guard}`
}

/** Adds ids, and sets `seen_rev` of members too. Each id changes one row, once. */
export function upsertMembers({ workspace, group, revision }: Revision, ids: SQL, guard: SQL): SQL {
  return sql`
    INSERT INTO members (workspace_id, participant_id, group_key, added_rev, removed_rev, seen_rev)
    SELECT ${workspace}, value, ${group}, ${revision}, NULL, ${revision} FROM ${ids} WHERE ${guard}
    ON CONFLICT (workspace_id, participant_id, group_key) DO UPDATE
    SET added_rev = iif(removed_rev IS NULL, added_rev, excluded.added_rev),
      was_removed_rev = coalesce(removed_rev, was_removed_rev), removed_rev = NULL,
      seen_rev = excluded.seen_rev
    WHERE seen_rev <> excluded.seen_rev`
}

/** Rows of a group by participant id: after `after`, up to `upTo` (included) or the end. */
export interface Range {
  after: string
  upTo: string | undefined
}

const within = ({ workspace, group }: Group, { after, upTo }: Range) => {
  const end = upTo === undefined ? sql`` : sql`AND participant_id <= ${upTo}`
  return sql`
    workspace_id = ${workspace} AND group_key = ${group} AND participant_id > ${after} ${end}`
}

// Without the hint, SQLite reads all of the workspace's rows by the primary key.
const byGroup = sql`members INDEXED BY members_by_group`

/** Selects the last `id` of the next `rows` rows after `after`; nothing where fewer are left. */
export function rangeEnd({ workspace, group }: Group, after: string, rows: number): SQL {
  return sql`
    SELECT participant_id AS id FROM ${byGroup}
    WHERE workspace_id = ${workspace} AND group_key = ${group} AND participant_id > ${after}
    ORDER BY participant_id LIMIT 1 OFFSET ${rows - 1}`
}

/** Removes members that a REPLACE has not seen. */
export function removeUnseen(at: Revision, range: Range, guard: SQL): SQL {
  return sql`
    UPDATE ${byGroup} SET removed_rev = ${at.revision}
    WHERE ${within(at, range)} AND removed_rev IS NULL AND seen_rev < ${at.revision} AND ${guard}`
}

/** Brings back whom the live revision has removed, but for `others` (a query of ids). */
export function bringBack(
  at: Revision,
  range: Range,
  { live, others, guard }: { live: number; others: SQL; guard: SQL },
): SQL {
  return sql`
    UPDATE ${byGroup} SET added_rev = ${at.revision}, was_removed_rev = removed_rev,
      removed_rev = NULL
    WHERE ${within(at, range)} AND removed_rev = ${live} AND participant_id NOT IN (${others})
      AND ${guard}`
}

/** Removes whom the live revision has added. */
export function removeAdded(at: Revision, range: Range, live: number, guard: SQL): SQL {
  return sql`
    UPDATE ${byGroup} SET removed_rev = ${at.revision}
    WHERE ${within(at, range)} AND added_rev = ${live} AND removed_rev IS NULL AND ${guard}`
}

/**
 * Undoes a revision that never went live. Whom the live one has removed is dead as before, but for
 * `others` (a query of ids).
 */
export function undoRevision(at: Revision, range: Range, others: SQL, guard: SQL): SQL[] {
  const { revision, group } = at
  const isRemoved = sql`removed_rev = ${revision}`
  return [
    sql`
    UPDATE ${byGroup} SET added_rev = iif(${isRemoved}, added_rev, 0),
      removed_rev = iif(${isRemoved}, NULL, was_removed_rev),
      was_removed_rev = iif(${isRemoved}, was_removed_rev, NULL)
    WHERE ${within(at, range)} AND ${guard} AND (${isRemoved} OR added_rev = ${revision}
      AND was_removed_rev = (SELECT revision FROM experience_groups WHERE key = ${group})
      AND participant_id NOT IN (${others}))`,
    sql`DELETE FROM ${byGroup} WHERE ${within(at, range)} AND added_rev = ${revision} AND ${guard}`,
  ]
}

/** Deletes rows that revisions up to `through`, which was live, have removed. */
export function pruneDead(at: Group, range: Range, through: number): SQL {
  return sql`DELETE FROM ${byGroup} WHERE ${within(at, range)} AND removed_rev <= ${through}`
}

/** Deletes up to `most` rows of a deleted group. */
export function eraseMembers({ workspace, group }: Group, most: number): SQL {
  return sql`
    DELETE FROM members WHERE (workspace_id, participant_id, group_key) IN
      (SELECT workspace_id, participant_id, group_key FROM ${byGroup}
       WHERE workspace_id = ${workspace} AND group_key = ${group} LIMIT ${most})`
}

/**
 * Deletes rows of people (a query of their ids) in deleted groups, or that no live revision shows;
 * they are not to be pruned any more, and who was added again since was never removed.
 */
export function deleteDead(workspace: number, people: SQL, guard: SQL): SQL[] {
  const isTheirs = sql`m.workspace_id = ${workspace} AND m.participant_id IN (${people})`
  return [
    sql`
    UPDATE experience_groups SET removed_since_prune = max(0, removed_since_prune - dead.rows)
    FROM (SELECT m.group_key, count(*) AS rows
      FROM members AS m CROSS JOIN experience_groups AS g ON g.key = m.group_key
      WHERE ${isTheirs} AND m.removed_rev < g.revision GROUP BY m.group_key) AS dead
    WHERE experience_groups.key = dead.group_key AND ${guard}`,
    sql`
    UPDATE members AS m SET was_removed_rev = NULL
    WHERE ${isTheirs} AND was_removed_rev IS NOT NULL AND ${guard}`,
    sql`
    DELETE FROM members AS m WHERE ${isTheirs} AND ${guard} AND (
      SELECT g.deleted_at IS NOT NULL OR m.removed_rev <= g.revision
      FROM experience_groups AS g WHERE g.key = m.group_key)`,
  ]
}
