import { sql, type SQL } from 'drizzle-orm'
import type { SharedAttribute } from '../db/schema.ts'

/**
 * How a group's attribute is made of those of its members (Group Identity, "Group attributes"; DESIGN, "Monday"): a row
 * of value, result and type for each group, NULL for one whose members have nothing to share. `members` is a table of the
 * members to look at, each beside the attribute: in_group, user_id, value, type, updated_at.
 */
export function aggregate(type: SharedAttribute['type'], members: SQL): SQL {
  switch (type) {
    case 'boolean_or':
      return sql`SELECT in_group, iif(coalesce(max(value = 'true'), 0), 'true', 'false') AS result, 'boolean' AS type FROM ${members} GROUP BY in_group`
    case 'sum':
      return sql`SELECT in_group, ${finite(sql`sum(${number})`)} AS result, 'number' AS type FROM ${members} GROUP BY in_group`
    case 'average':
      return sql`SELECT in_group, ${finite(sql`avg(${number})`)} AS result, 'number' AS type FROM ${members} GROUP BY in_group`
    case 'latest':
      return sql`SELECT in_group, value AS result, type FROM
        (SELECT *, row_number() OVER (PARTITION BY in_group ORDER BY value IS NULL, updated_at DESC, user_id) AS place FROM ${members})
        WHERE place = 1`
  }
}

// Beyond the range of a double, SQLite says infinity, which JSON cannot.
const finite = (number: SQL) => sql`iif(abs(${number}) < 9e999, ${number}, NULL)`

// A text that is a number as a whole equals its cast: comparing one with a number, SQLite reads it as one if it can.
const number = sql.raw(`iif(CAST(value AS NUMERIC) = value AND abs(CAST(value AS REAL)) < 9e999, CAST(value AS REAL), NULL)`)

const numeric = /^[\t-\r ]*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[\t-\r ]*$/i

/** Whether a member's value, by itself, has a part in the result of a function. That of `latest` is one member's. */
export function counts(type: SharedAttribute['type'], text: string): boolean {
  if (type === 'boolean_or') return text === 'true'
  return type === 'latest' || (numeric.test(text) && Number.isFinite(Number(text)))
}
