import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import * as tus from 'tus-js-client'

// Its types leave out what it has in Node alone.
const { FileUrlStorage } = tus as unknown as {
  FileUrlStorage: new (file: string) => NonNullable<tus.UploadOptions['urlStorage']>
}

/** A file, where it goes, and by whose token. */
export interface Sending {
  file: string
  /** The collection of uploads, of a group or of users. */
  endpoint: string
  token: string
  metadata: Record<string, string>
  /** Bytes of a request. */
  chunkSize: number
  /** Where a later run finds an upload that did not end; nowhere, if none is named. */
  urls?: string
}

/**
 * Sends a file in pieces by the client of tus's own authors, and goes on with one that was begun.
 * Gives the id of its job. `stored` gets the bytes that need not be sent again.
 */
export async function sendInPieces(
  { file, endpoint, token, metadata, chunkSize, urls }: Sending,
  stored: (bytes: number) => void = () => undefined,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const options: tus.UploadOptions = {
    ...{ endpoint, metadata, chunkSize, retryDelays: [100, 1000, 3000, 5000, 10_000] },
    headers: { Authorization: `Bearer ${token}`, transactionId: randomUUID() },
    ...(urls !== undefined && { urlStorage: new FileUrlStorage(urls) }),
    onChunkComplete: (_, bytes) => stored(bytes),
    onSuccess: ({ lastResponse }) => resolve(lastResponse.getHeader('Job-Id') ?? ''),
    onError: reject,
  }
  // The types name no stream of a file, which the client takes in Node.
  const upload = new tus.Upload(createReadStream(file) as unknown as Buffer, options)
  const [begun] = urls === undefined ? [] : await upload.findPreviousUploads()
  if (begun !== undefined) upload.resumeFromPreviousUpload(begun)
  upload.start()
  return promise
}
