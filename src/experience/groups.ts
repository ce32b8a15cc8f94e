import { and, asc, count, desc, eq, isNull, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { experienceGroups, jobs } from '../db/schema.ts'
import { checkUnused, namesOfGroup, unused } from '../db/uses.ts'
import { Failure } from '../failure.ts'
import type { Limits, Resources } from '../resources.ts'
import { isTooLong, readId, trimmed } from '../text.ts'
import type { Paging } from '../jobs/jobs.ts'
import {
  announce,
  announceEach,
  enqueueAnnounced,
  type Announcement,
} from '../webhooks/announce.ts'
import { enqueue } from '../jobs/enqueue.ts'

export type Group = typeof experienceGroups.$inferSelect

/** What a client may say of a group; an empty description is none. */
export interface GroupDraft {
  name: string
  description?: string | null | undefined
}

const isLive = (workspace: number) =>
  and(eq(experienceGroups.workspace, workspace), isNull(experienceGroups.deletedAt))

/**
 * Throws `required`, `invalid` or `too-long` for a text that the limits of the installation refuse,
 * and `taken` where another group has the name.
 */
export async function createGroup(
  res: Resources,
  workspace: number,
  given: GroupDraft & { type: string; platform: string },
): Promise<Group> {
  const draft = {
    name: readName('name', given.name, res.limits.nameMax),
    description: readDescription(given.description, res.limits),
    type: readName('groupType', given.type, labelMax),
    platform: readName('groupPlatform', given.platform, labelMax),
  }
  const db = res.databaseOf(workspace)
  const now = res.now()
  const id = crypto.randomUUID()
  const results = await together(db, [
    db
      .insert(experienceGroups)
      .values({ ...draft, id, workspace, createdAt: now, updatedAt: now })
      .onConflictDoNothing(),
    ...announce(res, workspace, {
      type: 'group.created',
      data: { group_id: id, name: draft.name },
    }),
  ])
  if (results[0].changes === 0)
    throw new Failure({ reason: 'taken', what: 'group', name: draft.name })
  await enqueueAnnounced(res, workspace, results)
  return getGroup(db, workspace, id)
}

const sortColumns = {
  id: experienceGroups.id,
  name: experienceGroups.name,
  type: experienceGroups.type,
}

export type GroupField = keyof typeof sortColumns

/** One page of the workspace's groups, and their total. */
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
      .where(isLive(workspace))
      .orderBy(order(sortColumns[sort.field]), asc(experienceGroups.key))
      .limit(size)
      .offset(page * size),
    db.select({ total: count() }).from(experienceGroups).where(isLive(workspace)),
  ])
  return { items, total: counted?.total ?? 0 }
}

/** Throws `not-found`, also for a deleted one or another workspace's. */
export async function getGroup(db: Db, workspace: number, id: string): Promise<Group> {
  const [group] = await db
    .select()
    .from(experienceGroups)
    .where(and(isLive(workspace), eq(experienceGroups.id, id)))
  if (group === undefined) throw new Failure({ reason: 'not-found', what: 'group', id })
  return group
}

/** Changes the name, the description or both. Throws as `createGroup` and `getGroup` do. */
export async function renameGroup(
  res: Resources,
  workspace: number,
  id: string,
  given: Partial<GroupDraft>,
): Promise<Group> {
  const { name, ...described } = readChanges(given, res.limits)
  const db = res.databaseOf(workspace)
  if (name === undefined && described.description === undefined) return getGroup(db, workspace, id)
  const now = res.now()
  const isGroup = and(isLive(workspace), eq(experienceGroups.id, id))
  // In the same statement, as the unique index only gives an error.
  const isFree = sql`NOT EXISTS (
    SELECT 1 FROM experience_groups AS other
    WHERE other.workspace_id = ${workspace} AND other.name = ${name}
      AND other.deleted_at IS NULL AND other.id <> ${id})`
  const changes = { ...described, ...(name !== undefined && { name }) }
  const isChanged = and(isGroup, name === undefined ? undefined : isFree)
  // The event first, as it says what the group was before.
  const results = await together(db, [
    ...announce(
      res,
      workspace,
      updated(id, changes, sql`FROM experience_groups WHERE ${isGroup}`),
      sql`EXISTS (SELECT 1 FROM experience_groups WHERE ${isChanged})`,
    ),
    db
      .update(experienceGroups)
      .set({ ...changes, updatedAt: now })
      .where(isChanged),
  ])
  const group = await getGroup(db, workspace, id)
  if (results.at(-1)?.changes === 0)
    throw new Failure({ reason: 'taken', what: 'group', name: name ?? group.name })
  await enqueueAnnounced(res, workspace, results)
  return group
}

