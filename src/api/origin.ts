import type { Context } from 'hono'
import type { Http } from './http.ts'

/** ORIGIN, or where there is none, the origin of the request. */
export const originOf = (c: Context<Http>): string => c.var.res.origin ?? new URL(c.req.url).origin

/** The path and query of the request. */
export const pathAndQuery = (c: Context<Http>): string =>
  c.req.url.slice(new URL(c.req.url).origin.length)

/** The address of the request, for links. */
export const addressOf = (c: Context<Http>): string => originOf(c) + pathAndQuery(c)
