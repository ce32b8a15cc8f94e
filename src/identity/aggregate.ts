import { sql, type SQL } from 'drizzle-orm'
import type { SharedAttribute } from '../db/schema.ts'

/** Why a member's value has no part in what a group shares. */
export type Exclusion = 'missing' | 'not-true' | 'not-a-number' | 'beyond-numbers' | 'not-latest'

export type Aggregated = Exclude<SharedAttribute['type'], 'latest'>

/** A function of one attribute of a group's members. */
interface Aggregate {
  /** Over rows `u` of user_attributes, of which those of `name` count. NULL: nothing to share. */
  result: (name: string) => SQL
  type: 'boolean' | 'number'
  /** Why a stored value has no part in the result, if so. */
  exclusion: (value: string) => Exclusion | undefined
}

// LIKE ignores the case of A to Z; old values are untrimmed.
const isTrue = sql.raw(`trim(u.value, char(9, 10, 11, 12, 13, 32)) LIKE 'true'`)

// SQLite gives infinity beyond a double's range, which JSON has not.
const finite = (result: SQL) => sql`nullif(nullif(${result}, 9e999), -9e999)`

// Only a text that is wholly a number equals its cast.
const number = sql.raw(
  `iif(CAST(u.value AS NUMERIC) = u.value AND abs(CAST(u.value AS REAL)) < 9e999,
    CAST(u.value AS REAL), NULL)`,
)

const numeric = /^[\t-\r ]*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[\t-\r ]*$/i

/** Reads a text as `number` does in SQL. */
export function parseNumber(text: string): number | undefined {
  const number = numeric.test(text) ? Number(text) : Infinity
  return Number.isFinite(number) ? number : undefined
}

const trueInAnyCase = /^[\t-\r ]*true[\t-\r ]*$/i

const exclusionOfNumber = (value: string): Exclusion | undefined => {
  if (parseNumber(value) !== undefined) return undefined
  return numeric.test(value) ? 'beyond-numbers' : 'not-a-number'
}

/** Group Identity, "Group attributes". For `latest` see `latestOf` in seat-and-share.ts. */
export const aggregates: Record<Aggregated, Aggregate> = {
  boolean_or: {
    result: (name) => sql`iif(coalesce(max(u.name = ${name} AND ${isTrue}), 0), 'true', 'false')`,
    type: 'boolean',
    exclusion: (value) => (trueInAnyCase.test(value) ? undefined : 'not-true'),
  },
  sum: {
    result: (name) => finite(sql`sum(iif(u.name = ${name}, ${number}, NULL))`),
    type: 'number',
    exclusion: exclusionOfNumber,
  },
  average: {
    result: (name) => finite(sql`avg(iif(u.name = ${name}, ${number}, NULL))`),
    type: 'number',
    exclusion: exclusionOfNumber,
  },
}

export const functions = ['latest', ...(Object.keys(aggregates) as Aggregated[])] as const // its keys
