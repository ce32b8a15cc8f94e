import type { Db } from '../db/connect.ts'
import { cellOf, type FileFor } from '../membership/csv-cell.ts'
import type { ResolvedRule } from './compile.ts'
import { usual } from './pace.ts'
import { findNext, outOfTime, questionOf } from './query.ts'

/**
 * A CSV file of an audience's users after `after`, queried as fast as the client reads. It breaks
 * off where one invocation has no time for all of them.
 */
export function exportUsers(
  db: Db,
  workspace: number,
  { rule, names }: ResolvedRule,
  {
    after,
    fileFor = 'upload',
    allowed = usual,
  }: { after: string; fileFor?: FileFor; allowed?: typeof usual },
): ReadableStream<Uint8Array> {
  const question = questionOf(workspace, [rule], names, allowed)
  const encoder = new TextEncoder()
  let from: string | undefined = after
  let scanned = 0
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(encoder.encode('user_id\n')),
      async pull(controller) {
        let users: string[] = []
        while (users.length === 0 && from !== undefined) {
          if (question.pace.isOutOfStatements()) throw await outOfTime(db, workspace, scanned)
          const found = await findNext(db, question, { after: from, listed: true })
          scanned += found.scanned
          users = found.users
          from = found.last
        }
        if (users.length > 0)
          controller.enqueue(encoder.encode(users.map((id) => `${cellOf(id, fileFor)}\n`).join('')))
        if (from === undefined) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}
