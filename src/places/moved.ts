import { sql } from 'drizzle-orm'
import { faultOf } from '../failure.ts'
import type { Resources } from '../resources.ts'

/** Where workspaces are that have moved, as this isolate has cached it; those that are moving have no shard. */
let movedTo = new Map<number, number | undefined>()
let readAt = -Infinity
let triedAt = -Infinity
let reading = Promise.resolve()

/** At most, where they fail. */
const pauseBetweenReads = 5000
const waitMost = 3000

/**
 * Whether a workspace has moved or moves, so that older tokens and messages may name another shard.
 * Read on the cadence of the revocations, beside the request where `later` takes that. While the
 * directory is out what is cached holds on: what a moved workspace has left refuses to be written.
 */
export async function hasMoved(
  res: Resources,
  workspace: number,
  later?: (work: Promise<void>) => void,
): Promise<boolean> {
  const now = res.now()
  const age = (now - readAt) / 1000
  const pause = Math.min(pauseBetweenReads, 1000 * res.revocationsSeconds)
  if (age >= res.revocationsSeconds && now - triedAt >= pause) {
    triedAt = now
    reading = read(res, now)
    later?.(reading)
    if (later === undefined || age >= 2 * res.revocationsSeconds)
      await Promise.race([reading, scheduler.wait(waitMost)])
  }
  return movedTo.has(workspace)
}

/** The shard of a workspace that has moved; undefined while it moves: the directory says it. */
export const shardOfMoved = (workspace: number): number | undefined => movedTo.get(workspace)

async function read(res: Resources, now: number): Promise<void> {
  try {
    const places = await res.reach(0).apart().primary.all<{
      workspace: number
      shard: number | null
    }>(sql`
      SELECT workspace_id AS workspace, iif(target IS NULL, shard, NULL) AS shard FROM places
      WHERE target IS NOT NULL OR former IS NOT NULL`)
    movedTo = new Map(places.map(({ workspace, shard }) => [workspace, shard ?? undefined]))
    readAt = now
  } catch (error) {
    console.error(JSON.stringify({ event: 'moves-not-read', ...faultOf(error) }))
  }
}
