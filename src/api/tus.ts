import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { Failure, invalid } from '../failure.ts'
import { deleteUpload } from '../jobs/delete-upload.ts'
import { storePiece } from '../jobs/pieces.ts'
import {
  createUpload,
  expiryOf,
  getUpload,
  refusal,
  type Destination,
  type Upload,
} from '../jobs/resumable.ts'
import type { Http } from './http.ts'
import { keyHeader } from './idempotency-key.ts'
import { idempotentByHeaders } from './idempotent.ts'
import { originOf } from './origin.ts'
import { unknownOperation } from './refusal.ts'
import { received } from './upload.ts'

// Resumable uploads by tus 1.0 (https://tus.io/protocols/resumable-upload), in the paths of a dialect.

const version = '1.0.0'
export const pieceType = 'application/offset+octet-stream'

/** Names the version in every answer, refusals too. */
export const speaksTus = createMiddleware<Http>(async (c, next) => {
  c.header('Tus-Resumable', version)
  await next()
})

/** Throws `resumable` for another version. */
export const requireTus = createMiddleware<Http>(async (c, next) => {
  if (c.req.header('Tus-Resumable') !== version) {
    c.header('Tus-Version', version)
    throw refusal({ is: 'version' })
  }
  await next()
})

/** What of tus is offered (tus 1.0, "OPTIONS"). */
export function showTus(c: Context<Http>): Response {
  c.header('Tus-Version', version)
  c.header('Tus-Extension', 'creation,creation-with-upload,termination,expiration')
  c.header('Tus-Max-Size', `${c.var.res.limits.fileBytesMax}`)
  return c.body(null, 204)
}

const wholeNumber = /^\d{1,15}$/

