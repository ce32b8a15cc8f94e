import { sql } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { goOn, type Place } from '../db/cron-place.ts'
import { findOld, sweepPieces } from '../jobs/sweep.ts'
import type { Resources } from '../resources.ts'
import { day } from '../time.ts'

/** A week's run is what keeps the week from beginning again. */
const daysLeast = 14

/**
 * Deletes runs that ended more than JOBS_DAYS ago, in bounded steps. A definition's last successful
 * one stays, and what came after it.
 */
export function sweepRuns(res: Resources): Promise<void> {
  const before = res.now() - Math.max(res.limits.jobsDays, daysLeast) * day
  return goOn(res.database, 'sweep-runs', sweepPieces, (from) =>
    sweepPiece(res.database, before, from),
  )
}

const laterSuccess = sql`EXISTS (SELECT 1 FROM recompute_runs AS later
  WHERE later.definition_key = recompute_runs.definition_key AND later.key > recompute_runs.key
    AND later.state = 'successful')`

async function sweepPiece(db: Db, before: number, from: Place): Promise<Place | undefined> {
  const work = sql`recompute_runs`
  const { old, next } = await findOld(db, { work, before, from, where: laterSuccess })
  if (old.length > 0)
    await db.run(sql`
      DELETE FROM recompute_runs WHERE key IN (SELECT value FROM json_each(${JSON.stringify(old)}))`)
  return next
}
