import { sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { livesHere } from '../db/fenced.ts'
import type { Resources } from '../resources.ts'
import { day } from '../time.ts'

const rowsPerSweep = 1000
const sweepsMost = 20

/**
 * Deletes hashes of people, and erasures, of more than ERASURE_DAYS ago, in bounded steps: what was
 * accepted before may then bring somebody back.
 */
export async function sweepErasures(res: Resources): Promise<void> {
  const before = res.now() - res.limits.erasureDays * day
  for (let sweep = 0; sweep < sweepsMost; sweep++) {
    const results = await together(res.database, [
      sql`
      DELETE FROM erased_people WHERE (workspace_id, person_hash) IN (
        SELECT workspace_id, person_hash FROM erased_people INDEXED BY erased_people_by_time
        WHERE erased_at < ${before} AND ${livesHere()} ORDER BY erased_at LIMIT ${rowsPerSweep})`,
      // In the order of their keys, which is that of time.
      sql`
      DELETE FROM erasures WHERE ended_at < ${before} AND ${livesHere()} AND key IN (
        SELECT key FROM erasures ORDER BY key LIMIT ${rowsPerSweep})`,
    ])
    if (results.every(({ changes }) => changes === 0)) return
  }
}
