import { itemsMax, nameMax, valueMax } from '../identity/attributes.ts'
import { Failure } from '../failure.ts'
import { numberMax } from '../json.ts'
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

/** A condition on an attribute; `shared` if a definition shared it when the rule was saved. */
export type Condition = (
  | { operator: (typeof comparisons)[number]; attribute: string; value: Scalar }
  | { operator: 'in' | 'not_in'; attribute: string; value: Scalar[] }
  | { operator: 'exists' | 'not_exists'; attribute: string }
) & { shared?: boolean }

/** A condition on the members of the user's group of a definition. */
export type MembersRule = {
  operator: 'any_member' | 'all_members' | 'no_member'
  group: string
  expression: Rule
}

/** Who belongs to an audience. `expand` puts the rule of another audience into `expression`. */
export type Rule =
  | { operator: 'and' | 'or'; expressions: Rule[] }
  | { operator: 'not'; expression: Rule }
  | Condition
  | MembersRule
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

/** Limits of an expanded rule: its levels and its leaves. */
export const depthMax = 10
export const conditionsMax = 100

/** The JSON pointer (RFC 6901) to a field or an item of what `pointer` points to. */
export const childPointer = (pointer: string, key: string | number) =>
  `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`

export const ruleRefused = (
  pointer: string,
  problem: string,
  cost?: { is: number; max: number },
): Failure => new Failure({ reason: 'rule-refused', pointer, problem, ...(cost && { cost }) })

/** Reads a rule from any JSON. Throws `rule-refused` with the JSON pointer of the bad node. */
export function readRule(given: unknown, pointer = '/rule', depth = 1): Rule {
  if (depth > depthMax) throw ruleRefused(pointer, `is deeper than ${depthMax} levels`)
  const node = readObject(given, pointer)
  const operator = operators.find((known) => known === node['operator'])
  if (operator === undefined)
    throw ruleRefused(childPointer(pointer, 'operator'), `must be one of ${operators.join(', ')}`)
  const rule = readNode(operator, node, pointer, depth)
  const unknown = Object.keys(node).find((key) => !Object.hasOwn(rule, key))
  if (unknown !== undefined)
    throw ruleRefused(childPointer(pointer, unknown), `is not a field of ${operator}`)
  return rule
}

