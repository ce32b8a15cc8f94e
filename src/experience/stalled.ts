import { sql } from 'drizzle-orm'
import type { Resources } from '../resources.ts'
import { earlierJobUnended, isScheduled, messageOf, type JobAddress } from '../jobs/turn.ts'
import { enqueueStalledOf } from '../jobs/stalled.ts'
import { day } from '../time.ts'

/**
 * Enqueues each queue's stalled first job, held ones once their days are over, and stalled deletions
 * of groups.
 */
export async function enqueueStalled(res: Resources): Promise<void> {
  const jobs = {
    columns: sql`workspace_id AS workspace, type, ${isScheduled()} AS scheduled`,
    at: sql`updated_at`,
    messageOf,
  }
  await enqueueStalledOf<JobAddress>(res, {
    ...jobs,
    part: 'stalled-jobs',
    from: sql`FROM jobs WHERE ended_at IS NULL AND state <> 'held'`,
    isFirst: sql`NOT ${earlierJobUnended}`,
  })
  await enqueueStalledOf<JobAddress>(res, {
    ...jobs,
    part: 'held-jobs',
    from: sql`FROM jobs WHERE ended_at IS NULL AND state = 'held'`,
    unmovedFor: res.limits.heldDays * day,
  })
  await enqueueStalledOf<{ workspace: number; key: number }>(res, {
    part: 'stalled-groups',
    columns: sql`workspace_id AS workspace`,
    from: sql`FROM experience_groups WHERE deleted_at IS NOT NULL`,
    at: sql`deleted_at`,
    messageOf: ({ workspace, key }) => ({ kind: 'erase', workspace, group: key }),
  })
}
