import { createMiddleware } from 'hono/factory'
import type { Http } from './http.ts'

/** Lets no browser and no proxy keep an answer or pass its address on: both may name people. */
export const confidential = createMiddleware<Http>(async (c, next) => {
  await next()
  const { headers } = c.res
  headers.set('X-Content-Type-Options', 'nosniff')
  headers.set('Referrer-Policy', 'no-referrer')
  if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
})
