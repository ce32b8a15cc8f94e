import { and, asc, isNotNull, isNull, lt, sql } from 'drizzle-orm'
import { experienceGroups, jobs } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { earlierJobUnended } from '../jobs/jobs.ts'
import { stalledAfter, stalledMost, enqueueAll } from '../jobs/enqueue.ts'

/** Enqueues each queue's stalled first job, and stalled deletions of groups. */
export async function enqueueStalled(res: Resources): Promise<void> {
  const before = res.now() - stalledAfter
  const db = res.directory
  const [stalledJobs, deletedGroups] = await Promise.all([
    db
      .select({ workspace: jobs.workspace, job: jobs.key, type: jobs.type })
      .from(jobs)
      .where(and(isNull(jobs.endedAt), lt(jobs.updatedAt, before), sql`NOT ${earlierJobUnended}`))
      .orderBy(asc(jobs.updatedAt))
      .limit(stalledMost),
    db
      .select({ workspace: experienceGroups.workspace, group: experienceGroups.key })
      .from(experienceGroups)
      .where(and(isNotNull(experienceGroups.deletedAt), lt(experienceGroups.deletedAt, before)))
      .orderBy(asc(experienceGroups.deletedAt))
      .limit(stalledMost),
  ])
  await enqueueAll(
    res,
    stalledJobs.map(({ type, ...job }) => ({
      kind: type === 'users' ? 'import' : 'job',
      stalled: true,
      ...job,
    })),
  )
  await enqueueAll(
    res,
    deletedGroups.map((group) => ({ kind: 'erase', stalled: true, ...group })),
  )
}
