import { expect } from 'vitest'
import type { SharedAttribute } from '../../src/db/schema.ts'
import type { Value } from '../../src/identity/attributes.ts'
import { groupValue } from '../../src/identity/matching.ts'
import { isNoValue, noValues } from '../../src/identity/no-value.ts'
import { momentOf } from '../audiences/evaluate.ts'
import { folded, trimmed } from '../../src/text.ts'

/** Each user's attributes with their times; null where deleted. */
export type Town = Map<string, Map<string, { value: Value | null; at: number }>>

/** Groups in the order of their values. */
export type Groups = Map<string, { members: string[]; shared: Record<string, Value> }>

const utf8 = new TextEncoder()

/** SQLite's order, of UTF-8 bytes; JavaScript's, of UTF-16 units, differs past U+FFFF. */
export function inBytes(a: string, b: string): number {
  const [left, right] = [utf8.encode(a), utf8.encode(b)]
  const at = left.findIndex((byte, i) => byte !== right[i])
  return at === -1 ? left.length - right.length : (left[at] ?? 0) - (right[at] ?? -1)
}

/** Records a user's attributes of a moment; older values do not replace newer ones. */
export function record(
  town: Town,
  user: string,
  at: number,
  attributes: Record<string, Value | null>,
): void {
  const known = town.get(user) ?? new Map<string, { value: Value | null; at: number }>()
  town.set(user, known)
  for (const [name, value] of Object.entries(attributes)) {
    const minusZero = value === 0
    if (at >= (known.get(name)?.at ?? -Infinity))
      known.set(name, { value: minusZero ? 0 : value, at })
  }
}

/** What decides who is in which group. */
export interface Rule {
  source: string
  matching?: 'normalized' | null
  ignoreValues?: string[] | null
}

/** The text by which a user is grouped, if any; `none` marks a value that counts as none. */
function groupOf(
  value: Value | null | undefined,
  rule: Rule,
): { none: boolean; text: string } | undefined {
  if (value === null || value === undefined || Array.isArray(value)) return undefined
  const { matching = null, ignoreValues = null } = rule
  const text = groupValue(String(value), matching)
  return { none: isNoValue(text, noValues(ignoreValues, matching !== null)), text }
}

/**
 * A Monday in memory: members keep their seats, and free seats go by user id. Returns seats, counts
 * and the five most crowded values.
 */
export function seatAll(
  town: Town,
  before: ReadonlyMap<string, string>,
  rule: Rule,
  seatsMax: number,
) {
  const wanting = new Map<string, string[]>()
  let withoutValue = 0
  for (const [user, known] of town) {
    const group = groupOf(known.get(rule.source)?.value, rule)
    if (group?.none === true) withoutValue++
    if (group?.none === false) wanting.set(group.text, [...(wanting.get(group.text) ?? []), user])
  }
  const seats = new Map<string, string>()
  let overLimit = 0
  for (const [value, users] of wanting) {
    const [sitting, standing] = [
      users.filter((user) => before.get(user) === value),
      users.filter((user) => before.get(user) !== value),
    ]
    const queue = [...sitting.sort(inBytes), ...standing.sort(inBytes)]
    for (const user of queue.slice(0, seatsMax)) seats.set(user, value)
    overLimit += Math.max(0, queue.length - seatsMax)
  }
  const largest = [...wanting]
    .map(([value, users]) => ({ value, users: users.length }))
    .filter(({ users }) => users > seatsMax)
    .sort((a, b) => b.users - a.users || inBytes(a.value, b.value))
    .slice(0, 5)
  return { seats, overLimit, withoutValue, largest }
}

/** The groups of these seats, and what each shares. */
export function groupsOf(
  town: Town,
  seats: ReadonlyMap<string, string>,
  attributes: SharedAttribute[],
): Groups {
  const values = [...new Set(seats.values())].sort(inBytes)
  return new Map(
    values.map((value) => {
      const members = [...seats].filter(([, at]) => at === value).map(([user]) => user)
      return [value, { members: members.sort(inBytes), shared: shareOf(town, members, attributes) }]
    }),
  )
}

function shareOf(
  town: Town,
  members: string[],
  attributes: SharedAttribute[],
): Record<string, Value> {
  const shared: Record<string, Value> = {}
  for (const { id, type } of attributes) {
    const known = members.flatMap((user) => {
      const { value, at } = town.get(user)?.get(id) ?? { value: null, at: 0 }
      return value === null ? [] : [{ user, value, at }]
    })
    const result = made(type, known)
    if (result !== undefined) shared[id] = result
  }
  return shared
}

type Known = { user: string; value: Value; at: number }

