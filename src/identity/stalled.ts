import { sql } from 'drizzle-orm'
import { flagOf } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { enqueueStalledOf } from '../jobs/stalled.ts'
import { beginWeek } from './monday.ts'
import { earlierRunUnended } from './runs.ts'
import { isTurn } from './turn.ts'
import { mondayOf } from './week.ts'

/** Every Monday at 03:00 UTC: see the crons of `wrangler.toml`. */
const cronTime = 3 * 3_600_000

/** Enqueues stalled runs and deletions of definitions. */
export async function enqueueStalledRuns(res: Resources): Promise<void> {
  await enqueueStalledOf<{ workspace: number; key: number; scheduled: number }>(res, {
    part: 'stalled-runs',
    columns: sql`workspace_id AS workspace, week IS NOT NULL AS scheduled`,
    from: sql`FROM recompute_runs WHERE ended_at IS NULL`,
    at: sql`updated_at`,
    isFirst: sql`(NOT ${earlierRunUnended} AND ${isTurn})`,
    messageOf: ({ workspace, key, scheduled }) => ({
      kind: 'recompute',
      workspace,
      run: key,
      ...flagOf(scheduled),
    }),
  })
  await enqueueStalledOf<{ workspace: number; key: number }>(res, {
    part: 'stalled-definitions',
    columns: sql`workspace_id AS workspace`,
    from: sql`FROM group_definitions WHERE deleted_at IS NOT NULL`,
    at: sql`deleted_at`,
    messageOf: ({ workspace, key }) => ({ kind: 'erase-definition', workspace, definition: key }),
  })
}

/** Begins a week whose cron did not come. */
export const beginMissedWeek = (res: Resources): Promise<void> =>
  beginWeek(res, lastCron(res.now()))

/** The time of the last cron before `now`. */
function lastCron(now: number): number {
  return mondayOf(now - cronTime) + cronTime
}
