import { valueMax } from '../identity/attributes.ts'
import { lengthOf } from '../text.ts'
import { readsOf, type Comparison } from './compare.ts'
import { isWild, partsOf, readPattern, type Piece } from './pattern.ts'
import { isLeaf, nodesOf, ruleRefused, type Condition, type Rule } from './rule.ts'

/** What limits a rule. */
export interface Budget {
  ruleCostMax: number
  groupUsersMax: number
}

/** Microseconds of the database, about, as all numbers of this file. */
export interface Cost {
  /** Of a statement, whomever it is about. */
  statement: number
  /** Of a user, where each value that is looked at has 4,096 characters. */
  user: number
}

/** A condition's cost; `look`: at one value. */
export interface LeafCost extends Cost {
  look: number
  /** Of the condition; in a used audience, of the node that uses it. */
  pointer: string
}

/** What the conditions of an expanded rule cost, in their order. */
export const costsOf = (rule: Rule, { groupUsersMax }: Pick<Budget, 'groupUsersMax'>): LeafCost[] =>
  [...nodesOf(rule)].flatMap(({ rule: leaf, pointer, membersOf }) => {
    if (!isLeaf(leaf)) return []
    const look = 'attribute' in leaf ? lookOf(leaf) : seat
    const user = membersOf === undefined ? look : seat + look * groupUsersMax
    const statement = leafStatement + ('value' in leaf ? ofValues(leaf) : 0)
    return [{ statement, user, look, pointer }]
  })

export const costOf = (rule: Rule, budget: Pick<Budget, 'groupUsersMax'>): Cost =>
  sumOf(costsOf(rule, budget))

export const sumOf = (costs: Cost[]): Cost =>
  costs.reduce(
    (sum, { statement, user }) => ({
      statement: sum.statement + statement,
      user: sum.user + user,
    }),
    { statement: 0, user: 0 },
  )

/** A rule's cost as it is shown: that of a statement about one user. */
export const costShown = ({ statement, user }: Cost): number => Math.ceil(statement + user)

/** Of a condition: a list may have 64 times as much text, and takes 100 ms of a statement then. */
const lookMax = 1500

/** Throws `rule-refused` for a rule beyond the budget, with the pointer to its dearest condition. */
export function checkCost(rule: Rule, budget: Budget): void {
  const { ruleCostMax: max } = budget
  const costs = costsOf(rule, budget)
  const cost = costShown(costOf(rule, budget))
  if (cost > max) {
    const { pointer } = dearest(costs, costShown)
    const problem = `is the dearest part of a rule that costs ${cost}, beyond ${max}`
    throw ruleRefused(pointer, problem, { is: cost, max })
  }
  const { look, pointer } = dearest(costs, ({ look }) => look)
  if (look > lookMax) {
    const problem = `costs ${Math.ceil(look)} for a value, beyond ${lookMax}`
    throw ruleRefused(pointer, problem, { is: Math.ceil(look), max: lookMax })
  }
}

const dearest = (costs: LeafCost[], by: (cost: LeafCost) => number): LeafCost =>
  costs.reduce((most, cost) => (by(cost) > by(most) ? cost : most))

// Measured on one core, beside other work; a machine of its own takes half as long.
const leafStatement = 200
const moment = 300
const digits = 450
const item = 2
const row = 16
const reading = 30
const seat = 15

/** SQLite compiles the reading of moments and of digits anew for each condition. */
function ofValues(comparison: Comparison): number {
  const reads = readsOf(comparison)
  const items = Array.isArray(comparison.value) ? comparison.value.length : 0
  return item * items + (reads.moment ? moment : 0) + (reads.digits ? digits : 0)
}

/** Of a condition on a value of 4,096 characters. */
function lookOf(condition: Condition): number {
  switch (condition.operator) {
    case 'exists':
    case 'not_exists':
      return seat
    case 'contains':
    case 'not_contains':
      return reading + lengthOf(String(condition.value)) / 20
    case 'matches':
      return reading + ofPattern(String(condition.value))
    default:
      return reading
  }
}

/** GLOB compares each place with a piece, to its end at most. */
const perCharacter = 8

function ofPattern(pattern: string): number {
  const { glob, head, pieces, tail = '' } = readPattern(pattern)
  const longest = pieces.reduce((most, { length }) => Math.max(most, length), 1)
  if (glob !== undefined) return perCharacter * longest
  const ends = partsOf(head).length + partsOf(tail).length
  const wild = pieces.some(isWild)
  const found = pieces.reduce((sum, piece) => sum + (wild ? ofParts(piece) : atOnce(piece)), 0)
  return ends * 2 + found + (wild ? 1000 : 0)
}

const atOnce = ({ length }: Piece) => row + length / 20

/** Parts of which each is found in other places are tried in all of them. */
function ofParts({ core, length }: Piece): number {
  const parts = partsOf(core).length
  return parts <= 1 ? 3 * row : Math.max(1, valueMax - length) * (row + 2 * parts)
}
