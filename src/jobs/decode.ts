import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Failure } from '../failure.ts'
import { isGzip, looksLike, utf16Of } from './signature.ts'

export type Bytes = AsyncIterable<Uint8Array>

/** Bytes that show what a file is and how to read it. */
const headBytes = 64 * 1024

/**
 * A file as UTF-8 text, decompressed if gzip, converted if UTF-16, and its first bytes. Throws
 * `file-content` for what is not text, `malformed`, `file-too-large`.
 */
export async function readText(
  file: Bytes,
  bytesMax: number,
): Promise<{ head: Uint8Array; text: Bytes }> {
  let { head, bytes } = await readHead(file)
  if (isGzip(head)) ({ head, bytes } = await readHead(gunzipped(bytes, bytesMax)))
  const order = utf16Of(head)
  if (order !== undefined) ({ head, bytes } = await readHead(fromUtf16(bytes, order)))
  const what = looksLike(head)
  if (what !== undefined) throw new Failure({ reason: 'file-content', what })
  return { head, text: bounded(bytes, bytesMax) }
}

/** The first bytes of a file, and all of them. */
async function readHead(file: Bytes): Promise<{ head: Uint8Array; bytes: Bytes }> {
  const pieces = file[Symbol.asyncIterator]()
  const read: Uint8Array[] = []
  for (let length = 0; length < headBytes;) {
    const { done, value } = await pieces.next()
    if (done === true) break
    read.push(value)
    length += value.length
  }
  async function* all() {
    try {
      yield* read.splice(0)
      for (let next = await pieces.next(); next.done !== true; next = await pieces.next())
        yield next.value
    } finally {
      await pieces.return?.()
    }
  }
  return { head: Buffer.concat(read).subarray(0, headBytes), bytes: all() }
}

async function* bounded(
  file: Bytes,
  bytesMax: number,
  tooLarge = new Failure({ reason: 'file-too-large', max: bytesMax }),
): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const piece of file) {
    size += piece.length
    if (size > bytesMax) throw tooLarge
    yield piece
  }
}

/**
 * Unpacks gzip of any number of members. Throws `malformed`, `tooLarge` beyond `bytesMax`, and what
 * `file` throws.
 */
export async function* gunzipped(
  file: Bytes,
  bytesMax: number,
  tooLarge?: Failure,
): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip()
  let fault: unknown
  let ofFile: unknown
  async function* arriving() {
    try {
      yield* file
    } catch (error) {
      ofFile = error
      throw error
    }
  }
  const feeding = pipeline(Readable.from(arriving()), gunzip).catch(
    (error: unknown) => (fault = error),
  )
  try {
    yield* bounded(gunzip, bytesMax, tooLarge)
  } catch (error) {
    if (error instanceof Failure) throw error
    fault ??= error
  } finally {
    gunzip.destroy()
  }
  await feeding
  if (fault === undefined) return
  throw ofFile ?? new Failure({ reason: 'malformed', what: 'gzip' })
}

/** A surrogate without its other half. */
const loneSurrogate = /\p{Surrogate}/u

/** A byte that UTF-8 never has: the field that holds it is refused. */
const unreadable = Buffer.of(0xff)

/** UTF-16 as UTF-8, without its byte order mark; a lone surrogate becomes `unreadable`. */
async function* fromUtf16(
  file: Bytes,
  order: 'little-endian' | 'big-endian',
): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = Buffer.alloc(0)
  let begun = false
  const decoded = (bytes: Uint8Array) => {
    const units = Buffer.from(bytes)
    return (order === 'big-endian' ? units.swap16() : units).toString('utf16le')
  }
  for await (const piece of file) {
    const bytes = Buffer.concat([rest, piece])
    const evenLength = bytes.length - (bytes.length % 2)
    // The first half of a character waits for its second.
    const text = decoded(bytes.subarray(0, evenLength))
    const half = /[\ud800-\udbff]$/.test(text) ? 2 : 0
    rest = bytes.subarray(evenLength - half)
    yield asUtf8(text.slice(begun ? 0 : 1, text.length - half / 2))
    begun ||= text.length > half / 2
  }
  if (rest.length > 0) yield unreadable
}

function asUtf8(text: string): Uint8Array {
  if (text.isWellFormed()) return Buffer.from(text)
  const parts = text.split(loneSurrogate).map((part) => Buffer.from(part))
  return Buffer.concat(parts.flatMap((part, i) => (i === 0 ? [part] : [unreadable, part])))
}
