import type { Db } from '../db/connect.ts'
import { listMembers } from './lookup.ts'

/** Members of one piece of an export: 35 bytes each at most, all that is held of it at a time. Larger ones hardly save time. */
const membersPerPiece = 4_000

/** The group's upload went live while it was exported: what was told and what would follow are not one revision's. */
export class RevisionChanged extends Error {}

/**
 * A group as a file that can be uploaded again, after `after` if that names a participant, a piece at a time and no sooner than the
 * reader takes it. All of it is of one revision: where another goes live meanwhile, the file breaks off. Throws `not-found`.
 */
export async function exportMembers(
  db: Db,
  workspace: number,
  groupId: string,
  after: string,
): Promise<{ revision: number; file: ReadableStream<Uint8Array> }> {
  const page = (after: string) =>
    listMembers(db, workspace, groupId, { after, size: membersPerPiece })
  const first = await page(after)
  const { revision } = first.group
  let next: typeof first | undefined = first
  const encoder = new TextEncoder()
  const file = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const here = next ?? (await page(after))
        if (here.group.revision !== revision)
          throw new RevisionChanged(`revision ${here.group.revision} went live`)
        const lines = here.participants.map((id) => `${quoted(id)}\n`).join('')
        controller.enqueue(encoder.encode(here === first ? `ParticipantId\n${lines}` : lines))
        next = undefined
        after = here.participants.at(-1) ?? after
        if (here.participants.length < membersPerPiece) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  return { revision, file }
}

/** RFC 4180 §2. */
export const quoted = (id: string) => (/[",]/.test(id) ? `"${id.replaceAll('"', '""')}"` : id)
