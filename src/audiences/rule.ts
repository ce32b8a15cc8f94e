import { Failure } from '../failure.ts'
import { canonical, isTooLong } from '../text.ts'

export type Scalar = string | number | bigint | boolean

export const comparisons = [
  'equals',
  'not_equals',
  'less_than',
  'less_than_equal',
  'greater_than',
  'greater_than_equal',
  'contains',
  'not_contains',
  'starts_with',
  'ends_with',
  'matches',
] as const

/** One condition on what is known of a user. `shared` is ours: whether a definition shared the attribute when the rule was given. */
export type Condition = (
  | { operator: (typeof comparisons)[number]; attribute: string; value: Scalar }
  | { operator: 'in' | 'not_in'; attribute: string; value: Scalar[] }
  | { operator: 'exists' | 'not_exists'; attribute: string }
) & { shared?: boolean }

/** A condition on those with whom a user is in a group of a definition. */
export type OverMembers = {
  operator: 'any_member' | 'all_members' | 'no_member'
  group: string
  expression: Rule
}

/** Who belongs to an audience. `expression` of another audience is its own rule, once that was looked up (see `expand`). */
export type Rule =
  | { operator: 'and' | 'or'; expressions: Rule[] }
  | { operator: 'not'; expression: Rule }
  | Condition
  | OverMembers
  | { operator: 'in_group'; group: string }
  | { operator: 'in_audience'; audience: string; expression?: Rule }

export const operators = [
  'and',
  'or',
  'not',
  ...comparisons,
  'in',
  'not_in',
  'exists',
  'not_exists',
  'any_member',
  'all_members',
  'no_member',
  'in_group',
  'in_audience',
] as const satisfies readonly Rule['operator'][]

type Operator = (typeof operators)[number]

/** Of a rule with the rules of the audiences that it uses: levels, and conditions on one attribute, group or audience. */
export const depthMax = 10
export const conditionsMax = 100

const nameMax = 256
const valueMax = 4096
const listMax = 1000

/** A place in a rule as a JSON pointer (RFC 6901). */
export const below = (at: string, key: string | number) =>
  `${at}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`

export const refused = (pointer: string, problem: string) =>
  new Failure({ reason: 'rule-refused', pointer, problem })

/** The rule that a client gives, whatever it gives, at `at` of its request. Throws `rule-refused`, which points to the node. */
export function readRule(given: unknown, at = '/rule', depth = 1): Rule {
  if (depth > depthMax) throw refused(at, `stands deeper than ${depthMax} levels`)
  const node = objectAt(given, at)
  const operator = operators.find((known) => known === node['operator'])
  if (operator === undefined)
    throw refused(below(at, 'operator'), `must be one of ${operators.join(', ')}`)
  const rule = readNode(operator, node, at, depth)
  const stray = Object.keys(node).find((key) => !Object.hasOwn(rule, key))
  if (stray !== undefined) throw refused(below(at, stray), `is nothing that ${operator} takes`)
  return rule
}

function readNode(
  operator: Operator,
  node: Record<string, unknown>,
  at: string,
  depth: number,
): Rule {
  const inner = () => readRule(node['expression'], below(at, 'expression'), depth + 1)
  const name = (key: string) => nameAt(node[key], below(at, key))
  const value = () => scalarAt(node['value'], below(at, 'value'))
  switch (operator) {
    case 'and':
    case 'or':
      return {
        operator,
        expressions: listAt(node['expressions'], below(at, 'expressions'), conditionsMax).map(
          (one, i) => readRule(one, below(below(at, 'expressions'), i), depth + 1),
        ),
      }
    case 'not':
      return { operator, expression: inner() }
    case 'in':
    case 'not_in': {
      const list = below(at, 'value')
      return {
        operator,
        attribute: name('attribute'),
        value: listAt(node['value'], list, listMax).map((one, i) => scalarAt(one, below(list, i))),
      }
    }
    case 'exists':
    case 'not_exists':
      return { operator, attribute: name('attribute') }
    case 'any_member':
    case 'all_members':
    case 'no_member':
      return { operator, group: canonical(name('group')), expression: inner() }
    case 'in_group':
      return { operator, group: canonical(name('group')).toLowerCase() }
    case 'in_audience':
      return { operator, audience: canonical(name('audience')) }
    default:
      return { operator, attribute: name('attribute'), value: value() }
  }
}

