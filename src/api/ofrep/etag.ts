import { createMiddleware } from 'hono/factory'
import { hashOf } from '../../access/secret.ts'
import type { Http } from '../http.ts'

/**
 * Tags a bulk evaluation, and answers 304 to who has it already (OFREP 0.3.0; RFC 9110 §13.1.2, compared weakly). The tag is that of the
 * whole answer, which names whom it is about: clients keep a tag when their context changes.
 */
export const tagged = createMiddleware<Http>(async (c, next) => {
  await next()
  if (c.res.status !== 200) return
  const digest = await hashOf(await c.res.clone().text())
  const tag = `"${digest}"`
  const known = c.req.header('if-none-match') ?? ''
  const same = known.trim() === '*' || (known.match(/"[^"]*"/g)?.includes(tag) ?? false)
  if (same) c.res = new Response(null, { status: 304, headers: { ETag: `W/${tag}` } })
  else c.res.headers.set('ETag', `W/${tag}`)
})
