import type { Context } from 'hono'
import type { Http } from '../http.ts'

/** Sends a CSV file, which browsers save under this name. */
export const csvFile = (c: Context<Http>, name: string, file: ReadableStream<Uint8Array>) =>
  c.body(file, 200, {
    'Content-Type': 'text/csv; charset=utf-8',
    'Content-Disposition': `attachment; filename="${name}.csv"`,
  })
