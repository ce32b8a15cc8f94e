import { sql } from 'drizzle-orm'
import { enqueueStalledOf } from '../jobs/stalled.ts'
import type { Resources } from '../resources.ts'

/** Enqueues stalled erasures. */
export const enqueueStalledErasures = (res: Resources): Promise<void> =>
  enqueueStalledOf<{ workspace: number; key: number }>(res, {
    part: 'stalled-erasures',
    columns: sql`workspace_id AS workspace`,
    from: sql`FROM erasures WHERE ended_at IS NULL`,
    at: sql`updated_at`,
    messageOf: ({ workspace, key }) => ({ kind: 'erase-people', workspace, erasure: key }),
  })
