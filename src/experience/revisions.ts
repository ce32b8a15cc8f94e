import { getTableColumns, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { experienceGroups } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { groupOf } from '../membership/lookup.ts'
import { countListed, inPage, type Group, type GroupPage } from './groups.ts'
import type { JobType } from './jobs.ts'

/** A revision of a group, the job that made it, and how many members the group had at it. */
export interface GroupRevision {
  revision: number
  jobId: string
  type: JobType
  createdBy: string
  createdAt: number
  fileName: string
  fileSha256: string | null
  added: number
  removed: number
  members: number
  isLive: boolean
}

/**
 * One page of the revisions that went live, newest first, and how many there are. All jobs since
 * the last of them are kept, so that none is left out between two. Throws `not-found`.
 */
export async function listRevisions(
  db: Db,
  workspace: number,
  groupId: string,
  { page, size }: { page: number; size: number },
): Promise<{ items: GroupRevision[]; total: number }> {
  const revisions = revisionsOf(workspace, groupId)
  const before = page * size
  const [groups, rows] = await together(db, [
    sql<{ total: number }>`
    SELECT (SELECT count(*) ${revisions}) AS total FROM ${groupOf(workspace, groupId)}`,
    sql<Omit<GroupRevision, 'isLive'> & { live: number }>`
    SELECT revision, id AS jobId, type, created_by AS createdBy, created_at AS createdAt,
      file_name AS fileName, file_sha256 AS fileSha256, added, removed,
      live_count - later AS members, revision = live AS live
    ${revisions} AND place > ${before} AND place <= ${before + size} LIMIT ${size}`,
  ])
  const [found] = groups.rows
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'group', id: groupId })
  const items = rows.rows.map(({ live, ...revision }) => ({ ...revision, isLive: live === 1 }))
  // Sorted here, as D1 bills a row read for each row that it sorts.
  return { items: items.sort((a, b) => b.revision - a.revision), total: found.total }
}

const wentLive = sql`j.state IN ('successful', 'partial')`

/** By `place` from 1, the live one; `later` is how many the revisions after a row have added. */
const revisionsOf = (workspace: number, groupId: string): SQL => sql`
  FROM (
    SELECT j.revision, j.id, j.type, j.created_by, j.created_at, j.file_name, j.file_sha256,
      j.added, j.removed, g.live, g.live_count, ${wentLive} AS went_live,
      sum(${wentLive}) OVER newest AS place, g.live + 1 - row_number() OVER newest AS unbroken,
      sum(iif(${wentLive}, j.added - j.removed, 0)) OVER newest - (j.added - j.removed) AS later
    FROM (SELECT g.key, g.revision AS live, g.participant_count AS live_count
        FROM ${groupOf(workspace, groupId)}) AS g
      CROSS JOIN jobs AS j ON j.group_key = g.key AND j.revision <= g.live
    WINDOW newest AS (ORDER BY j.revision DESC ROWS UNBOUNDED PRECEDING))
  WHERE revision = unbroken AND went_live`

/** Revisions of a group that `recentCounts` looks back over. */
export const recentMost = 30

/**
 * How many members each group had at its last revisions, oldest first and the live one last, by the
 * group's id: as far back as all jobs are kept, and before the first, nobody.
 */
export async function recentCounts(
  db: Db,
  workspace: number,
  groupIds: string[],
): Promise<Map<string, number[]>> {
  const ids = sql`SELECT value AS id FROM json_each(${JSON.stringify(groupIds)})`
  return countsByGroup(await selectRecent(db, workspace, ids))
}

const audienceName = sql<string | null>`(SELECT a.name FROM audiences AS a
  WHERE a.workspace_id = experience_groups.workspace_id
    AND a.id = experience_groups.audience_id)`.as('audience_name')

export type NamedGroup = Group & { audienceName: string | null }

/** The query of a page of groups with the names of the audiences that fill them. */
function selectNamedGroups(db: Db, workspace: number, page: GroupPage) {
  const columns = { ...getTableColumns(experienceGroups), audienceName }
  return inPage(db.select(columns).from(experienceGroups).$dynamic(), workspace, page)
}

/** A page of groups with the names of their audiences, and the counts of each as `recentCounts` gives them. */
export async function listGroupsWithCounts(
  db: Db,
  workspace: number,
  page: GroupPage,
): Promise<{ items: NamedGroup[]; total: number; counts: Map<string, number[]> }> {
  const groups = selectNamedGroups(db, workspace, page)
  const [items, [counted], jobs] = await db.batch([
    groups,
    countListed(db, workspace, page),
    selectRecent(db, workspace, groups.getSQL()),
  ])
  return { items, total: counted?.total ?? 0, counts: countsByGroup(jobs) }
}

/** The query of the last jobs of groups, whose ids another query gives. */
const selectRecent = (db: Db, workspace: number, ids: SQL) =>
  db
    .select({
      group: sql<string>`g.id`.as('group'),
      live: sql<number>`g.participant_count`.as('live'),
      revision: sql<number>`j.revision`.as('revision'),
      more: sql<number | null>`iif(${wentLive}, j.added - j.removed, NULL)`.as('more'),
    })
    .from(
      sql`(${ids}) AS n
      CROSS JOIN experience_groups AS g
        ON g.workspace_id = ${workspace} AND g.id = n.id AND g.deleted_at IS NULL
      CROSS JOIN jobs AS j ON j.group_key = g.key
        AND j.revision <= g.revision AND j.revision > g.revision - ${recentMost}`,
    )

function countsByGroup(rows: RecentJob[]): Map<string, number[]> {
  const ofGroups = Map.groupBy(rows, ({ group }) => group)
  return new Map([...ofGroups].map(([group, jobs]) => [group, countsOf(jobs)]))
}

/** A job of a group up to the live one, and by how many it has changed it; null: not at all. */
interface RecentJob {
  group: string
  live: number
  revision: number
  more: number | null
}

function countsOf(jobs: RecentJob[]): number[] {
  const newest = jobs.toSorted((a, b) => b.revision - a.revision)
  let [members, expected] = [newest[0]?.live ?? 0, newest[0]?.revision]
  const counts = [members]
  for (const { revision, more } of newest) {
    if (revision !== expected) break
    expected--
    if (more === null) continue
    members -= more
    counts.push(members)
  }
  return counts.reverse()
}
