import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { stringifyJson } from '../json.ts'
import { valueOf, type StoredValue, type Value } from '../identity/attributes.ts'
import { compiler, sharedBy, type Names, type ResolvedRule } from './compile.ts'
import { asIndex, firstMissing, referencesOf, refuseMissing } from './references.ts'
import { parameters } from './query.ts'
import {
  isLeaf,
  isMembersRule,
  leafCount,
  nodesOf,
  type Leaf,
  type MembersRule,
  type Rule,
} from './rule.ts'

/** A node of a rule and its result. */
export interface Explained {
  rule: Rule
  result: boolean
  /** Of a condition: the user's value; null if none. */
  saw?: Value | null
  /** Of `and`, `or`, `not` and `in_audience`. */
  inner?: Explained[]
  /** Of a condition on members: each of them, in the order of ids. */
  members?: { user: string; explained: Explained }[]
}

/** The result of a leaf for one user. */
interface Outcome {
  result: boolean
  saw: Value | null
}

/**
 * Whether a user belongs to an audience, and why: one round trip, which reads only the user and the
 * user's households. Throws `not-found` for an unknown user, and `rule-refused`.
 */
export async function explainUser(
  db: Db,
  workspace: number,
  { rule, names }: ResolvedRule,
  user: string,
): Promise<Explained> {
  const references = referencesOf(rule, names)
  const [known, outcomes] = await together(db, [
    sql<{ missing: number | null }>`
    SELECT ${firstMissing(workspace, references, asIndex)} AS missing FROM users
    WHERE workspace_id = ${workspace} AND user_id = ${user}`,
    selectOutcomes(workspace, { rule, names }, user),
  ])
  const [found] = known.rows
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'user', id: user })
  refuseMissing(references[found.missing ?? -1])
  const { rows } = outcomes
  return combine(rule, user, {
    outcomes: new Map(rows.map((row) => [keyOf(row.leaf, row.user), outcomeOf(row)])),
    membersOf: (definition) => membersIn(rows, definitionKey(definition, names)),
  })
}

/** A leaf, and the attribute that it is on: shared by `definition`, or the user's own. */
interface LeafQuery {
  leaf: Leaf
  /** The definition whose members it is a condition on; null: the user alone. */
  membersOf: number | null
  definition?: number
  name: string | null
  function?: string
}

/** The leaves of a rule, in the order of `nodesOf`. */
const leafQueries = (rule: Rule, names: Names): LeafQuery[] =>
  [...nodesOf(rule)].flatMap(({ rule, membersOf }) => {
    if (!isLeaf(rule)) return []
    const attribute = 'attribute' in rule ? rule.attribute : null
    const shared = attribute === null ? undefined : sharedBy(names, attribute)
    const key = membersOf === undefined ? null : definitionKey(membersOf, names)
    return [{ leaf: rule, membersOf: key, ...(shared ?? { name: attribute }) }]
  })

const definitionKey = (definition: string, { definitions }: Names): number =>
  definitions.get(definition)?.key ?? -1

interface OutcomeRow {
  leaf: number
  membersOf: number | null
  user: string
  result: number
  saw: string | null
}

