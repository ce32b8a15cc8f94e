import { eq } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { experienceGroups } from '../db/schema.ts'
import { pruneDead, rangeEnd } from '../membership/members.ts'
import type { Resources } from '../resources.ts'
import type { GroupJob } from './jobs.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { Invocation } from '../jobs/invocation.ts'

const rowsFirst = 5000

/** Once more rows are removed than live: each removal then shares the cost of the scan. */
export function isPruneDue({
  groupCount,
  groupRemoved,
}: Pick<GroupJob, 'groupCount' | 'groupRemoved'>): boolean {
  return groupRemoved > groupCount + 1000
}

/** Deletes the group's rows that were removed before the last revision. */
export async function pruneGroup(
  res: Resources,
  workspace: number,
  group: number,
  after: string,
): Promise<void> {
  const db = res.databaseOf(workspace)
  const invocation = new Invocation(res)
  while (!invocation.isOutOfTime()) {
    const rows = invocation.items(rowsFirst)
    const [bound] = await db.all<{ id: string }>(rangeEnd({ workspace, group }, after, rows))
    const prune = pruneDead({ workspace, group }, { after, upTo: bound?.id })
    if (bound === undefined) {
      await together(db, [
        prune,
        db
          .update(experienceGroups)
          .set({ removedSincePrune: 0 })
          .where(eq(experienceGroups.key, group)),
      ])
      return
    }
    const [{ meta }] = await together(db, [prune])
    await invocation.took(meta.duration, rows)
    after = bound.id
  }
  await enqueue(res, { kind: 'prune', workspace, group, after })
}
