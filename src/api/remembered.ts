import { createMiddleware } from 'hono/factory'
import { hashOf } from '../access/secret.ts'
import type { Http } from './http.ts'

/**
 * Serves a look-up from the edge's cache for as many seconds as LOOKUP_CACHE_SECONDS says, none by default; `Age` tells how old an answer
 * is. Stands after the token and its scope were checked; the workspace is a part of the question, so that nobody gets another's answer.
 */
export const remembered = createMiddleware<Http>(async (c, next) => {
  const { res, workspace } = c.var
  const { lookupCacheSeconds } = res.limits
  if (lookupCacheSeconds === 0) return next()

  const { pathname, search } = new URL(c.req.url)
  const body = c.req.method === 'POST' ? await c.req.text() : ''
  const question = `https://lookups.invalid/${workspace}/${await hashOf(JSON.stringify([c.req.method, pathname, search, body]))}`
  const known = await caches.default.match(question)
  if (known !== undefined) {
    const age = Math.max(0, Math.floor((res.now() - Number(known.headers.get('stored-at'))) / 1000))
    return c.newResponse(known.body, 200, { 'Content-Type': known.headers.get('content-type') ?? '', Age: `${age}` })
  }
  await next()
  c.res.headers.set('Age', '0')
  if (c.res.status !== 200) return
  const stored = new Response(c.res.clone().body, {
    headers: {
      'Content-Type': c.res.headers.get('content-type') ?? '',
      'Cache-Control': `max-age=${lookupCacheSeconds}`,
      'stored-at': `${res.now()}`,
    },
  })
  c.executionCtx.waitUntil(caches.default.put(question, stored))
  return
})
