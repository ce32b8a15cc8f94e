import { sql, type SQL } from 'drizzle-orm'
import type { Resources } from '../resources.ts'
import { personHash } from './person-hash.ts'

/** What is said of a user, and since when it is so, in milliseconds. */
interface Said {
  user: string
  at: number
}

/** When people were erased, in milliseconds. */
interface Erased {
  erased: Map<string, number>
  /** A condition of the batch that goes by it: these are all. */
  isAll: SQL
}

/** As if nobody was erased since what is said: mostly so, and no query. */
export function nobodyErased(workspace: number, said: Said[]): Erased {
  const since = said.reduce((least, { at }) => Math.min(least, at), Number.MAX_SAFE_INTEGER)
  const isAll = sql`(
    SELECT 1 FROM erased_people INDEXED BY erased_people_by_workspace
    WHERE workspace_id = ${workspace} AND erased_at >= ${since} LIMIT 1) IS NULL`
  return { erased: new Map(), isAll }
}

/** Those who were erased of the people of whom something is said. */
export async function findErased(res: Resources, workspace: number, said: Said[]): Promise<Erased> {
  const byHash = new Map(said.map(({ user }) => [personHash(res, workspace, user), user]))
  const rows = await res.databaseOf(workspace).all<Row>(sql`
    SELECT last.key AS last, p.person_hash AS hash, p.erased_at AS at
    FROM (SELECT max(key) AS key FROM erasures) AS last LEFT JOIN erased_people AS p
      ON p.workspace_id = ${workspace}
        AND p.person_hash IN (SELECT value FROM json_each(${JSON.stringify([...byHash.keys()])}))`)
  const found = rows.flatMap(({ hash, at }): [string, number][] =>
    hash === null || at === null ? [] : [[byHash.get(hash) ?? '', at]],
  )
  // Of all workspaces, as it is one row that is read.
  const isAll = sql`(SELECT max(key) FROM erasures) IS ${rows[0]?.last ?? null}`
  return { erased: new Map(found), isAll }
}

interface Row {
  last: number | null
  hash: string | null
  at: number | null
}
