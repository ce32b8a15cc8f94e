import { sql, type SQL } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { jobs, recomputeRuns } from '../db/schema.ts'
import { livesHere } from '../db/fenced.ts'
import type { Resources } from '../resources.ts'

/** More unended jobs, or runs, are counted as so many. */
const countedMost = 10_000

/** Measures how much work is open, since when, and how large its shard is. */
export async function measureState(res: Resources): Promise<void> {
  const [ofJobs, ofRuns] = await together(res.database, [
    unendedOf(jobs, sql`jobs_unended`),
    unendedOf(recomputeRuns, sql`recompute_runs_unended`),
  ])
  const now = res.now()
  const secondsSince = (at: number | null | undefined) =>
    Math.max(0, Math.round((now - (at ?? now)) / 1000))
  const [[openJobs], [openRuns]] = [ofJobs.rows, ofRuns.rows]
  res.measure({
    kind: 'state',
    shard: String(res.shard),
    oldestJob: secondsSince(openJobs?.since),
    jobs: openJobs?.count ?? 0,
    oldestRun: secondsSince(openRuns?.since),
    runs: openRuns?.count ?? 0,
    bytes: ofJobs.meta.size_after,
  })
}

/**
 * The least key is of the oldest; the index names those first that were moved longest ago. Held jobs
 * are nobody's backlog.
 */
const unendedOf = (of: typeof jobs | typeof recomputeRuns, index: SQL) =>
  sql<{ count: number; since: number | null }>`
  SELECT count, (SELECT created_at FROM ${of} WHERE key = first) AS since FROM (
    SELECT count(*) AS count, min(key) AS first FROM (
      SELECT key FROM ${of} INDEXED BY ${index}
      WHERE ended_at IS NULL AND state <> 'held' AND ${livesHere()} ORDER BY updated_at LIMIT ${countedMost}))`
