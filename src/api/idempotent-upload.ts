import { createHash, type Hash } from 'node:crypto'
import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { UploadPart } from '../jobs/upload.ts'
import type { EventType } from '../webhooks/event.ts'
import type { Http } from './http.ts'
import { keyHeader } from './idempotency-key.ts'
import { describeKey } from './idempotency-spec.ts'
import { fingerprintOf } from './idempotent.ts'
import { answerOnce, type Again, type Asked } from './repeated.ts'
import { uploadParts } from './upload.ts'

/** The fields that the query of an upload may have. */
type UploadQuery = { fileName: string } & Record<string, string | undefined>

/**
 * Gives the handler the `parts` of an upload, and answers as `idempotent` does. A file that was sent
 * before is only compared: it is neither stored nor counted. Stands behind `valid('query', …)`.
 */
export const idempotentUpload = <Type extends EventType>(again: Again<Type>) =>
  describeKey(
    createMiddleware<Http, string, { out: { query: UploadQuery } }>(async (c, next) => {
      const parts = uploadParts(c.req.raw, c.req.valid('query'), c.var.res.limits)
      c.set('parts', parts)
      if (c.req.header(keyHeader) === undefined) return next()
      const asked = askedOf(c, parts)
      c.set('parts', asked.parts)
      return answerOnce(c, next, { again, ask: () => Promise.resolve(asked) })
    }),
  )

/** What an upload asks for: its fields, the name of its file and the bytes, once all have come. */
function askedOf(
  c: Context<Http>,
  parts: AsyncGenerator<UploadPart>,
): Asked & { parts: AsyncGenerator<UploadPart> } {
  const sent: unknown[] = []
  let file: Hash | undefined
  let fingerprint: string | undefined
  const begin = (part: unknown, hash?: Hash) => {
    sent.push(file?.digest('base64url'), part)
    file = hash
  }
  async function* followed(): AsyncGenerator<UploadPart> {
    for await (const part of parts) {
      if ('bytes' in part) file?.update(part.bytes)
      else if ('field' in part) begin([part.field, part.value])
      else begin(part.file, createHash('sha256'))
      yield part
    }
    begin(null)
    fingerprint = fingerprintOf(c, sent)
  }
  const followedParts = followed()
  return {
    parts: followedParts,
    fingerprint: () => fingerprint,
    read: async () => {
      for await (const _ of followedParts);
      return fingerprint ?? ''
    },
  }
}
