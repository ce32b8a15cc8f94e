import { sql } from 'drizzle-orm'
import { enqueueStalledOf } from '../jobs/stalled.ts'
import type { Resources } from '../resources.ts'

/** Enqueues stalled deletions of experiments. */
export const enqueueStalledExperiments = (res: Resources): Promise<void> =>
  enqueueStalledOf<{ workspace: number; key: number }>(res, {
    part: 'stalled-experiments',
    columns: sql`workspace_id AS workspace`,
    from: sql`FROM experiments WHERE deleted_at IS NOT NULL`,
    at: sql`deleted_at`,
    messageOf: ({ workspace, key }) => ({ kind: 'erase-experiment', workspace, experiment: key }),
  })
