import { sql, type SQL } from 'drizzle-orm'
import { momentOf } from '../moment.ts'
import { invisible } from './matching.ts'

// What a stored value is read as, in SQL of a row `u` of user_attributes, and alike in memory.

// LIKE ignores the case of A to Z; old values are untrimmed.
export const isTrue = (u: SQL) => sql`trim(${u}.value, char(9, 10, 11, 12, 13, 32)) LIKE 'true'`

// Only a text that is wholly a number equals its cast.
const ifNumber = (u: SQL, as: 'REAL' | 'NUMERIC') => sql`
  iif(CAST(${u}.value AS NUMERIC) = ${u}.value AND abs(CAST(${u}.value AS REAL)) < 9e999,
    CAST(${u}.value AS ${sql.raw(as)}), NULL)`

export const number = (u: SQL) => ifNumber(u, 'REAL')

const day = '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'

// Most moments are a date alone; the view reads the few texts that have a date and more.
const moment = (u: SQL) => sql`
  CASE WHEN ${u}.value GLOB ${sql.raw(`'${day}'`)}
    THEN iif(date(${u}.value, '+0 days') = ${u}.value, 1000 * unixepoch(${u}.value), NULL)
    WHEN ${u}.value GLOB ${sql.raw(`'*${day}*'`)}
    THEN (SELECT r.m FROM own_readings AS r WHERE r.workspace_id = ${u}.workspace_id
      AND r.user_id = ${u}.user_id AND r.name = ${u}.name) END`

/** A text without regard to case, as rules of audiences compare it. */
export const caseless = (u: SQL) => sql`lower(coalesce(${u}.folded, ${u}.sent, ${u}.value))`

/** The readings by which values are in order; NULL comes last. */
export const readings = (u: SQL) => [ifNumber(u, 'NUMERIC'), moment(u), caseless(u)]

const isList = `u.type = 'list'`

/** A value, or an item of a list `e`, as it is told apart from others; NULL where there is none. */
export const item = {
  text: sql.raw(`iif(${isList}, e.value, u.value)`),
  type: sql.raw(`iif(${isList}, 'string', u.type)`),
  folded: sql`iif(${sql.raw(isList)}, u.folded ->> e.fullkey, trim(u.folded, ${invisible}))`,
  from: sql.raw(`json_each(iif(${isList}, u.value, NULL)) AS e`),
}

/** The same of a value in memory: its kind is the first of them that it is. */
export interface Reading {
  kind: 'number' | 'moment' | 'text'
  /** A number, or milliseconds; 0 for a text. */
  number: number | bigint
  text: string
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
export function readingOf(stored: string, text: string): Reading {
  const number = parseNumber(stored)
  if (number !== undefined) return { kind: 'number', number: asExact(stored, number), text }
  const moment = momentOf(stored)
  if (moment !== undefined) return { kind: 'moment', number: moment, text }
  return { kind: 'text', number: 0, text }
}
