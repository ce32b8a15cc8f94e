import { eq } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { experienceGroups } from '../db/schema.ts'
import { pruneDead, rangeEnd } from '../membership/members.ts'
import type { Resources } from '../resources.ts'
import type { GroupJob } from './jobs.ts'
import { enqueue } from '../jobs/enqueue.ts'

const rowsPerRange = 20_000
const rangesPerInvocation = 20

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
  for (let range = 0; range < rangesPerInvocation; range++) {
    const [bound] = await db.all<{ id: string }>(
      rangeEnd({ workspace, group }, after, rowsPerRange),
    )
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
    await together(db, [prune])
    after = bound.id
  }
  await enqueue(res, { kind: 'prune', workspace, group, after })
}
