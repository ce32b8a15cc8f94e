import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure, invalid } from '../failure.ts'
import type { JobRow } from '../jobs/job.ts'
import { getMember, groupOf, isMember, memberOf, storedIdOf } from '../membership/lookup.ts'
import type { Member, MemberRow } from '../membership/lookup.ts'

/** Milliseconds for which dead rows say whom the live revision has removed; see prune.ts. */
export const knownFor = 11 * 3_600_000

/** An answer depends on so many jobs at most. */
const jobsMost = 100

type LaterJob = Pick<
  JobRow,
  'revision' | 'type' | 'state' | 'step' | 'failure' | 'removed' | 'endedAt'
>

/**
 * Whether a participant was in a group at a revision: the live one, which is the default, or the one
 * before it. Throws `not-found`, and `invalid` where that cannot be told.
 */
export async function getMemberAt(
  db: Db,
  workspace: number,
  groupId: string,
  {
    participant,
    revision,
    now,
  }: { participant: string; revision?: number | undefined; now: number },
): Promise<Member> {
  if (revision === undefined) return getMember(db, workspace, { id: groupId }, participant)
  const group = groupOf(workspace, groupId)
  const member = isMember(storedIdOf(participant), sql`${revision}`)
  const [groups, jobs] = await together(db, [
    sql<MemberRow>`SELECT g.id, g.name, g.revision, ${member} AS member FROM ${group}`,
    sql<LaterJob>`
    SELECT j.revision, j.type, j.state, j.step, j.failure, j.removed, j.ended_at AS endedAt
    FROM (SELECT key FROM ${group}) AS g
      CROSS JOIN jobs AS j ON j.group_key = g.key AND j.revision >= ${revision}
    ORDER BY j.revision LIMIT ${jobsMost}`,
  ])
  const [found] = groups.rows
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'group', id: groupId })
  const problem = problemOf(revision, { live: found.revision, jobs: jobs.rows, now })
  if (problem !== undefined) throw invalid('revision', problem)
  return { ...memberOf(found), revision }
}

const wentLive = ({ state }: LaterJob) => state === 'successful' || state === 'partial'

/** Why the rows of members do not say who was in the group at a revision. */
function problemOf(
  revision: number,
  { live, jobs, now }: { live: number; jobs: LaterJob[]; now: number },
): string | undefined {
  if (revision === live) return undefined
  const own = jobs.find((job) => job.revision === revision)
  const between = jobs.filter((job) => job.revision > revision && job.revision < live)
  const neverLive = own !== undefined && !wentLive(own)
  if (revision > live || neverLive || between.some(wentLive))
    return `must be the live one, ${live}, or the one that was live before it`
  const last = jobs.find((job) => job.revision === live)
  if (last === undefined || between.length < live - revision - 1)
    return `can no longer be told: jobs since then are no longer kept`
  if (last.removed === 0) return undefined
  if (last.endedAt === null || last.endedAt <= now - knownFor)
    return `can no longer be told: the live one, ${live}, is older than eleven hours`
  if (jobs.length === jobsMost || jobs.some((job) => job.revision > live && mayHaveAdded(job)))
    return `cannot be told any more: a later job has begun to change the group`
  return undefined
}

/** A job's first step only starts it. */
const firstToWrite = 2

/** Who is added again by a later job, or was until it was undone, has no dead row any more. */
const mayHaveAdded = ({ step, type, failure }: LaterJob): boolean =>
  step >= firstToWrite && type !== 'remove' && failure !== 'no-good-row' && failure !== 'not-text'
