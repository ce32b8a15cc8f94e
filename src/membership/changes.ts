import { sql, type SQL } from 'drizzle-orm'

export const changeKinds = ['added', 'removed'] as const
export type ChangeKind = (typeof changeKinds)[number]

/** Rows of a group that one page is looked for in. */
const rowsMost = 20_000

/** Of a row `m` of members: whether the revision that a job `j` makes has changed it so. */
const isChanged: Record<ChangeKind, SQL> = {
  added: sql`m.added_rev = j.revision AND (m.removed_rev IS NULL OR m.removed_rev > j.revision)`,
  // A later job, which is not live yet, may have added somebody again.
  removed: sql`(m.removed_rev = j.revision
    OR (m.was_removed_rev = j.revision AND m.added_rev > j.revision))`,
}

/** A row of `selectChanged`: somebody whom the job changes, or the last who is looked at. */
interface Scanned {
  id: string
  changed: number
  last: number
}

/**
 * Selects up to `size` people after `after`, in the byte order of their ids, whom a job `j` (the end
 * of a SELECT of its `group_key` and `revision`) adds or removes.
 */
export const selectChanged = (
  job: SQL,
  { kind, after, size }: { kind: ChangeKind; after: string; size: number },
): SQL<Scanned> => sql<Scanned>`
  SELECT id, changed, nth = ${rowsMost} AS last FROM (
    SELECT m.participant_id AS id, ${isChanged[kind]} AS changed,
      row_number() OVER (ORDER BY m.participant_id) AS nth
    FROM (SELECT j.group_key, j.revision ${job}) AS j
      CROSS JOIN members AS m INDEXED BY members_by_group
        ON m.group_key = j.group_key AND m.participant_id > ${after}
    ORDER BY m.participant_id LIMIT ${rowsMost})
  WHERE changed OR nth = ${rowsMost} LIMIT ${size}`

/** Selects whether a job `j` (as for `selectChanged`) adds or removes somebody, by the stored id. */
export const selectChange = (job: SQL, participant: string): SQL<Record<ChangeKind, number>> => sql<
  Record<ChangeKind, number>
>`
  SELECT ${isChanged.added} AS added, ${isChanged.removed} AS removed
  FROM (SELECT j.workspace_id, j.group_key, j.revision ${job}) AS j
    CROSS JOIN members AS m ON m.workspace_id = j.workspace_id
      AND m.participant_id = ${participant} AND m.group_key = j.group_key`

/** The people of a page, and after whom the next one begins; undefined where there are no more. */
export function pageOf(
  rows: Scanned[],
  size: number,
): { participants: string[]; next: string | undefined } {
  const end = rows.at(-1)
  return {
    participants: rows.flatMap(({ id, changed }) => (changed === 1 ? [id] : [])),
    next: rows.length === size || end?.last === 1 ? end?.id : undefined,
  }
}
