import { and, asc, isNotNull, isNull, lt, sql } from 'drizzle-orm'
import { experienceGroups, jobs } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { earlierJobUnended } from '../jobs/jobs.ts'
import { stalledAfter, stalledMost, enqueueAll } from '../jobs/enqueue.ts'

/** Enqueues jobs that are first of their group, and for deletions, that no message has moved for ten minutes. */
export async function enqueueStalled(res: Resources): Promise<void> {
  const before = res.now() - stalledAfter
  const db = res.directory
  const [idle, deleted] = await Promise.all([
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
    idle.map(({ type, ...job }) => ({ kind: type === 'users' ? 'import' : 'job', ...job })),
  )
  await enqueueAll(
    res,
    deleted.map((group) => ({ kind: 'erase', ...group })),
  )
}
