import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { checkRoom, openJob, type Job, type JobType } from './jobs.ts'
import { wake } from './wake.ts'

/** An upload as it arrives: fields and one file, in either order, the file's bytes in pieces. */
export type UploadPart = { field: string; value: string } | { file: string; contentType: string } | { bytes: Uint8Array }

/** R2 wants parts of one size, at least 5 MiB, but for the last. It is also all that is held of a file at a time. */
const partBytes = 8 * 1024 * 1024

const contentTypes = new Set(['', 'text/csv', 'application/vnd.ms-excel', 'text/plain', 'application/octet-stream'])

/**
 * Streams a file of participants into storage and opens the job that applies it. Whatever goes wrong on the way, neither file nor
 * job is left. Throws `not-found`, `jobs-waiting`, `upload-type-…`, `file-…`, `required`, and what `parts` throws.
 */
export async function receiveUpload(
  res: Resources,
  workspace: number,
  groupId: string,
  createdBy: string,
  parts: AsyncIterable<UploadPart>,
): Promise<Job> {
  const db = res.databaseOf(workspace)
  await checkRoom(db, workspace, groupId, res.limits)
  const fileKey = `uploads/${workspace}/${crypto.randomUUID()}.csv`
  const file = new FileWriter(res.files, fileKey)
  try {
    let fileName: string | undefined
    let type: JobType | undefined
    for await (const part of parts) {
      if ('bytes' in part) await file.write(part.bytes)
      else if ('field' in part) type = part.field === 'type' ? typeOf(part.value) : type
      else {
        if (fileName !== undefined) throw new Failure({ reason: 'invalid', field: 'fileName', problem: 'must be one file' })
        const contentType = part.contentType.toLowerCase()
        if (!contentTypes.has(contentType)) throw new Failure({ reason: 'file-type', contentType })
        fileName = part.file
      }
    }
    if (type === undefined) throw new Failure({ reason: 'upload-type-missing' })
    if (fileName === undefined) throw new Failure({ reason: 'required', field: 'fileName' })
    if (file.size === 0) throw new Failure({ reason: 'file-empty' })
    await file.close()
    const draft = { type, fileName: fileName.slice(0, 255), fileKey, fileSize: file.size, createdBy }
    const job = await openJob(db, workspace, groupId, draft, res.limits, res.now())
    await wake(res, { kind: 'job', workspace, job: job.key })
    return job
  } catch (error) {
    await file.discard()
    throw error
  }
}

function typeOf(value: string): JobType {
  const type = value.trim().toLowerCase()
  if (type === '') throw new Failure({ reason: 'upload-type-missing' })
  if (type !== 'add' && type !== 'remove' && type !== 'replace') throw new Failure({ reason: 'upload-type-unknown' })
  return type
}

/** Writes a file of unknown length to R2: one `put` if it fits a part, otherwise a multipart upload of equal parts. */
class FileWriter {
  size = 0
  readonly #files: R2Bucket
  readonly #key: string
  readonly #part = new Uint8Array(partBytes)
  #filled = 0
  #upload: R2MultipartUpload | undefined
  readonly #uploaded: R2UploadedPart[] = []

  constructor(files: R2Bucket, key: string) {
    this.#files = files
    this.#key = key
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.size += bytes.length
    for (let from = 0; from < bytes.length;) {
      // A full part waits for the byte after it, as it may turn out to be the last.
      if (this.#filled === partBytes) await this.#flush()
      const piece = bytes.subarray(from, from + partBytes - this.#filled)
      this.#part.set(piece, this.#filled)
      this.#filled += piece.length
      from += piece.length
    }
  }

  async close(): Promise<void> {
    if (this.#upload === undefined) {
      await this.#files.put(this.#key, this.#part.subarray(0, this.#filled))
      return
    }
    await this.#flush()
    await this.#upload.complete(this.#uploaded)
  }

  async discard(): Promise<void> {
    // Aborting an upload that is complete already fails; what is left then is the file.
    await this.#upload?.abort().catch(() => undefined)
    await this.#files.delete(this.#key)
  }

  async #flush(): Promise<void> {
    this.#upload ??= await this.#files.createMultipartUpload(this.#key)
    this.#uploaded.push(await this.#upload.uploadPart(this.#uploaded.length + 1, this.#part.subarray(0, this.#filled)))
    this.#filled = 0
  }
}
