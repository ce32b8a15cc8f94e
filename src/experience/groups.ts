import { and, asc, count, desc, eq, isNull, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { experienceGroups, jobs } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import type { Limits, Resources } from '../resources.ts'
import type { Paging } from '../work/jobs.ts'
import { announce, ringFor } from '../webhooks/announce.ts'
import { wake } from '../work/wake.ts'

export type Group = typeof experienceGroups.$inferSelect

export interface GroupDraft {
  name: string
  description: string | undefined
}

const live = (workspace: number) =>
  and(eq(experienceGroups.workspace, workspace), isNull(experienceGroups.deletedAt))

/** Throws `too-long` where a text is longer than the limits of this installation allow, `taken` where a group has the name already. */
export async function createGroup(
  res: Resources,
  workspace: number,
  draft: GroupDraft & { type: string; platform: string },
): Promise<Group> {
  checkLengths(draft, res.limits)
  const db = res.databaseOf(workspace)
  const now = res.now()
  const id = crypto.randomUUID()
  const results = await together(db, [
    db
      .insert(experienceGroups)
      .values({ ...draft, id, workspace, createdAt: now, updatedAt: now })
      .onConflictDoNothing(),
    ...announce(
      workspace,
      { type: 'group.created', data: { group_id: id, name: draft.name } },
      now,
    ),
  ])
  if (results[0]?.meta.changes === 0)
    throw new Failure({ reason: 'taken', what: 'group', name: draft.name })
  await ringFor(res, workspace, results)
  return getGroup(db, workspace, id)
}

const sortColumns = {
  id: experienceGroups.id,
  name: experienceGroups.name,
  type: experienceGroups.type,
}

export type GroupField = keyof typeof sortColumns

/** One page of the workspace's groups, and how many there are in all. */
export async function listGroups(
  db: Db,
  workspace: number,
  { page, size, sort }: Paging<GroupField>,
): Promise<{ items: Group[]; total: number }> {
  const order = sort.descending ? desc : asc
  const [items, [counted]] = await Promise.all([
    db
      .select()
      .from(experienceGroups)
      .where(live(workspace))
      .orderBy(order(sortColumns[sort.field]), asc(experienceGroups.key))
      .limit(size)
      .offset(page * size),
    db.select({ total: count() }).from(experienceGroups).where(live(workspace)),
  ])
  return { items, total: counted?.total ?? 0 }
}

/** Throws `not-found` for an unknown or deleted group and for another workspace's alike. */
export async function getGroup(db: Db, workspace: number, id: string): Promise<Group> {
  const [group] = await db
    .select()
    .from(experienceGroups)
    .where(and(live(workspace), eq(experienceGroups.id, id)))
  if (group === undefined) throw new Failure({ reason: 'not-found', what: 'group', id })
  return group
}

/** Changes name and description; a description that is left out is cleared. Throws as `createGroup` and `getGroup` do. */
export async function renameGroup(
  res: Resources,
  workspace: number,
  id: string,
  draft: GroupDraft,
): Promise<Group> {
  checkLengths(draft, res.limits)
  const db = res.databaseOf(workspace)
  const now = res.now()
  const { name, description = null } = draft
  // The name is looked for in the same statement, as a unique index could only answer with an error.
  const taken = sql`EXISTS (SELECT 1 FROM experience_groups AS other WHERE other.workspace_id = ${workspace}
    AND other.name = ${name} AND other.deleted_at IS NULL AND other.id <> ${id})`
  const results = await together(db, [
    db
      .update(experienceGroups)
      .set({ name, description, updatedAt: now })
      .where(and(live(workspace), eq(experienceGroups.id, id), sql`NOT ${taken}`)),
    ...announce(workspace, { type: 'group.updated', data: { group_id: id, name } }, now),
  ])
  const group = await getGroup(db, workspace, id)
  if (results[0]?.meta.changes === 0) throw new Failure({ reason: 'taken', what: 'group', name })
  await ringFor(res, workspace, results)
  return group
}

/**
 * Deletes a group for every reader at once and cancels its jobs. Its rows go in bounded steps over the queue (see erase.ts).
 * Throws `not-found`.
 */
export async function deleteGroup(res: Resources, workspace: number, id: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const { key } = await getGroup(db, workspace, id)
  const now = res.now()
  const results = await together(db, [
    db
      .update(experienceGroups)
      .set({ deletedAt: now })
      .where(and(live(workspace), eq(experienceGroups.key, key))),
    ...announce(workspace, { type: 'group.deleted', data: { group_id: id } }, now),
    db
      .update(jobs)
      .set({ state: 'cancelled', step: sql`step + 1`, updatedAt: now, endedAt: now })
      .where(and(eq(jobs.workspace, workspace), eq(jobs.group, key), isNull(jobs.endedAt))),
  ])
  if (results[0]?.meta.changes === 0) throw new Failure({ reason: 'not-found', what: 'group', id })
  await ringFor(res, workspace, results)
  await wake(res, { kind: 'erase', workspace, group: key })
}

/** The statement that has an audience fill a group which no other fills, while `guard` holds. */
export const tie = (workspace: number, groupId: string, audience: string, guard: SQL): SQL => sql`
  UPDATE experience_groups SET audience_id = ${audience}
  WHERE workspace_id = ${workspace} AND id = ${groupId} AND deleted_at IS NULL AND audience_id IS NULL AND ${guard}`

/** The statement that lets go of the group which an audience fills, while `guard` holds. */
export const untie = (workspace: number, audience: string, guard: SQL): SQL => sql`
  UPDATE experience_groups SET audience_id = NULL
  WHERE workspace_id = ${workspace} AND audience_id = ${audience} AND deleted_at IS NULL AND ${guard}`

function checkLengths(
  { name, description = '' }: GroupDraft,
  { nameMax, descriptionMax }: Limits,
): void {
  if ([...name].length > nameMax)
    throw new Failure({ reason: 'too-long', field: 'name', max: nameMax })
  if ([...description].length > descriptionMax)
    throw new Failure({ reason: 'too-long', field: 'description', max: descriptionMax })
}
