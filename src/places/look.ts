import { sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { countKeys } from '../db/keys.ts'
import { faultOf } from '../failure.ts'
import type { Resources } from '../resources.ts'

/** How a shard is: without tables or its own keys it must not be written to. */
export interface Look {
  shard: number
  status: 'ok' | 'down' | 'unprepared'
  bytes: number
  /** Milliseconds until it answered: what waits for it waits as long. */
  ms: number
}

/** Looks at a shard. Throws nothing. */
export async function lookAt(res: Resources, shard: number): Promise<Look> {
  const began = performance.now()
  const msSince = () => Math.round(performance.now() - began)
  try {
    const [found] = await together(res.reach(shard).database, [
      sql<{ tables: number; unset: number }>`${sql.raw(countKeys(shard))}`,
    ])
    const { tables = 0, unset = 0 } = found.rows[0] ?? {}
    const status = tables > 0 && unset === 0 ? 'ok' : 'unprepared'
    return { shard, status, bytes: found.meta.size_after, ms: msSince() }
  } catch (error) {
    console.error(JSON.stringify({ event: 'shard-down', shard, ...faultOf(error) }))
    return { shard, status: 'down', bytes: 0, ms: msSince() }
  }
}
