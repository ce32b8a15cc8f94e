import { and, asc, count, desc, eq, isNull, sql, type SQL } from 'drizzle-orm'
import type { SQLiteSelect } from 'drizzle-orm/sqlite-core'
import { together, type Db } from '../db/connect.ts'
import { experienceGroups } from '../db/schema.ts'
import { checkNoExperiment, isNoExperiment } from '../db/uses.ts'
import { Failure } from '../failure.ts'
import type { Limits } from '../limits.ts'
import type { Resources } from '../resources.ts'
import { canonical, isTooLong, problemOfName, readId, trimmed } from '../text.ts'
import type { Paging } from '../jobs/jobs.ts'
import { announce, enqueueAnnounced, type Announcement } from '../webhooks/announce.ts'

export type Group = typeof experienceGroups.$inferSelect

/** What a client may say of a group; an empty description is none. */
export interface GroupDraft {
  name: string
  description?: string | null | undefined
  /** Of members; null: as the installation says. */
  maxRemovePercent?: number | null | undefined
}

export const isLive = (workspace: number) =>
  and(eq(experienceGroups.workspace, workspace), isNull(experienceGroups.deletedAt))

/** The number of groups of a workspace, counted up to `most`, in SQL. */
export const countGroups = (workspace: number, most: number) => sql`(
  SELECT count(*) FROM (SELECT 1 FROM experience_groups
    WHERE workspace_id = ${workspace} AND deleted_at IS NULL LIMIT ${most}))`

/** The number of participants of all of its groups together, in SQL. */
export const countMembers = (workspace: number) => sql`(
  SELECT coalesce(sum(participant_count), 0) FROM experience_groups
  WHERE workspace_id = ${workspace} AND deleted_at IS NULL)`

/**
 * Throws `required`, `invalid` or `too-long` for a text that the limits of the installation refuse,
 * `taken` where another group or an experiment has the name, and `limit`.
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
    maxRemovePercent: given.maxRemovePercent ?? null,
  }
  const { groupsMax } = res.limits
  const db = res.databaseOf(workspace)
  const now = res.now()
  const id = crypto.randomUUID()
  const results = await together(db, [
    // One statement, so that two requests at once stay within the limit.
    sql`
    INSERT INTO experience_groups
      (id, workspace_id, name, description, type, platform, max_remove_percent, created_at,
        updated_at)
    SELECT ${id}, ${workspace}, ${draft.name}, ${draft.description}, ${draft.type},
      ${draft.platform}, ${draft.maxRemovePercent}, ${now}, ${now}
    WHERE ${countGroups(workspace, groupsMax)} < ${groupsMax}
      AND ${isNoExperiment(workspace, draft.name)} ON CONFLICT DO NOTHING`,
    ...announce(res, workspace, {
      type: 'group.created',
      data: { group_id: id, name: draft.name },
    }),
  ])
  if (results[0].changes === 0) {
    const [same] = await db
      .select({ id: experienceGroups.id })
      .from(experienceGroups)
      .where(and(isLive(workspace), eq(experienceGroups.name, draft.name)))
    if (same !== undefined) throw new Failure({ reason: 'taken', what: 'group', name: draft.name })
    await checkNoExperiment(db, workspace, draft.name)
    throw new Failure({ reason: 'limit', what: 'groups', max: groupsMax })
  }
  await enqueueAnnounced(res, workspace, results)
  return getGroup(db, workspace, id)
}

const sortColumns = {
  id: experienceGroups.id,
  name: experienceGroups.name,
  type: experienceGroups.type,
  participants: experienceGroups.participantCount,
  updatedAt: experienceGroups.updatedAt,
}

export type GroupField = keyof typeof sortColumns

/** Whether a name has a text, in any case of ASCII: a workspace's groups are few enough to look at. */
const isNamedLike = (text: string) =>
  text === '' ? undefined : sql`instr(lower(name), lower(${canonical(text)})) > 0`

/** A page of the groups whose name has `search`; of all, where it is not given. */
export type GroupPage = Paging<GroupField> & { search?: string }

const isListed = (workspace: number, search = '') => and(isLive(workspace), isNamedLike(search))

/** The part of a query of groups that a page shows. */
export function inPage<Select extends SQLiteSelect>(
  select: Select,
  workspace: number,
  { page, size, sort, search }: GroupPage,
) {
  const order = sort.descending ? desc : asc
  return select
    .where(isListed(workspace, search))
    .orderBy(order(sortColumns[sort.field]), asc(experienceGroups.key))
    .limit(size)
    .offset(page * size)
}

