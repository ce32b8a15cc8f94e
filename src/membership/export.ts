import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { cellOf, type FileFor } from './csv-cell.ts'
import { groupOf, listMembers } from './lookup.ts'

/** Members of one piece of an export: larger ones hardly save time. */
const membersPerPiece = 4_000

/** The group's rows no longer say who was in it at the revision of the export. */
export class RevisionChanged extends Error {}

/**
 * The members after `after` as CSV, all of one revision: the stream fails with `RevisionChanged`
 * once a second later upload writes. Throws `not-found`.
 */
export async function exportMembers(
  db: Db,
  workspace: number,
  groupId: string,
  {
    after,
    fileFor = 'upload',
    piece = membersPerPiece,
  }: { after: string; fileFor?: FileFor; piece?: number },
): Promise<{ revision: number; file: ReadableStream<Uint8Array> }> {
  const first = await listMembers(db, workspace, groupId, { after, size: piece })
  const { revision } = first.group
  let next: string[] | undefined = first.participants
  const encoder = new TextEncoder()
  const file = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const members =
          next ?? (await membersAt(db, workspace, groupId, { revision, after, size: piece }))
        const lines = members.map((id) => `${cellOf(id, fileFor)}\n`).join('')
        controller.enqueue(
          encoder.encode(members === first.participants ? `ParticipantId\n${lines}` : lines),
        )
        next = undefined
        after = members.at(-1) ?? after
        if (members.length < piece) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  return { revision, file }
}

/**
 * Rows keep an earlier revision until a second job has written since; undone jobs leave no trace.
 * Throws `RevisionChanged`, `not-found`.
 */
async function membersAt(
  db: Db,
  workspace: number,
  groupId: string,
  { revision, after, size }: { revision: number; after: string; size: number },
): Promise<string[]> {
  const group = groupOf(workspace, groupId)
  const [groups, members] = await together(db, [
    sql<{ live: number; written: number }>`
    SELECT g.revision AS live,
      (SELECT count(*) FROM (SELECT 1 FROM jobs AS j
        WHERE j.group_key = g.key AND j.revision > ${revision} AND j.state <> 'waiting'
          AND NOT (j.revision < g.revision AND j.state IN ('failed', 'cancelled'))
        LIMIT 2)) AS written
    FROM ${group}`,
    sql<{ id: string }>`
    SELECT m.participant_id AS id FROM (SELECT key FROM ${group}) AS g
      CROSS JOIN members AS m INDEXED BY members_by_group
        ON m.group_key = g.key AND m.participant_id > ${after}
    WHERE m.added_rev <= ${revision} AND (m.removed_rev IS NULL OR m.removed_rev > ${revision})
    ORDER BY m.participant_id LIMIT ${size}`,
  ])
  const [found] = groups.rows
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'group', id: groupId })
  if (found.live !== revision && found.written > 1)
    throw new RevisionChanged(`the group is at revision ${found.live}, the file at ${revision}`)
  return members.rows.map(({ id }) => id)
}
