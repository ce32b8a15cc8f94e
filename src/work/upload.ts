import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import type { StoredFile } from './jobs.ts'

/** An upload as it arrives: fields and one file, in either order, the file's bytes in pieces. */
export type UploadPart =
  { field: string; value: string } | { file: string; contentType: string } | { bytes: Uint8Array }

/** R2 wants parts of one size, at least 5 MiB, but for the last. It is also all that is held of a file at a time. */
const partBytes = 8 * 1024 * 1024

const contentTypes = new Set([
  '',
  'text/csv',
  'application/vnd.ms-excel',
  'text/plain',
  'application/octet-stream',
])

/** Who an upload is for: hears its fields, says at its end whether they are all there, and takes the file. Each may refuse. */
export interface Receiver<Taken> {
  field?: (name: string, value: string) => void
  complete?: () => void
  take: (file: StoredFile) => Promise<Taken>
}

/**
 * Streams a file into storage and hands it over. Whatever goes wrong on the way, nothing of it is left. Throws `file-…`,
 * `required`, and what `parts` and the receiver throw.
 */
export async function receiveFile<Taken>(
  res: Resources,
  workspace: number,
  parts: AsyncIterable<UploadPart>,
  receiver: Receiver<Taken>,
): Promise<Taken> {
  const fileKey = `uploads/${workspace}/${crypto.randomUUID()}.csv`
  const file = new FileWriter(res.files, fileKey)
  try {
    let fileName: string | undefined
    for await (const part of parts) {
      if ('bytes' in part) await file.write(part.bytes)
      else if ('field' in part) receiver.field?.(part.field, part.value)
      else {
        if (fileName !== undefined)
          throw new Failure({ reason: 'invalid', field: 'fileName', problem: 'must be one file' })
        const contentType = part.contentType.toLowerCase()
        if (!contentTypes.has(contentType)) throw new Failure({ reason: 'file-type', contentType })
        fileName = part.file
      }
    }
    receiver.complete?.()
    if (fileName === undefined) throw new Failure({ reason: 'required', field: 'fileName' })
    if (file.size === 0) throw new Failure({ reason: 'file-empty' })
    await file.close()
    return await receiver.take({ fileName: fileName.slice(0, 255), fileKey, fileSize: file.size })
  } catch (error) {
    await file.discard()
    throw error
  }
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
    this.#uploaded.push(
      await this.#upload.uploadPart(
        this.#uploaded.length + 1,
        this.#part.subarray(0, this.#filled),
      ),
    )
    this.#filled = 0
  }
}
