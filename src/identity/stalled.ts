import { and, asc, isNotNull, isNull, lt, sql } from 'drizzle-orm'
import { groupDefinitions, recomputeRuns } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { stalledAfter, stalledMost, enqueueAll } from '../jobs/enqueue.ts'
import { beginWeek } from './monday.ts'
import { earlierRunUnended } from './runs.ts'
import { mondayOf } from './week.ts'

/** Every Monday at 03:00 UTC: see the crons of `wrangler.toml`. */
const cronTime = 3 * 3_600_000

/** Enqueues stalled runs and deletions of definitions. */
export async function enqueueStalledRuns(res: Resources): Promise<void> {
  const db = res.directory
  const before = res.now() - stalledAfter
  const [stalledRuns, deletedDefinitions] = await Promise.all([
    db
      .select({ workspace: recomputeRuns.workspace, run: recomputeRuns.key })
      .from(recomputeRuns)
      .where(
        and(
          isNull(recomputeRuns.endedAt),
          lt(recomputeRuns.updatedAt, before),
          sql`NOT ${earlierRunUnended}`,
        ),
      )
      .orderBy(asc(recomputeRuns.updatedAt))
      .limit(stalledMost),
    db
      .select({ workspace: groupDefinitions.workspace, definition: groupDefinitions.key })
      .from(groupDefinitions)
      .where(and(isNotNull(groupDefinitions.deletedAt), lt(groupDefinitions.deletedAt, before)))
      .orderBy(asc(groupDefinitions.deletedAt))
      .limit(stalledMost),
  ])
  await enqueueAll(
    res,
    stalledRuns.map((run) => ({ kind: 'recompute', stalled: true, ...run })),
  )
  await enqueueAll(
    res,
    deletedDefinitions.map((definition) => ({
      kind: 'erase-definition',
      stalled: true,
      ...definition,
    })),
  )
}

/** Begins a week whose cron did not come. */
export const beginMissedWeek = (res: Resources): Promise<void> =>
  beginWeek(res, lastCron(res.now()))

/** The time of the last cron before `now`. */
function lastCron(now: number): number {
  return mondayOf(now - cronTime) + cronTime
}
