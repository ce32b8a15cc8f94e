import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { canonical, readId } from '../text.ts'

/** A group as a look-up tells it; `revision` counts its uploads, so that a caller can tell which of them an answer has seen. */
export interface GroupSeen {
  id: string
  name: string
  revision: number
}

// Of a row `m` of members and its group `g` (see schema.ts).
const isIn = sql`m.added_rev <= g.revision AND (m.removed_rev IS NULL OR m.removed_rev > g.revision)`

/** A participant as files name them (see text.ts); one that no file can name is in no group, and neither is nobody. */
function readAs(participant: string): string {
  const read = readId(participant, Infinity)
  return 'id' in read ? read.id : ''
}

/** D1 bills a row read for each that it sorts, and so what a participant is in is sorted here. */
const byName = (a: GroupSeen, b: GroupSeen) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

/** The groups that a participant is in, by name. Nothing is known of one who is in none. */
export async function findGroupsOf(
  db: Db,
  workspace: number,
  participant: string,
): Promise<GroupSeen[]> {
  const groups = await db.all<GroupSeen>(sql`
    SELECT g.id, g.name, g.revision
    FROM members AS m CROSS JOIN experience_groups AS g ON g.key = m.group_key
    WHERE m.workspace_id = ${workspace} AND m.participant_id = ${readAs(participant)} AND g.deleted_at IS NULL AND ${isIn}`)
  return groups.sort(byName)
}

/**
 * Whether a participant is in a group: the one of this id, or the first that any of the spellings names by its id (in any case) or else
 * its name. Throws `not-found`, by the id or by the key.
 */
export async function getMember(
  db: Db,
  workspace: number,
  group: { id: string } | { key: string; spellings: readonly string[] },
  participant: string,
): Promise<GroupSeen & { member: boolean }> {
  const [id, key] =
    'id' in group
      ? [group.id, keyById(workspace, group.id)]
      : [group.key, keyBySpelling(workspace, group.spellings)]
  const [found] = await db.all<GroupSeen & { member: number }>(sql`
    SELECT g.id, g.name, g.revision, ${isMember(readAs(participant))} AS member FROM experience_groups AS g WHERE g.key = ${key}`)
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'group', id })
  return { ...found, member: found.member === 1 }
}

const keyById = (workspace: number, id: string): SQL =>
  sql`(SELECT key FROM experience_groups WHERE workspace_id = ${workspace} AND id = ${id} AND deleted_at IS NULL)`

/** One seek for the id, and one for each name until one is found: of an OR, SQLite would make a walk through all groups. */
function keyBySpelling(workspace: number, spellings: readonly string[]): SQL {
  const ids = spellings.map((one) => canonical(one).toLowerCase())
  const id = ids.find((one) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(one)) ?? ''
  // As it is, too: names from before they were kept in NFC.
  const names = JSON.stringify([...new Set(spellings.flatMap((one) => [canonical(one), one]))])
  return sql`coalesce(${keyById(workspace, id)},
    (SELECT experience_groups.key FROM json_each(${names}) AS n CROSS JOIN experience_groups
      WHERE workspace_id = ${workspace} AND name = n.value AND deleted_at IS NULL LIMIT 1))`
}

/** Every group of the workspace, by name, and whether a participant is in it; nobody (an empty text) is in none. */
export async function listMember(
  db: Db,
  workspace: number,
  participant: string,
): Promise<(GroupSeen & { member: boolean })[]> {
  const mine = sql`SELECT m.group_key FROM members AS m CROSS JOIN experience_groups AS g ON g.key = m.group_key
    WHERE m.workspace_id = ${workspace} AND m.participant_id = ${readAs(participant)} AND ${isIn}`
  const groups = await db.all<GroupSeen & { member: number }>(sql`
    SELECT id, name, revision, key IN (${mine}) AS member FROM experience_groups
    WHERE workspace_id = ${workspace} AND deleted_at IS NULL ORDER BY name`)
  return groups.map(({ member, ...group }) => ({ ...group, member: member === 1 }))
}

const isMember = (participant: string): SQL => sql`
  EXISTS (SELECT 1 FROM members AS m
    WHERE m.workspace_id = g.workspace_id AND m.participant_id = ${participant} AND m.group_key = g.key AND ${isIn})`

/**
 * In which groups each of many participants is, of all or of those named, in the order asked and as they were asked for; and those
 * groups. Throws `not-found` for a group that is named and not there.
 */
export async function findMemberships(
  db: Db,
  workspace: number,
  participants: string[],
  groupIds: string[] | undefined,
): Promise<{ memberships: { participant: string; groupIds: string[] }[]; groups: GroupSeen[] }> {
  const named =
    groupIds === undefined
      ? sql``
      : sql`AND g.id IN (SELECT value FROM json_each(${JSON.stringify(groupIds)}))`
  const [seats, known] = await together(db, [
    sql`
    SELECT asked.key AS place, g.id, g.name, g.revision
    FROM json_each(${JSON.stringify(participants.map(readAs))}) AS asked
      CROSS JOIN members AS m ON m.workspace_id = ${workspace} AND m.participant_id = asked.value
      CROSS JOIN experience_groups AS g ON g.key = m.group_key
    WHERE g.deleted_at IS NULL AND ${isIn} ${named}`,
    ...(groupIds === undefined
      ? []
      : [
          sql`SELECT g.id, g.name, g.revision FROM experience_groups AS g WHERE g.workspace_id = ${workspace} AND g.deleted_at IS NULL ${named}`,
        ]),
  ])
  // The columns selected above.
  const found = (seats?.results ?? []) as (GroupSeen & { place: number })[]
  const groups = new Map<string, GroupSeen>()
  for (const { id, name, revision } of [...((known?.results ?? []) as GroupSeen[]), ...found])
    groups.set(id, { id, name, revision })
  const unknown = groupIds?.find((id) => !groups.has(id))
  if (unknown !== undefined) throw new Failure({ reason: 'not-found', what: 'group', id: unknown })

  const memberships = participants.map((participant) => ({ participant, groupIds: [] as string[] }))
  for (const { place, id } of found.sort(byName)) memberships[place]?.groupIds.push(id)
  return { memberships, groups: [...groups.values()] }
}

/** The group `g` of an id, for the end of a SELECT. */
export const groupOf = (workspace: number, id: string): SQL =>
  sql`experience_groups AS g WHERE g.workspace_id = ${workspace} AND g.id = ${id} AND g.deleted_at IS NULL`

/** A page of a group's members in the order of their ids (that of their bytes), after `after`; and the group. Throws `not-found`. */
export async function listMembers(
  db: Db,
  workspace: number,
  groupId: string,
  { after, size }: { after: string; size: number },
): Promise<{ group: GroupSeen; participants: string[] }> {
  const those = groupOf(workspace, groupId)
  const [groups, members] = await together(db, [
    sql`SELECT g.id, g.name, g.revision FROM ${those}`,
    sql`
    SELECT m.participant_id AS id FROM (SELECT key, revision FROM ${those}) AS g
      CROSS JOIN members AS m INDEXED BY members_by_group ON m.group_key = g.key AND m.participant_id > ${after}
    WHERE ${isIn} ORDER BY m.participant_id LIMIT ${size}`,
  ])
  // The columns selected above.
  const [group] = (groups?.results ?? []) as GroupSeen[]
  if (group === undefined) throw new Failure({ reason: 'not-found', what: 'group', id: groupId })
  return { group, participants: ((members?.results ?? []) as { id: string }[]).map(({ id }) => id) }
}
