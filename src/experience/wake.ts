import { and, asc, isNotNull, isNull, lt } from 'drizzle-orm'
import { experienceGroups, jobs } from '../db/schema.ts'
import type { Message } from '../messages.ts'
import type { Resources } from '../resources.ts'

/**
 * Rings for work that stands in the database already. Where the queue does not answer, nothing is lost and the request that did
 * the work has not failed: `wakeForgotten` will find it.
 */
export async function wake(res: Resources, message: Message, delaySeconds = 0): Promise<void> {
  try {
    await res.work.send(message, { delaySeconds })
  } catch (error) {
    console.error(JSON.stringify({ event: 'queue-silent', ...message, error: String(error) }))
  }
}

const forgottenAfter = 10 * 60_000
const most = 100

/** Rings for jobs and deletions that no message has moved for ten minutes. */
export async function wakeForgotten(res: Resources): Promise<void> {
  const before = res.now() - forgottenAfter
  const db = res.directory
  const [idle, deleted] = await Promise.all([
    db
      .select({ workspace: jobs.workspace, job: jobs.key })
      .from(jobs)
      .where(and(isNull(jobs.endedAt), lt(jobs.updatedAt, before)))
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
