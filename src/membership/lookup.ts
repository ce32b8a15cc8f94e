import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { canonical, isUuid, readId } from '../text.ts'

/** A group and its live revision, which counts its uploads. */
export interface LiveGroup {
  id: string
  name: string
  revision: number
}

// Of a row `m` of members.
const isInAt = (revision: SQL) =>
  sql`m.added_rev <= ${revision} AND (m.removed_rev IS NULL OR m.removed_rev > ${revision})`

const live = sql`g.revision`
const isIn = isInAt(live)

/** The id as files have it; empty, which is in no group, where no file can have it. */
export function storedIdOf(participant: string): string {
  const read = readId(participant, Infinity)
  return 'id' in read ? read.id : ''
}

/** Groups of one answer, where nothing else is asked for. */
export const groupsMost = 1000

/** Groups of all participants of one answer together. */
export const membershipsMost = 100_000

/** Sorted here, as D1 bills a row read for each row that it sorts. */
const byName = (a: LiveGroup, b: LiveGroup) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

/**
 * A page of the groups that a participant is in, by name; pages follow the order in which groups
 * were made. `next` is the group to go on after.
 */
export async function findGroupsOf(
  db: Db,
  workspace: number,
  participant: string,
  { after, size }: { after: string; size: number } = { after: '', size: groupsMost },
): Promise<{ groups: LiveGroup[]; next: string | undefined }> {
  const from =
    after === ''
      ? sql``
      : sql`AND m.group_key > coalesce((SELECT key FROM experience_groups
          WHERE workspace_id = ${workspace} AND id = ${after}), 0)`
  const groups = await db.all<LiveGroup>(sql`
    SELECT g.id, g.name, g.revision
    FROM members AS m CROSS JOIN experience_groups AS g ON g.key = m.group_key
    WHERE m.workspace_id = ${workspace} AND m.participant_id = ${storedIdOf(participant)} ${from}
      AND g.deleted_at IS NULL AND ${isIn}
    ORDER BY m.group_key LIMIT ${size}`)
  const next = groups.length < size ? undefined : groups.at(-1)?.id
  return { groups: groups.sort(byName), next }
}

/** A group, by its id, or by spellings of its id or name. */
export type NamedGroup = { id: string } | { key: string; spellings: readonly string[] }

/** A group, and whether a participant is in it. */
export type Member = LiveGroup & { member: boolean }

export type MemberRow = LiveGroup & { member: number }

export const memberOf = ({ member, ...group }: MemberRow): Member => ({
  ...group,
  member: member === 1,
})

/** Whether a participant is in a group. Throws `not-found` with the id or `key`. */
export async function getMember(
  db: Db,
  workspace: number,
  group: NamedGroup,
  participant: string,
): Promise<Member> {
  const [found] = await db.all<MemberRow>(selectMember(workspace, group, participant))
  const id = 'id' in group ? group.id : group.key
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'group', id })
  return memberOf(found)
}

/** Selects a group, and whether a participant is in it. */
export function selectMember(
  workspace: number,
  group: NamedGroup,
  participant: string,
): SQL<MemberRow> {
  const key =
    'id' in group ? keyById(workspace, group.id) : keyBySpelling(workspace, group.spellings)
  return sql<MemberRow>`
    SELECT g.id, g.name, g.revision, ${isMember(storedIdOf(participant))} AS member
    FROM experience_groups AS g WHERE g.key = ${key}`
}

const keyById = (workspace: number, id: string): SQL =>
  sql`(SELECT key FROM experience_groups
    WHERE workspace_id = ${workspace} AND id = ${id} AND deleted_at IS NULL)`

/** A seek for the id, then for each name: with an OR, SQLite would read all groups. */
function keyBySpelling(workspace: number, spellings: readonly string[]): SQL {
  const ids = spellings.map((spelling) => canonical(spelling).toLowerCase())
  const id = ids.find(isUuid) ?? ''
  // Unchanged too: old names are not in NFC.
  const names = JSON.stringify([...new Set(spellings.flatMap((text) => [canonical(text), text]))])
  return sql`coalesce(${keyById(workspace, id)},
    (SELECT experience_groups.key FROM json_each(${names}) AS n CROSS JOIN experience_groups
      WHERE workspace_id = ${workspace} AND name = n.value AND deleted_at IS NULL LIMIT 1))`
}

/**
 * Up to a thousand groups of the workspace, by name, and whether a participant is in them; where
 * there are more, those that the participant is in come first.
 */
export async function listGroupsWithMember(
  db: Db,
  workspace: number,
  participant: string,
): Promise<Member[]> {
  const named = await db.all<MemberRow>(selectGroupsWithMember(workspace, participant))
  return withOwnGroups(db, workspace, participant, named)
}

const keysOfGroupsOf = (workspace: number, participant: string): SQL => sql`
    SELECT m.group_key FROM members AS m CROSS JOIN experience_groups AS g ON g.key = m.group_key
    WHERE m.workspace_id = ${workspace} AND m.participant_id = ${storedIdOf(participant)}
      AND ${isIn}`

