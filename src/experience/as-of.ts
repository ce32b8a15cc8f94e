import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure, invalid } from '../failure.ts'
import type { JobRow } from '../jobs/job.ts'
import { getMember, groupOf, memberOf, storedIdOf, wasMember } from '../membership/lookup.ts'
import type { Member, MemberRow } from '../membership/lookup.ts'

/** An answer depends on so many jobs at most. */
const jobsMost = 100

type LaterJob = Pick<JobRow, 'revision' | 'state'>

/**
 * Whether a participant was in a group at a revision: the live one, which is the default, or the one
 * before it. Throws `not-found`, and `invalid` where that cannot be told.
 */
export async function getMemberAt(
  db: Db,
  workspace: number,
  groupId: string,
  { participant, revision }: { participant: string; revision?: number | undefined },
): Promise<Member> {
  if (revision === undefined) return getMember(db, workspace, { id: groupId }, participant)
  const group = groupOf(workspace, groupId)
  const member = wasMember(storedIdOf(participant), revision)
  const [groups, jobs] = await together(db, [
    sql<MemberRow>`SELECT g.id, g.name, g.revision, ${member} AS member FROM ${group}`,
    sql<LaterJob>`
    SELECT j.revision, j.state
    FROM (SELECT key, revision FROM ${group}) AS g CROSS JOIN jobs AS j
      ON j.group_key = g.key AND j.revision >= ${revision} AND j.revision <= g.revision
    ORDER BY j.revision LIMIT ${jobsMost}`,
  ])
  const [found] = groups.rows
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'group', id: groupId })
  const problem = problemOf(revision, { live: found.revision, jobs: jobs.rows })
  if (problem !== undefined) throw invalid('revision', problem)
  return { ...memberOf(found), revision }
}

const wentLive = ({ state }: LaterJob) => state === 'successful' || state === 'partial'

/** Why the rows of members do not say who was in the group at a revision. */
function problemOf(
  revision: number,
  { live, jobs }: { live: number; jobs: LaterJob[] },
): string | undefined {
  if (revision === live) return undefined
  const own = jobs.find((job) => job.revision === revision)
  const between = jobs.filter((job) => job.revision > revision && job.revision < live)
  const neverLive = own !== undefined && !wentLive(own)
  if (revision > live || neverLive || between.some(wentLive))
    return `must be the live one, ${live}, or the one that was live before it`
  const isKept = jobs.some((job) => job.revision === live)
  if (!isKept || between.length < live - revision - 1)
    return `can no longer be told: jobs since then are no longer kept`
  return undefined
}
