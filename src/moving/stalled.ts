import { sql } from 'drizzle-orm'
import { enqueueStalledOf } from '../jobs/stalled.ts'
import type { Resources } from '../resources.ts'
import { messageOf } from './moves.ts'
import { keptFor } from './run.ts'

/** Enqueues moves that no message moves, and those whose old copy may be deleted; the directory's cron does. */
export async function enqueueStalledMoves(res: Resources): Promise<void> {
  if (res.shards === 1 || res.shard !== 0) return
  await enqueueStalledOf<{ workspace: number; key: number }>(res, {
    part: 'stalled-moves',
    columns: sql`workspace_id AS workspace`,
    from: sql`FROM moves
      WHERE ended_at IS NULL AND (state <> 'moved' OR updated_at <= ${res.now() - keptFor})`,
    at: sql`updated_at`,
    messageOf,
  })
}
