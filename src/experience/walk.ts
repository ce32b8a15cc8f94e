import type { SQLWrapper } from 'drizzle-orm'
import { commitJob } from '../jobs/apply.ts'
import type { Invocation } from '../jobs/invocation.ts'
import { walkedTo } from '../jobs/job.ts'
import type { Changes } from '../jobs/jobs.ts'
import { rangeEnd, type Range } from '../membership/members.ts'
import type { Resources } from '../resources.ts'
import type { GroupJob } from './jobs.ts'

interface Walk {
  /** The last participant scanned. */
  after: string
  invocation: Invocation
  write: (range: Range) => SQLWrapper[]
  to?: (range: Range) => Changes
}

/** Writes the next range of the rows of a job's group. False: someone else moved the job. */
export async function walkOn(
  res: Resources,
  job: GroupJob,
  { after, invocation, write, to }: Walk,
): Promise<boolean> {
  const rows = invocation.itemsOf(job)
  const [bound] = await res
    .databaseOf(job.workspace)
    .all<{ id: string }>(rangeEnd(job, after, rows))
  const range = { after, upTo: bound?.id }
  const { moved, ms } = await commitJob(res, job, write(range), {
    ...to?.(range),
    ...walkedTo({ after: bound?.id ?? null, members: job.walk.members + rows }),
    batchIds: rows,
  })
  await invocation.took(ms, rows)
  return moved
}
