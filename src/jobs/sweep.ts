import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import type { Resources } from '../resources.ts'
import { day } from '../time.ts'
import { goOn, type Place } from '../db/cron-place.ts'
import { livesHere } from '../db/fenced.ts'

const rowsPerPiece = 50
const problemsPerPiece = 10_000
export const sweepPieces = 10

/**
 * Deletes what ended more than JOBS_DAYS ago, in bounded steps. Each queue keeps its last job, and
 * each group that of its live revision.
 */
export function sweepJobs(res: Resources): Promise<void> {
  const before = res.now() - res.limits.jobsDays * day
  return goOn(res.database, 'sweep-jobs', sweepPieces, (from) =>
    sweepPiece(res.database, before, from),
  )
}

/** The next job takes the revision after the last one's; lists of revisions begin with the live one. */
const isNeededNoMore = sql`EXISTS (SELECT 1 FROM jobs AS later
  WHERE later.group_key = jobs.group_key AND later.revision > jobs.revision)
  AND (SELECT revision FROM experience_groups WHERE key = jobs.group_key) IS NOT jobs.revision`

async function sweepPiece(db: Db, before: number, from: Place): Promise<Place | undefined> {
  const { old, next } = await findOld(db, { work: sql`jobs`, before, from, where: isNeededNoMore })
  if (old.length === 0) return next
  const keys = sql`(SELECT value FROM json_each(${JSON.stringify(old)}))`
  const hasProblems = sql`EXISTS (SELECT 1 FROM job_problems AS p WHERE p.job_key = jobs.key)`
  const [problems] = await together(db, [
    sql`DELETE FROM job_problems WHERE (job_key, line) IN (
      SELECT job_key, line FROM job_problems WHERE job_key IN ${keys} LIMIT ${problemsPerPiece})`,
    sql`DELETE FROM jobs WHERE key IN ${keys} AND NOT ${hasProblems}`,
  ])
  return problems.changes >= problemsPerPiece ? from : next
}

/**
 * Of the next jobs or runs, the keys of those that ended before `before` and for which `where`
 * holds, and where to go on: keys are in the order in which work was opened.
 */
export async function findOld(
  db: Db,
  { work, before, from, where }: { work: SQL; before: number; from: Place; where: SQL },
): Promise<{ old: number[]; next: Place | undefined }> {
  const rows = await db.all<{ key: number; young: number; old: number }>(sql`
    SELECT key, created_at >= ${before} AS young, 
      iif(ended_at < ${before} AND ${livesHere()}, ${where}, 0) AS old
    FROM ${work} WHERE key > ${from.key} ORDER BY key LIMIT ${rowsPerPiece}`)
  const isEnd = rows.length < rowsPerPiece || rows.some(({ young }) => young === 1)
  return {
    old: rows.filter(({ old }) => old === 1).map(({ key }) => key),
    next: isEnd ? undefined : { at: 0, key: rows.at(-1)?.key ?? 0 },
  }
}
