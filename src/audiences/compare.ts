import { folded, lengthOf } from '../text.ts'
import { momentOf } from '../moment.ts'
import { compilePattern, type Constants } from './pattern.ts'
import type { Condition, Scalar } from './rule.ts'

export type Comparison = Extract<Condition, { value: unknown }>

/**
 * Compiles comparisons with a row of a view of readings: `t` is the folded text, `b` that trimmed,
 * `n` a number, `d` an integer's digits, `m` milliseconds since 1970.
 */
export const comparisonCompiler =
  (constants: Constants) =>
  (rule: Comparison): string => {
    const { constant } = constants
    switch (rule.operator) {
      case 'equals':
      case 'not_equals':
        return oneOf([rule.value], constants)
      case 'in':
      case 'not_in':
        return oneOf(rule.value, constants)
      case 'less_than':
        return ordered('<', rule.value, constants)
      case 'less_than_equal':
        return ordered('<=', rule.value, constants)
      case 'greater_than':
        return ordered('>', rule.value, constants)
      case 'greater_than_equal':
        return ordered('>=', rule.value, constants)
      case 'contains':
      case 'not_contains':
        return anyText(rule.value, (text) => `instr(t,${constant(text)})>0`)
      case 'starts_with':
        return anyText(rule.value, (text) => `substr(t,1,${lengthOf(text)})=${constant(text)}`)
      case 'ends_with':
        return anyText(
          rule.value,
          (text) => `substr(t,length(t)+1-${lengthOf(text)})=${constant(text)}`,
        )
      case 'matches':
        return anyText(rule.value, (text) => compilePattern(text, constants))
    }
  }

/** Whether a comparison reads the column `m`, and `d`. */
export function readsOf({ operator, value }: Comparison): { moment: boolean; digits: boolean } {
  switch (operator) {
    case 'contains':
    case 'not_contains':
    case 'starts_with':
    case 'ends_with':
    case 'matches':
      return { moment: false, digits: false }
  }
  const values = Array.isArray(value) ? value : [value]
  return {
    moment: values.some((one) => typeof one === 'string' && momentOf(one) !== undefined),
    digits: values.some((one) => isNumber(one) && exactly(one).digits !== undefined),
  }
}

const anyText = (value: Scalar, test: (text: string) => string): string =>
  joined(
    textsOf(value).map((text) => `(${test(text)})`),
    ' OR ',
  )

function oneOf(values: Scalar[], { listed }: Constants): string {
  const texts = values.filter((value) => typeof value === 'string')
  const booleans = values.filter((value) => typeof value === 'boolean')
  const numbers = values.filter(isNumber).map(exactly)
  const large = numbers.filter(({ digits }) => digits !== undefined)
  const small = numbers.filter(({ digits }) => digits === undefined)
  const candidates: [column: string, values: unknown[]][] = [
    ['t', texts.flatMap(textsOf)],
    ['m', texts.map(momentOf).filter((moment) => moment !== undefined)],
    ['n', small.map(({ number }) => number)],
    ['b', booleans.map(String)],
    ['d', large.map(({ digits }) => digits)],
    // Without digits, a row's number is only known as a double.
    ['iif(d IS NULL,n,NULL)', large.map(({ number }) => number)],
  ]
  return joined(
    candidates
      .filter(([, values]) => values.length > 0)
      .map(([column, values]) => `${column} IN (SELECT value FROM ${listed(values)})`),
    ' OR ',
  )
}

function ordered(sign: Sign, value: Scalar, constants: Constants): string {
  const { constant } = constants
  if (typeof value === 'boolean') return `b IN ('false','true') AND b${sign}'${value}'`
  if (isNumber(value)) return orderedNumber(sign, exactly(value), constants)
  const moment = momentOf(value)
  return moment === undefined ? `t${sign}${constant(folded(value))}` : `m${sign}${constant(moment)}`
}

function orderedNumber(
  sign: Sign,
  { number, digits }: ExactNumber,
  { constant }: Constants,
): string {
  const byNumber = `n${sign}${constant(number)}`
  if (digits === undefined) return byNumber
  // Equal doubles have the same sign, which decides how digits compare.
  const signOfDigits = number < 0 ? opposite[sign] : sign
  const byDigits = `(length(d),d)${signOfDigits}(${digits.length},${constant(digits)})`
  return `iif(n=${constant(number)} AND d IS NOT NULL,${byDigits},${byNumber})`
}

/** Joins conditions as a balanced tree: SQLite allows expressions 100 levels deep. */
export function joined(conditions: string[], by: ' AND ' | ' OR '): string {
  const half = Math.ceil(conditions.length / 2)
  return conditions.length === 1
    ? (conditions[0] ?? '')
    : `(${joined(conditions.slice(0, half), by)}${by}${joined(conditions.slice(half), by)})`
}

type Sign = '<' | '<=' | '>' | '>='
const opposite = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const satisfies Record<
  Sign,
  Sign
>

/** The folded text, and its ASCII folding, which values stored by earlier versions have. */
const textsOf = (value: Scalar): string[] => {
  const text = String(value)
  return [...new Set([folded(text), text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())])]
}

const isNumber = (value: Scalar) => typeof value === 'number' || typeof value === 'bigint'

/** `digits`: of an integer beyond 64 bits, which SQLite keeps as a double. */
interface ExactNumber {
  number: number | bigint
  digits?: string
}

const int64End = 2n ** 63n

function exactly(number: number | bigint): ExactNumber {
  if (typeof number === 'number' && Math.abs(number) < Number(int64End)) return { number }
  const integer = typeof number === 'bigint' ? number : asWritten(number)
  // -2^63 needs its digits too: as a double it equals its neighbour.
  if (-int64End < integer && integer < int64End) return { number: integer }
  return { number, digits: String(integer) }
}

/** A large double as an integer of the digits that JSON writes, filled up with zeros. */
function asWritten(number: number): bigint {
  const [digits = '', exponent = ''] = number.toExponential().split('e')
  const [whole = '', fraction = ''] = digits.split('.')
  return BigInt(whole + fraction.padEnd(Number(exponent), '0'))
}
