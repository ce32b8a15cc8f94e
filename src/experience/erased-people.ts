import { sql, type SQL } from 'drizzle-orm'
import type { Actor } from '../actor.ts'
import { jobs } from '../db/schema.ts'
import { removeMembers } from '../membership/members.ts'
import type { Resources } from '../resources.ts'
import { commitJob } from '../jobs/apply.ts'
import { guardOf } from '../jobs/checkpoint.ts'
import type { Invocation } from '../jobs/invocation.ts'
import type { ErasureJob, Job } from '../jobs/job.ts'
import { insertNextJob, tally } from '../jobs/jobs.ts'
import { isScheduled, type JobAddress } from '../jobs/turn.ts'
import type { Source } from './source.ts'

/** The source of a job that removes an erasure's people from its group. */
export const erasedPeople = (job: ErasureJob): Source => ({
  isAtEnd: job.scanned >= job.people,
  next: (res, invocation) => removeErased(res, job, invocation),
  end: () => 'live',
  events: () => [],
  cleanUp: () => Promise.resolve(),
})

async function removeErased(
  res: Resources,
  job: ErasureJob,
  invocation: Invocation,
): Promise<boolean> {
  const size = invocation.itemsOf(job)
  // By their number: a checkpoint must not hold an id.
  const people = sql`(SELECT person_id AS value FROM erasure_people
    WHERE erasure_key = ${job.erasure} ORDER BY person_id LIMIT ${size} OFFSET ${job.scanned})`
  const scanned = Math.min(job.scanned + size, job.people)
  const statements = [removeMembers(job, people, guardOf(jobs, job)), tally(job, 'touched')]
  const to = { offset: scanned, reached: scanned, rows: sql`touched`, batchIds: size }
  const { moved, ms } = await commitJob(res, job, statements, to)
  await invocation.took(ms, size)
  return moved
}

/** A query of the people of erasures under way that were requested after a job. */
export const erasedSince = ({ workspace, key }: Pick<Job, 'workspace' | 'key'>): SQL =>
  sql`${beingErased(workspace)} AND e.place ->> 'jobs' >= ${key}`

/** A query of the people of all erasures under way. */
export const beingErased = (workspace: number): SQL => sql`
  SELECT p.person_id FROM erasures AS e INDEXED BY erasures_unended
    CROSS JOIN erasure_people AS p ON p.erasure_key = e.key
  WHERE e.ended_at IS NULL AND e.workspace_id = ${workspace}`

/**
 * The statement that makes void what jobs have read that scan their group's members, as a range may
 * end with one of these people; those who stand there begin again. They are to be enqueued.
 */
export const voidScans = (workspace: number, people: SQL, guard: SQL) =>
  sql<JobAddress>`
  UPDATE jobs INDEXED BY jobs_unended_by_workspace SET step = step + 1,
    applied = iif(cursor IN (${people}), 0, applied), cursor = iif(cursor IN (${people}), '', cursor)
  WHERE workspace_id = ${workspace} AND ended_at IS NULL AND ${guard}
    AND (state IN ('sweeping', 'undoing') OR state = 'applying' AND type = 'revert')
  RETURNING workspace_id AS workspace, key, type, ${isScheduled()} AS scheduled`

/** An erasure for which jobs are opened; `erasure` is SQL of its key. */
export interface Removal {
  workspace: number
  erasure: SQL
  id: string
  people: number
  requester: { createdBy: string; actor: Actor }
}

/**
 * The statement that opens a job for each group `g` for which `which` holds and which has one of an
 * erasure's people, or may get one by an earlier job. No limit of waiting jobs applies.
 */
export const openRemovals = (
  { workspace, erasure, id, people, requester }: Removal,
  which: SQL,
  now: number,
): SQL<{ job: number }> =>
  insertNextJob(
    {
      workspace: sql`${workspace}`,
      queue: sql`g.key`,
      from: sql`FROM (
        SELECT DISTINCT m.group_key AS key
        FROM erasure_people AS p CROSS JOIN members AS m
            ON m.workspace_id = ${workspace} AND m.participant_id = p.person_id
          CROSS JOIN experience_groups AS own ON own.key = m.group_key AND own.deleted_at IS NULL
        WHERE p.erasure_key = ${erasure}
          AND (m.removed_rev IS NULL OR m.removed_rev > own.revision)) AS g
      WHERE ${which}`,
    },
    {
      type: 'remove',
      fileName: 'erasure',
      fileKey: `erasures/${id}`,
      fileSize: people,
      ...requester,
      erasure,
    },
    { id: newIds, sliceBytes: 0, now },
  )

/** An id for each row, as `crypto.randomUUID` makes them. */
const newIds = sql`lower(format('%s-%s-4%s-%s%s-%s', hex(randomblob(4)), hex(randomblob(2)),
  substr(hex(randomblob(2)), 2), substr('89ab', 1 + abs(random() % 4), 1),
  substr(hex(randomblob(2)), 2), hex(randomblob(6))))`

/** Groups `g` whose last job is not of this erasure, or has ended. */
export const notRemoving = (erasure: SQL): SQL => sql`NOT EXISTS (
  SELECT 1 FROM jobs AS j WHERE j.group_key = g.key AND j.erasure_key = ${erasure}
    AND j.ended_at IS NULL
    AND j.revision = (SELECT max(revision) FROM jobs WHERE group_key = g.key))`

/** Groups `g` in which all jobs of this erasure have failed. */
export const failedToRemove = (erasure: SQL): SQL => sql`g.key IN (
  SELECT group_key FROM jobs WHERE erasure_key = ${erasure}
  GROUP BY group_key HAVING max(state <> 'failed') = 0)`
