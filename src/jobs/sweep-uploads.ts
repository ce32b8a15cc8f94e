import { and, asc, sql } from 'drizzle-orm'
import { goOn, type Place } from '../db/cron-place.ts'
import { resumableUploads } from '../db/schema.ts'
import { livesHere } from '../db/fenced.ts'
import { faultOf } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { removeUpload } from './delete-upload.ts'
import { isExpired } from './resumable.ts'

const uploadsPerPiece = 20
const piecesMost = 5

/** Uploads of which nothing is stored, as their jobs have their files. */
const endedMost = 2000

/** Deletes uploads that have expired, and what is stored of those that have opened no job. */
export async function sweepUploads(res: Resources): Promise<void> {
  // First, and many at once: nobody's files wait until those of whoever has sent thousands are gone.
  await deleteEnded(res)
  await goOn(res.database, 'sweep-uploads', piecesMost, (from) => sweepPiece(res, from))
}

const deleteEnded = (res: Resources) =>
  res.database.run(sql`
    DELETE FROM resumable_uploads WHERE key IN (
      SELECT key FROM resumable_uploads INDEXED BY resumable_uploads_by_time
      WHERE ${isExpired(res.now())} AND job_id IS NOT NULL AND format IS NOT NULL
        AND ${livesHere()}
      LIMIT ${endedMost})`)

async function sweepPiece(res: Resources, { at, key }: Place): Promise<Place | undefined> {
  const db = res.database
  const expired = await db
    .select()
    .from(resumableUploads)
    .where(and(isExpired(res.now()), livesHere(), sql`(updated_at, key) > (${at}, ${key})`))
    .orderBy(asc(resumableUploads.updatedAt), asc(resumableUploads.key))
    .limit(uploadsPerPiece)
  for (const upload of expired)
    await removeUpload(res, db, upload).catch((error: unknown) =>
      console.error(
        JSON.stringify({ event: 'sweep-failed', upload: upload.id, ...faultOf(error) }),
      ),
    )
  const last = expired.at(-1)
  return last && { at: last.updatedAt, key: last.key }
}