function readNode(
  operator: Operator,
  node: Record<string, unknown>,
  pointer: string,
  depth: number,
): Rule {
  const inner = () => readRule(node['expression'], childPointer(pointer, 'expression'), depth + 1)
  const name = (key: string) => readName(node[key], childPointer(pointer, key))
  const value = () => readScalar(node['value'], childPointer(pointer, 'value'))
  const items = (key: string, max: number) =>
    readList(node[key], childPointer(pointer, key), max).map((item, i) => ({
      item,
      pointer: childPointer(childPointer(pointer, key), i),
    }))
  switch (operator) {
    case 'and':
    case 'or':
      return {
        operator,
        expressions: items('expressions', conditionsMax).map(({ item, pointer }) =>
          readRule(item, pointer, depth + 1),
        ),
      }
    case 'not':
      return { operator, expression: inner() }
    case 'in':
    case 'not_in':
      return {
        operator,
        attribute: name('attribute'),
        value: items('value', itemsMax).map(({ item, pointer }) => readScalar(item, pointer)),
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

function readObject(given: unknown, pointer: string): Record<string, unknown> {
  if (given === undefined) throw ruleRefused(pointer, 'is required')
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw ruleRefused(pointer, 'must be an object')
  return { ...given }
}

function readList(given: unknown, pointer: string, max: number): unknown[] {
  if (given === undefined) throw ruleRefused(pointer, 'is required')
  if (!Array.isArray(given)) throw ruleRefused(pointer, 'must be a list')
  if (given.length === 0) throw ruleRefused(pointer, 'must not be empty')
  if (given.length > max) throw ruleRefused(pointer, `cannot have more than ${max} items`)
  return given
}

function readName(given: unknown, pointer: string): string {
  if (given === undefined) throw ruleRefused(pointer, 'is required')
  if (typeof given !== 'string' || given === '')
    throw ruleRefused(pointer, 'must be a string that is not empty')
  if (isTooLong(given, nameMax)) throw ruleRefused(pointer, `cannot exceed ${nameMax} characters`)
  return given.toWellFormed()
}

function readScalar(given: unknown, pointer: string): Scalar {
  if (given === undefined) throw ruleRefused(pointer, 'is required')
  if (typeof given === 'boolean') return given
  if (Number.isNaN(given)) throw ruleRefused(pointer, `cannot exceed ${numberMax} characters`)
  if (typeof given === 'number' && Number.isFinite(given)) return given
  if (typeof given === 'bigint' && Number.isFinite(Number(given))) return given
  if (typeof given !== 'string')
    throw ruleRefused(pointer, 'must be a string, a finite number or a boolean')
  if (isTooLong(given, valueMax)) throw ruleRefused(pointer, `cannot exceed ${valueMax} characters`)
  return given.toWellFormed()
}

/** A copy of the rule in which `change` has replaced each condition. */
export function mapConditions(rule: Rule, change: (condition: Condition) => Condition): Rule {
  if ('attribute' in rule) return change(rule)
  if ('expressions' in rule)
    return { ...rule, expressions: rule.expressions.map((inner) => mapConditions(inner, change)) }
  if (rule.operator === 'in_group') return rule
  const { expression } = rule
  if (expression === undefined) return rule
  return { ...rule, expression: mapConditions(expression, change) }
}

/** Where a node is. */
export interface Place {
  /** A JSON pointer; inside a used audience's rule, that of the node which uses it. */
  pointer: string
  /** The audience that brought the node in, if any: the outermost one. */
  via: string | undefined
  /** The definition whose members the node is a condition on; undefined: the user alone. */
  membersOf: string | undefined
}

export interface Node extends Place {
  rule: Rule
}

const root: Place = { pointer: '/rule', via: undefined, membersOf: undefined }

/** All nodes of a rule, outer before inner, with the rules of other audiences that it holds. */
export function* nodesOf(rule: Rule, place = root): Generator<Node> {
  yield { rule, ...place }
  const membersOf = isMembersRule(rule) ? rule.group : place.membersOf
  if ('expressions' in rule) {
    for (const [i, inner] of rule.expressions.entries())
      yield* nodesOf(inner, { ...place, pointer: pointerIn(place, 'expressions', i) })
  } else if (rule.operator === 'in_audience') {
    if (rule.expression !== undefined)
      yield* nodesOf(rule.expression, { ...place, via: place.via ?? rule.audience })
  } else if ('expression' in rule)
    yield* nodesOf(rule.expression, {
      ...place,
      pointer: pointerIn(place, 'expression'),
      membersOf,
    })
}

/** The pointer to what `keys` lead to from a node. */
export const pointerIn = ({ pointer, via }: Place, ...keys: (string | number)[]): string =>
  via === undefined ? keys.reduce<string>(childPointer, pointer) : pointer

export const isMembersRule = (rule: Rule): rule is MembersRule =>
  rule.operator === 'any_member' || rule.operator === 'all_members' || rule.operator === 'no_member'

/** A node without nodes below it. */
export type Leaf = Condition | { operator: 'in_group'; group: string }

export const isLeaf = (rule: Rule): rule is Leaf =>
  rule.operator === 'in_group' || 'attribute' in rule

/** The audiences that a rule uses directly, without duplicates. */
export const audiencesIn = (rule: Rule): string[] => [
  ...new Set(
    [...nodesOf(rule)].flatMap(({ rule }) =>
      rule.operator === 'in_audience' ? [rule.audience] : [],
    ),
  ),
]

/** The experience groups that a rule names directly, without duplicates. */
export const groupsIn = (rule: Rule): string[] => [
  ...new Set(
    [...nodesOf(rule)].flatMap(({ rule }) => (rule.operator === 'in_group' ? [rule.group] : [])),
  ),
]

export const leafCount = (rule: Rule): number =>
  [...nodesOf(rule)].filter(({ rule }) => isLeaf(rule)).length
