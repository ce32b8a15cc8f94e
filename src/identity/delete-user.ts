import { sql } from 'drizzle-orm'
import { personHash } from '../access/person-hash.ts'
import { together } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { listDefinitions } from './definitions.ts'
import { removeMembers } from './seat-and-share.ts'

/**
 * Deletes a user, and computes what their groups share without them. Reports of before bring
 * nothing back, also those that are not written yet. Throws `not-found`.
 */
export async function deleteUser(res: Resources, workspace: number, user: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const definitions = await listDefinitions(db, workspace)
  const isUser = sql`workspace_id = ${workspace} AND user_id = ${user}`
  const data = { person_hash: personHash(res, workspace, user) }
  const announced = announce(res, workspace, { type: 'user.deleted', data })
  const results = await together(db, [
    ...definitions.flatMap(({ key, attributes }) =>
      removeMembers(
        { workspace, definitionKey: key, attributes },
        sql`SELECT ${user} AS user_id`,
        sql`true`,
      ),
    ),
    sql`DELETE FROM user_attributes WHERE ${isUser}`,
    sql`
    INSERT INTO deleted_users (workspace_id, user_id, deleted_at)
    VALUES (${workspace}, ${user}, ${res.now()})
    ON CONFLICT (workspace_id, user_id) DO UPDATE
    SET deleted_at = max(deleted_at, excluded.deleted_at)`,
    sql`DELETE FROM users WHERE ${isUser}`,
    ...announced,
  ])
  if (results.at(-1 - announced.length)?.changes === 0)
    throw new Failure({ reason: 'not-found', what: 'user', id: user })
  await enqueueAnnounced(res, workspace, results)
}
