import { createMiddleware } from 'hono/factory'
import { hashOf } from '../../access/secret.ts'
import type { Http } from '../http.ts'

/**
 * Answers 304 to If-None-Match (OFREP 0.3.0; RFC 9110 §13.1.2). The body has the targetingKey, as
 * clients keep a tag when their context changes.
 */
export const withEtag = createMiddleware<Http>(async (c, next) => {
  await next()
  if (c.res.status !== 200) return
  const digest = await hashOf(await c.res.clone().text())
  const tag = `"${digest}"`
  const header = c.req.header('if-none-match') ?? ''
  const same = header.trim() === '*' || (header.match(/"[^"]*"/g)?.includes(tag) ?? false)
  if (same) c.res = new Response(null, { status: 304 })
  c.res.headers.set('ETag', `W/${tag}`)
  // A client may keep it, as long as it asks each time.
  c.res.headers.set('Cache-Control', 'private, no-cache')
})