/** A query of the outcome of each leaf (by its index) for the user, or for each member. */
function selectOutcomes(workspace: number, { rule, names }: ResolvedRule, user: string) {
  const leaves = leafQueries(rule, names)
  const constants: unknown[] = []
  const compileLeaf = compiler(names, constants)
  const cases = leaves.map(({ leaf }, i) => `WHEN ${i} THEN ${compileLeaf(leaf, 's.user_id')}`)
  return sql<OutcomeRow>`
    WITH ${parameters(workspace, constants)}
    SELECT s.leaf, s.members_of AS membersOf, s.user_id AS user,
      CASE s.leaf ${sql.raw(cases.join(' '))} END AS result,
      CASE WHEN s.value ->> 'definition' IS NULL
        THEN (SELECT json_array(coalesce(a.sent, a.value), a.type) FROM user_attributes AS a
          WHERE a.workspace_id = ${workspace} AND a.user_id = s.user_id
            AND a.name = s.value ->> 'name' AND a.value IS NOT NULL)
        ELSE (SELECT json_array(CAST(a.result AS TEXT), a.type)
          FROM identity_members AS m CROSS JOIN group_attributes AS a
            ON a.definition_key = m.definition_key AND a.value = m.value
            AND a.name = s.value ->> 'name'
          WHERE m.definition_key = s.value ->> 'definition' AND m.user_id = s.user_id
            AND a.function = s.value ->> 'function' AND a.result IS NOT NULL)
      END AS saw
    FROM (SELECT leaf.key AS leaf, leaf.value, leaf.value ->> 'membersOf' AS members_of,
        iif(leaf.value ->> 'membersOf' IS NULL, ${user}, m.user_id) AS user_id
      FROM json_each(${stringifyJson(leaves)}) AS leaf
        LEFT JOIN identity_members AS self
          ON self.definition_key = leaf.value ->> 'membersOf' AND self.user_id = ${user}
        LEFT JOIN identity_members AS m
          ON m.definition_key = self.definition_key AND m.value = self.value) AS s
    WHERE s.user_id IS NOT NULL`
}

const keyOf = (leaf: number, user: string) => `${leaf} ${user}`

function outcomeOf({ result, saw }: OutcomeRow): Outcome {
  if (saw === null) return { result: result === 1, saw }
  const [text, type] = JSON.parse(saw) as [StoredValue['text'], StoredValue['type']] // as `selectOutcomes` has it
  return { result: result === 1, saw: valueOf({ text, type }) }
}

/** In SQLite's order of ids; sorted here, as D1 bills each row that it sorts. */
const membersIn = (rows: OutcomeRow[], definition: number): string[] =>
  [...new Set(rows.filter((row) => row.membersOf === definition).map(({ user }) => user))].sort(
    (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)),
  )

interface Found {
  /** By `keyOf`; leaves are numbered in the order of `nodesOf`. */
  outcomes: ReadonlyMap<string, Outcome>
  membersOf: (definition: string) => string[]
}

/** Combines the outcomes of a rule's leaves. */
function combine(rule: Rule, user: string, { outcomes, membersOf }: Found): Explained {
  const visit = (rule: Rule, user: string, firstLeaf: number): Explained => {
    if (isLeaf(rule)) {
      const { result, saw } = outcomes.get(keyOf(firstLeaf, user)) ?? { result: false, saw: null }
      return { rule, result, ...('attribute' in rule && { saw }) }
    }
    if (isMembersRule(rule)) {
      const members = membersOf(rule.group).map((user) => ({
        user,
        explained: visit(rule.expression, user, firstLeaf),
      }))
      return { rule, result: holdsOfMembers(rule, members), members }
    }
    let leaf = firstLeaf
    const inner = childrenOf(rule).map((child) => {
      const explained = visit(child, user, leaf)
      leaf += leafCount(child)
      return explained
    })
    const some = inner.some(({ result }) => result)
    const all = inner.every(({ result }) => result)
    const result = { and: all, or: some, not: !all, in_audience: all }[rule.operator]
    return { rule, result, inner }
  }
  return visit(rule, user, 0)
}

type InnerRule = Exclude<Rule, Leaf | MembersRule>

function childrenOf(rule: InnerRule): Rule[] {
  if ('expressions' in rule) return rule.expressions
  return rule.expression === undefined ? [] : [rule.expression]
}

function holdsOfMembers(
  { operator }: MembersRule,
  members: { explained: Pick<Explained, 'result'> }[],
): boolean {
  const matching = members.filter(({ explained }) => explained.result).length
  return {
    any_member: matching > 0,
    all_members: members.length > 0 && matching === members.length,
    no_member: matching === 0,
  }[operator]
}
