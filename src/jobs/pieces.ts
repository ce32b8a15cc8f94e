import type { FileFormat } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { claimUpload, moveUpload, releaseUpload, type Claimed } from './claim-upload.ts'
import type { Bytes } from './decode.ts'
import { deleteUpload, isUnknown, restartUpload } from './delete-upload.ts'
import { endOf } from './end-upload.ts'
import { formatOf } from './format.ts'
import { findIdColumn } from './header.ts'
import { PartBuffer } from './part-buffer.ts'
import { refusal, type Destination, type Upload } from './resumable.ts'
import { Sha256 } from './sha256.ts'
import { isGzip, looksLike, utf16Of } from './signature.ts'
import { fieldsOf, headerMode } from './upload.ts'
import { countBytes, withPlace, type Place } from './upload-places.ts'

/** What is kept of an upload are whole parts of this size, and the rest at its end. */
export const partBytes = 8 * 1024 * 1024

/** Bytes of a file that show how to read it. */
const headBytes = 64 * 1024

/** Milliseconds after which a request says that it still stores, and bytes after which it pauses. */
const saysSoAfter = 5000
const pausesAfter = 1024 * 1024

/** Bytes of an upload from an offset on; `size` where it is known before they come. */
export interface Piece {
  id: string
  offset: number
  size: number | undefined
  bytes: Bytes
}

/**
 * Stores a piece of an upload, of which whole parts are kept where it breaks off. The last piece
 * opens the job. Throws `not-found`, `resumable`, what `bytes` throws, and what refuses a file in
 * one request: `file-…`, `malformed` and `revision` end the upload, all else may be tried again.
 */
export async function storePiece(
  res: Resources,
  destination: Destination,
  piece: Piece,
): Promise<Upload> {
  const { workspace, group } = destination
  const upload = await claimUpload(res, { workspace, group, id: piece.id }, piece.offset)
  try {
    checkSize(upload, piece)
    const stored = isWhole(upload)
      ? upload
      : await withPlace(workspace, (place) => storeParts(res, upload, piece.bytes, place))
    return isWhole(stored) ? await endOf(res, destination, stored) : stored
  } catch (error) {
    if (isForGood(error)) await deleteUpload(res, destination, upload.id)
    throw ofPieces(error)
  } finally {
    await releaseUpload(res, upload)
  }
}

const isForGood = (error: unknown): boolean =>
  error instanceof Failure && /^(file-.*|malformed|revision)$/.test(error.facts.reason)

/** Clients of tus try it again where it is a refusal of theirs. */
const ofPieces = (error: unknown): unknown =>
  error instanceof Failure && error.facts.reason === 'uploads-in-flight'
    ? refusal({ is: 'crowded', seconds: error.facts.seconds })
    : error

/** Whether all of a file is stored, though its job may not be open. */
const isWhole = ({ parts, length }: Upload) => parts.length === Math.ceil(length / partBytes)

/** Throws `resumable` where a piece would fill no part, or have more than the rest of its file. */
function checkSize({ length }: Upload, { offset, size }: Pick<Piece, 'offset' | 'size'>): void {
  if (size === undefined) return
  if (offset + size > length) throw refusal({ is: 'too-long', length })
  if (size < Math.min(partBytes, length - offset)) throw tooShort()
}

const tooShort = () => refusal({ is: 'too-short', least: partBytes })

/** Stores the parts that bytes fill, and gives the upload as it is then. */
async function storeParts(
  res: Resources,
  claimed: Claimed,
  bytes: Bytes,
  place: Place,
): Promise<Claimed> {
  let upload = claimed
  const buffer = new PartBuffer(partBytes)
  const hash = new Sha256(upload.sha256, upload.offset)
  let unpaused = 0
  for await (const piece of bytes) {
    countBytes(place, piece.length)
    if (res.now() - upload.updatedAt > saysSoAfter) upload = await moveUpload(res, upload)
    for (let from = 0; from < piece.length;) {
      const left = upload.length - upload.offset - buffer.bytes.length
      if (left === 0) throw refusal({ is: 'too-long', length: upload.length })
      const taken = buffer.add(piece.subarray(from, from + Math.min(left, pausesAfter)))
      hash.update(piece.subarray(from, from + taken))
      from += taken
      unpaused += taken
      if (buffer.isFull && taken < left) {
        upload = await storePart(res, upload, { bytes: buffer.bytes, hash })
        buffer.clear()
      }
      if (unpaused < pausesAfter) continue
      await scheduler.wait(0)
      unpaused = 0
    }
  }
  const { bytes: rest } = buffer
  // The last part is stored only now: a request with more bytes than the file has leaves none of it.
  if (upload.offset + rest.length === upload.length)
    upload = await storePart(res, upload, { bytes: rest, hash })
  if (upload.parts.length === claimed.parts.length) throw tooShort()
  return upload
}

interface Part {
  bytes: Uint8Array
  /** Of all bytes up to the end of the part. */
  hash: Sha256
}

/** Stores the next part. The last one does not move the offset: the job that it opens does. */
async function storePart(res: Resources, claimed: Claimed, part: Part): Promise<Claimed> {
  const { bytes, hash } = part
  const format = formatAfter(claimed, part)
  const upload = claimed.multipart === null ? await begun(res, claimed) : claimed
  const partNumber = upload.parts.length + 1
  const { etag } = await uploadPart(res, upload, partNumber, bytes)
  const parts = [...upload.parts, { partNumber, etag }]
  const isLast = upload.offset + bytes.length === upload.length
  const to = isLast
    ? { sha256: hash.digest() }
    : { sha256: hash.state, offset: upload.offset + bytes.length }
  return moveUpload(res, upload, { ...to, parts, format })
}

/** The upload with the id of its multipart upload, before a part is stored under it. */
async function begun(res: Resources, upload: Claimed): Promise<Claimed> {
  const { uploadId } = await res.files.createMultipartUpload(upload.fileKey)
  return moveUpload(res, upload, { multipart: uploadId })
}

async function uploadPart(
  res: Resources,
  upload: Claimed,
  partNumber: number,
  bytes: Uint8Array,
): Promise<R2UploadedPart> {
  const multipart = res.files.resumeMultipartUpload(upload.fileKey, upload.multipart ?? '')
  try {
    return await multipart.uploadPart(partNumber, bytes)
  } catch (error) {
    if (!isUnknown(error)) throw error
    await restartUpload(res, upload)
    throw refusal({ is: 'other-offset' })
  }
}

/**
 * How a file is read, as far as its parts show it: null where it must be unpacked. Throws
 * `file-content`.
 */
function formatAfter(upload: Upload, { bytes }: Part): FileFormat | null {
  const format = upload.parts.length === 0 ? firstFormat(upload, bytes) : upload.format
  if (format === null || format.nulAt !== null) return format
  const nul = bytes.indexOf(0)
  return nul === -1 ? format : { ...format, nulAt: upload.offset + nul }
}

function firstFormat({ length, fields }: Upload, bytes: Uint8Array): FileFormat | null {
  const head = bytes.subarray(0, headBytes)
  if (isGzip(head) || utf16Of(head) !== undefined) return null
  const what = looksLike(head)
  if (what !== undefined) throw new Failure({ reason: 'file-content', what })
  const options = { header: headerMode(fieldsOf(fields, {})), ended: head.length === length }
  const text = Buffer.from(head).toString('latin1')
  return { ...formatOf(text, options, findIdColumn), nulAt: null }
}
