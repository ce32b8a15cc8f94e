import { and, eq, sql, type SQL } from 'drizzle-orm'
import { together, type Result } from '../db/connect.ts'
import { resumableUploads } from '../db/schema.ts'
import { Failure, type ResumableRefusal } from '../failure.ts'
import type { Message } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { day } from '../time.ts'
import { readFileName } from './file-name.ts'
import { tooManyBytes, waitingBytes, type OpenedJob } from './jobs.ts'
import { checkContentType, fieldsOf, type Receiver } from './upload.ts'

/** A file that is sent in pieces, and how far it has come. */
export type Upload = typeof resumableUploads.$inferSelect

/** What the file of an upload is for, and how its job is opened. */
export interface Destination<Opened extends OpenedJob = OpenedJob> {
  workspace: number
  /** The id of a group; null for users. */
  group: string | null
  /** The revisions of the group that the request expects. */
  expected?: Upload['expected'] | undefined
  /** Takes the file in one request, or that of the upload that it is the end of. */
  receiver: (end?: UploadEnd) => Promise<Receiver<Opened>>
  messageOf: (job: Pick<OpenedJob, 'key'>) => Message
  /** The statements that write an event of an upload; `enqueueAnnounced` gets their results. */
  announceCreated: (id: string) => SQL[]
  announceDeleted: (id: string) => SQL[]
  enqueueAnnounced: (results: Result[]) => Promise<void>
}

/** Whose file a job takes: its id is the job's, and its bytes wait no more. */
export type UploadEnd = Pick<Upload, 'id' | 'length' | 'expected'> & { claim: string }

/** Of a workspace. */
const openMost = 100

/** How long an upload is kept after it has last moved, in milliseconds. */
export const keptFor = day / 2

export const expiryOf = ({ updatedAt }: Upload): number => updatedAt + keptFor

/** Whether nobody may go on with an upload. */
export const isExpired = (now: number): SQL => sql`updated_at <= ${now - keptFor}`

/** Where a request finds an upload: that of another group or workspace is none. */
export type UploadPlace = Pick<Destination, 'workspace' | 'group'> & { id: string }

export const isAt = ({ workspace, group, id }: UploadPlace) =>
  and(
    eq(resumableUploads.workspace, workspace),
    eq(resumableUploads.id, id),
    sql`group_id IS ${group}`,
  )

export const newFileKey = (workspace: number) => `uploads/${workspace}/${crypto.randomUUID()}.csv`

export const refusal = (refusal: ResumableRefusal) => new Failure({ reason: 'resumable', refusal })

/**
 * Creates an upload of so many bytes. Throws what its receiver throws for the fields, `limit`, and
 * `resumable` where it is too large.
 */
export async function createUpload(
  res: Resources,
  destination: Destination,
  { length, fields }: Pick<Upload, 'length' | 'fields'>,
): Promise<Upload> {
  const { fileBytesMax, waitingBytesMax } = res.limits
  if (length > fileBytesMax) throw refusal({ is: 'too-large', max: fileBytesMax })
  if (length === 0) throw new Failure({ reason: 'file-empty' })
  checkContentType(fields['filetype'] ?? '')
  const receiver = await destination.receiver()
  fieldsOf(fields, receiver)
  const { workspace, group, expected = null } = destination
  const db = res.databaseOf(workspace)
  const id = crypto.randomUUID()
  const now = res.now()
  const fileName = readFileName(fields['filename'] ?? fields['name'] ?? '')
  const results = await together(db, [
    // One statement, so that uploads at once stay within the limits.
    sql`
    INSERT INTO resumable_uploads
      (id, workspace_id, group_id, length, file_name, fields, if_match, file_key, created_at,
        updated_at)
    SELECT ${id}, ${workspace}, ${group}, ${length}, ${fileName}, ${JSON.stringify(fields)},
      ${expected && JSON.stringify(expected)}, ${newFileKey(workspace)}, ${now}, ${now}
    WHERE ${waitingBytes(workspace)} + ${length} <= ${waitingBytesMax} AND (
      SELECT count(*) FROM resumable_uploads INDEXED BY resumable_uploads_open
      WHERE workspace_id = ${workspace} AND job_id IS NULL AND updated_at > 0) < ${openMost}`,
    ...destination.announceCreated(id),
  ])
  if (results[0].changes === 0)
    throw length > receiver.bytesLeft
      ? tooManyBytes(waitingBytesMax)
      : new Failure({ reason: 'limit', what: 'open-uploads', max: openMost })
  await destination.enqueueAnnounced(results)
  return getUpload(res, { workspace, group, id })
}

/** Throws `not-found`, also where it has expired. */
export async function getUpload(res: Resources, place: UploadPlace): Promise<Upload> {
  const [found] = await res
    .databaseOf(place.workspace)
    .select()
    .from(resumableUploads)
    .where(isAt(place))
  if (found === undefined || expiryOf(found) <= res.now())
    throw new Failure({ reason: 'not-found', what: 'upload', id: place.id })
  return found
}
