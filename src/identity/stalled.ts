import { and, asc, isNotNull, isNull, lt, sql } from 'drizzle-orm'
import { groupDefinitions, recomputeRuns } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { stalledAfter, stalledMost, enqueueAll } from '../jobs/enqueue.ts'
import { beginWeek } from './monday.ts'
import { earlierRunUnended } from './runs.ts'
import { mondayOf } from './week.ts'

/** Of every Monday, UTC, in `wrangler.toml` too. */
const cronTime = 3 * 3_600_000

/** Enqueues runs that are first of their definition, and for deletions, that no message has moved for ten minutes; and begins a week whose cron did not come. */
export async function enqueueStalledRuns(res: Resources): Promise<void> {
  const db = res.directory
  const before = res.now() - stalledAfter
  const [idle, deleted] = await Promise.all([
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
    idle.map((run) => ({ kind: 'recompute', ...run })),
  )
  await enqueueAll(
    res,
    deleted.map((definition) => ({ kind: 'erase-definition', ...definition })),
  )
  await beginWeek(res, lastCron(res.now()))
}

/** The last Monday's cron before `now`. */
function lastCron(now: number): number {
  return mondayOf(now - cronTime) + cronTime
}
