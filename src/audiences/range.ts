import { sql, type SQL } from 'drizzle-orm'
import { sharedBy, type ResolvedRule } from './compile.ts'
import { sumOf, type LeafCost } from './cost.ts'
import { isLeaf, nodesOf } from './rule.ts'

/** `size` users after one, in the order of ids: fewer where they have long lists. */
export interface Range {
  after: string
  size: number
}

/** An attribute that may be a list, of the user or of each member of the user's household. */
export interface MaybeList {
  name: string
  /** The definition that shares it; null: it is a user's own. */
  definition: number | null
  /** The definition whose members it is read of; null: of the user alone. */
  membersOf: number | null
  /** The share of its conditions in the cost of the rule. */
  share: number
}

/** Functions whose result may be a list. */
const mayBeList = ['latest', 'earliest', 'unique_list']

/** The lists that a rule of these costs may look at. */
export function listsOf({ rule, names }: ResolvedRule, costs: LeafCost[]): MaybeList[] {
  const { user: total } = sumOf(costs)
  const lists = new Map<string, MaybeList>()
  for (const [i, { rule: leaf, membersOf }] of [...nodesOf(rule)]
    .filter(({ rule }) => isLeaf(rule))
    .entries()) {
    if (!('attribute' in leaf)) continue
    const shared = sharedBy(names, leaf.attribute)
    if (shared !== undefined && !mayBeList.includes(shared.function)) continue
    const list = {
      name: shared?.name ?? leaf.attribute,
      definition: shared?.definition ?? null,
      membersOf: membersOf === undefined ? null : (names.definitions.get(membersOf)?.key ?? null),
    }
    const key = JSON.stringify(list)
    const share = (costs[i]?.look ?? 0) / total + (lists.get(key)?.share ?? 0)
    lists.set(key, { ...list, share })
  }
  return [...lists.values()]
}

/** SQL: how many texts of 4,096 characters a list costs as much as. */
export const weightOfList = (list: SQL): SQL =>
  sql`(json_array_length(${list}) / 2.0 + octet_length(${list}) / 4096.0)`

const lists = sql`a.type = 'list'`
const ownOf = (workspace: number, user: SQL) => sql`user_attributes AS a
  WHERE l.definition IS NULL AND a.workspace_id = ${workspace} AND a.user_id = ${user}
    AND a.name = l.name AND ${lists}`
const sharedOf = (user: SQL) => sql`identity_members AS s CROSS JOIN group_attributes AS a
  WHERE s.definition_key = l.definition AND s.user_id = ${user}
    AND a.definition_key = l.definition AND a.value = s.value AND a.name = l.name AND ${lists}`
const members = sql`group_peers AS m CROSS JOIN`
const ofMembers = sql`AND m.definition_key = l.members_of AND m.user_id = u.user_id`
const ofUser = sql`AND l.members_of IS NULL`

/** SQL: the weight of a user `u`, by the table `l`; 1 without lists. */
export function weightOf(workspace: number, all: MaybeList[]): SQL {
  const sum = (value: SQL, from: SQL) =>
    sql`(SELECT total(l.share * ${weightOfList(value)}) FROM l CROSS JOIN ${from})`
  const has = (own: boolean, alone: boolean) =>
    all.some((one) => (one.definition === null) === own && (one.membersOf === null) === alone)
  const [user, member] = [sql`u.user_id`, sql`m.member_id`]
  const kinds = [
    has(true, true) && sum(sql`a.value`, sql`${ownOf(workspace, user)} ${ofUser}`),
    has(true, false) && sum(sql`a.value`, sql`${members} ${ownOf(workspace, member)} ${ofMembers}`),
    has(false, true) && sum(sql`a.result`, sql`${sharedOf(user)} ${ofUser}`),
    has(false, false) && sum(sql`a.result`, sql`${members} ${sharedOf(member)} ${ofMembers}`),
  ].filter((kind) => kind !== false)
  return sql.join([sql`1`, ...kinds], sql` + `)
}

/** The table `l` of lists that somebody of the workspace has. */
export function listsTable(workspace: number, all: MaybeList[]): SQL {
  const json = JSON.stringify(
    all.map(({ name, definition, membersOf, share }) => [name, definition, membersOf, share]),
  )
  // A list begins with `["`: where no value of a name does, no user's is weighed.
  return sql`
  l AS MATERIALIZED (SELECT n.value ->> 0 AS name, n.value ->> 1 AS definition,
      n.value ->> 2 AS members_of, n.value ->> 3 AS share
    FROM json_each(${json}) AS n
    WHERE n.value ->> 1 IS NOT NULL OR EXISTS (SELECT 1 FROM user_attributes AS a
      WHERE a.workspace_id = ${workspace} AND a.name = n.value ->> 0
        AND a.value >= '["' AND a.value < '[#'))`
}

/** SQL: whether lists are to be weighed at all. */
export const areListed = sql`EXISTS (SELECT 1 FROM l)`

/**
 * A query of the users of a range in their order, where there are no lists, each with its `weight`.
 * `weighed`: where there are some, users who are together as heavy as `size` without lists; the
 * first of them may be heavier alone.
 */
export function selectRange(
  workspace: number,
  all: MaybeList[],
  { after, size }: Range,
  weighed: boolean,
): SQL {
  // By the LIMIT, as a condition would be checked for each user.
  const next = (weight: SQL) => sql`
    SELECT u.user_id, ${weight} AS weight FROM users AS u
    WHERE u.workspace_id = ${workspace} AND u.user_id > ${after}
    ORDER BY u.user_id LIMIT iif(${areListed} = ${weighed ? 1 : 0}, ${size}, 0)`
  if (!weighed) return next(sql`1`)
  // It reads each row three times.
  return sql`
  SELECT user_id, weight
  FROM (SELECT *, sum(weight) OVER (ORDER BY user_id ROWS UNBOUNDED PRECEDING) AS upto
    FROM (${next(weightOf(workspace, all))}))
  WHERE upto <= ${size} OR upto = weight`
}
