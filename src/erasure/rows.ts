import { sql } from 'drizzle-orm'
import { voidScans } from '../experience/erased-people.ts'
import { voidCounts } from '../experiments/forget.ts'
import { leaveHouseholds } from '../identity/forget.ts'
import { enqueueMarked } from '../identity/marks.ts'
import { enqueueRuns, voidReads, type NextRun } from '../identity/turn.ts'
import { enqueueAll } from '../jobs/enqueue.ts'
import { messageOf, type JobAddress } from '../jobs/turn.ts'
import { deleteDead } from '../membership/members.ts'
import type { Resources } from '../resources.ts'
import {
  beginPart,
  commitErasure,
  countRemoved,
  peopleOf,
  unmoved,
  type Erasing,
} from './erasures.ts'

/**
 * Deletes the rows of people that jobs have left dead, and seats by definitions made meanwhile.
 * Whoever has read those rows before writes nothing of it, and is enqueued to read again.
 */
export async function eraseRows(res: Resources, erasing: Erasing): Promise<boolean> {
  const { workspace, key } = erasing
  const guard = unmoved(erasing)
  const people = peopleOf(sql`${key}`)
  // Who has come back has a user again.
  const users = sql`${people} AND NOT EXISTS (SELECT 1 FROM users AS u
    WHERE u.workspace_id = ${workspace} AND u.user_id = person_id)`
  const leaving = { at: res.now(), counted: () => [] }
  const statements = [
    voidScans(workspace, people, guard),
    voidReads(workspace, guard),
    voidCounts(workspace, people, guard),
    ...deleteDead(workspace, people, guard),
    countRemoved(sql`${key}`, 'former_memberships', guard),
    ...(await leaveHouseholds(res.databaseOf(workspace), { workspace, users, guard }, leaving)),
  ]
  const to = beginPart(erasing, 'jobs')
  const { moved, results } = await commitErasure(res, erasing, statements, to)
  await enqueueMarked(res, workspace, results)
  const [jobs, runs, balances] = results
  await enqueueAll(res, ((jobs?.rows ?? []) as JobAddress[]).map(messageOf)) // as they return
  await enqueueRuns(res, (runs?.rows ?? []) as NextRun[]) // as they return
  const counting = (balances?.rows ?? []) as { workspace: number; experiment: number }[] // as they return
  await enqueueAll(
    res,
    counting.map((balance) => ({ kind: 'balance', ...balance })),
  )
  return moved
}