/** A header that is a number of bytes. Throws `header-invalid`. */
function bytesIn(c: Context<Http>, header: string): number {
  const text = c.req.header(header) ?? ''
  if (!wholeNumber.test(text)) throw new Failure({ reason: 'header-invalid', header })
  return Number(text)
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
const metadataMost = 8192

/**
 * What Upload-Metadata says: names of visible ASCII, and texts in Base64. Throws `invalid` where it
 * says something else, or a name twice.
 */
export function metadataOf(header = ''): Record<string, string> {
  if (header.length > metadataMost)
    throw invalid('Upload-Metadata', `cannot exceed ${metadataMost} characters`)
  const entries = header.trim() === '' ? [] : header.split(',').map((pair) => entryOf(pair.trim()))
  const metadata = Object.fromEntries(entries)
  if (Object.keys(metadata).length < entries.length)
    throw invalid('Upload-Metadata', 'must have each name once')
  return metadata
}

function entryOf(pair: string): [name: string, value: string] {
  const [name = '', value = '', ...more] = pair.split(/ +/)
  const isBase64 = /^(?:[\w+/-]{4})*(?:[\w+/-]{2}==|[\w+/-]{3}=)?$/.test(value)
  const wrong = invalid('Upload-Metadata', 'must be names and texts in Base64, joined by commas')
  if (!/^[!-~]+$/.test(name) || more.length > 0 || !isBase64) throw wrong
  try {
    return [name, utf8.decode(Buffer.from(value, 'base64'))]
  } catch {
    throw wrong
  }
}

const metadataText = (fields: Record<string, string>) =>
  Object.entries(fields)
    .map(([name, value]) => `${name} ${Buffer.from(value).toString('base64')}`.trim())
    .join(',')

/** Where an upload is and until when it is kept, or the job that it has opened. */
function showState(c: Context<Http>, upload: Upload): void {
  c.header('Upload-Offset', `${upload.offset}`)
  if (upload.job === null) c.header('Upload-Expires', new Date(expiryOf(upload)).toUTCString())
  else c.header('Job-Id', upload.job)
}

/** What of a dialect its uploads need. */
export interface UploadsOf<Shown extends object> {
  destinationOf: (c: Context<Http>) => Destination
  /** The id in the path of an upload. */
  id: string
  show: (upload: Upload) => Shown
}

/** The handlers of uploads in a dialect. */
export function uploadHandlers<Shown extends object>({
  destinationOf,
  id,
  show,
}: UploadsOf<Shown>) {
  const placeOf = (c: Context<Http>) => {
    const { workspace, group } = destinationOf(c)
    return { workspace, group, id: (c.req.param(id) ?? '').toLowerCase() }
  }

  const create = async (c: Context<Http>) => {
    if (/^(?!post$)/i.test(c.req.header('X-HTTP-Method-Override') ?? 'POST')) unknownOperation(c)
    for (const name of ['Upload-Defer-Length', 'Upload-Concat'])
      if (c.req.header(name) !== undefined)
        throw new Failure({ reason: 'header-invalid', header: name })
    const length = bytesIn(c, 'Upload-Length')
    const fields = metadataOf(c.req.header('Upload-Metadata'))
    const begins = hasPiece(c)
    if (begins && c.req.header(keyHeader) !== undefined)
      throw invalid(keyHeader, 'cannot come with the first piece')
    const destination = destinationOf(c)
    const begun = await createUpload(c.var.res, destination, { length, fields })
    return showCreated(c, begins ? await withFirstPiece(c, destination, begun) : begun)
  }

  const showCreated = (c: Context<Http>, upload: Upload) => {
    showState(c, upload)
    c.header('Location', `${originOf(c)}${c.req.path}/${upload.id}`)
    return c.json(show(upload), 201)
  }

  /** Creates an upload once for each Idempotency-Key. */
  const once = idempotentByHeaders<'upload.created'>(
    ['Upload-Length', 'Upload-Metadata'],
    async (c, { upload_id }) => {
      const { workspace, group } = destinationOf(c)
      return showCreated(c, await getUpload(c.var.res, { workspace, group, id: upload_id }))
    },
  )

  /** Of HEAD, too, whose body the router drops. */
  const get = async (c: Context<Http>) => {
    const upload = await getUpload(c.var.res, placeOf(c))
    showState(c, upload)
    c.header('Upload-Length', `${upload.length}`)
    if (Object.keys(upload.fields).length > 0)
      c.header('Upload-Metadata', metadataText(upload.fields))
    return c.json(show(upload))
  }

  const patch = async (c: Context<Http>) => {
    checkType(c)
    const offset = bytesIn(c, 'Upload-Offset')
    const piece = { ...pieceOf(c), id: placeOf(c).id, offset }
    showState(c, await storePiece(c.var.res, destinationOf(c), piece))
    return c.body(null, 204)
  }

  const remove = async (c: Context<Http>) => {
    await deleteUpload(c.var.res, destinationOf(c), placeOf(c).id)
    return c.body(null, 204)
  }

  /** POST where a proxy lets nothing else through (tus 1.0, "X-HTTP-Method-Override"). */
  const post = (c: Context<Http>) => {
    const method = c.req.header('X-HTTP-Method-Override')?.toUpperCase()
    if (method === 'PATCH') return patch(c)
    if (method === 'DELETE') return remove(c)
    return unknownOperation(c)
  }

  return { once, create, get, patch, remove, post }
}

/** Stores what came with the creation; one that is refused leaves no upload, as nobody knows it. */
async function withFirstPiece(
  c: Context<Http>,
  destination: Destination,
  { id }: Upload,
): Promise<Upload> {
  const { res } = c.var
  try {
    return await storePiece(res, destination, { ...pieceOf(c), id, offset: 0 })
  } catch (error) {
    // A file that is no list has ended its upload before.
    await deleteUpload(res, destination, id).catch(() => undefined)
    throw error
  }
}

function hasPiece(c: Context<Http>): boolean {
  const size = c.req.header('Content-Length')
  const isEmpty = size === '0' || (size === undefined && c.req.header('Content-Type') === undefined)
  if (isEmpty) return false
  checkType(c)
  return true
}

function checkType(c: Context<Http>): void {
  if (c.req.header('Content-Type') !== pieceType) throw refusal({ is: 'content-type' })
  if (c.req.header('Content-Encoding') !== undefined)
    throw new Failure({ reason: 'header-invalid', header: 'Content-Encoding' })
}

const pieceOf = (c: Context<Http>) => ({
  size: c.req.header('Content-Length') === undefined ? undefined : bytesIn(c, 'Content-Length'),
  bytes: received(c.req.raw, c.var.res.limits.uploadIdleSeconds),
})
