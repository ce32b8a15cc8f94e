import type { Explained } from '../../src/audiences/explain.ts'
import type { Condition, Rule, Scalar } from '../../src/audiences/rule.ts'
import type { SharedAttribute } from '../../src/db/schema.ts'
import type { Value } from '../../src/identity/attributes.ts'
import { folded, trimmed } from '../../src/text.ts'
import { inBytes } from '../support/town.ts'

export interface User {
  id: string
  /** Null where it was deleted. */
  own: Map<string, Value | null>
}

/** Members by index, and values computed for them, by function. */
export interface Group {
  members: string[]
  shared: { name: string; function: SharedAttribute['type']; result: Value | null }[]
}

export interface Definition {
  id: string
  deleted: boolean
  /** What it shares now: of older names and functions, its groups may still have results. */
  shares: SharedAttribute[]
  groups: Group[]
}

export interface Cohort {
  id: string
  deleted: boolean
  revision: number
  members: { user: string; added: number; removed: number | null }[]
}

export interface Population {
  users: User[]
  definitions: Definition[]
  cohorts: Cohort[]
}

/** Whether a rule or its audiences name an unknown definition or group. */
export function lacks(rule: Rule, population: Population): boolean {
  if ('attribute' in rule) return false
  if ('expressions' in rule) return rule.expressions.some((one) => lacks(one, population))
  if (rule.operator === 'in_group')
    return !population.cohorts.some(({ id, deleted }) => id === rule.group && !deleted)
  if ('group' in rule && definitionOf(rule.group, population) === undefined) return true
  return rule.expression !== undefined && lacks(rule.expression, population)
}

/** A rule's result for a user, node by node, in memory and without SQL. */
export function evaluate(rule: Rule, user: string, population: Population): Explained {
  const inner = (rules: Rule[]) => rules.map((one) => evaluate(one, user, population))
  switch (rule.operator) {
    case 'and': {
      const all = inner(rule.expressions)
      return { rule, result: all.every(({ result }) => result), inner: all }
    }
    case 'or': {
      const all = inner(rule.expressions)
      return { rule, result: all.some(({ result }) => result), inner: all }
    }
    case 'not': {
      const one = evaluate(rule.expression, user, population)
      return { rule, result: !one.result, inner: [one] }
    }
    case 'in_audience': {
      if (rule.expression === undefined) throw new Error('an audience was not put in')
      const one = evaluate(rule.expression, user, population)
      return { rule, result: one.result, inner: [one] }
    }
    case 'any_member':
    case 'all_members':
    case 'no_member': {
      const members = membersWith(user, rule.group, population).map((member) => ({
        user: member,
        explained: evaluate(rule.expression, member, population),
      }))
      const yes = members.filter(({ explained }) => explained.result).length
      if (rule.operator === 'any_member') return { rule, result: yes > 0, members }
      if (rule.operator === 'no_member') return { rule, result: yes === 0, members }
      return { rule, result: members.length > 0 && yes === members.length, members }
    }
    case 'in_group':
      return {
        rule,
        result: population.cohorts.some((cohort) => cohort.id === rule.group && isIn(cohort, user)),
      }
    default: {
      const { value, summed } = seen(rule.attribute, user, population)
      return { rule, result: holds(rule, value, summed), saw: value }
    }
  }
}

export const isIn = ({ deleted, revision, members }: Cohort, user: string): boolean =>
  !deleted &&
  members.some(
    (one) =>
      one.user === user &&
      one.added <= revision &&
      (one.removed === null || one.removed > revision),
  )

const groupOf = (user: string, { groups }: Definition) =>
  groups.find(({ members }) => members.includes(user))

const definitionOf = (id: string, { definitions }: Population) =>
  definitions.find((one) => one.id === id && !one.deleted)

function membersWith(user: string, id: string, population: Population): string[] {
  const definition = definitionOf(id, population)
  const group = definition && groupOf(user, definition)
  return [...(group?.members ?? [])].sort(inBytes)
}

/** A user's value under a name, and whether it is a computed number. */
function seen(
  attribute: string,
  user: string,
  population: Population,
): { value: Value | null; summed: boolean } {
  const [, id, name] = /^([^:]*):([^]*)$/.exec(attribute) ?? []
  const definition = id === undefined ? undefined : definitionOf(id, population)
  const shared = definition?.shares.find((one) => one.id === name)
  if (definition === undefined || shared === undefined)
    return {
      value: population.users.find(({ id }) => id === user)?.own.get(attribute) ?? null,
      summed: false,
    }
  const made = groupOf(user, definition)?.shared.find(
    (one) => one.name === name && one.function === shared.type,
  )
  return { value: made?.result ?? null, summed: shared.type === 'sum' || shared.type === 'average' }
}

