import { sql } from 'drizzle-orm'
import { momentOf } from '../moment.ts'
import { invisible } from './matching.ts'

// What a stored value `u` of a member `m` is read as, in SQL and alike in memory.

// LIKE ignores the case of A to Z; old values are untrimmed.
export const isTrue = sql.raw(`trim(u.value, char(9, 10, 11, 12, 13, 32)) LIKE 'true'`)

// Only a text that is wholly a number equals its cast.
const isNumber = 'CAST(u.value AS NUMERIC) = u.value AND abs(CAST(u.value AS REAL)) < 9e999'

export const number = sql.raw(`iif(${isNumber}, CAST(u.value AS REAL), NULL)`)

/** Number, moment and text of a value: the first of them that it has; lists and booleans have none. */
export interface Reading {
  number?: number | bigint
  moment?: number
  text?: string
}

const exactNumber = `iif(${isNumber}, CAST(u.value AS NUMERIC), NULL)`

// Few texts are like a date, and the view reads those in full.
const moment = `iif(u.value GLOB '*[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*',
  (SELECT r.m FROM own_readings AS r
    WHERE r.workspace_id = u.workspace_id AND r.user_id = u.user_id AND r.name = u.name),
  NULL)`

/** A text without regard to case, as rules of audiences compare it. */
export const caseless = sql.raw('lower(coalesce(u.folded, u.sent, u.value))')

/** The readings by which values are in order; NULL comes last. */
export const readings = {
  number: sql.raw(exactNumber),
  moment: sql.raw(moment),
  text: sql`iif(${sql.raw(exactNumber)} IS NULL AND ${sql.raw(moment)} IS NULL, ${caseless}, NULL)`,
}

const isItem = `u.type = 'list'`

/** A value, or an item of a list `e`, as it is told apart from others; NULL where there is none. */
export const item = {
  text: sql.raw(`iif(${isItem}, e.value, u.value)`),
  type: sql.raw(`iif(${isItem}, 'string', u.type)`),
  folded: sql`iif(${sql.raw(isItem)}, u.folded ->> e.fullkey, trim(u.folded, ${invisible}))`,
  from: sql.raw(`json_each(iif(${isItem}, u.value, NULL)) AS e`),
}

const numeric = /^[\t-\r ]*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[\t-\r ]*$/i

/** Whether a text is a number, if only beyond those of a double. */
export const isNumeric = (text: string): boolean => numeric.test(text)

/** Reads a text as `number` does in SQL. */
export function parseNumber(text: string): number | undefined {
  const number = numeric.test(text) ? Number(text) : Infinity
  return Number.isFinite(number) ? number : undefined
}

const trueInAnyCase = /^[\t-\r ]*true[\t-\r ]*$/i

export const isTrueText = (text: string): boolean => trueInAnyCase.test(text)

/** Integers of 64 bits are exact in SQLite. */
const asExact = (text: string, number: number): number | bigint => {
  if (!/^\s*[+-]?\d+\s*$/.test(text)) return number
  const whole = BigInt(text.trim().replace('+', ''))
  return BigInt.asIntN(64, whole) === whole ? whole : number
}

/** Reads a value as `readings` does in SQL. */
export function readingOf(stored: string, caseless: string): Reading {
  const number = parseNumber(stored)
  if (number !== undefined) return { number: asExact(stored, number) }
  const moment = momentOf(stored)
  return moment === undefined ? { text: caseless } : { moment }
}
