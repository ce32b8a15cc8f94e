import { createMiddleware } from 'hono/factory'
import { decodeField, make, type MultipartError, type PartInfo } from 'multipasta'
import { Failure } from '../failure.ts'
import type { Limits } from '../limits.ts'
import { gunzipped } from '../jobs/decode.ts'
import type { UploadPart } from '../jobs/upload.ts'
import { isPacked } from './body.ts'
import type { Http } from './http.ts'

/** Lets the handler finish, and clean up, where the client goes away. */
export const finishAlways = createMiddleware<Http>(async (c, next) => {
  const work = next()
  c.executionCtx.waitUntil(work)
  await work
})

const fileFields = new Set(['fileName', 'file'])

/**
 * The fields of the query, then the parts of an upload as they arrive, unpacked where they are
 * gzip. Throws `media-type`, `encoding`, `malformed`, `cut-short` or `idle`.
 */
export function uploadParts(
  request: Request,
  { fileName, ...query }: { fileName: string } & Record<string, string | undefined>,
  limits: Limits,
): AsyncGenerator<UploadPart> {
  const contentType = request.headers.get('content-type') ?? ''
  const body = unpacked(request, limits)
  // No field comes after such a body: a missing type is refused before the file is read.
  const type = query['type'] ?? query['operation'] ?? ''
  if (/^text\/csv\s*(;|$)/i.test(contentType))
    return joined({ type, ...query }, rawParts(body, fileName))
  if (/^multipart\/(form-data|mixed)\b/i.test(contentType))
    return joined(query, multipartParts(body, contentType))
  throw new Failure({ reason: 'media-type', allowed: ['multipart/form-data', 'multipart/mixed'] })
}

function unpacked(
  request: Request,
  { fileBytesMax, uploadIdleSeconds }: Limits,
): AsyncIterable<Uint8Array> {
  const body = received(request, uploadIdleSeconds)
  return isPacked(request.headers.get('content-encoding') ?? '')
    ? gunzipped(body, fileBytesMax)
    : body
}

async function* joined(
  query: Record<string, string | undefined>,
  parts: AsyncGenerator<UploadPart>,
): AsyncGenerator<UploadPart> {
  for (const [field, value] of Object.entries(query))
    if (value !== undefined) yield { field, value, inQuery: true }
  yield* parts
}

async function* multipartParts(
  body: AsyncIterable<Uint8Array>,
  contentType: string,
): AsyncGenerator<UploadPart> {
  const malformed = new Failure({ reason: 'malformed', what: 'multipart' })

  const arrived: UploadPart[] = []
  let error: MultipartError | undefined
  let complete = false
  let refused: Failure | undefined
  const parser = make({
    headers: { 'content-type': contentType },
    maxParts: 20,
    maxFieldSize: 1024,
    isFile: (info) => fileFields.has(nameOf(info)) || fileNameOf(info) !== undefined,
    onField: (info, value) =>
      arrived.push({ field: nameOf(info), value: decodeField(info, value) }),
    onFile: (info) => {
      const name = nameOf(info)
      if (!fileFields.has(name)) return () => undefined
      refused ??= refusalOfPart(info)
      const contentType =
        String(info.headers['content-type'] ?? '')
          .split(';')[0]
          ?.trim() ?? ''
      arrived.push({ file: fileNameOf(info) ?? name, contentType })
      return (bytes) => bytes !== null && arrived.push({ bytes })
    },
    onError: (first) => (error ??= first),
    onDone: () => (complete = true),
  })
  for await (const chunk of body) {
    try {
      parser.write(chunk)
    } catch {
      throw malformed // a file name whose percent-encoding is broken
    }
    if (error !== undefined) throw malformed
    if (refused !== undefined) throw refused
    yield* arrived.splice(0)
  }
  parser.end()
  if (error !== undefined || !complete) throw malformed
  yield* arrived.splice(0)
}

/** Parts of a form are not encoded (RFC 7578 §4.7). */
function refusalOfPart({ headers }: PartInfo): Failure | undefined {
  const field = 'Content-Transfer-Encoding'
  const encoding = String(headers[field.toLowerCase()] ?? 'binary').trim()
  if (/^(binary|[78]bit)$/i.test(encoding)) return undefined
  return new Failure({ reason: 'invalid', field, problem: 'must be binary, 8bit or 7bit' })
}

// multipasta reads no disposition beyond Latin-1, which browsers and curl send.
const disposition = ({ headers }: PartInfo) => String(headers['content-disposition'] ?? '')
const nameOf = (info: PartInfo) =>
  info.name || (/; *name="([^"]*)"/i.exec(disposition(info))?.[1] ?? '')
const fileNameOf = (info: PartInfo) =>
  unescaped(info.filename ?? /; *filename="((?:\\"|[^"])*)"/i.exec(disposition(info))?.[1])

/** As curl escapes quotes, and browsers quotes and line breaks (WHATWG HTML, "Multipart form data"). */
const unescaped = (name: string | undefined) =>
  name?.replace(/\\(["\\])/g, '$1').replace(/%(?:22|0D|0A)/gi, decodeURIComponent)

/** A body that is the file itself. */
async function* rawParts(
  body: AsyncIterable<Uint8Array>,
  fileName: string,
): AsyncGenerator<UploadPart> {
  yield { file: fileName, contentType: 'text/csv' }
  for await (const bytes of body) yield { bytes }
}

/** A body comes 4 KiB at a time by default, and each piece costs time. */
const pieceBytes = 64 * 1024

/**
 * The body as it arrives. Throws `cut-short` where the client goes away, and `idle` where no piece
 * comes for so long.
 */
export async function* received(request: Request, idleSeconds: number): AsyncGenerator<Uint8Array> {
  const reader = request.body?.getReader({ mode: 'byob' })
  if (reader === undefined) return
  try {
    for (;;) {
      // A new buffer each time: the parser keeps the end of a piece until the next.
      const piece = reader.readAtLeast(pieceBytes, new Uint8Array(pieceBytes))
      const { done, value } = await within(idleSeconds, piece)
      if (value !== undefined) yield value
      if (done) return
    }
  } catch (error) {
    throw error instanceof Failure ? error : new Failure({ reason: 'cut-short' })
  } finally {
    void reader.cancel().catch(() => undefined) // the rest need not arrive
  }
}

/** What comes within so many seconds. Throws `idle`. */
async function within<Coming>(seconds: number, coming: Promise<Coming>): Promise<Coming> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Failure({ reason: 'idle', seconds })), 1000 * seconds)
  try {
    return await Promise.race([coming, late])
  } finally {
    clearTimeout(timer)
  }
}
