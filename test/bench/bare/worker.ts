import type { D1Database } from '@cloudflare/workers-types'
import { Hono } from 'hono'

/** What look-ups are measured by: an answer that takes nothing, and one for which the database is asked as little as can be. */
export default new Hono<{ Bindings: { DB: D1Database } }>()
  .get('/health', (c) => c.json({ status: 'ok' }))
  .get('/hello', (c) => c.json({ hello: 'world' }))
  .get('/select', async (c) => c.json((await c.env.DB.prepare('SELECT 1 AS one').all()).results))
