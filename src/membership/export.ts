import { sql, type SQL } from 'drizzle-orm'
import { costOf, together, type Cost, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { cellOf, type FileFor } from './csv-cell.ts'
import { csvFile, type Piece } from './csv-file.ts'
import { groupOf } from './lookup.ts'

/** Members of one piece of an export: larger ones hardly save time. */
const membersPerPiece = 4_000

/** The group's rows no longer say who was in it at the revision that is read. */
export class RevisionChanged extends Error {}

/** A member, and columns that were asked for. */
export type Member<More = object> = { id: string } & More

/** Columns of a row `m` of members and its group `g`, at a revision. */
export type Columns = (revision: SQL) => SQL

/** What a file says of each member. */
export interface Lines<More> {
  header: string
  columns?: Columns | undefined
  lineOf: (member: Member<More>, fileFor: FileFor) => string
}

const idsAlone: Lines<object> = {
  header: 'ParticipantId',
  lineOf: ({ id }, fileFor) => cellOf(id, fileFor),
}

/**
 * The members after `after` as CSV, all of one revision: the stream fails with `RevisionChanged`
 * once a second later upload writes. Throws `not-found`.
 */
export async function exportMembers<More = object>(
  db: Db,
  workspace: number,
  groupId: string,
  {
    after,
    fileFor = 'upload',
    piece = membersPerPiece,
    lines,
  }: { after: string; fileFor?: FileFor; piece?: number; lines?: Lines<More> },
): Promise<{ revision: number; file: ReadableStream<Uint8Array> }> {
  const { header, columns, lineOf } = lines ?? idsAlone
  const read = (from: { revision?: number; after: string }) =>
    membersAt<More>(db, workspace, groupId, { ...from, size: piece, columns })
  const first = await read({ after })
  const { revision } = first
  const pieceOf = (members: Member<More>[]): Piece => ({
    lines: members.map((member) => lineOf(member, fileFor)),
    next: members.length < piece ? undefined : members.at(-1)?.id,
  })
  const file = csvFile(header, pieceOf(first.members), async (from) =>
    pieceOf((await read({ revision, after: from })).members),
  )
  return { revision, file }
}

/**
 * Members at a revision, the live one where none is named. Rows keep an earlier revision until a
 * second job has written since; undone jobs leave no trace. Throws `RevisionChanged`, `not-found`.
 */
export async function membersAt<More = object>(
  db: Db,
  workspace: number,
  groupId: string,
  from: { revision?: number; after: string; size: number; columns?: Columns | undefined },
): Promise<{ revision: number; members: Member<More>[]; cost: Cost }> {
  const { after, size, columns } = from
  const group = groupOf(workspace, groupId)
  const revision = from.revision === undefined ? sql`g.revision` : sql`${from.revision}`
  const results = await together(db, [
    sql<{ live: number; written: number }>`
    SELECT g.revision AS live,
      (SELECT count(*) FROM (SELECT 1 FROM jobs AS j
        WHERE j.group_key = g.key AND j.revision > ${revision}
          AND j.state NOT IN ('waiting', 'failed', 'cancelled') LIMIT 2)) AS written
    FROM ${group}`,
    sql<Member<More>>`
    SELECT m.participant_id AS id ${columns === undefined ? sql`` : sql`, ${columns(revision)}`}
    FROM (SELECT key, revision FROM ${group}) AS g
      CROSS JOIN members AS m INDEXED BY members_by_group
        ON m.group_key = g.key AND m.participant_id > ${after}
    WHERE m.added_rev <= ${revision} AND (m.removed_rev IS NULL OR m.removed_rev > ${revision})
    ORDER BY m.participant_id LIMIT ${size}`,
  ])
  const [groups, members] = results
  const [found] = groups.rows
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'group', id: groupId })
  const { live, written } = found
  const at = from.revision ?? live
  if (live !== at && written > 1)
    throw new RevisionChanged(`the group is at revision ${live}, and ${at} is read`)
  return { revision: at, members: members.rows, cost: costOf(results) }
}
