import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { stringifyJson } from '../json.ts'
import { valueOf, type StoredValue, type Value } from '../identity/attributes.ts'
import { compiler, sharedBy, type ResolvedRule } from './compile.ts'
import { asPlace, gone, needsOf, refuse } from './missing.ts'
import { given } from './query.ts'
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

/** A leaf, the definition whose members it is asked of, of the user alone if there is none, and what it looks at (see `sharedBy`). */
interface Placed {
  leaf: Leaf
  among: number | null
  definition?: number
  name: string | null
  function?: string
}

/** What a leaf came to for one user. */
interface Told {
  result: boolean
  saw: Value | null
}

/**
 * Whether a user belongs to an audience, and why, in one round trip that reads only what is known of the user and of those in the same
 * groups. Throws `not-found` for an unknown user, and `rule-refused` where something has gone that the rule names.
 */
export async function explainUser(
  db: Db,
  workspace: number,
  asked: ResolvedRule,
  user: string,
): Promise<Explained> {
  const { rule, names } = asked
  const needs = needsOf(rule, names)
  const keyOf = (definition: string | undefined) =>
    definition === undefined ? null : (names.definitions.get(definition)?.key ?? -1)
  const leaves = [...nodesOf(rule)].flatMap(({ rule, among }): Placed[] => {
    if (!isLeaf(rule)) return []
    const shared = 'attribute' in rule ? sharedBy(names, rule.attribute) : undefined
    return [
      {
        leaf: rule,
        among: keyOf(among),
        ...(shared ?? { name: 'attribute' in rule ? rule.attribute : null }),
      },
    ]
  })

  const constants: unknown[] = []
  const compileLeaf = compiler(names, constants)
  const cases = leaves.map(({ leaf }, i) => `WHEN ${i} THEN ${compileLeaf(leaf, 's.user_id')}`)
  const [known, results] = await together(db, [
    sql`SELECT ${gone(workspace, needs, asPlace)} AS missing FROM users WHERE workspace_id = ${workspace} AND user_id = ${user}`,
    sql`
    WITH ${given(workspace, constants)}
    SELECT s.leaf, s.among, s.user_id AS user, CASE s.leaf ${sql.raw(cases.join(' '))} END AS result,
      CASE WHEN s.value ->> 'definition' IS NULL
        THEN (SELECT json_array(coalesce(a.sent, a.value), a.type) FROM user_attributes AS a WHERE a.workspace_id = ${workspace} AND a.user_id = s.user_id
          AND a.name = s.value ->> 'name' AND a.value IS NOT NULL)
        ELSE (SELECT json_array(CAST(a.result AS TEXT), a.type) FROM identity_members AS seat CROSS JOIN group_attributes AS a
          ON a.definition_key = seat.definition_key AND a.value = seat.value AND a.name = s.value ->> 'name'
          WHERE seat.definition_key = s.value ->> 'definition' AND seat.user_id = s.user_id
            AND a.function = s.value ->> 'function' AND a.result IS NOT NULL)
      END AS saw
    FROM (SELECT leaf.key AS leaf, leaf.value, leaf.value ->> 'among' AS among, iif(leaf.value ->> 'among' IS NULL, ${user}, m.user_id) AS user_id
      FROM json_each(${stringifyJson(leaves)}) AS leaf
        LEFT JOIN identity_members AS seat ON seat.definition_key = leaf.value ->> 'among' AND seat.user_id = ${user}
        LEFT JOIN identity_members AS m ON m.definition_key = seat.definition_key AND m.value = seat.value) AS s
    WHERE s.user_id IS NOT NULL`,
  ])
  const [there] = (known?.results ?? []) as { missing: number | null }[] // the column selected above
  if (there === undefined) throw new Failure({ reason: 'not-found', what: 'user', id: user })
  refuse(needs[there.missing ?? -1])

  // The columns selected above.
  const rows = (results?.results ?? []) as {
    leaf: number
    among: number | null
    user: string
    result: number
    saw: string | null
  }[]
  const told = new Map(
    rows.map(({ leaf, user, result, saw }) => [
      `${leaf} ${user}`,
      { result: result === 1, saw: valueSeen(saw) },
    ]),
  )
  return tell(rule, user, {
    told: (leaf, user) => told.get(`${leaf} ${user}`) ?? { result: false, saw: null },
    // D1 bills a row read for each that it sorts.
    membersOf: (definition) =>
      [
        ...new Set(rows.filter(({ among }) => among === keyOf(definition)).map(({ user }) => user)),
      ].sort(byBytes),
  })
}

/** As SQLite orders ids. */
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

function valueSeen(saw: string | null): Value | null {
  if (saw === null) return null
  const [text, type] = JSON.parse(saw) as [StoredValue['text'], StoredValue['type']] // as selected above
  return valueOf({ text, type })
}

/** Puts together what the leaves came to; they are numbered in the order of `nodesOf`. */
function tell(
  rule: Rule,
  user: string,
  {
    told,
    membersOf,
  }: { told: (leaf: number, user: string) => Told; membersOf: (definition: string) => string[] },
): Explained {
  const visit = (
    rule: Rule,
    user: string,
    leaf: number,
  ): { explained: Explained; next: number } => {
    if (isLeaf(rule)) {
      const { result, saw } = told(leaf, user)
      return { explained: { rule, result, ...('attribute' in rule && { saw }) }, next: leaf + 1 }
    }
    if (isOverMembers(rule)) {
      const members = membersOf(rule.group).map((user) => ({
        user,
        explained: visit(rule.expression, user, leaf).explained,
      }))
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
    for (const one of 'expressions' in rule
      ? rule.expressions
      : rule.expression === undefined
        ? []
        : [rule.expression]) {
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
