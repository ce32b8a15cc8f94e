import { createHash, type Hash } from 'node:crypto'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { readText } from './decode.ts'
import { readFileName } from './file-name.ts'
import { FileWriter } from './file-writer.ts'
import { formatOf, headerModes, type HeaderMode } from './format.ts'
import { tooManyBytes, UnknownOutcome, type StoredFile } from './jobs.ts'
import { countBytes, withPlace, type Place } from './upload-places.ts'

/** Parts of an upload as they arrive: fields, those of the query first, and one file in pieces. */
export type UploadPart =
  | { field: string; value: string; inQuery?: boolean }
  | { file: string; contentType: string }
  | { bytes: Uint8Array }

const contentTypes = new Set([
  '',
  'text/csv',
  'application/csv',
  'application/x-csv',
  'text/x-csv',
  'text/comma-separated-values',
  'text/tsv',
  'application/vnd.ms-excel',
  'text/plain',
  'text/tab-separated-values',
  'application/gzip',
  'application/x-gzip',
  'application/x-gzip-compressed',
  'application/octet-stream',
])

/** Takes the file of an upload; `field` and `complete` may throw to refuse its fields. */
export interface Receiver<Taken> {
  /** Bytes that the workspace may still store, for this file and others that are being uploaded. */
  bytesLeft: number
  field?: (name: string, value: string) => unknown
  complete?: (fields: ReadonlyMap<string, string>) => void
  idColumn: (fields: string[]) => number
  take: (file: StoredFile, fields: ReadonlyMap<string, string>) => Promise<Taken>
}

/**
 * Streams a file into storage, as text in UTF-8, and hands it over, once there is a place for it. A
 * failure leaves nothing of it. Throws `file-…`, `required`, `invalid`, `limit`,
 * `uploads-in-flight`, and what `parts` and the receiver throw.
 */
export const receiveFile = <Taken>(
  res: Resources,
  workspace: number,
  parts: AsyncIterable<UploadPart>,
  receiver: Receiver<Taken>,
): Promise<Taken> => withPlace(workspace, (place) => store(res, place, parts, receiver))

async function store<Taken>(
  res: Resources,
  place: Place,
  parts: AsyncIterable<UploadPart>,
  receiver: Receiver<Taken>,
): Promise<Taken> {
  const fileKey = `uploads/${place.workspace}/${crypto.randomUUID()}.csv`
  const file = new FileWriter(res.files, fileKey)
  const fields = new Fields()
  const sha256 = createHash('sha256')
  const partIterator = hashed(parts, sha256)
  try {
    let fileName: string | undefined
    let head: Uint8Array = new Uint8Array()
    let next = await partIterator.next()
    while (next.done !== true) {
      const part = next.value
      if ('field' in part) {
        const [name, value] = fields.add(part)
        receiver.field?.(name, value)
      }
      if (!('file' in part)) {
        next = await partIterator.next()
        continue
      }
      checkPart(part.contentType, fileName)
      fileName = part.file
      const bytes = async function* () {
        for (
          next = await partIterator.next();
          next.done !== true;
          next = await partIterator.next()
        ) {
          if (!('bytes' in next.value)) return
          yield next.value.bytes
        }
      }
      const read = await readText(bytes(), res.limits.fileBytesMax)
      head = read.head
      for await (const piece of read.text) {
        if (countBytes(place, piece.length) > receiver.bytesLeft)
          throw tooManyBytes(res.limits.waitingBytesMax)
        await file.write(piece)
      }
    }
    receiver.complete?.(fields.values)
    if (fileName === undefined) throw new Failure({ reason: 'required', field: 'fileName' })
    if (file.size === 0) throw new Failure({ reason: 'file-empty' })
    const options = { header: headerMode(fields.values), ended: file.size === head.length }
    const text = Buffer.from(head).toString('latin1')
    const format = { ...formatOf(text, options, receiver.idColumn), nulAt: file.nulAt }
    await file.close()
    const stored = { fileName: readFileName(fileName), fileKey, fileSize: file.size, format }
    return await receiver.take({ ...stored, fileSha256: sha256.digest('hex') }, fields.values)
  } catch (error) {
    // A job may need the file.
    if (!(error instanceof UnknownOutcome)) await file.discard()
    throw error
  } finally {
    await partIterator.return(undefined)
  }
}

/** The parts, of whose file all bytes are hashed as they are sent, before they are unpacked. */
async function* hashed(parts: AsyncIterable<UploadPart>, hash: Hash): AsyncGenerator<UploadPart> {
  for await (const part of parts) {
    if ('bytes' in part) hash.update(part.bytes)
    yield part
  }
}

function checkPart(contentType: string, fileName: string | undefined): void {
  if (fileName !== undefined)
    throw new Failure({ reason: 'invalid', field: 'fileName', problem: 'must be one file' })
  checkContentType(contentType)
}

/** Throws `file-type` for a type that no list has; its parameters do not count. */
export function checkContentType(value: string): void {
  const contentType = value.replace(/;.*/s, '').trim().toLowerCase()
  if (!contentTypes.has(contentType)) throw new Failure({ reason: 'file-type', contentType })
}

const read = new Set(['type', 'header', 'mode', 'maxRemovePercent'])

/** Fields of an upload, each given once, or also in the query with the same value. */
class Fields {
  readonly values = new Map<string, string>()
  readonly #inQuery = new Set<string>()

  /** Gives the name and the value in their common form; `operation` is `type`. */
  add(values: { field: string; value: string; inQuery?: boolean }): [name: string, value: string] {
    const { field, value, inQuery = false } = values
    const name = field === 'operation' ? 'type' : field
    const text = value.trim().toLowerCase()
    if (!read.has(name)) return [name, text]
    const before = this.values.get(name)
    if (before !== undefined && (before !== text || !this.#inQuery.has(name)))
      throw new Failure({ reason: 'invalid', field: name, problem: 'must be given once' })
    this.values.set(name, text)
    if (inQuery) this.#inQuery.add(name)
    else this.#inQuery.delete(name)
    return [name, text]
  }
}

/** The fields of an upload that are given at once. Throws what `receiveFile` throws for them. */
export function fieldsOf(
  given: Record<string, string>,
  { field: check, complete }: Pick<Receiver<unknown>, 'field' | 'complete'>,
): ReadonlyMap<string, string> {
  const fields = new Fields()
  for (const [field, value] of Object.entries(given)) check?.(...fields.add({ field, value }))
  headerMode(fields.values)
  complete?.(fields.values)
  return fields.values
}

export function headerMode(fields: ReadonlyMap<string, string>): HeaderMode {
  const values = fields.get('header') ?? 'auto'
  const mode = headerModes.find((known) => known === values)
  if (mode !== undefined) return mode
  const problem = `must be ${headerModes.join(', ').replace(/, (\w+)$/, ' or $1')}`
  throw new Failure({ reason: 'invalid', field: 'header', problem })
}
