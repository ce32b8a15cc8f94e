import { and, eq, gt, isNull, sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { resumableUploads } from '../db/schema.ts'
import { faultOf } from '../failure.ts'
import type { Resources } from '../resources.ts'
import {
  getUpload,
  isAt,
  keptFor,
  refusal,
  type Upload,
  type UploadEnd,
  type UploadPlace,
} from './resumable.ts'

/** Milliseconds after which a request that stores nothing loses the upload to another. */
const claimedFor = 15_000

/** An upload that a request stores pieces of; others wait until it ends, or stands still. */
export type Claimed = Upload & { claim: string }

/** Throws `not-found`, and `resumable` where it is at another offset, or claimed. */
export async function claimUpload(
  res: Resources,
  place: UploadPlace,
  offset: number,
): Promise<Claimed> {
  const now = res.now()
  const claim = crypto.randomUUID()
  const [claimed] = await res
    .databaseOf(place.workspace)
    .update(resumableUploads)
    .set({ claim, updatedAt: now })
    .where(
      and(
        isAt(place),
        eq(resumableUploads.offset, offset),
        isNull(resumableUploads.job),
        gt(resumableUploads.updatedAt, now - keptFor),
        sql`(claim IS NULL OR updated_at <= ${now - claimedFor})`,
      ),
    )
    .returning()
  if (claimed !== undefined) return { ...claimed, claim }
  const found = await getUpload(res, place)
  throw refusal({ is: found.offset === offset && found.job === null ? 'locked' : 'other-offset' })
}

/** Columns of an upload, and what they become. */
type Changes = { [Column in keyof Upload]?: Upload[Column] | SQL }

/**
 * Changes an upload that is still claimed, and keeps the claim. Throws `not-found` and `resumable`
 * where another request has claimed or deleted it.
 */
export async function moveUpload(
  res: Resources,
  upload: Claimed,
  to: Changes = {},
): Promise<Claimed> {
  const { key, claim, workspace } = upload
  const [moved] = await res
    .databaseOf(workspace)
    .update(resumableUploads)
    .set({ ...to, updatedAt: res.now() })
    .where(and(eq(resumableUploads.key, key), isHeldBy(claim)))
    .returning()
  if (moved !== undefined) return { ...moved, claim }
  await getUpload(res, upload)
  throw refusal({ is: 'locked' })
}

const isHeldBy = (claim: string) =>
  and(eq(resumableUploads.claim, claim), isNull(resumableUploads.job))

/**
 * Lets the next request go on. One that dies before it lets go is waited for. Throws nothing: what
 * is stored is stored.
 */
export async function releaseUpload(res: Resources, { key, id, claim, workspace }: Claimed) {
  try {
    await res
      .databaseOf(workspace)
      .update(resumableUploads)
      .set({ claim: null })
      .where(and(eq(resumableUploads.key, key), isHeldBy(claim)))
  } catch (error) {
    console.error(JSON.stringify({ event: 'release-failed', upload: id, ...faultOf(error) }))
  }
}

/** Whether an upload is still claimed, in SQL: the guard of the statement that opens its job. */
export const mayEnd = (workspace: number, end: UploadEnd | undefined): SQL =>
  end === undefined
    ? sql`true`
    : sql`EXISTS (SELECT 1 FROM resumable_uploads WHERE workspace_id = ${workspace}
        AND id = ${end.id} AND claim = ${end.claim} AND job_id IS NULL)`

/** The statement that ends an upload whose job is open by then. */
export const endUpload = (workspace: number, end: UploadEnd | undefined, now: number): SQL[] =>
  end === undefined
    ? []
    : [
        sql`
    UPDATE resumable_uploads SET job_id = id, "offset" = length, claim = NULL, updated_at = ${now}
    WHERE workspace_id = ${workspace} AND id = ${end.id} AND job_id IS NULL
      AND EXISTS (SELECT 1 FROM jobs WHERE workspace_id = ${workspace} AND id = ${end.id})`,
      ]

/** Throws `resumable` where another request has claimed, ended or deleted the upload. */
export async function checkMayEnd(db: Db, workspace: number, end: UploadEnd | undefined) {
  const { held } = await db.get<{ held: number }>(sql`SELECT ${mayEnd(workspace, end)} AS held`)
  if (held === 0) throw refusal({ is: 'locked' })
}
