import type { Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { valueOf, type StoredValue, type Value } from '../identity/attributes.ts'
import type { ResolvedRule } from './compile.ts'
import { costsOf, sumOf, type LeafCost } from './cost.ts'
import { definitionKey, readOutcomes, type OutcomeRow } from './outcomes.ts'
import { Pace, usual } from './pace.ts'
import { isLeaf, isMembersRule, leafCount, type Leaf, type MembersRule, type Rule } from './rule.ts'

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
 * Whether a user belongs to an audience, and why: one round trip unless the rule is dear or lists
 * are long, which reads only the user and the user's households. Throws `not-found` for an unknown
 * user, `rule-refused`, and `out-of-time`.
 */
export async function explainUser(
  db: Db,
  workspace: number,
  resolved: ResolvedRule,
  { user, allowed = usual }: { user: string; allowed?: typeof usual },
): Promise<Explained> {
  const costs = costsOf(resolved.rule, allowed)
  const pace = new Pace(sumOf(costs), allowed.questionSeconds)
  const asked = { user, seen: true, pace, costs }
  const rows = await readOutcomes(db, workspace, resolved, asked)
  if (rows === 'unknown') throw new Failure({ reason: 'not-found', what: 'user', id: user })
  if (rows === 'out-of-time') throw new Failure({ reason: 'out-of-time', scanned: 0 })
  return explained(rows, resolved, user)
}

/** Whether a rule holds for a user; it may be dear, or lists long. Throws `out-of-time`. */
export async function holdsFor(
  db: Db,
  workspace: number,
  resolved: ResolvedRule,
  asked: { user: string; pace: Pace; costs: LeafCost[] },
): Promise<boolean> {
  const rows = await readOutcomes(db, workspace, resolved, { ...asked, seen: false })
  if (rows === 'out-of-time') throw new Failure({ reason: 'out-of-time', scanned: 0 })
  return rows !== 'unknown' && explained(rows, resolved, asked.user).result
}

const explained = (rows: OutcomeRow[], { rule, names }: ResolvedRule, user: string): Explained =>
  combine(rule, user, {
    outcomes: new Map(rows.map((row) => [keyOf(row.leaf, row.user), outcomeOf(row)])),
    membersOf: (definition) => membersIn(rows, definitionKey(definition, names)),
  })

const keyOf = (leaf: number, user: string) => `${leaf} ${user}`

function outcomeOf({ result, saw }: OutcomeRow): Outcome {
  if (saw === null) return { result: result === 1, saw }
  const [text, type] = JSON.parse(saw) as [StoredValue['text'], StoredValue['type']] // as `readOutcomes` has it
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
