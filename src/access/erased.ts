import { sql, type SQL } from 'drizzle-orm'
import type { Resources } from '../resources.ts'
import { personHash } from '../person-hash.ts'

/** That something was so of a user, and when, in milliseconds. */
interface Reported {
  user: string
  at: number
}

/** When people were erased, in milliseconds. */
interface Erased {
  erased: Map<string, number>
  /** SQL, for the batch that relies on it: nobody else was erased meanwhile. */
  isAll: SQL
}

/** Assumes that nobody was erased since the oldest report: mostly so, and without a query. */
export function nobodyErased(workspace: number, reports: Reported[]): Erased {
  const since = reports.reduce((least, { at }) => Math.min(least, at), Number.MAX_SAFE_INTEGER)
  const isAll = sql`(
    SELECT 1 FROM erased_people INDEXED BY erased_people_by_workspace
    WHERE workspace_id = ${workspace} AND erased_at >= ${since} LIMIT 1) IS NULL`
  return { erased: new Map(), isAll }
}

/** Which users of these reports were erased. */
export async function findErased(
  res: Resources,
  workspace: number,
  reports: Reported[],
): Promise<Erased> {
  const byHash = new Map(reports.map(({ user }) => [personHash(res, workspace, user), user]))
  const rows = await res.databaseOf(workspace).all<Row>(sql`
    SELECT last.key AS last, p.person_hash AS hash, p.erased_at AS at
    FROM (SELECT max(key) AS key FROM erasures) AS last LEFT JOIN erased_people AS p
      ON p.workspace_id = ${workspace}
        AND p.person_hash IN (SELECT value FROM json_each(${JSON.stringify([...byHash.keys()])}))`)
  const found = rows.flatMap(({ hash, at }): [string, number][] =>
    hash === null || at === null ? [] : [[byHash.get(hash) ?? '', at]],
  )
  // Of all workspaces: so one row is read.
  const isAll = sql`(SELECT max(key) FROM erasures) IS ${rows[0]?.last ?? null}`
  return { erased: new Map(found), isAll }
}

interface Row {
  last: number | null
  hash: string | null
  at: number | null
}