/** Selects the first thousand groups by name, for `withOwnGroups`. */
export const selectGroupsWithMember = (workspace: number, participant: string): SQL<MemberRow> =>
  sql<MemberRow>`
    SELECT id, name, revision, key IN (${keysOfGroupsOf(workspace, participant)}) AS member
    FROM experience_groups
    WHERE workspace_id = ${workspace} AND deleted_at IS NULL ORDER BY name LIMIT ${groupsMost}`

/** The groups; where they are a thousand, those that the participant is in come first. */
export async function withOwnGroups(
  db: Db,
  workspace: number,
  participant: string,
  named: MemberRow[],
): Promise<Member[]> {
  const groups = named.map(memberOf)
  if (named.length < groupsMost) return groups
  const own = await db.all<LiveGroup>(sql`
    SELECT id, name, revision FROM experience_groups
    WHERE key IN (${keysOfGroupsOf(workspace, participant)} LIMIT ${groupsMost})
      AND deleted_at IS NULL`)
  const first = own.map((group) => ({ ...group, member: true }))
  const others = groups.filter(({ member }) => !member)
  return [...first, ...others].slice(0, groupsMost).sort(byName)
}

/** Whether a participant, by its stored id, is in the group `g`, or was when `when` held of its row. */
export const isMember = (participant: string | SQL, when: SQL = isIn): SQL => sql`
  EXISTS (SELECT 1 FROM members AS m
    WHERE m.workspace_id = g.workspace_id AND m.participant_id = ${participant}
      AND m.group_key = g.key AND ${when})`

/** The same at a revision: the live one, or the one before it, whoever is added again meanwhile. */
export const wasMember = (participant: string, revision: number): SQL =>
  isMember(
    participant,
    sql`(${isInAt(sql`${revision}`)} OR (${revision} < ${live}
      AND m.was_removed_rev = ${live} AND m.added_rev > ${live}))`,
  )

/**
 * The groups of each participant, of all groups or of `groupIds`, in the order and spelling of
 * `participants`. Throws `not-found` for one of `groupIds`, and `invalid` where they are too many.
 */
export async function findMemberships(
  db: Db,
  workspace: number,
  participants: string[],
  groupIds: string[] | undefined,
): Promise<{ memberships: { participant: string; groupIds: string[] }[]; groups: LiveGroup[] }> {
  const isNamed =
    groupIds === undefined
      ? sql``
      : sql`AND g.id IN (SELECT value FROM json_each(${JSON.stringify(groupIds)}))`
  const [members, ...named] = await together(db, [
    sql<LiveGroup & { place: number }>`
    SELECT p.key AS place, g.id, g.name, g.revision
    FROM json_each(${JSON.stringify(participants.map(storedIdOf))}) AS p
      CROSS JOIN members AS m ON m.workspace_id = ${workspace} AND m.participant_id = p.value
      CROSS JOIN experience_groups AS g ON g.key = m.group_key
    WHERE g.deleted_at IS NULL AND ${isIn} ${isNamed} LIMIT ${membershipsMost + 1}`,
    ...(groupIds === undefined
      ? []
      : [
          sql<LiveGroup>`
    SELECT g.id, g.name, g.revision FROM experience_groups AS g
    WHERE g.workspace_id = ${workspace} AND g.deleted_at IS NULL ${isNamed}`,
        ]),
  ])
  if (members.rows.length > membershipsMost)
    throw new Failure({
      reason: 'invalid',
      field: 'participantIds',
      problem: `are in more than ${membershipsMost} groups together: ask for fewer at a time`,
    })
  const groups = new Map<string, LiveGroup>()
  for (const { id, name, revision } of [...named, members].flatMap(({ rows }) => rows))
    groups.set(id, { id, name, revision })
  const unknown = groupIds?.find((id) => !groups.has(id))
  if (unknown !== undefined) throw new Failure({ reason: 'not-found', what: 'group', id: unknown })

  const memberships = participants.map((participant) => ({ participant, groupIds: [] as string[] }))
  for (const { place, id } of members.rows.sort(byName)) memberships[place]?.groupIds.push(id)
  return { memberships, groups: [...groups.values()] }
}

/** The group `g` of an id, as the end of a SELECT. */
export const groupOf = (workspace: number, id: string): SQL =>
  sql`experience_groups AS g
    WHERE g.workspace_id = ${workspace} AND g.id = ${id} AND g.deleted_at IS NULL`

/** A group, and its members after `after` in the byte order of their ids. Throws `not-found`. */
export async function listMembers(
  db: Db,
  workspace: number,
  groupId: string,
  { after, size }: { after: string; size: number },
): Promise<{ group: LiveGroup; participants: string[] }> {
  const group = groupOf(workspace, groupId)
  const [groups, members] = await together(db, [
    sql<LiveGroup>`SELECT g.id, g.name, g.revision FROM ${group}`,
    sql<{ id: string }>`
    SELECT m.participant_id AS id FROM (SELECT key, revision FROM ${group}) AS g
      CROSS JOIN members AS m INDEXED BY members_by_group
        ON m.group_key = g.key AND m.participant_id > ${after}
    WHERE ${isIn} ORDER BY m.participant_id LIMIT ${size}`,
  ])
  const [found] = groups.rows
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'group', id: groupId })
  return {
    group: found,
    participants: members.rows.map(({ id }) => id),
  }
}