function holds(rule: Condition, value: Value | null, summed: boolean): boolean {
  if (rule.operator === 'exists') return value !== null
  if (rule.operator === 'not_exists') return value === null
  const items = (value === null ? [] : Array.isArray(value) ? value : [value]).map((one) =>
    itemOf(one, summed),
  )
  switch (rule.operator) {
    case 'in':
      return items.some((item) => rule.value.some((wanted) => same(item, wanted)))
    case 'not_in':
      return !items.some((item) => rule.value.some((wanted) => same(item, wanted)))
    case 'equals':
      return items.some((item) => same(item, rule.value))
    case 'not_equals':
      return !items.some((item) => same(item, rule.value))
    case 'less_than':
      return items.some((item) => order(item, rule.value) < 0)
    case 'less_than_equal':
      return items.some((item) => order(item, rule.value) <= 0)
    case 'greater_than':
      return items.some((item) => order(item, rule.value) > 0)
    case 'greater_than_equal':
      return items.some((item) => order(item, rule.value) >= 0)
    case 'contains':
      return items.some((item) => item.text.includes(folded(String(rule.value))))
    case 'not_contains':
      return !items.some((item) => item.text.includes(folded(String(rule.value))))
    case 'starts_with':
      return items.some((item) => item.text.startsWith(folded(String(rule.value))))
    case 'ends_with':
      return items.some((item) => item.text.endsWith(folded(String(rule.value))))
    case 'matches':
      return items.some((item) => likeness(item.text, folded(String(rule.value))))
  }
}

/** All that a value can be compared as. */
interface Item {
  text: string
  number: number | bigint | undefined
  truth: string | undefined
  moment: number | undefined
}

function itemOf(value: string | number | bigint | boolean, summed: boolean): Item {
  const text = folded(summed && typeof value === 'number' ? fifteenDigits(value) : String(value))
  const truth = trimmed(text)
  return {
    text,
    number: summed && typeof value === 'number' ? value : numberOf(String(value)),
    truth: truth === 'true' || truth === 'false' ? truth : undefined,
    moment: momentOf(String(value)),
  }
}

/** The type of what is wanted decides how it is compared. */
function same(item: Item, wanted: Scalar): boolean {
  if (typeof wanted === 'string' && item.text === folded(wanted)) return true
  return order(item, wanted) === 0
}

/** Below zero, zero or above; not a number where the two cannot be compared. */
function order(item: Item, wanted: Scalar): number {
  if (typeof wanted === 'boolean')
    return item.truth === undefined ? NaN : inBytes(item.truth, String(wanted))
  if (typeof wanted !== 'string')
    return item.number === undefined ? NaN : compared(item.number, written(wanted))
  const moment = momentOf(wanted)
  if (moment === undefined) return inBytes(item.text, folded(wanted))
  return item.moment === undefined ? NaN : item.moment - moment
}

const large = (number: number | bigint) => number >= 2n ** 63n || number <= -(2n ** 63n)

/** A number with the digits of its JSON. */
function written(number: number | bigint): number | bigint {
  if (typeof number === 'bigint' || !large(number)) return number
  const [, sign = '', whole = '', fraction = '', power = ''] =
    /^(-?)(\d)\.?(\d*)e\+(\d+)$/.exec(number.toExponential()) ?? []
  return BigInt(sign + whole + fraction.padEnd(Number(power), '0'))
}

/** A large number with a fraction is only as exact as a double. */
function compared(a: number | bigint, b: number | bigint): number {
  const wanted = typeof a === 'number' && typeof b === 'bigint' && large(b) ? Number(b) : b
  return a < wanted ? -1 : a > wanted ? 1 : 0
}

/** What JavaScript reads as a number beyond decimal notation (0x10, Infinity, nothing) is none. */
export function numberOf(value: string): number | bigint | undefined {
  const text = trimmed(value)
  const number = /^[-+.0-9eE]+$/.test(text) ? Number(text) : NaN
  if (!Number.isFinite(number)) return undefined
  return /^[-+]?\d+$/.test(text) ? BigInt(text.replace('+', '')) : number
}

/** By JavaScript's own reading of dates, which is laxer. */
export function momentOf(value: string): number | undefined {
  const [all, date = '', time = '00:00', seconds = ':00', fraction = '', zone = ''] =
    /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?:(:\d\d)([.,]\d+)?)?(Z|z|[+-]\d\d(?::?\d\d)?)?)?$/.exec(
      trimmed(value),
    ) ?? []
  const [, sign = '+', hours = '00', minutes = '00'] = /^(.)(\d\d):?(\d\d)?$/.exec(zone) ?? []
  if (all === undefined || time >= '24' || hours > '14') return undefined
  const day = new Date(`${date}T00:00Z`)
  if (Number.isNaN(day.getTime()) || !day.toISOString().startsWith(date)) return undefined
  const at = Date.parse(
    `${date}T${time}${seconds}${fraction.replace(',', '.')}${sign}${hours}:${minutes}`,
  )
  return Number.isNaN(at) || at >= Date.UTC(10_000, 0) ? undefined : at
}

/** As C's %.15g. */
export function fifteenDigits(number: number): string {
  const [digits = '', exponent = ''] = number.toExponential(14).split('e')
  const power = Number(exponent)
  if (power >= -4 && power < 15) return String(Number(number.toPrecision(15)))
  return `${digits.replace(/\.?0+$/, '')}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}

/** All ways at once; `at` holds the places reached so far. */
export function likeness(text: string, pattern: string): boolean {
  const characters = [...text]
  let at = [true, ...characters.map(() => false)]
  for (const sign of pattern) {
    let reached = false
    at = at.map((here, i) => {
      if (sign === '*') return (reached ||= here)
      return i > 0 && at[i - 1] === true && (sign === '?' || sign === characters[i - 1])
    })
  }
  return at.at(-1) === true
}
