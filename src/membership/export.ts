import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { groupOf, listMembers } from './lookup.ts'

/** Members of one piece of an export, all that is held of it at a time. Larger pieces hardly save time. */
const membersPerPiece = 4_000

/** Uploads have gone so far that the group's rows no longer say who was in it when the export began. */
export class RevisionChanged extends Error {}

/**
 * A group as a file that can be uploaded again, after `after` if that names a participant, a piece at a time and no sooner than the
 * reader takes it. All of it is of the revision that was live when it began, while one later upload goes live; where a second begins to
 * write, the file breaks off. Throws `not-found`.
 */
export async function exportMembers(
  db: Db,
  workspace: number,
  groupId: string,
  { after, piece = membersPerPiece }: { after: string; piece?: number },
): Promise<{ revision: number; file: ReadableStream<Uint8Array> }> {
  const first = await listMembers(db, workspace, groupId, { after, size: piece })
  const { revision } = first.group
  let next: string[] | undefined = first.participants
  const encoder = new TextEncoder()
  const file = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const here =
          next ?? (await membersAt(db, workspace, groupId, { revision, after, size: piece }))
        const lines = here.map((id) => `${quoted(id)}\n`).join('')
        controller.enqueue(
          encoder.encode(here === first.participants ? `ParticipantId\n${lines}` : lines),
        )
        next = undefined
        after = here.at(-1) ?? after
        if (here.length < piece) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  return { revision, file }
}

/**
 * A page of who was in a group at a revision that was live. Rows keep that while one job has written since: a second forgets of whom the
 * first removed that they were there. Jobs that were undone before that one have left no trace. Throws `RevisionChanged`, `not-found`.
 */
async function membersAt(
  db: Db,
  workspace: number,
  groupId: string,
  { revision, after, size }: { revision: number; after: string; size: number },
): Promise<string[]> {
  const those = groupOf(workspace, groupId)
  const [groups, members] = await together(db, [
    sql`
    SELECT g.revision AS live, (SELECT count(*) FROM (SELECT 1 FROM jobs AS j
      WHERE j.group_key = g.key AND j.revision > ${revision} AND j.state <> 'waiting'
        AND NOT (j.revision < g.revision AND j.state IN ('failed', 'cancelled')) LIMIT 2)) AS written
    FROM ${those}`,
    sql`
    SELECT m.participant_id AS id FROM (SELECT key FROM ${those}) AS g
      CROSS JOIN members AS m INDEXED BY members_by_group ON m.group_key = g.key AND m.participant_id > ${after}
    WHERE m.added_rev <= ${revision} AND (m.removed_rev IS NULL OR m.removed_rev > ${revision})
    ORDER BY m.participant_id LIMIT ${size}`,
  ])
  // The columns selected above.
  const [group] = (groups?.results ?? []) as { live: number; written: number }[]
  if (group === undefined) throw new Failure({ reason: 'not-found', what: 'group', id: groupId })
  if (group.live !== revision && group.written > 1)
    throw new RevisionChanged(`the group is at revision ${group.live}, the file at ${revision}`)
  return ((members?.results ?? []) as { id: string }[]).map(({ id }) => id)
}

/** An id as a file has it (RFC 4180 §2): in quotes where a reader would take a part of it for a separator. */
export const quoted = (id: string) =>
  /[",;|\t]|^sep=/i.test(id) ? `"${id.replaceAll('"', '""')}"` : id
