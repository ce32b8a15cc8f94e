import type { Json } from './api.ts'

/** Bytes of a part: what is kept of an upload are whole ones. */
export const partBytes = 8 * 1024 * 1024

export const pieceType = 'application/offset+octet-stream'

export const ofTus = { 'tus-resumable': '1.0.0' }

/** As Upload-Metadata has fields. */
export const metadata = (fields: Record<string, string>): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name} ${Buffer.from(value).toString('base64')}`)
    .join(',')

/** Headers of the creation of an upload of so many bytes. */
export const creating = (length: number, fields: Record<string, string>) => ({
  ...ofTus,
  'upload-length': `${length}`,
  'upload-metadata': metadata(fields),
})

/** The request of a piece. */
export const piece = (offset: number, body: BodyInit | null): RequestInit => ({
  body,
  headers: { ...ofTus, 'content-type': pieceType, 'upload-offset': `${offset}` },
})

type Call = (method: string, path: string, init?: RequestInit) => Promise<Response>

/** Creates an upload, and gives its id. */
export async function begun(
  call: Call,
  path: string,
  length: number,
  fields: Record<string, string>,
): Promise<string> {
  const answer = await call('POST', path, { headers: creating(length, fields) })
  const body = await answer.json<Json>()
  const id = body['uploadId'] ?? body['id']
  if (typeof id !== 'string') throw new Error(JSON.stringify(body))
  return id
}

/** A list of ids of so many bytes. */
export function listOf(bytes: number): Buffer<ArrayBuffer> {
  const file = Buffer.alloc(bytes)
  for (let at = 0, i = 0; at < bytes; i++)
    at += file.write(`${String(i).padStart(9, '0')}-customer-${i % 7}\n`, at)
  return file
}
