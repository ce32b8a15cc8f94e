import { sql, type SQL } from 'drizzle-orm'
import { jobs } from '../db/schema.ts'
import { guardOf } from '../jobs/checkpoint.ts'
import { tally } from '../jobs/jobs.ts'
import { bringBack, removeAdded, type Range } from '../membership/members.ts'
import { beingErased } from './erased-people.ts'
import type { GroupJob } from './jobs.ts'
import type { Source } from './source.ts'
import { walkOn } from './walk.ts'

type RevertJob = Extract<GroupJob, { source: 'revision-before' }>

/** The source of a job that brings back the revision before the live one. */
export function revisionBefore(job: RevertJob): Source {
  const { after } = job.walk
  // Nobody has looked at what another revision has changed.
  const isOvertaken = job.groupRevision !== job.reverts
  // As of a REPLACE: the members that it leaves.
  const left = sql`${job.groupCount} + added - removed`
  return {
    isAtEnd: isOvertaken || after === null,
    next: (res, invocation) =>
      walkOn(res, job, {
        ...{ after: after ?? '', invocation },
        write: (range) => revert(job, range),
        to: ({ upTo }) => ({
          ...{ rows: left, touched: left },
          // With the last range: erasures may be requested until then.
          ...(upTo === undefined && { offset: leastMembers(job) }),
        }),
      }),
    end: () => {
      if (isOvertaken) return 'overtaken'
      return job.touched < job.leastMembers ? 'not-kept' : 'live'
    },
    events: ({ group_id, job_id, revision }) => [
      { type: 'group.reverted', data: { group_id, job_id, reverted: job.reverts, revision } },
    ],
    cleanUp: () => Promise.resolve(),
  }
}

/**
 * How many members the revision before had, but for all people of erasures since. An earlier version
 * may have deleted rows of others.
 */
const leastMembers = ({ group, workspace }: RevertJob): SQL => sql`coalesce((
  SELECT g.participant_count - l.added + l.removed - (
      SELECT coalesce(sum(e.people), 0) FROM erasures AS e
      WHERE e.workspace_id = ${workspace}
        AND (e.ended_at IS NULL OR e.ended_at >= l.created_at))
  FROM experience_groups AS g CROSS JOIN jobs AS l
    ON l.group_key = g.key AND l.revision = g.revision
  WHERE g.key = ${group}), 0)`

/** Statements that take back what the live revision has changed, each followed by a tally. */
function revert(job: RevertJob, range: Range): SQL[] {
  const guard = guardOf(jobs, job)
  return [
    bringBack(job, range, { live: job.reverts, others: beingErased(job.workspace), guard }),
    tally(job, 'added'),
    removeAdded(job, range, job.reverts, guard),
    tally(job, 'removed'),
  ]
}
