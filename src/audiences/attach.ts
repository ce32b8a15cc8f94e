import { sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { retried } from '../db/retried.ts'
import { getGroup } from '../experience/groups.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { announce } from '../webhooks/announce.ts'
import { attach, detach, enqueueWithdrawn, withdrawSyncs } from './attached-group.ts'
import { exists, getAudience, listAudiences, type Audience } from './audiences.ts'
import { checkCycle, isIndependent } from './cycle.ts'
import { periodOf } from './refresh-period.ts'

/**
 * Attaches an audience to the experience group that it fills from now on. Throws `not-found`,
 * `in-use` if another audience fills the group, or `cycle`.
 */
export async function attachAudience(
  res: Resources,
  workspace: number,
  id: string,
  groupId: string,
): Promise<Audience> {
  const db = res.databaseOf(workspace)
  return retried(async () => {
    const before = await getAudience(db, workspace, id)
    await getGroup(db, workspace, groupId)
    if (before.group !== groupId) await replaceGroup(res, before, groupId)
    const attached = await getAudience(db, workspace, id)
    if (attached.group === groupId) return attached
    const { audience } = await getGroup(db, workspace, groupId)
    if (audience !== null)
      throw new Failure({ reason: 'in-use', what: 'group', id: groupId, by: [audience] })
    checkCycle(await listAudiences(db, workspace), id, { group: groupId })
    return undefined
  })
}

/** SQL: the group that an audience fills; null where there is none. */
const groupOf = (workspace: number, audience: string) => sql`(SELECT id FROM experience_groups
  WHERE workspace_id = ${workspace} AND audience_id = ${audience} AND deleted_at IS NULL)`

/** Changes nothing if the group is not free, or a cycle would arise. */
async function replaceGroup(
  res: Resources,
  { workspace, id, refresh }: Audience,
  groupId: string,
): Promise<void> {
  const db = res.databaseOf(workspace)
  const now = res.now()
  const independent = isIndependent(workspace, id, groupId)
  const isFree = sql`EXISTS (SELECT 1 FROM experience_groups
    WHERE workspace_id = ${workspace} AND id = ${groupId} AND deleted_at IS NULL
      AND audience_id IS NULL) AND ${independent}`
  const change = sql`json_object('before', json_object('group_id', ${groupOf(workspace, id)}),
    'after', json_object('group_id', ${groupId}))`
  // The event first, as it says which group it was before.
  const results = await together(db, [
    ...announce(
      res,
      workspace,
      { type: 'audience.attached', data: { audience_id: id, group_id: groupId }, change },
      sql`${exists(workspace, id)} AND ${isFree}`,
    ),
    ...withdrawSyncs(res, workspace, id, isFree),
    detach(workspace, id, isFree),
    attach(workspace, groupId, id, sql`${exists(workspace, id)} AND ${independent}`),
    sql`
    UPDATE audiences SET refreshed = ${periodOf(refresh, now)}
    WHERE workspace_id = ${workspace} AND id = ${id} AND changes() > 0`,
  ])
  await enqueueWithdrawn(res, workspace, results)
}

/**
 * Detaches an audience from its group, which keeps its members and takes uploads again; undoes
 * unended syncs. Throws `not-found` or `not-attached`.
 */
export async function detachAudience(res: Resources, workspace: number, id: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const { group } = await getAudience(db, workspace, id)
  if (group === null) throw new Failure({ reason: 'not-attached', audience: id })
  const itsGroup = groupOf(workspace, id)
  const data = sql`json_object('audience_id', ${id}, 'group_id', ${itsGroup})`
  // The event first, as it says which group it was.
  const results = await together(db, [
    ...announce(res, workspace, { type: 'audience.detached', data }, sql`${itsGroup} IS NOT NULL`),
    ...withdrawSyncs(res, workspace, id, sql`true`),
    detach(workspace, id, sql`true`),
  ])
  await enqueueWithdrawn(res, workspace, results)
}