/** The event of a group that becomes `after`; `row` has it as it is before. */
function updated(id: string, after: Partial<GroupDraft>, row: SQL): Announcement {
  const name = after.name === undefined ? sql`name` : sql`${after.name}`
  const description = after.description === undefined ? sql`description` : sql`${after.description}`
  return {
    type: 'group.updated',
    data: sql`(SELECT json_object('group_id', ${id}, 'name', ${name}) ${row})`,
    change: sql`(SELECT json_object(
      'before', json_object('name', name, 'description', description),
      'after', json_object('name', ${name}, 'description', ${description})) ${row})`,
  }
}

/**
 * Deletes a group for every reader at once and cancels its jobs; the queue deletes its rows. Throws
 * `not-found`, and `in-use` by an audience's rule.
 */
export async function deleteGroup(res: Resources, workspace: number, id: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const { key } = await getGroup(db, workspace, id)
  const now = res.now()
  const names = namesOfGroup(id)
  const results = await together(db, [
    db
      .update(experienceGroups)
      .set({ deletedAt: now })
      .where(and(isLive(workspace), eq(experienceGroups.key, key), unused(workspace, names))),
    ...announce(res, workspace, { type: 'group.deleted', data: { group_id: id } }),
    ...announceEach(
      res,
      workspace,
      'job.cancelled',
      sql`SELECT id, json_object('job_id', id, 'group_id', ${id}) AS data FROM jobs
        WHERE group_key = ${key} AND ended_at IS NULL
          AND (SELECT deleted_at FROM experience_groups WHERE key = ${key}) IS NOT NULL`,
    ),
    db
      .update(jobs)
      .set({ state: 'cancelled', step: sql`step + 1`, updatedAt: now, endedAt: now })
      .where(
        and(
          eq(jobs.workspace, workspace),
          eq(jobs.group, key),
          isNull(jobs.endedAt),
          sql`(SELECT deleted_at FROM experience_groups WHERE key = ${key}) IS NOT NULL`,
        ),
      ),
  ])
  if (results[0].changes === 0) {
    await checkUnused(db, workspace, names, { what: 'group', id })
    return deleteGroup(res, workspace, id)
  }
  await enqueueAnnounced(res, workspace, results)
  await enqueue(res, { kind: 'erase', workspace, group: key })
}

/** Characters of a group's type and platform at most. */
const labelMax = 50

function readChanges({ name, description }: Partial<GroupDraft>, limits: Limits) {
  return {
    name: name === undefined ? undefined : readName('name', name, limits.nameMax),
    ...(description !== undefined && { description: readDescription(description, limits) }),
  }
}

/** A name as it is stored and compared (see text.ts). */
function readName(field: string, text: string, max: number): string {
  const read = readId(text, max)
  if ('id' in read) return read.id
  if (read.problem === 'empty') throw new Failure({ reason: 'required', field })
  if (read.problem === 'too-long') throw new Failure({ reason: 'too-long', field, max })
  throw new Failure({
    reason: 'invalid',
    field,
    problem: 'must have something visible and no control characters, and be neither . nor ..',
  })
}

function readDescription(
  text: string | null | undefined,
  { descriptionMax: max }: Limits,
): string | null {
  const field = 'description'
  const read = trimmed(text ?? '')
  if (isTooLong(read, max)) throw new Failure({ reason: 'too-long', field, max })
  if (read.includes('\0') || !read.isWellFormed())
    throw new Failure({
      reason: 'invalid',
      field,
      problem: 'must be whole characters, none of them NUL',
    })
  return read === '' ? null : read
}
