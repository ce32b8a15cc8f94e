import { sql, type SQL } from 'drizzle-orm'

/**
 * The statements that change who is in a group. Each is one set-based statement of a job's batch: it writes for the revision
 * that the job will become, which no reader sees yet, and only while `guard` holds. Ids come as a table of `value`, each once.
 */
export interface Revision extends Group {
  revision: number
}

export interface Group {
  workspace: number
  group: number
}

/** Ids as a table of `value`: one parameter, however many there are. They are written in the order given. */
export const listed = (ids: string[]): SQL => sql`json_each(${JSON.stringify(ids)})`

/** Puts ids into the group: a new one costs two rows written, one that is there none. */
export function addMembers({ workspace, group, revision }: Revision, ids: SQL, guard: SQL): SQL {
  return sql`
    INSERT INTO members (workspace_id, participant_id, group_key, added_rev, removed_rev, seen_rev)
    SELECT ${workspace}, value, ${group}, ${revision}, NULL, ${revision} FROM ${ids} WHERE ${guard}
    ON CONFLICT (workspace_id, participant_id, group_key) DO UPDATE
    SET added_rev = excluded.added_rev, removed_rev = NULL, seen_rev = excluded.seen_rev
    WHERE removed_rev IS NOT NULL`
}

/** Takes ids out of the group: one row written for each that is in it. */
export function removeMembers({ workspace, group, revision }: Revision, ids: SQL, guard: SQL): SQL {
  return sql`
    UPDATE members SET removed_rev = ${revision}
    WHERE workspace_id = ${workspace} AND group_key = ${group} AND participant_id IN (SELECT value FROM ${ids})
      AND removed_rev IS NULL AND ${guard}`
}

/** Puts ids into the group and marks them as seen by this revision, those that are there too: each distinct id changes one row, once. */
export function seeMembers({ workspace, group, revision }: Revision, ids: SQL, guard: SQL): SQL {
  return sql`
    INSERT INTO members (workspace_id, participant_id, group_key, added_rev, removed_rev, seen_rev)
    SELECT ${workspace}, value, ${group}, ${revision}, NULL, ${revision} FROM ${ids} WHERE ${guard}
    ON CONFLICT (workspace_id, participant_id, group_key) DO UPDATE
    SET added_rev = iif(removed_rev IS NULL, added_rev, excluded.added_rev), removed_rev = NULL, seen_rev = excluded.seen_rev
    WHERE seen_rev <> excluded.seen_rev`
}

/** A range of a group's rows, in the order of participant ids: after `after`, up to and including `upTo` or the end. */
export interface Range {
  after: string
  upTo: string | undefined
}

const within = ({ workspace, group }: Group, { after, upTo }: Range) =>
  upTo === undefined
    ? sql`workspace_id = ${workspace} AND group_key = ${group} AND participant_id > ${after}`
    : sql`workspace_id = ${workspace} AND group_key = ${group} AND participant_id > ${after} AND participant_id <= ${upTo}`

// Without the hint, SQLite would walk the workspace's whole range of the primary key.
const byGroup = sql`members INDEXED BY members_by_group`

/** Where a range of `rows` rows after `after` ends; no row comes back where fewer are left. */
export function rangeEnd({ workspace, group }: Group, after: string, rows: number): SQL {
  return sql`
    SELECT participant_id AS id FROM ${byGroup}
    WHERE workspace_id = ${workspace} AND group_key = ${group} AND participant_id > ${after}
    ORDER BY participant_id LIMIT 1 OFFSET ${rows - 1}`
}

/** Takes out of the group whom a REPLACE did not see. */
export function removeUnseen(at: Revision, range: Range, guard: SQL): SQL {
  return sql`
    UPDATE ${byGroup} SET removed_rev = ${at.revision}
    WHERE ${within(at, range)} AND removed_rev IS NULL AND seen_rev < ${at.revision} AND ${guard}`
}

/** Undoes a revision that never went live: whom it added was not in the group before, whom it removed was. */
export function undoRevision(at: Revision, range: Range, guard: SQL): SQL[] {
  return [
    sql`DELETE FROM ${byGroup} WHERE ${within(at, range)} AND added_rev = ${at.revision} AND ${guard}`,
    sql`UPDATE ${byGroup} SET removed_rev = NULL WHERE ${within(at, range)} AND removed_rev = ${at.revision} AND ${guard}`,
  ]
}

/** Deletes rows that the live revision and the one before it do not show. */
export function pruneDead(at: Group, range: Range): SQL {
  return sql`
    DELETE FROM ${byGroup}
    WHERE ${within(at, range)}
      AND removed_rev < (SELECT revision FROM experience_groups WHERE key = ${at.group})`
}

/** Deletes up to `most` rows of a group that no one sees any more. */
export function eraseMembers({ workspace, group }: Group, most: number): SQL {
  return sql`
    DELETE FROM members WHERE (workspace_id, participant_id, group_key) IN
      (SELECT workspace_id, participant_id, group_key FROM ${byGroup}
       WHERE workspace_id = ${workspace} AND group_key = ${group} LIMIT ${most})`
}
