import { sql } from 'drizzle-orm'
import { personHash } from '../person-hash.ts'
import { together } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { forgetUsers } from './forget.ts'
import { enqueueMarked } from './marks.ts'

/**
 * Deletes a user, and computes what their groups share without them. Older reports bring
 * nothing back, also those that are not written yet. Throws `not-found`.
 */
export async function deleteUser(res: Resources, workspace: number, user: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const users = sql`SELECT ${user} AS user_id`
  const forgotten = { workspace, users, guard: sql`true` }
  const data = { person_hash: personHash(res, workspace, user) }
  const announced = announce(res, workspace, { type: 'user.deleted', data })
  const forgetting = await forgetUsers(db, forgotten, res.now(), () => [])
  const results = await together(db, [...forgetting, ...announced])
  if (results[forgetting.length - 1]?.changes === 0)
    throw new Failure({ reason: 'not-found', what: 'user', id: user })
  await enqueueMarked(res, workspace, results)
  await enqueueAnnounced(res, workspace, results)
}