/** The query of how many groups all pages have. */
export const countListed = (db: Db, workspace: number, { search }: GroupPage) =>
  db.select({ total: count() }).from(experienceGroups).where(isListed(workspace, search))

/** One page of groups, and their total. */
export async function listGroups(
  db: Db,
  workspace: number,
  page: GroupPage,
): Promise<{ items: Group[]; total: number }> {
  const [items, [counted]] = await db.batch([
    inPage(db.select().from(experienceGroups).$dynamic(), workspace, page),
    countListed(db, workspace, page),
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

/** Changes those fields that are given. Throws as `createGroup` and `getGroup` do. */
export async function renameGroup(
  res: Resources,
  workspace: number,
  id: string,
  given: Partial<GroupDraft>,
): Promise<Group> {
  const { name, ...others } = readChanges(given, res.limits)
  const db = res.databaseOf(workspace)
  if (name === undefined && Object.keys(others).length === 0) return getGroup(db, workspace, id)
  const now = res.now()
  const isGroup = and(isLive(workspace), eq(experienceGroups.id, id))
  // In the same statement, as the unique index only gives an error.
  const isFree = sql`NOT EXISTS (
    SELECT 1 FROM experience_groups AS other
    WHERE other.workspace_id = ${workspace} AND other.name = ${name}
      AND other.deleted_at IS NULL AND other.id <> ${id})
    AND ${isNoExperiment(workspace, name ?? '')}`
  const changes = { ...others, ...(name !== undefined && { name }) }
  const isChanged = and(isGroup, name === undefined ? undefined : isFree)
  // The event first, as it says what the group was before.
  const results = await together(db, [
    ...announce(
      res,
      workspace,
      updateEvent(id, changes, sql`FROM experience_groups WHERE ${isGroup}`),
      sql`EXISTS (SELECT 1 FROM experience_groups WHERE ${isChanged})`,
    ),
    db
      .update(experienceGroups)
      .set({ ...changes, updatedAt: now })
      .where(isChanged),
  ])
  const group = await getGroup(db, workspace, id)
  if (results.at(-1)?.changes === 0) {
    await checkNoExperiment(db, workspace, name ?? group.name)
    throw new Failure({ reason: 'taken', what: 'group', name: name ?? group.name })
  }
  await enqueueAnnounced(res, workspace, results)
  return group
}

/** The event of a change of a group; `row` is the end of a SELECT of the group before it. */
function updateEvent(id: string, after: Partial<GroupDraft>, row: SQL): Announcement {
  const name = after.name === undefined ? sql`name` : sql`${after.name}`
  const description = after.description === undefined ? sql`description` : sql`${after.description}`
  const percent =
    after.maxRemovePercent === undefined ? sql`max_remove_percent` : sql`${after.maxRemovePercent}`
  return {
    type: 'group.updated',
    data: sql`(SELECT json_object('group_id', ${id}, 'name', ${name}) ${row})`,
    change: sql`(SELECT json_object(
      'before', json_object('name', name, 'description', description,
        'max_remove_percent', max_remove_percent),
      'after', json_object('name', ${name}, 'description', ${description},
        'max_remove_percent', ${percent})) ${row})`,
  }
}

/** Characters of a group's type and platform at most. */
const labelMax = 50

function readChanges({ name, description, maxRemovePercent }: Partial<GroupDraft>, limits: Limits) {
  return {
    name: name === undefined ? undefined : readName('name', name, limits.nameMax),
    ...(description !== undefined && { description: readDescription(description, limits) }),
    ...(maxRemovePercent !== undefined && { maxRemovePercent }),
  }
}

/** A name as it is stored and compared (see text.ts). */
function readName(field: string, text: string, max: number): string {
  const invalid = (problem: string) => new Failure({ reason: 'invalid', field, problem })
  const read = readId(text, max)
  if ('problem' in read) {
    if (read.problem === 'empty') throw new Failure({ reason: 'required', field })
    if (read.problem === 'too-long') throw new Failure({ reason: 'too-long', field, max })
    throw invalid('must have something visible and no control characters, and be neither . nor ..')
  }
  const problem = problemOfName(read.id)
  if (problem !== undefined) throw invalid(problem)
  return read.id
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
