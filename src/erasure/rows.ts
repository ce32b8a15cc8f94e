import { sql } from 'drizzle-orm'
import { moveBalances } from '../experiments/forget.ts'
import { leaveHouseholds } from '../identity/forget.ts'
import { enqueueAll } from '../jobs/enqueue.ts'
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
 * Balances stand at none of them from here on.
 */
export async function eraseRows(res: Resources, erasing: Erasing): Promise<boolean> {
  const { workspace, key } = erasing
  const guard = unmoved(erasing)
  const people = peopleOf(sql`${key}`)
  // Who has come back has a user again.
  const users = sql`${people} AND NOT EXISTS (SELECT 1 FROM users AS u
    WHERE u.workspace_id = ${workspace} AND u.user_id = person_id)`
  const statements = [
    ...deleteDead(workspace, people, guard),
    countRemoved(sql`${key}`, 'former_memberships', guard),
    ...(await leaveHouseholds(res.databaseOf(workspace), { workspace, users, guard }, () => [])),
  ]
  const all = [...statements, moveBalances(workspace, people, guard)]
  const { moved, results } = await commitErasure(res, erasing, all, beginPart(erasing, 'jobs'))
  const balances = (results[statements.length]?.rows ?? []) as { experiment: number }[] // its columns
  await enqueueAll(
    res,
    balances.map(({ experiment }) => ({ kind: 'balance', workspace, experiment })),
  )
  return moved
}
