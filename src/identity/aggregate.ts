import { sql, type SQL } from 'drizzle-orm'
import type { SharedAttribute } from '../db/schema.ts'

/**
 * What a function makes of one attribute of a group's members (Group Identity, "Group attributes"; DESIGN, "Monday"): an aggregate over
 * rows `u` of user_attributes, of which those called `name` count; NULL where the members have nothing to share. `latest` is no
 * aggregate, but one member's value (see seat-and-share.ts).
 */
export function aggregate(type: Exclude<SharedAttribute['type'], 'latest'>, name: string): SQL {
  switch (type) {
    case 'boolean_or':
      return sql`iif(coalesce(max(u.name = ${name} AND ${isTrue}), 0), 'true', 'false')`
    case 'sum':
      return finite(sql`sum(iif(u.name = ${name}, ${number}, NULL))`)
    case 'average':
      return finite(sql`avg(iif(u.name = ${name}, ${number}, NULL))`)
  }
}

// LIKE knows no case of A to Z. Values of the version before are not trimmed.
const isTrue = sql.raw(`trim(u.value, char(9, 10, 11, 12, 13, 32)) LIKE 'true'`)

// Beyond the range of a double, SQLite says infinity, which JSON cannot.
const finite = (result: SQL) => sql`nullif(nullif(${result}, 9e999), -9e999)`

// A text that is a number as a whole equals its cast: comparing one with a number, SQLite reads it as one if it can.
const number = sql.raw(
  `iif(CAST(u.value AS NUMERIC) = u.value AND abs(CAST(u.value AS REAL)) < 9e999, CAST(u.value AS REAL), NULL)`,
)

const numeric = /^[\t-\r ]*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[\t-\r ]*$/i

/** The number that a text is as a whole, as `number` above reads it; undefined for others. */
export function numberIn(text: string): number | undefined {
  const number = numeric.test(text) ? Number(text) : Infinity
  return Number.isFinite(number) ? number : undefined
}

const trueInAnyCase = /^[\t-\r ]*true[\t-\r ]*$/i

/** Why a member's value has no part in what a group shares. */
export type Exclusion = 'missing' | 'not-true' | 'not-a-number' | 'beyond-numbers' | 'not-latest'

/** Why a stored value, by itself, has no part in the result of a function; undefined where it has. `latest` is one member's: see explain.ts. */
export function exclusionOf(
  type: Exclude<SharedAttribute['type'], 'latest'>,
  value: string,
): Exclusion | undefined {
  if (type === 'boolean_or') return trueInAnyCase.test(value) ? undefined : 'not-true'
  if (numberIn(value) !== undefined) return undefined
  return numeric.test(value) ? 'beyond-numbers' : 'not-a-number'
}
