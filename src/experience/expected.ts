import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { groupOf } from '../membership/lookup.ts'

/** The revisions that a request expects its group to be at, one of them, and how it has said so. */
export interface Expected {
  header: string
  revisions: readonly number[]
}

/** The id of a job of group `g` that may go live before a new one; null where there is none. */
const firstBefore = sql<string | null>`(
  SELECT u.id FROM jobs AS u INDEXED BY jobs_unended_by_group
  WHERE u.group_key = g.key AND u.ended_at IS NULL AND u.state <> 'undoing'
  ORDER BY u.revision LIMIT 1)`

/** Whether a job that is opened now will change group `g` as it is expected, in SQL. */
export const isAsExpected = (expected: Expected | undefined): SQL =>
  expected === undefined
    ? sql`true`
    : sql`(g.revision IN (SELECT value FROM json_each(${JSON.stringify(expected.revisions)}))
        AND ${firstBefore} IS NULL)`

/** Throws `revision` where `isAsExpected` does not hold, and `not-found`. */
export async function checkExpected(
  db: Db,
  workspace: number,
  groupId: string,
  expected: Expected | undefined,
): Promise<void> {
  if (expected === undefined) return
  const [found] = await db.all<{ live: number; before: string | null }>(sql`
    SELECT g.revision AS live, ${firstBefore} AS "before" FROM ${groupOf(workspace, groupId)}`)
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'group', id: groupId })
  checkRevision(found.live, expected)
  if (found.before !== null) throw new Failure({ reason: 'job-before', id: found.before })
}

/** Throws `revision` where a group is at another one than is expected. */
export function checkRevision(live: number, expected: Expected | undefined): void {
  if (expected === undefined || expected.revisions.includes(live)) return
  throw new Failure({ reason: 'revision', live, expected: expected.header })
}
