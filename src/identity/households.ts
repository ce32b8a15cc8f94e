import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import type { Limits } from '../resources.ts'
import { valueOf, type StoredValue, type Value } from './attributes.ts'
import { getDefinition } from './definitions.ts'
import { groupValue } from './matching.ts'

/** A group that has formed itself: the users who have a value in common, and what they share. */
export interface Household {
  value: string
  members: { user: string; joinedAt: number }[]
  shared: [attribute: string, value: Value][]
}

/** Members shown at once, where groups are large; of one group, as many as it has. */
const membersMax = 10_000

/**
 * The groups of a definition in the order of their values: the one of users with `value`, or up to `size` after `after`, and the value to go on
 * after if there may be more. Throws `not-found` for an unknown definition.
 */
export async function listHouseholds(
  db: Db,
  workspace: number,
  definitionId: string,
  asked: { value: string } | { after: string; size: number },
  { groupUsersMax }: Limits,
): Promise<{ instances: Household[]; next: string | undefined }> {
  const { key, attributes, matching } = await getDefinition(db, workspace, definitionId)
  const size =
    'value' in asked ? 1 : Math.max(1, Math.min(asked.size, Math.floor(membersMax / groupUsersMax)))
  const those =
    'value' in asked
      ? sql`value = ${groupValue(asked.value, matching)}`
      : sql`value > ${asked.after}`
  const page = sql`WITH page AS MATERIALIZED
    (SELECT DISTINCT value FROM identity_members WHERE definition_key = ${key} AND ${those} ORDER BY value LIMIT ${size})`
  const [members, shared] = await together(db, [
    sql<{ value: string; user: string; joinedAt: number }>`
    ${page} SELECT m.value, m.user_id AS user, m.joined_at AS joinedAt
    FROM page JOIN identity_members AS m ON m.definition_key = ${key} AND m.value = page.value ORDER BY m.value, m.user_id`,
    sql<StoredValue & { in_group: string; name: string }>`
    ${page} SELECT a.value AS in_group, a.name, a.result AS text, a.type
    FROM page JOIN group_attributes AS a ON a.definition_key = ${key} AND a.value = page.value
    WHERE a.result IS NOT NULL
      AND (a.name, a.function) IN (SELECT value ->> 'id', value ->> 'type' FROM json_each(${JSON.stringify(attributes)}))
    ORDER BY a.value, a.name`,
  ])

  const found = new Map<string, Household>()
  for (const { value, ...member } of members.rows) {
    const instance = found.get(value) ?? { value, members: [], shared: [] }
    instance.members.push(member)
    found.set(value, instance)
  }
  for (const { in_group, name, ...kept } of shared.rows)
    found.get(in_group)?.shared.push([name, valueOf(kept)])
  const instances = [...found.values()]
  return {
    instances,
    next: 'value' in asked || instances.length < size ? undefined : instances.at(-1)?.value,
  }
}