function objectAt(given: unknown, at: string): Record<string, unknown> {
  if (given === undefined) throw refused(at, 'is required')
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw refused(at, 'must be an object')
  return { ...given }
}

function listAt(given: unknown, at: string, most: number): unknown[] {
  if (given === undefined) throw refused(at, 'is required')
  if (!Array.isArray(given)) throw refused(at, 'must be a list')
  if (given.length === 0) throw refused(at, 'must not be empty')
  if (given.length > most) throw refused(at, `cannot have more than ${most} items`)
  return given
}

function nameAt(given: unknown, at: string): string {
  if (given === undefined) throw refused(at, 'is required')
  if (typeof given !== 'string' || given === '')
    throw refused(at, 'must be a string that is not empty')
  if (isTooLong(given, nameMax)) throw refused(at, `cannot exceed ${nameMax} characters`)
  return given.toWellFormed()
}

function scalarAt(given: unknown, at: string): Scalar {
  if (given === undefined) throw refused(at, 'is required')
  if (typeof given === 'boolean') return given
  if (typeof given === 'number' && Number.isFinite(given)) return given
  if (typeof given === 'bigint' && Number.isFinite(Number(given))) return given
  if (typeof given !== 'string') throw refused(at, 'must be a string, a finite number or a boolean')
  if (isTooLong(given, valueMax)) throw refused(at, `cannot exceed ${valueMax} characters`)
  return given.toWellFormed()
}

/** The rule with each condition as `to` makes it. */
export function withConditions(rule: Rule, to: (condition: Condition) => Condition): Rule {
  if ('attribute' in rule) return to(rule)
  if ('expressions' in rule)
    return { ...rule, expressions: rule.expressions.map((one) => withConditions(one, to)) }
  if (rule.operator === 'in_group') return rule
  const { expression } = rule
  if (expression === undefined) return rule
  return { ...rule, expression: withConditions(expression, to) }
}

/** A node, where it stands, and below which definition's members, if any. */
export interface Node {
  rule: Rule
  at: string
  depth: number
  among: string | undefined
}

/** All nodes of a rule, outer before inner, those of audiences that were looked up among them. */
export function* nodesOf(rule: Rule, at = '/rule', depth = 1, among?: string): Generator<Node> {
  yield { rule, at, depth, among }
  if ('expressions' in rule)
    for (const [i, one] of rule.expressions.entries())
      yield* nodesOf(one, below(below(at, 'expressions'), i), depth + 1, among)
  else if ('expression' in rule && rule.expression !== undefined) {
    const inside = isOverMembers(rule) ? rule.group : among
    // What another audience says is no place in this rule: its node is.
    const place = rule.operator === 'in_audience' ? at : below(at, 'expression')
    yield* nodesOf(rule.expression, place, depth + 1, inside)
  }
}

export const isOverMembers = (rule: Rule): rule is OverMembers =>
  rule.operator === 'any_member' || rule.operator === 'all_members' || rule.operator === 'no_member'

/** A node that has no other below it: what the database is asked. */
export type Leaf = Condition | { operator: 'in_group'; group: string }

export const isLeaf = (rule: Rule): rule is Leaf =>
  rule.operator === 'in_group' || 'attribute' in rule

/** The audiences that a rule itself uses, each once. */
export const usedBy = (rule: Rule): string[] => [
  ...new Set(
    [...nodesOf(rule)].flatMap(({ rule }) =>
      rule.operator === 'in_audience' ? [rule.audience] : [],
    ),
  ),
]

/** The experience groups that a rule itself names, each once. */
export const groupsIn = (rule: Rule): string[] => [
  ...new Set(
    [...nodesOf(rule)].flatMap(({ rule }) => (rule.operator === 'in_group' ? [rule.group] : [])),
  ),
]
