import { sql, type SQL } from 'drizzle-orm'
import { sendBatchMost, type Message } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { goOn, type Place } from '../db/cron-place.ts'
import { enqueueAll } from './enqueue.ts'

/** Milliseconds without a step after which work is stalled. */
export const stalledAfter = 10 * 60_000
const piecesMost = 10

/** Where stalled work is found: `at` is an indexed column, the time when it last moved. */
export interface Stalled<Row> {
  part: string
  columns: SQL
  from: SQL
  at: SQL
  messageOf: (row: Row) => Message
  /** Whether work is the first of its queue. */
  isFirst?: SQL
  /** Milliseconds; ten minutes where nothing is said. */
  unmovedFor?: number
}

/**
 * Enqueues what has not moved for a while, the longest stalled first: up to a thousand in one
 * invocation, and the next goes on with the others.
 */
export function enqueueStalledOf<Row>(
  res: Resources,
  { part, columns, from, at, messageOf, isFirst = sql`1`, unmovedFor = stalledAfter }: Stalled<Row>,
): Promise<void> {
  const before = res.now() - unmovedFor
  return goOn(res.database, part, piecesMost, async (place) => {
    const rows = await res.database.all<Row & Place & { isFirst: number }>(sql`
      SELECT ${columns}, ${at} AS at, key, ${isFirst} AS isFirst ${from}
        AND ${at} < ${before} AND (${at}, key) > (${place.at}, ${place.key})
      ORDER BY ${at}, key LIMIT ${sendBatchMost}`)
    const first = rows.filter((row) => row.isFirst === 1)
    await enqueueAll(
      res,
      first.map((row) => ({ ...messageOf(row), stalled: true })),
    )
    return rows.length < sendBatchMost ? undefined : rows.at(-1)
  })
}
