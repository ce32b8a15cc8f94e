import type { Db } from '../db/connect.ts'
import { quoted } from '../membership/export.ts'
import type { ResolvedRule } from './compile.ts'
import { compileFor, matchingIn, nextRange, usersFirst } from './query.ts'

/** The users of an audience as a file that can be uploaded, after `after` if that names a user, a piece at a time and no sooner than the reader takes it. */
export function exportUsers(
  db: Db,
  workspace: number,
  asked: ResolvedRule,
  after: string,
): ReadableStream<Uint8Array> {
  const compiled = compileFor(asked)
  const encoder = new TextEncoder()
  let from: string | undefined = after
  let range = usersFirst
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(encoder.encode('user_id\n')),
      async pull(controller) {
        let users: string[] = []
        while (users.length === 0 && from !== undefined) {
          const found = await matchingIn(db, workspace, compiled, { after: from, users: range })
          users = found.users
          from = found.reached
          range = nextRange(range, found.ms)
        }
        if (users.length > 0)
          controller.enqueue(encoder.encode(users.map((id) => `${quoted(id)}\n`).join('')))
        if (from === undefined) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}
