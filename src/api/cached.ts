import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { hashOf } from '../access/secret.ts'
import { publishedKeys } from '../access/tokens.ts'
import { bookmarkHeader } from './bookmark.ts'
import type { Http } from './http.ts'
import { originOf, pathAndQuery } from './origin.ts'

interface Answer {
  body: string
  contentType: string
  /** Milliseconds. */
  at: number
}

/** The last answers of this isolate, as reading the edge's cache is a call. 4 MB at most. */
const inMemory = new Map<string, Answer>()
const inMemoryMost = 1000
const charactersMost = 4000

/**
 * Answers look-ups from memory or the edge's cache for LOOKUP_CACHE_SECONDS (0 by default); `Age`
 * is how old an answer is. A request with a bookmark has it queried anew. Stands after the check of
 * the token.
 */
export const cached = createMiddleware<Http>(async (c, next) => {
  const { res } = c.var
  const { lookupCacheSeconds } = res.limits
  if (lookupCacheSeconds === 0) return next()

  const workspace = await workspaceKeyOf(c)
  const key = `${workspace}/${await requestKeyOf(c)}`
  const ageOf = ({ at }: Answer) => Math.max(0, Math.floor((res.now() - at) / 1000))
  const exact = c.req.header(bookmarkHeader) !== undefined
  let hit = exact ? undefined : inMemory.get(key)
  if (!exact && (hit === undefined || ageOf(hit) >= lookupCacheSeconds)) hit = await fromEdge(key)
  if (hit !== undefined && ageOf(hit) >= lookupCacheSeconds) hit = undefined
  if (hit !== undefined && hit.at > (await lastDeletion(workspace, res.now()))) {
    store(key, hit)
    return c.body(hit.body, 200, { 'Content-Type': hit.contentType, Age: `${ageOf(hit)}` })
  }

  // Before it is queried, as what it is of may be deleted or erased meanwhile.
  const at = res.now()
  await next()
  c.res.headers.set('Age', '0')
  if (c.res.status !== 200) return
  const answer = {
    body: await c.res.clone().text(),
    contentType: c.res.headers.get('content-type') ?? '',
    at,
  }
  store(key, answer)
  c.executionCtx.waitUntil(caches.default.put(key, forEdge(answer, lookupCacheSeconds)))
  return
})

/**
 * Answers nothing from before a group or an experiment was deleted or a person erased: here at once,
 * in this data centre soon. Also after a refusal: the request before may have done it, and its answer been lost.
 */
export const forgetsCached = createMiddleware<Http>(async (c, next) => {
  await next()
  const { res } = c.var
  const { lookupCacheSeconds } = res.limits
  if (lookupCacheSeconds === 0) return
  const workspace = await workspaceKeyOf(c)
  const at = res.now()
  keep(deletions, workspace, { at, readAt: at })
  const deletion = forEdge({ body: '', contentType: 'text/plain', at }, lookupCacheSeconds)
  await caches.default.put(deletionKeyOf(workspace), deletion)
})

const deletionKeyOf = (workspace: string) => `${workspace}/deletion`

/** The last deletion of each workspace, and when that was read (milliseconds). */
const deletions = new Map<string, { at: number; readAt: number }>()
const deletionsReadAgain = 1000

async function lastDeletion(workspace: string, now: number): Promise<number> {
  const known = deletions.get(workspace)
  if (known !== undefined && now - known.readAt < deletionsReadAgain) return known.at
  const stored = await fromEdge(deletionKeyOf(workspace))
  const at = Math.max(known?.at ?? 0, stored?.at ?? 0)
  keep(deletions, workspace, { at, readAt: now })
  return at
}

/**
 * A URL of the own host, as a cache is the zone's. The signing key tells installations apart that
 * share one.
 */
async function workspaceKeyOf(c: Context<Http>): Promise<string> {
  const { res, workspace } = c.var
  const [signing] = await publishedKeys(res.signing)
  const installation = encodeURIComponent(signing?.kid ?? '')
  return `${originOf(c)}/.lookups/${installation}/${workspace}`
}

async function requestKeyOf(c: Context<Http>): Promise<string> {
  const body = c.req.method === 'POST' ? `/${await hashOf(await c.req.text())}` : ''
  // Encoded, as a cache may take addresses for the same that differ in slashes alone.
  // What people share a household by is shown to some callers alone.
  const shown = c.var.caller.scopes.includes('users:read') ? '/users' : ''
  return `${c.req.method}${body}${shown}/${encodeURIComponent(pathAndQuery(c))}`
}

function store(key: string, answer: Answer): void {
  if (answer.body.length <= charactersMost) keep(inMemory, key, answer)
}

function keep<Value>(kept: Map<string, Value>, key: string, value: Value): void {
  kept.delete(key)
  if (kept.size >= inMemoryMost) kept.delete(kept.keys().next().value ?? '')
  kept.set(key, value)
}

const forEdge = ({ body, contentType, at }: Answer, seconds: number) =>
  new Response(body, {
    headers: {
      'Content-Type': contentType,
      'Cache-Control': `max-age=${seconds}`,
      'stored-at': `${at}`,
    },
  })

async function fromEdge(key: string): Promise<Answer | undefined> {
  const stored = await caches.default.match(key)
  if (stored === undefined) return undefined
  const { headers } = stored
  return {
    body: await stored.text(),
    contentType: headers.get('content-type') ?? '',
    at: Number(headers.get('stored-at')),
  }
}
