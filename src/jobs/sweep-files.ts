import { sql } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import type { Resources } from '../resources.ts'
import { goOn, type Place } from '../db/cron-place.ts'
import { faultOf } from '../failure.ts'
import { readPlaces } from '../places/directory.ts'
import { day } from '../time.ts'

/** Of as many files as R2 lists and deletes in one call: 1,000. */
const pagesMost = 20

/**
 * Deletes uploaded files older than a day that no job needs: a lost answer may leave one. Of all
 * shards, as the bucket is one: by the cron of shard 0.
 */
export async function sweepFiles(res: Resources): Promise<void> {
  if (res.shard === 0)
    await goOn(res.database, 'sweep-files', pagesMost, (from) => sweepPage(res, from))
}

async function sweepPage(res: Resources, { at }: Place): Promise<Place | undefined> {
  const listed = await res.files.list({
    prefix: 'uploads/',
    ...(typeof at === 'string' && { startAfter: at }),
  })
  const before = res.now() - day
  const old = listed.objects.filter(({ uploaded }) => uploaded.getTime() < before)
  const files = old.map(({ key }) => key)
  for (const [shard, own] of await byShard(res, files)) {
    const unneeded = await findUnneeded(res.reach(shard).database, own).catch((error: unknown) => {
      // They stay until their shard answers.
      console.error(JSON.stringify({ event: 'sweep-failed', shard, ...faultOf(error) }))
      return []
    })
    if (unneeded.length > 0) await res.files.delete(unneeded)
  }
  const last = listed.objects.at(-1)
  return listed.truncated && last ? { at: last.key, key: 0 } : undefined
}

/** Files by the shard of their workspace, which is part of their names. */
async function byShard(res: Resources, files: string[]): Promise<Map<number, string[]>> {
  const workspaceOf = (file: string) => Number(file.split('/')[1])
  const places = await readPlaces(res, [...new Set(files.map(workspaceOf))])
  return Map.groupBy(files, (file) => places.get(workspaceOf(file)) ?? 0)
}

async function findUnneeded(db: Db, files: string[]): Promise<string[]> {
  const needed = await findNeeded(db, files)
  return files.filter((file) => !needed.has(file))
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
