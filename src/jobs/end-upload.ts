import { faultOf } from '../failure.ts'
import type { Resources } from '../resources.ts'
import type { Claimed } from './claim-upload.ts'
import { moveUpload } from './claim-upload.ts'
import { isUnknown, restartUpload } from './delete-upload.ts'
import { enqueue } from './enqueue.ts'
import type { OpenedJob, StoredFile } from './jobs.ts'
import { refusal, type Destination, type Upload } from './resumable.ts'
import { fieldsOf, receiveFile, type UploadPart } from './upload.ts'

/**
 * Opens the job of an upload whose parts are all stored, and gives the upload as it is then. May be
 * tried again wherever it stops. Throws `resumable` where R2 has lost a part, what opens a job, and
 * what `receiveFile` throws for a file that is packed.
 */
export async function endOf(
  res: Resources,
  destination: Destination,
  upload: Claimed,
): Promise<Upload> {
  await completeParts(res, upload)
  const { format, fileKey, fileName, length: fileSize, sha256 } = upload
  const isPlain = format !== null && sha256 !== null
  const job = isPlain
    ? await openPlain(destination, upload, {
        ...{ fileKey, fileName, fileSize, format },
        fileSha256: sha256,
      })
    : await openPacked(res, destination, upload)
  await enqueue(res, destination.messageOf(job))
  if (!isPlain) await deletePacked(res, upload)
  return { ...upload, offset: upload.length, job: job.id }
}

/** Makes one object of the parts, unless a request before has. */
async function completeParts(res: Resources, upload: Claimed): Promise<void> {
  const { fileKey, multipart, parts, length } = upload
  try {
    await res.files.resumeMultipartUpload(fileKey, multipart ?? '').complete(parts)
  } catch (error) {
    const object = await res.files.head(fileKey)
    if (object?.size === length) return
    if (!isUnknown(error)) throw error
    await restartUpload(res, upload)
    throw refusal({ is: 'other-offset' })
  }
}

async function openPlain(
  destination: Destination,
  upload: Claimed,
  file: StoredFile,
): Promise<OpenedJob> {
  const receiver = await destination.receiver(upload)
  return receiver.take(file, fieldsOf(upload.fields, receiver))
}

/** Unpacks the object into another, as if it came in one request. */
async function openPacked(
  res: Resources,
  destination: Destination,
  upload: Claimed,
): Promise<OpenedJob> {
  const receiver = await destination.receiver(upload)
  return receiveFile(res, upload.workspace, partsOf(res, upload), receiver)
}

/** Deletes what nobody needs once it is unpacked; where that fails, a cron does so. */
async function deletePacked(res: Resources, { id, fileKey }: Upload): Promise<void> {
  await res.files
    .delete(fileKey)
    .catch((error: unknown) =>
      console.error(JSON.stringify({ event: 'sweep-failed', upload: id, ...faultOf(error) })),
    )
}

/** Milliseconds after which a request says that it still unpacks. */
const saysSoAfter = 5000

async function* partsOf(res: Resources, claimed: Claimed): AsyncGenerator<UploadPart> {
  let upload = claimed
  for (const [field, value] of Object.entries(upload.fields)) yield { field, value }
  const object = await res.files.get(upload.fileKey)
  if (object === null) throw new Error(`the file of upload ${upload.id} is missing`)
  yield { file: upload.fileName, contentType: '' }
  for await (const bytes of object.body) {
    yield { bytes }
    if (res.now() - upload.updatedAt > saysSoAfter) upload = await moveUpload(res, upload)
  }
}
