import { and, eq, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { resumableUploads } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { moveUpload, type Claimed } from './claim-upload.ts'
import { getUpload, isExpired, newFileKey, type Destination, type Upload } from './resumable.ts'

/** Deletes what is stored of an upload: it begins again as another file. */
export async function restartUpload(res: Resources, upload: Claimed): Promise<void> {
  await moveUpload(res, upload)
  await deleteStored(res, upload)
  const begin = { offset: 0, parts: [], multipart: null, sha256: null, format: null }
  await moveUpload(res, upload, { ...begin, fileKey: newFileKey(upload.workspace) })
}

/** Deletes an upload, and what is stored of it unless a job has it. Throws as `getUpload` does. */
export async function deleteUpload(
  res: Resources,
  destination: Destination,
  id: string,
): Promise<void> {
  const { workspace, group } = destination
  const db = res.databaseOf(workspace)
  const found = await getUpload(res, { workspace, group, id })
  // At 0 it has expired: whoever stores a piece of it is refused, and a cron deletes what is left.
  const results = await together(db, [
    sql`
    UPDATE resumable_uploads SET claim = NULL, updated_at = 0
    WHERE key = ${found.key} AND updated_at > 0 RETURNING job_id AS job`,
    ...destination.announceDeleted(id),
  ])
  await destination.enqueueAnnounced(results)
  await removeUpload(res, db, await readAgain(db, found))
}

/** The statement that expires the uploads of a group where `isDeleted`: a cron deletes them. */
export const expireUploads = (workspace: number, group: string, isDeleted: SQL): SQL => sql`
  UPDATE resumable_uploads SET claim = NULL, updated_at = 0
  WHERE workspace_id = ${workspace} AND group_id = ${group} AND ${isDeleted}`

const readAgain = async (db: Db, { key }: Upload): Promise<Upload | undefined> =>
  (await db.select().from(resumableUploads).where(eq(resumableUploads.key, key)))[0]

/**
 * Deletes an expired upload: first what is stored of it, so that nothing is left if that fails. The
 * job of a packed one has a file of its own.
 */
export async function removeUpload(res: Resources, db: Db, upload: Upload | undefined) {
  if (upload === undefined) return
  const isPacked = upload.format === null
  if (upload.job === null || isPacked) await deleteStored(res, upload)
  await db
    .delete(resumableUploads)
    .where(and(eq(resumableUploads.key, upload.key), isExpired(res.now())))
}

async function deleteStored(res: Resources, { fileKey, multipart }: Upload): Promise<void> {
  if (multipart !== null) {
    const parts = res.files.resumeMultipartUpload(fileKey, multipart)
    await parts.abort().catch((error: unknown) => {
      if (!isUnknown(error)) throw error
    })
  }
  await res.files.delete(fileKey)
}

/** Whether R2 knows no such multipart upload, or not all of its parts (R2, "Error codes"). */
export const isUnknown = (error: unknown): boolean =>
  error instanceof Error && /\((10024|10025)\)/.test(error.message)
