import { sql } from 'drizzle-orm'
import { at, type Resources } from '../resources.ts'
import { hasMoved, shardOfMoved } from './moved.ts'

/** What this isolate has found: where workspaces live, and whose clients are. */
const shardOf = new Map<number, number>()
const workspaceOf = new Map<string, number>()
const cachedMost = 10_000

function cache<Key, Value>(found: Map<Key, Value>, key: Key, value: Value): void {
  const [first] = found.keys()
  if (first !== undefined && found.size >= cachedMost) found.delete(first)
  found.set(key, value)
}

/** The shard that a token or a message names, where there are several. */
export const named = ({ shards, shard }: Resources): number | undefined =>
  shards === 1 ? undefined : shard

/**
 * The resources of the shard on which a workspace lives. Where a token or a message names one, nothing
 * is read, unless the request has seen another, or the workspace is being moved.
 */
export async function atWorkspace(
  res: Resources,
  workspace: number,
  named?: number,
  later?: (work: Promise<void>) => void,
): Promise<Resources> {
  if (res.shards === 1) return res
  const isMoved = await hasMoved(res, workspace, later)
  const hasSeenAnother = named !== undefined && (res.bookmarked ?? named) !== named
  const known = isMoved ? shardOfMoved(workspace) : (named ?? shardOf.get(workspace))
  const shard = hasSeenAnother ? undefined : known
  if (shard !== undefined && shard < res.shards) return at(res, shard)
  return at(res, await readShard(res, workspace))
}

/** One that has no place is older than the other shards, or new: then it is about to get one. */
async function readShard({ directory }: Resources, workspace: number): Promise<number> {
  const [place] = await directory.all<{ shard: number }>(
    sql`SELECT shard FROM places WHERE workspace_id = ${workspace}`,
  )
  if (place === undefined) return 0
  cache(shardOf, workspace, place.shard)
  return place.shard
}

/** The shards of workspaces as they are now, but of those without a place: see `readShard`. */
export async function readPlaces(
  { shards, directory }: Resources,
  workspaces: number[],
): Promise<Map<number, number>> {
  if (shards === 1 || workspaces.length === 0) return new Map()
  const places = await directory.all<{ workspace: number; shard: number }>(sql`
    SELECT workspace_id AS workspace, shard FROM places
    WHERE workspace_id IN (SELECT value FROM json_each(${JSON.stringify(workspaces)}))`)
  return new Map(places.map(({ workspace, shard }) => [workspace, shard]))
}

/** The resources of the shard of a client's workspace; of shard 0 where there is no such client. */
export async function atClient(res: Resources, client: string): Promise<Resources> {
  const workspace = workspaceOf.get(client)
  return res.shards === 1 || workspace === undefined
    ? atReadClient(res, client)
    : atWorkspace(res, workspace)
}

/** Whether this isolate knows already whose a client is. */
export const isKnown = (client: string): boolean => workspaceOf.has(client)

/** The same, read from the directory. */
export async function atReadClient(res: Resources, client: string): Promise<Resources> {
  if (res.shards === 1) return res
  const [place] = await res.directory.all<{ workspace: number; shard: number }>(sql`
    SELECT c.workspace_id AS workspace, coalesce(p.shard, 0) AS shard
    FROM client_places AS c LEFT JOIN places AS p ON p.workspace_id = c.workspace_id
    WHERE c.client_id = ${client}`)
  if (place === undefined) return at(res, 0)
  cache(workspaceOf, client, place.workspace)
  cache(shardOf, place.workspace, place.shard)
  return at(res, place.shard)
}

/**
 * Says whose a client is; `client` may be the e-mail of somebody who acts as one. Before the client
 * is written: a place without one does no harm.
 */
export async function placeClient(
  { shards, directory }: Resources,
  client: string,
  workspace: number,
): Promise<void> {
  if (shards === 1) return
  await directory.run(sql`
    INSERT INTO client_places (client_id, workspace_id) VALUES (${client}, ${workspace})
    ON CONFLICT (client_id) DO UPDATE SET workspace_id = excluded.workspace_id`)
}

/** Once the client is gone. */
export async function forgetClient(
  { shards, directory }: Resources,
  client: string,
): Promise<void> {
  if (shards === 1) return
  workspaceOf.delete(client)
  await directory.run(sql`DELETE FROM client_places WHERE client_id = ${client}`)
}
