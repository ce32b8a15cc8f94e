import { and, asc, isNotNull, isNull, lt, sql } from 'drizzle-orm'
import { experienceGroups, jobs } from '../db/schema.ts'
import type { Message } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { earlierUnended } from './jobs.ts'

const forgottenAfter = 10 * 60_000
const most = 100

/** Rings for jobs that are first of their group, and for deletions, that no message has moved for ten minutes. */
export async function wakeForgotten(res: Resources): Promise<void> {
  const before = res.now() - forgottenAfter
  const db = res.directory
  const [idle, deleted] = await Promise.all([
    db
      .select({ workspace: jobs.workspace, job: jobs.key })
      .from(jobs)
      .where(and(isNull(jobs.endedAt), lt(jobs.updatedAt, before), sql`NOT ${earlierUnended}`))
      .orderBy(asc(jobs.updatedAt))
      .limit(most),
    db
      .select({ workspace: experienceGroups.workspace, group: experienceGroups.key })
      .from(experienceGroups)
      .where(and(isNotNull(experienceGroups.deletedAt), lt(experienceGroups.deletedAt, before)))
      .orderBy(asc(experienceGroups.deletedAt))
      .limit(most),
  ])
  const messages: Message[] = [
    ...idle.map((job) => ({ kind: 'job' as const, ...job })),
    ...deleted.map((group) => ({ kind: 'erase' as const, ...group })),
  ]
  for (let from = 0; from < messages.length; from += 100)
    await res.work.sendBatch(messages.slice(from, from + 100).map((body) => ({ body })))
}
