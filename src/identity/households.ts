import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { valueOf, type StoredValue, type Value } from './attributes.ts'
import { isUnshown, placeBehind, userOfPlace, valueOfGroup } from './corrections.ts'
import { getDefinition } from './definitions.ts'

/** The users who have a value in common, and what they share. */
export interface Household {
  value: string
  members: { user: string; joinedAt: number }[]
  shared: [attribute: string, value: Value][]
}

/** Members of one page of groups at most; a group by itself shows all of its own. */
const membersMax = 10_000

/**
 * The household of `value`, or up to `size` after `after` in the order of values; `next` is the
 * place to go on after, if there may be more. Throws `not-found`.
 */
export async function listHouseholds(
  db: Db,
  workspace: number,
  definitionId: string,
  query: ({ value: string } | { after: string; size: number }) & { groupUsersMax: number },
): Promise<{ households: Household[]; next: string | undefined }> {
  const { key, attributes, matching } = await getDefinition(db, workspace, definitionId)
  const groupsMax = Math.max(1, Math.floor(membersMax / query.groupUsersMax))
  const size = 'value' in query ? 1 : Math.max(1, Math.min(query.size, groupsMax))
  const condition =
    'value' in query
      ? sql`value = ${valueOfGroup(query.value, matching)}`
      : sql`value > ${valueOfPlace(key, query.after)}`
  const page = sql`WITH page AS MATERIALIZED (
    SELECT DISTINCT value FROM identity_members
    WHERE definition_key = ${key} AND ${condition} ORDER BY value LIMIT ${size})`
  const [members, shared] = await together(db, [
    sql<{ value: string; user: string; joinedAt: number }>`
    ${page} SELECT m.value, m.user_id AS user, m.joined_at AS joinedAt
    FROM page JOIN identity_members AS m ON m.definition_key = ${key} AND m.value = page.value
    ORDER BY m.value, m.user_id`,
    sql<StoredValue & { in_group: string; name: string }>`
    ${page} SELECT a.value AS in_group, a.name, a.result AS text, a.type
    FROM page JOIN group_attributes AS a ON a.definition_key = ${key} AND a.value = page.value
    WHERE a.result IS NOT NULL AND (a.name, a.function) IN (
      SELECT value ->> 'id', value ->> 'type' FROM json_each(${JSON.stringify(attributes)}))
    ORDER BY a.value, a.name`,
  ])

  const byValue = new Map<string, Household>()
  for (const { value, ...member } of members.rows) {
    const household = byValue.get(value) ?? { value, members: [], shared: [] }
    household.members.push(member)
    byValue.set(value, household)
  }
  for (const { in_group, name, ...stored } of shared.rows)
    byValue.get(in_group)?.shared.push([name, valueOf(stored)])
  const households = [...byValue.values()]
  const isLast = 'value' in query || households.length < size
  return { households, next: isLast ? undefined : placeOf(households.at(-1)) }
}

function placeOf(last: Household | undefined): string | undefined {
  const [member] = last?.members ?? []
  return last !== undefined && member !== undefined && isUnshown(last.value)
    ? placeBehind(member.user)
    : last?.value
}

/** The value behind which a page begins. A user who is alone no more is where those who are begin. */
function valueOfPlace(key: number, place: string): SQL {
  const user = userOfPlace(place)
  if (user === undefined) return sql`${place}`
  const begin = placeBehind('')
  return sql`coalesce((SELECT value FROM identity_members
    WHERE definition_key = ${key} AND user_id = ${user} AND value >= ${begin}), ${begin})`
}
