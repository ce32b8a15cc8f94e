import type { Db } from '../db/connect.ts'
import { cellOf, type FileFor } from '../membership/csv-cell.ts'
import type { ResolvedRule } from './compile.ts'
import { nextItems } from '../jobs/batch-size.ts'
import { compileQuery, findMatching, firstRangeSize } from './query.ts'

/** A CSV file of an audience's users after `after`, queried as fast as the client reads. */
export function exportUsers(
  db: Db,
  workspace: number,
  resolved: ResolvedRule,
  { after, fileFor = 'upload' }: { after: string; fileFor?: FileFor },
): ReadableStream<Uint8Array> {
  const query = compileQuery(resolved)
  const encoder = new TextEncoder()
  let from: string | undefined = after
  let size = firstRangeSize
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(encoder.encode('user_id\n')),
      async pull(controller) {
        let users: string[] = []
        while (users.length === 0 && from !== undefined) {
          const found = await findMatching(db, workspace, query, { after: from, size })
          users = found.users
          from = found.last
          size = nextItems(size, found.ms)
        }
        if (users.length > 0)
          controller.enqueue(encoder.encode(users.map((id) => `${cellOf(id, fileFor)}\n`).join('')))
        if (from === undefined) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}
