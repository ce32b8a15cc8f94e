import type { D1Database, R2Bucket, Request as WorkerRequest } from '@cloudflare/workers-types'
import { Hono } from 'hono'

/** Baselines: answers that do nothing, or as little as possible with D1 or R2. */
export default new Hono<{ Bindings: { DB: D1Database; FILES: R2Bucket } }>()
  .get('/health', (c) => c.json({ status: 'ok' }))
  .get('/hello', (c) => c.json({ hello: 'world' }))
  .get('/select', async (c) => c.json((await c.env.DB.prepare('SELECT 1 AS one').all()).results))
  // The body is passed on unread; both types are the same under two names.
  .put('/file', async (c) =>
    c.json(await c.env.FILES.put('file', (c.req.raw as unknown as WorkerRequest).body)),
  )
