import { sql } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import type { Resources } from '../resources.ts'
import { goOn, type Place } from '../db/cron-place.ts'
import { day } from '../time.ts'

/** Of as many files as R2 lists and deletes in one call: 1,000. */
const pagesMost = 20

/** Deletes uploaded files older than a day that no job needs: a lost answer may leave one. */
export const sweepFiles = (res: Resources): Promise<void> =>
  goOn(res.database, 'sweep-files', pagesMost, (from) => sweepPage(res, from))

async function sweepPage(res: Resources, { at }: Place): Promise<Place | undefined> {
  const listed = await res.files.list({
    prefix: 'uploads/',
    ...(typeof at === 'string' && { startAfter: at }),
  })
  const before = res.now() - day
  const old = listed.objects.filter(({ uploaded }) => uploaded.getTime() < before)
  const needed = await findNeeded(
    res.database,
    old.map(({ key }) => key),
  )
  const left = old.filter(({ key }) => !needed.has(key))
  if (left.length > 0) await res.files.delete(left.map(({ key }) => key))
  const last = listed.objects.at(-1)
  return listed.truncated && last ? { at: last.key, key: 0 } : undefined
}

/** Of these files, those of jobs that have not ended, and of uploads that still may open one. */
export async function findNeeded(db: Db, files: string[]): Promise<Set<string>> {
  if (files.length === 0) return new Set()
  const named = sql`file_key IN (SELECT value FROM json_each(${JSON.stringify(files)}))`
  const rows = await db.all<{ file: string }>(sql`
    SELECT file_key AS file FROM jobs WHERE ended_at IS NULL AND ${named}
    UNION ALL SELECT file_key FROM resumable_uploads WHERE job_id IS NULL AND ${named}`)
  return new Set(rows.map(({ file }) => file))
}
