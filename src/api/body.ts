import { bodyLimit } from 'hono/body-limit'
import type { Context } from 'hono'
import { Failure } from '../failure.ts'
import { gunzipped } from '../jobs/decode.ts'
import { isGzip } from '../jobs/signature.ts'
import type { Http } from './http.ts'

/** Bytes of a body at most, packed and unpacked, of any operation but an upload. */
const bodyMax = 256 * 1024

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
 * The text of a body that is bounded: UTF-8, its byte order mark left out, unpacked where it is gzip by
 * its header or its first bytes. Throws `encoding`, `malformed` and `too-large`.
 */
export async function textOf(c: Context<Http>, what: 'JSON' | 'form'): Promise<string> {
  const bytes = new Uint8Array(await c.req.arrayBuffer())
  const packed = isPacked(c.req.header('content-encoding')) || isGzip(bytes)
  try {
    return utf8.decode(packed ? await unpacked(bytes) : bytes)
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure({ reason: 'malformed', what })
  }
}

/** Whether a body is gzip by its Content-Encoding. Throws `encoding` for any other. */
export function isPacked(contentEncoding = ''): boolean {
  const [encoding, ...more] = contentEncoding
    .toLowerCase()
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '' && one !== 'identity')
  if (encoding === undefined) return false
  if (more.length > 0 || !/^(x-)?gzip$/.test(encoding)) throw new Failure({ reason: 'encoding' })
  return true
}

async function unpacked(packed: Uint8Array): Promise<Uint8Array> {
  const whole = async function* () {
    yield packed
  }
  const pieces: Uint8Array[] = []
  for await (const piece of gunzipped(whole(), bodyMax, tooLarge())) pieces.push(piece)
  return Buffer.concat(pieces)
}
