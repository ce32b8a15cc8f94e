import type { D1Database, R2Bucket, Request as WorkerRequest } from '@cloudflare/workers-types'
import { Hono } from 'hono'

/** What the Worker is measured by: answers that take nothing, or that ask as little of D1 or R2 as can be. */
export default new Hono<{ Bindings: { DB: D1Database; FILES: R2Bucket } }>()
  .get('/health', (c) => c.json({ status: 'ok' }))
  .get('/hello', (c) => c.json({ hello: 'world' }))
  .get('/select', async (c) => c.json((await c.env.DB.prepare('SELECT 1 AS one').all()).results))
  // The body as it comes, which the Worker itself does not touch. Both have the same types under two names.
  .put('/file', async (c) =>
    c.json(await c.env.FILES.put('file', (c.req.raw as unknown as WorkerRequest).body)),
  )
