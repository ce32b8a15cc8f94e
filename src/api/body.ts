import { bodyLimit } from 'hono/body-limit'
import type { Context } from 'hono'
import { Failure } from '../failure.ts'
import { gunzipped } from '../jobs/decode.ts'
import { isGzip } from '../jobs/signature.ts'
import type { Http } from './http.ts'

/** Bytes of a body, packed and unpacked; uploads have their own limit. */
const bodyMax = 256 * 1024

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

const tooLarge = () => new Failure({ reason: 'too-large', max: bodyMax })

export const boundedBody = bodyLimit({
  maxSize: bodyMax,
  onError: () => {
    throw tooLarge()
  },
})

/**
 * The body in UTF-8 without its byte order mark, unpacked where its header or first bytes say gzip.
 * Throws `encoding`, `malformed` and `too-large`.
 */
export async function textOf(c: Context<Http>, what: 'JSON' | 'form' | 'CSV'): Promise<string> {
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
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity')
  if (encoding === undefined) return false
  if (more.length > 0 || !/^(x-)?gzip$/.test(encoding)) throw new Failure({ reason: 'encoding' })
  return true
}

async function unpacked(packed: Uint8Array): Promise<Uint8Array> {
  const chunks = async function* () {
    yield packed
  }
  const pieces: Uint8Array[] = []
  for await (const piece of gunzipped(chunks(), bodyMax, tooLarge())) pieces.push(piece)
  return Buffer.concat(pieces)
}
