import { faultOf } from '../failure.ts'
import { PartBuffer } from './part-buffer.ts'

/** R2 wants parts of equal size, at least so large. One part is held in memory. */
const partBytes = 5 * 1024 * 1024

/** Writes a file of unknown length to R2: one `put`, or a multipart upload of equal parts. */
export class FileWriter {
  size = 0
  /** The offset of the first NUL byte. */
  nulAt: number | null = null
  readonly #files: R2Bucket
  readonly #key: string
  readonly #part = new PartBuffer(partBytes)
  #upload: R2MultipartUpload | undefined
  readonly #uploaded: R2UploadedPart[] = []

  constructor(files: R2Bucket, key: string) {
    this.#files = files
    this.#key = key
  }

  async write(bytes: Uint8Array): Promise<void> {
    const nul = this.nulAt === null ? bytes.indexOf(0) : -1
    if (nul !== -1) this.nulAt = this.size + nul
    this.size += bytes.length
    for (let from = 0; from < bytes.length;) {
      // A full part waits for the next byte, as it may be the last.
      if (this.#part.isFull) await this.#flush()
      from += this.#part.add(bytes.subarray(from))
    }
  }

  async close(): Promise<void> {
    if (this.#upload === undefined) {
      await this.#files.put(this.#key, this.#part.bytes)
      return
    }
    await this.#flush()
    await this.#upload.complete(this.#uploaded)
  }

  /** Throws nothing, as something else has failed before. */
  async discard(): Promise<void> {
    // Fails for an upload that is complete: its file is deleted next.
    await this.#upload?.abort().catch(() => undefined)
    await this.#files
      .delete(this.#key)
      .catch((error: unknown) =>
        console.error(
          JSON.stringify({ event: 'discard-failed', file: this.#key, ...faultOf(error) }),
        ),
      )
  }

  async #flush(): Promise<void> {
    this.#upload ??= await this.#files.createMultipartUpload(this.#key)
    this.#uploaded.push(await this.#upload.uploadPart(this.#uploaded.length + 1, this.#part.bytes))
    this.#part.clear()
  }
}
