import { folded, lengthOf } from '../text.ts'
import { momentOf } from './moment.ts'
import { matching, type Constants } from './pattern.ts'
import type { Condition, Scalar } from './rule.ts'

/**
 * Comparisons as SQL, over rows of the views own_readings and shared_readings: `t` is the text in one case, `b` the same trimmed, `n` the number
 * that it is as a whole, `d` the digits of a whole one, `m` the moment in milliseconds. The type of a rule's value says by which.
 */
export function comparing(
  constants: Constants,
): (rule: Extract<Condition, { value: unknown }>) => string {
  const { constant, listed } = constants

  const comparison = (rule: Extract<Condition, { value: unknown }>): string => {
    switch (rule.operator) {
      case 'equals':
      case 'not_equals':
        return among([rule.value])
      case 'in':
      case 'not_in':
        return among(rule.value)
      case 'less_than':
        return ordered('<', rule.value)
      case 'less_than_equal':
        return ordered('<=', rule.value)
      case 'greater_than':
        return ordered('>', rule.value)
      case 'greater_than_equal':
        return ordered('>=', rule.value)
      case 'contains':
      case 'not_contains':
        return either(rule.value, (text) => `instr(t,${constant(text)})>0`)
      case 'starts_with':
        return either(rule.value, (text) => `substr(t,1,${lengthOf(text)})=${constant(text)}`)
      case 'ends_with':
        return either(
          rule.value,
          (text) => `substr(t,length(t)+1-${lengthOf(text)})=${constant(text)}`,
        )
      case 'matches':
        return either(rule.value, (text) => matching(text, constants))
    }
  }

  const either = (value: Scalar, test: (text: string) => string): string =>
    joined(
      textsOf(value).map((text) => `(${test(text)})`),
      ' OR ',
    )

  const among = (values: Scalar[]): string => {
    const texts = values.filter((value) => typeof value === 'string')
    const moments = texts.map(momentOf).filter((moment) => moment !== undefined)
    const numbers = values.filter(isNumber).map(exact)
    const large = numbers.filter(({ digits }) => digits !== undefined)
    const small = numbers.filter(({ digits }) => digits === undefined)
    const test = (column: string, constants: unknown[]) =>
      constants.length === 0 ? [] : [`${column} IN (SELECT value FROM ${listed(constants)})`]
    return joined(
      [
        ...test('t', texts.flatMap(textsOf)),
        ...test('m', moments),
        ...test(
          'n',
          small.map(({ number }) => number),
        ),
        ...test('b', values.filter((value) => typeof value === 'boolean').map(String)),
        ...test(
          'd',
          large.map(({ digits }) => digits),
        ),
        // Not written as a whole number, it is as near as a double comes.
        ...test(
          'iif(d IS NULL,n,NULL)',
          large.map(({ number }) => number),
        ),
      ],
      ' OR ',
    )
  }

  const ordered = (sign: Sign, value: Scalar): string => {
    if (typeof value === 'boolean') return `b IN ('false','true') AND b${sign}'${value}'`
    if (isNumber(value)) return orderedNumber(sign, exact(value))
    const moment = momentOf(value)
    return moment === undefined
      ? `t${sign}${constant(folded(value))}`
      : `m${sign}${constant(moment)}`
  }

  const orderedNumber = (sign: Sign, { number, digits }: Exact): string => {
    const compared = `n${sign}${constant(number)}`
    if (digits === undefined) return compared
    // Of two that are one as doubles, both are positive or both negative.
    const byDigits = `(length(d),d)${number < 0 ? opposite[sign] : sign}(${digits.length},${constant(digits)})`
    return `iif(n=${constant(number)} AND d IS NOT NULL,${byDigits},${compared})`
  }

  return comparison
}

/** In pairs of pairs, as SQLite takes expressions of a depth of a hundred and a chain is as deep as it is long. */
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

/** A text as values compare by it; and as those do that were stored before their texts were folded. */
const textsOf = (value: Scalar): string[] => {
  const text = String(value)
  return [...new Set([folded(text), text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())])]
}

const isNumber = (value: Scalar) => typeof value === 'number' || typeof value === 'bigint'

/** A number as JSON has it; and its digits, where it is a whole one that SQLite knows as a double alone. */
interface Exact {
  number: number | bigint
  digits?: string
}

const largest = 2n ** 63n

function exact(number: number | bigint): Exact {
  if (typeof number === 'number' && Math.abs(number) < Number(largest)) return { number }
  const whole = typeof number === 'bigint' ? number : asWritten(number)
  // The least of 64 bits is one with its neighbour as a double.
  if (-largest < whole && whole < largest) return { number: whole }
  return { number, digits: String(whole) }
}

/** A large double with the digits that JSON writes of it, and zeros after them. */
function asWritten(number: number): bigint {
  const [digits = '', exponent = ''] = number.toExponential().split('e')
  const [whole = '', fraction = ''] = digits.split('.')
  return BigInt(whole + fraction.padEnd(Number(exponent), '0'))
}
