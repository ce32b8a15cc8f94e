import { sql } from 'drizzle-orm'
import type { Resources } from '../resources.ts'
import { earlierJobUnended, isScheduled, messageOf, type JobAddress } from '../jobs/turn.ts'
import { enqueueStalledOf } from '../jobs/stalled.ts'

/** Enqueues each queue's stalled first job, and stalled deletions of groups. */
export async function enqueueStalled(res: Resources): Promise<void> {
  await enqueueStalledOf<JobAddress>(res, {
    part: 'stalled-jobs',
    columns: sql`workspace_id AS workspace, type, ${isScheduled()} AS scheduled`,
    from: sql`FROM jobs WHERE ended_at IS NULL`,
    at: sql`updated_at`,
    isFirst: sql`NOT ${earlierJobUnended}`,
    messageOf,
  })
  await enqueueStalledOf<{ workspace: number; key: number }>(res, {
    part: 'stalled-groups',
    columns: sql`workspace_id AS workspace`,
    from: sql`FROM experience_groups WHERE deleted_at IS NOT NULL`,
    at: sql`deleted_at`,
    messageOf: ({ workspace, key }) => ({ kind: 'erase', workspace, group: key }),
  })
}
