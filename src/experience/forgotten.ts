import { and, asc, isNotNull, isNull, lt, sql } from 'drizzle-orm'
import { experienceGroups, jobs } from '../db/schema.ts'
import type { Message } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { earlierUnended } from './jobs.ts'

const forgottenAfter = 10 * 60_000
/** As many as one `sendBatch` takes. */
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
  await send(
    res,
    idle.map((job) => ({ kind: 'job', ...job })),
  )
  await send(
    res,
    deleted.map((group) => ({ kind: 'erase', ...group })),
  )
}

async function send(res: Resources, messages: Message[]): Promise<void> {
  if (messages.length > 0) await res.work.sendBatch(messages.map((body) => ({ body })))
}
