import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { EventType } from '../webhooks/event.ts'
import { boundedBody } from './body.ts'
import type { Http } from './http.ts'
import { describeKey } from './idempotency-spec.ts'
import { answerOnce, type Again, type Asked } from './repeated.ts'

/**
 * Answers a request with the Idempotency-Key of one before as that was answered. Stands before the
 * handler. `Type` is of the event that the request writes; `again` answers where the first answer is
 * lost. Throws `invalid` for the key, `too-large`, and `key-reused` where the request before was another.
 */
export const idempotent = <Type extends EventType>(again?: Again<Type>) =>
  describeKey(
    createMiddleware<Http>((c, next) => answerOnce(c, next, { again, ask: () => ask(c) })),
  )

/** The same for a request that its headers describe, of these names. */
export const idempotentByHeaders = <Type extends EventType>(names: string[], again: Again<Type>) =>
  describeKey(
    createMiddleware<Http>((c, next) => {
      const fingerprint = fingerprintOf(
        c,
        names.map((name) => c.req.header(name) ?? null),
      )
      const asked = { fingerprint: () => fingerprint, read: () => Promise.resolve(fingerprint) }
      return answerOnce(c, next, { again, ask: () => Promise.resolve(asked) })
    }),
  )

/** What a request with a short body, or none, asks for. */
async function ask(c: Context<Http>): Promise<Asked> {
  let fingerprint = ''
  await boundedBody(c, async () => {
    fingerprint = fingerprintOf(c, sha256(Buffer.from(await c.req.arrayBuffer())))
  })
  return { fingerprint: () => fingerprint, read: () => Promise.resolve(fingerprint) }
}

const sha256 = (bytes: string | Uint8Array): string =>
  createHash('sha256').update(bytes).digest('base64url')

/** Of a request with a body; the query counts in the order of its names, and no slash at the end. */
export function fingerprintOf({ req }: Context<Http>, body: unknown): string {
  const query = [...new URL(req.url).searchParams].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return sha256(JSON.stringify([req.method, req.path.replace(/\/$/, ''), query, body]))
}
