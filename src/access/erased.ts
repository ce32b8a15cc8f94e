import { sql, type SQL } from 'drizzle-orm'
import type { Resources } from '../resources.ts'
import { personHash } from './person-hash.ts'

/**
 * When people were erased (milliseconds), of those who were so since what is said of one of them.
 * `isAll` is a condition of the batch that goes by it: nobody was erased since.
 */
export async function findErased(
  res: Resources,
  workspace: number,
  said: { user: string; at: number }[],
): Promise<{ erased: Map<string, number>; isAll: SQL }> {
  const db = res.databaseOf(workspace)
  const since = said.reduce((least, { at }) => Math.min(least, at), Infinity)
  const { last, some } = await db.get<{ last: number | null; some: number }>(sql`
    SELECT (SELECT max(key) FROM erasures) AS last, EXISTS (
      SELECT 1 FROM erased_people INDEXED BY erased_people_by_workspace
      WHERE workspace_id = ${workspace} AND erased_at >= ${since}) AS some`)
  // Of all workspaces, as it is one row that is read.
  const isAll = sql`(SELECT max(key) FROM erasures) IS ${last}`
  if (some === 0) return { erased: new Map(), isAll }
  const byHash = new Map(said.map(({ user }) => [personHash(res, workspace, user), user]))
  const rows = await db.all<{ hash: string; at: number }>(sql`
    SELECT person_hash AS hash, erased_at AS at FROM erased_people
    WHERE workspace_id = ${workspace}
      AND person_hash IN (SELECT value FROM json_each(${JSON.stringify([...byHash.keys()])}))`)
  return { erased: new Map(rows.map(({ hash, at }) => [byHash.get(hash) ?? '', at])), isAll }
}
