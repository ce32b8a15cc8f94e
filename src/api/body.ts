import { bodyLimit } from 'hono/body-limit'
import type { Context } from 'hono'
import { Failure } from '../failure.ts'
import type { Http } from './http.ts'

/** Bytes of a body at most, packed and unpacked, of any operation but an upload. */
const bodyMax = 256 * 1024

/** What is fed to an unpacking at a time: a piece becomes a thousand times as much at most. */
const pieceBytes = 1024

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

const tooLarge = () => new Failure({ reason: 'too-large', max: bodyMax })

/** Refuses a body that is longer than any operation but an upload takes. */
export const boundedBody = bodyLimit({
  maxSize: bodyMax,
  onError: () => {
    throw tooLarge()
  },
})

/**
 * The text of a body that is bounded: UTF-8, its byte order mark left out, unpacked where it is gzip by its header or its first bytes.
 * Throws `encoding`, `malformed` and `too-large`.
 */
export async function textOf(c: Context<Http>, what: 'JSON' | 'form'): Promise<string> {
  const bytes = new Uint8Array(await c.req.arrayBuffer())
  const packed = isPacked(c.req.header('content-encoding') ?? '', bytes)
  try {
    return utf8.decode(packed ? await unpacked(bytes) : bytes)
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure({ reason: 'malformed', what })
  }
}

function isPacked(header: string, bytes: Uint8Array): boolean {
  const encodings = header
    .toLowerCase()
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '' && one !== 'identity')
  const [encoding, ...more] = encodings
  if (encoding === undefined) return bytes[0] === 0x1f && bytes[1] === 0x8b // no text begins so
  if (more.length > 0 || !/^(x-)?gzip$/.test(encoding)) throw new Failure({ reason: 'encoding' })
  return true
}

async function unpacked(packed: Uint8Array): Promise<Uint8Array> {
  const bytes = new Uint8Array(bodyMax)
  let length = 0
  try {
    for await (const piece of inPieces(packed).pipeThrough(new DecompressionStream('gzip'))) {
      if (length + piece.length > bodyMax) throw tooLarge()
      bytes.set(piece, length)
      length += piece.length
    }
  } catch (error) {
    throw error instanceof Failure ? error : new Failure({ reason: 'malformed', what: 'gzip' })
  }
  return bytes.subarray(0, length)
}

function inPieces(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close()
      controller.enqueue(bytes.subarray(at, (at += pieceBytes)))
    },
  })
}
