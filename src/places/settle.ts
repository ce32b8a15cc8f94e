import { sql } from 'drizzle-orm'
import type { Resources } from '../resources.ts'
import { atWorkspace } from './directory.ts'
import { lookAt, type Look } from './look.ts'

/** Tables by which a workspace is known that is older than the other shards, and has no place. */
const known = ['clients', 'events', 'experience_groups', 'group_definitions', 'users'] as const

/**
 * The resources of the shard of a workspace that may be new: then it gets a place, on the emptiest
 * shard that takes new ones. A twin's place stays.
 */
export async function atNewWorkspace(res: Resources, workspace: number): Promise<Resources> {
  if (res.shards === 1) return res
  const { directory } = res
  const here = sql.join(
    known.map(
      (table) => sql`EXISTS (SELECT 1 FROM ${sql.raw(table)} WHERE workspace_id = ${workspace})`,
    ),
    sql` OR `,
  )
  const [found] = await directory.all<{ isPlaced: number; isOlder: number }>(sql`
    SELECT EXISTS (SELECT 1 FROM places WHERE workspace_id = ${workspace}) AS isPlaced,
      iif(${here}, 1, 0) AS isOlder`)
  if (found?.isPlaced !== 1) {
    const shard = found?.isOlder === 1 ? 0 : await emptiest(res)
    await directory.run(sql`
      INSERT INTO places (workspace_id, shard, changed_at) VALUES (${workspace}, ${shard}, ${res.now()})
      ON CONFLICT (workspace_id) DO NOTHING`)
  }
  return atWorkspace(res, workspace)
}

/** Shards whose sizes differ by less are equally empty. */
const bytesAlike = 100_000_000

/** One that does not answer takes none. */
async function emptiest(res: Resources): Promise<number> {
  const open = [...Array(res.shards).keys()].filter((shard) => !res.shardsClosed.includes(shard))
  const looks = await Promise.all(open.map((shard) => lookAt(res, shard)))
  const counts = await res.directory.all<{ shard: number; workspaces: number }>(
    sql`SELECT shard, count(*) AS workspaces FROM places GROUP BY shard`,
  )
  const workspacesOf = new Map(counts.map(({ shard, workspaces }) => [shard, workspaces]))
  const fill = ({ bytes }: Look) => Math.floor(bytes / bytesAlike)
  const count = ({ shard }: Look) => workspacesOf.get(shard) ?? 0
  const [first] = looks
    .filter(({ status }) => status === 'ok')
    .sort((a, b) => fill(a) - fill(b) || count(a) - count(b) || a.shard - b.shard)
  if (first === undefined) throw new Error('no shard takes a new workspace')
  return first.shard
}
