import type { ValueType } from './attributes.ts'
import { isNumeric, isTrueText, parseNumber, readingOf, type Reading } from './readings.ts'

/** Why a member's value has no part in what a group shares. */
export type Exclusion =
  | 'missing'
  | 'not-true'
  | 'not-a-number'
  | 'beyond-numbers'
  | 'not-latest'
  | 'not-earliest'
  | 'not-comparable'
  | 'not-least'
  | 'not-greatest'
  | 'less-frequent'
  | 'empty'
  | 'beyond-list'

/** A value that a member has now. */
export interface Given {
  user: string
  stored: string
  /** Its text without regard to case. */
  caseless: string
  type: ValueType
  updatedAt: number
}

/** Why each of the values, which are in the order of users, has no part. */
export type Exclusions = (given: Given[]) => (Exclusion | undefined)[]

export const none: Exclusions = (given) => given.map(() => undefined)

export const notTrue: Exclusions = (given) =>
  given.map(({ stored }) => (isTrueText(stored) ? undefined : 'not-true'))

export const notNumbers: Exclusions = (given) =>
  given.map(({ stored }) => {
    if (parseNumber(stored) !== undefined) return undefined
    return isNumeric(stored) ? 'beyond-numbers' : 'not-a-number'
  })

type Order = (a: Given, b: Given) => number

/** All but the first one in an order; of equals that of the smaller user id. */
const allBut = (given: Given[], order: Order, beaten: Exclusion): (Exclusion | undefined)[] => {
  const [first] = given.toSorted(order)
  return given.map((one) => (one === first ? undefined : beaten))
}

const newer: Order = (a, b) => b.updatedAt - a.updatedAt

export const notLatest: Exclusions = (given) => allBut(given, newer, 'not-latest')
export const notEarliest: Exclusions = (given) =>
  allBut(given, (a, b) => newer(b, a), 'not-earliest')

const kinds = ['number', 'moment', 'text'] as const satisfies Reading['kind'][]

const inBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

const compare = (a: Reading, b: Reading): number => {
  if (a.number !== b.number) return a.number < b.number ? -1 : 1
  return inBytes(a.text, b.text)
}

/** All but the least one, or the greatest, of the first kind that a value is of. */
export const notFirst =
  (sign: 1 | -1, beaten: 'not-least' | 'not-greatest'): Exclusions =>
  (given) => {
    const read = given.flatMap((one) =>
      one.type === 'boolean' || one.type === 'list'
        ? []
        : [{ one, reading: readingOf(one.stored, one.caseless) }],
    )
    const kind = kinds.find((kind) => read.some(({ reading }) => reading.kind === kind))
    const compared = read
      .filter(({ reading }) => reading.kind === kind)
      .sort((a, b) => sign * compare(a.reading, b.reading) || newer(a.one, b.one))
      .map(({ one }) => one)
    return given.map((one) => {
      if (!compared.includes(one)) return 'not-comparable'
      return one === compared[0] ? undefined : beaten
    })
  }

/** The items of a list, or the value: each once. */
const itemsOf = ({ type, stored }: Given): Set<string> =>
  new Set(type === 'list' ? (JSON.parse(stored) as string[]) : [stored]) // only strings are written

/** Those of whose items none is among `shared`. */
const without =
  (sharedOf: (given: Given[]) => Set<string>, beaten: Exclusion): Exclusions =>
  (given) => {
    const shared = sharedOf(given)
    return given.map((one) => {
      const items = [...itemsOf(one)]
      if (items.length === 0) return 'empty'
      return items.some((item) => shared.has(item)) ? undefined : beaten
    })
  }

export const withoutItems = without(
  (given) => new Set(given.flatMap((one) => [...itemsOf(one)])),
  'empty',
)

export const notFrequent = without((given) => {
  const found = new Map<string, { item: string; count: number; at: number }>()
  for (const one of given)
    for (const item of itemsOf(one)) {
      const { count, at } = found.get(item) ?? { count: 0, at: -Infinity }
      found.set(item, { item, count: count + 1, at: Math.max(at, one.updatedAt) })
    }
  const [most] = [...found.values()].sort(
    (a, b) => b.count - a.count || b.at - a.at || inBytes(a.item, b.item),
  )
  return new Set(most && [most.item])
}, 'less-frequent')

/** Items of a list that is shared, and the characters of each, as of a list that a user has. */
export const listedMost = 100
export const listedLength = 512

export const notListed = without((given) => {
  const items = given.flatMap((one) => [...itemsOf(one)])
  const short = items.filter((item) => [...item].length <= listedLength)
  return new Set([...new Set(short)].sort(inBytes).slice(0, listedMost))
}, 'beyond-list')