/** The result of a function, by its words. */
function made(type: SharedAttribute['type'], known: Known[]): Value | undefined {
  const newest = known.toSorted((a, b) => b.at - a.at || inBytes(a.user, b.user))
  const oldest = known.toSorted((a, b) => a.at - b.at || inBytes(a.user, b.user))
  const truths = known.map(
    ({ value }) => !Array.isArray(value) && trimmed(String(value)).toLowerCase() === 'true',
  )
  const numbers = known.map(({ value }) => numberIn(value)).filter((number) => number !== undefined)
  const sum = numbers.reduce((total, number) => total + number, 0)
  // What is beyond all numbers is nothing that JSON could say.
  const isSum = numbers.length > 0 && Number.isFinite(sum)
  const items = itemsIn(known)
  switch (type) {
    case 'latest':
      return newest[0]?.value
    case 'earliest':
      return oldest[0]?.value
    case 'boolean_or':
      return truths.some((truth) => truth)
    case 'boolean_and':
      return truths.length > 0 && truths.every((truth) => truth)
    case 'sum':
      return isSum ? sum : undefined
    case 'average':
      return isSum ? sum / numbers.length : undefined
    case 'min':
      return firstOf(newest, (a, b) => a < b)
    case 'max':
      return firstOf(newest, (a, b) => a > b)
    case 'count':
      return known.length
    case 'count_distinct':
      return items.size
    case 'most_frequent':
      return mostFrequent(items)
    case 'unique_list': {
      const short = [...items.keys()].filter((item) => [...item].length <= 512)
      return short.length === 0 ? undefined : short.sort(inBytes).slice(0, 100)
    }
  }
}

/** Who has each value, of lists each item; a text and a number of the same digits are one. */
function itemsIn(known: Known[]): Map<string, Known[]> {
  const items = new Map<string, Known[]>()
  for (const { value, ...rest } of known)
    for (const one of Array.isArray(value) ? new Set(value) : [value]) {
      const text = Array.isArray(value) ? String(one) : trimmed(String(one)).normalize('NFC')
      items.set(text, [...(items.get(text) ?? []), { ...rest, value: one }])
    }
  return items
}

function mostFrequent(items: Map<string, Known[]>): Value | undefined {
  const newest = (all: Known[]) => Math.max(...all.map(({ at }) => at))
  const [first] = [...items].sort(
    ([a, ofA], [b, ofB]) => ofB.length - ofA.length || newest(ofB) - newest(ofA) || inBytes(a, b),
  )
  if (first === undefined) return undefined
  const [text, all] = first
  return all.map(({ value }) => value).find((value) => typeof value !== 'string') ?? text
}

/** The first of all numbers, else of all moments, else of all texts; of equals by the text. */
function firstOf(
  newest: Known[],
  isBefore: <One extends number | bigint | string>(a: One, b: One) => boolean,
): Value | undefined {
  // Hexadecimal digits of UTF-8 are in the order of its bytes.
  const bytes = (value: Value) =>
    [...utf8.encode(folded(String(value)))]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join('')
  const texts = newest
    .filter(({ value }) => typeof value !== 'boolean' && !Array.isArray(value))
    .map(({ value }) => ({ value, text: bytes(value) }))
  const first = (read: (text: string) => number | bigint | undefined) =>
    texts
      .flatMap(({ value, text }) => {
        const key = read(trimmed(String(value)))
        return key === undefined ? [] : [{ value, text, key }]
      })
      .reduce<{ value: Value; text: string; key: number | bigint } | undefined>(
        (least, one) =>
          least === undefined ||
          isBefore(one.key, least.key) ||
          (!isBefore(least.key, one.key) && isBefore(one.text, least.text))
            ? one
            : least,
        undefined,
      )?.value
  return first(exactNumberIn) ?? first(momentOf) ?? first(() => 0)
}

/** Integers of 64 bits by all of their digits. */
function exactNumberIn(text: string): number | bigint | undefined {
  const number = numberIn(text)
  if (number === undefined || !/^[+-]?\d+$/.test(text)) return number
  const whole = BigInt(text.replace('+', ''))
  return whole >= -(2n ** 63n) && whole < 2n ** 63n ? whole : number
}

/** A number, or a decimal text in full, blanks around it aside. */
function numberIn(value: Value): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return undefined
  const decimal = /^(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/
  const text = trimmed(value)
  const number = decimal.test(text.replace(/^[+-]/, '')) ? Number(text) : NaN
  return Number.isFinite(number) ? number : undefined
}

/** Equal, except for the last digits of numbers, which depend on the order of adding. */
export function expectSame(actual: Groups, expected: Groups): void {
  const rounded = [...actual].map(([value, { members, shared }]) => {
    const wanted = expected.get(value)?.shared ?? {}
    const near = Object.entries(shared).map(([name, result]): [string, Value] => [
      name,
      close(result, wanted[name]) ?? result,
    ])
    return [value, { members, shared: Object.fromEntries(near) }]
  })
  expect(rounded).toEqual([...expected])
}

const close = (a: Value, b: Value | undefined) =>
  typeof a === 'number' && typeof b === 'number' && Math.abs(a - b) <= 1e-9 * Math.abs(b)
    ? b
    : undefined
