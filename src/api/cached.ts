import { createMiddleware } from 'hono/factory'
import { hashOf } from '../access/secret.ts'
import type { Http } from './http.ts'

interface Answer {
  body: string
  contentType: string
  /** Milliseconds. */
  at: number
}

/** The last answers of this isolate, in front of the edge's cache: asking that is a call of its own. Four megabytes at most. */
const recent = new Map<string, Answer>()
const recentMost = 1000
const charactersMost = 4000

/**
 * Serves a look-up from memory or the edge's cache for as many seconds as LOOKUP_CACHE_SECONDS says, none by default; `Age` tells how old
 * an answer is. Stands after the token and its scope were checked; the workspace is a part of the question, so that nobody gets another's
 * answer.
 */
export const cached = createMiddleware<Http>(async (c, next) => {
  const { res, workspace } = c.var
  const { lookupCacheSeconds } = res.limits
  if (lookupCacheSeconds === 0) return next()

  const body = c.req.method === 'POST' ? `/${await hashOf(await c.req.text())}` : ''
  // As one step: of addresses, a cache may take two for one that differ in their slashes.
  const address = encodeURIComponent(c.req.url.slice(new URL(c.req.url).origin.length))
  const question = `https://lookups.invalid/${workspace}/${c.req.method}${body}/${address}`
  const ageOf = ({ at }: Answer) => Math.max(0, Math.floor((res.now() - at) / 1000))
  let known = recent.get(question)
  if (known === undefined || ageOf(known) >= lookupCacheSeconds) known = await fromEdge(question)
  if (known !== undefined && ageOf(known) < lookupCacheSeconds) {
    keep(question, known)
    return c.body(known.body, 200, { 'Content-Type': known.contentType, Age: `${ageOf(known)}` })
  }

  await next()
  c.res.headers.set('Age', '0')
  if (c.res.status !== 200) return
  const answer = {
    body: await c.res.clone().text(),
    contentType: c.res.headers.get('content-type') ?? '',
    at: res.now(),
  }
  keep(question, answer)
  c.executionCtx.waitUntil(caches.default.put(question, forEdge(answer, lookupCacheSeconds)))
  return
})

function keep(question: string, answer: Answer): void {
  if (answer.body.length > charactersMost) return
  recent.delete(question)
  if (recent.size >= recentMost) recent.delete(recent.keys().next().value ?? '')
  recent.set(question, answer)
}

const forEdge = ({ body, contentType, at }: Answer, seconds: number) =>
  new Response(body, {
    headers: {
      'Content-Type': contentType,
      'Cache-Control': `max-age=${seconds}`,
      'stored-at': `${at}`,
    },
  })

async function fromEdge(question: string): Promise<Answer | undefined> {
  const stored = await caches.default.match(question)
  if (stored === undefined) return undefined
  const { headers } = stored
  return {
    body: await stored.text(),
    contentType: headers.get('content-type') ?? '',
    at: Number(headers.get('stored-at')),
  }
}
