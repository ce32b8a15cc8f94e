import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { valueOf, type Kept, type Value } from '../identity/attributes.ts'
import { compiler, sharedBy } from './compile.ts'
import { given, type Asked } from './questions.ts'
import { isLeaf, isOverMembers, nodesOf, type Leaf, type Rule } from './rule.ts'

/** A node of a rule: what it says, what it came to, and what it saw. */
export interface Explained {
  rule: Rule
  result: boolean
  /** Of a condition: the value that the user has, null if none. */
  saw?: Value | null
  /** Of `and`, `or`, `not` and `in_audience`. */
  inner?: Explained[]
  /** Of a condition over members: each of them, in the order of their ids. */
  members?: { user: string; explained: Explained }[]
}

/** A leaf, and the definition whose members it is asked of; of the user alone if there is none. */
interface Placed {
  leaf: Leaf
  among: number | null
}

/** What a leaf came to for one user. */
interface Told {
  result: boolean
  saw: Value | null
}

/**
 * Whether a user belongs to an audience, and why, in one round trip that reads only what is known of the user and of those in the same
 * groups. Throws `not-found` for an unknown user.
 */
export async function explainUser(db: Db, workspace: number, asked: Asked, user: string): Promise<Explained> {
  const { rule, names } = asked
  const keyOf = (definition: string | undefined) => (definition === undefined ? null : (names.definitions.get(definition)?.key ?? -1))
  const leaves = [...nodesOf(rule)].flatMap(({ rule, among }): Placed[] => (isLeaf(rule) ? [{ leaf: rule, among: keyOf(among) }] : []))

  const constants: unknown[] = []
  const compileLeaf = compiler(names, constants)
  const cases = leaves.map(({ leaf }, i) => `WHEN ${i} THEN ${compileLeaf(leaf, 's.user_id')}`)
  const seen = leaves.map(({ leaf, among }) => {
    const attribute = 'attribute' in leaf ? leaf.attribute : null
    return { among, attribute, shared: attribute === null ? undefined : sharedBy(names, attribute) }
  })
  const definitions = [...new Set(leaves.flatMap(({ among }) => (among === null ? [] : [among])))]
  const tables = sql`
    WITH ${given(workspace, constants)},
      s AS MATERIALIZED (SELECT NULL AS among, ${user} AS user_id UNION ALL
        SELECT definition_key, member_id FROM group_peers WHERE user_id = ${user} AND definition_key IN (SELECT value FROM json_each(${JSON.stringify(definitions)}))),
      asked AS MATERIALIZED (SELECT key AS leaf, value ->> 'among' AS among, value ->> 'attribute' AS attribute,
        value -> 'shared' ->> 'definition' AS definition, value -> 'shared' ->> 'name' AS name, value -> 'shared' ->> 'function' AS function
        FROM json_each(${JSON.stringify(seen)}))`
  const [known, members, results, own, shared] = await together(db, [
    sql`SELECT 1 FROM users WHERE workspace_id = ${workspace} AND user_id = ${user}`,
    sql`SELECT definition_key AS among, member_id AS user FROM group_peers
      WHERE user_id = ${user} AND definition_key IN (SELECT value FROM json_each(${JSON.stringify(definitions)})) ORDER BY member_id`,
    sql`${tables} SELECT leaf, s.user_id AS user, CASE leaf ${sql.raw(cases.join(' '))} END AS result FROM asked CROSS JOIN s WHERE s.among IS asked.among`,
    sql`${tables} SELECT leaf, s.user_id AS user, a.value AS text, a.type FROM asked CROSS JOIN s
      CROSS JOIN user_attributes AS a ON a.workspace_id = ${workspace} AND a.user_id = s.user_id AND a.name = asked.attribute AND a.value IS NOT NULL
      WHERE s.among IS asked.among AND asked.definition IS NULL`,
    sql`${tables} SELECT leaf, s.user_id AS user, a.result AS text, a.type FROM asked CROSS JOIN s
      CROSS JOIN identity_members AS seat ON seat.definition_key = asked.definition AND seat.user_id = s.user_id
      CROSS JOIN group_attributes AS a ON a.definition_key = asked.definition AND a.value = seat.value AND a.name = asked.name
        AND a.function = asked.function AND a.result IS NOT NULL
      WHERE s.among IS asked.among`,
  ])
  if (known?.results.length === 0) throw new Failure({ reason: 'not-found', what: 'user', id: user })

  // The columns selected above.
  const told = new Map<string, Told>()
  const place = (leaf: number, user: string) => `${leaf} ${user}`
  for (const { leaf, user, result } of (results?.results ?? []) as { leaf: number; user: string; result: number }[])
    told.set(place(leaf, user), { result: result === 1, saw: null })
  for (const { leaf, user, ...kept } of [...(own?.results ?? []), ...(shared?.results ?? [])] as (Kept & {
    leaf: number
    user: string
  })[]) {
    const one = told.get(place(leaf, user))
    if (one !== undefined) one.saw = valueOf(kept)
  }
  const peers = (members?.results ?? []) as { among: number; user: string }[]
  const membersOf = (definition: string) => peers.filter(({ among }) => among === keyOf(definition)).map(({ user }) => user)
  return tell(rule, user, { told: (leaf, user) => told.get(place(leaf, user)) ?? { result: false, saw: null }, membersOf })
}

/** Puts together what the leaves came to; they are numbered in the order of `nodesOf`. */
function tell(
  rule: Rule,
  user: string,
  { told, membersOf }: { told: (leaf: number, user: string) => Told; membersOf: (definition: string) => string[] },
): Explained {
  const visit = (rule: Rule, user: string, leaf: number): { explained: Explained; next: number } => {
    if (isLeaf(rule)) {
      const { result, saw } = told(leaf, user)
      return { explained: { rule, result, ...('attribute' in rule && { saw }) }, next: leaf + 1 }
    }
    if (isOverMembers(rule)) {
      const members = membersOf(rule.group).map((user) => ({ user, explained: visit(rule.expression, user, leaf).explained }))
      const belonging = members.filter(({ explained }) => explained.result).length
      const result = {
        any_member: belonging > 0,
        all_members: members.length > 0 && belonging === members.length,
        no_member: belonging === 0,
      }
      const next = leaf + [...nodesOf(rule.expression)].filter(({ rule }) => isLeaf(rule)).length
      return { explained: { rule, result: result[rule.operator], members }, next }
    }
    const inner: Explained[] = []
    let next = leaf
    for (const one of 'expressions' in rule ? rule.expressions : rule.expression === undefined ? [] : [rule.expression]) {
      const visited = visit(one, user, next)
      inner.push(visited.explained)
      next = visited.next
    }
    const some = inner.some(({ result }) => result)
    const all = inner.every(({ result }) => result)
    const result = { and: all, or: some, not: !all, in_audience: all }[rule.operator]
    return { explained: { rule, result, inner }, next }
  }
  return visit(rule, user, 0).explained
}
