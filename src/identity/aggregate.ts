import { sql, type SQL } from 'drizzle-orm'
import type { SharedAttribute } from '../db/schema.ts'
import * as why from './exclusion.ts'
import { isTrue, item, number, readings } from './readings.ts'

/** A function of one attribute of a group's members; what it makes of none is NULL. */
export type Aggregate = {
  /** Which values have no part in the result, and why. */
  exclusions: why.Exclusions
  /** What the OpenAPI document says of it. */
  means: string
} & (Computed | Chosen | OfItems)

/** Computed of the values of rows `u` of user_attributes, NULL where a member has none. */
interface Computed {
  computed: (u: SQL) => SQL
  type: 'boolean' | 'number'
}

/** The value of one member, as it was sent: the first in an order, then by the user's id. */
interface Chosen {
  order: (u: SQL) => SQL
  /** Whether a value has a part at all. */
  where?: (u: SQL) => SQL
}

/** Computed as a JSON list: the result, its type, and the result without regard to case. */
interface OfItems {
  /** A query over the items of a group, as `itemsOf` gives them. */
  ofItems: (items: SQL) => SQL
  /** The same of the group's rows `u` without lists, which costs less; NULL where only items tell. */
  ofTexts: (u: SQL) => SQL
}

// SQLite gives infinity beyond a double's range, which JSON has not.
const finite = (result: SQL) => sql`nullif(nullif(${result}, 9e999), -9e999)`

/** The first of the numbers, or of the moments, or of the texts. */
const inOrder = (direction: 'ASC' | 'DESC') => (u: SQL) => {
  const last = sql.raw(`${direction} NULLS LAST`)
  return sql`${sql.join(
    readings(u).map((reading) => sql`${reading} ${last}, `),
    sql``,
  )} ${u}.updated_at DESC`
}
const isComparable = (u: SQL) => sql`${u}.type NOT IN ('boolean', 'list')`

// Not as parameters, of which a statement has a hundred.
const [listedMost, listedLength] = [why.listedMost, why.listedLength].map((n) => sql.raw(`${n}`))

// SQLite allows two million bytes for all texts of a group together.
const isShort = (u: SQL) => sql`length(${u}.value) <= 64`
const areShort = (u: SQL) => sql`max(length(${u}.value)) <= 64`

/** Of Group Identity, "Group attributes": the first four. */
export const aggregates: Record<SharedAttribute['type'], Aggregate> = {
  latest: {
    order: (u) => sql`${u}.updated_at DESC`,
    exclusions: why.notLatest,
    means: 'the value that was updated last; of two of one moment, that of the smaller user id.',
  },
  boolean_or: {
    computed: (u) => sql`iif(coalesce(max(${isTrue(u)}), 0), 'true', 'false')`,
    type: 'boolean',
    exclusions: why.notTrue,
    means: 'whether any value is true, or the text true in any case; false without values.',
  },
  sum: {
    computed: (u) => finite(sql`sum(${number(u)})`),
    type: 'number',
    exclusions: why.notNumbers,
    means: 'the sum of the numbers, and of texts that are one as a whole.',
  },
  average: {
    computed: (u) => finite(sql`avg(${number(u)})`),
    type: 'number',
    exclusions: why.notNumbers,
    means: 'the average of the same.',
  },
  min: {
    order: inOrder('ASC'),
    where: isComparable,
    exclusions: why.notFirst(1, 'not-least'),
    means:
      'the least of the numbers (also of texts that are one); where there is none, the earliest of ' +
      'the dates and date-times in ISO 8601; where there is none, the first text, without regard to ' +
      'case. Booleans and lists have no part. Of equals, the smaller text, then the one that was ' +
      'updated last.',
  },
  max: {
    order: inOrder('DESC'),
    where: isComparable,
    exclusions: why.notFirst(-1, 'not-greatest'),
    means: 'the greatest, in the same way; of equals, the greater text.',
  },
  count: {
    computed: (u) => sql`count(${u}.value)`,
    type: 'number',
    exclusions: why.none,
    means: 'how many members have a value, also an empty one; 0 without.',
  },
  count_distinct: {
    ofItems: (items) => sql`
      SELECT json_array(count(text), 'number', NULL) FROM (${items})`,
    ofTexts: (u) => sql`json_array(count(DISTINCT ${u}.value), 'number', NULL)`,
    exclusions: why.withoutItems,
    means:
      'how many different values members have; 0 without. Each item of a list is a value. A number ' +
      'or a boolean and its text are one value; another case is another value.',
  },
  boolean_and: {
    computed: (u) => sql`iif(coalesce(min(${isTrue(u)}), 0), 'true', 'false')`,
    type: 'boolean',
    exclusions: why.none,
    means:
      'whether all values that members have are true, or the text true in any case; false without ' +
      'values.',
  },
  earliest: {
    order: (u) => sql`${u}.updated_at`,
    exclusions: why.notEarliest,
    means: 'the value that has not been updated for the longest time; ties as of latest.',
  },
  most_frequent: {
    ofItems: (items) => sql`
      SELECT json_array(text, type, folded) FROM (${items}) WHERE text IS NOT NULL
      ORDER BY members DESC, updated_at DESC, text LIMIT 1`,
    ofTexts: (u) => sql`
      iif(count(DISTINCT ${u}.value) = count(${u}.value) AND count(${u}.folded) = 0 AND ${areShort(u)},
        json_group_array(json_array(${u}.value, ${u}.type, NULL)
          ORDER BY ${u}.updated_at DESC, ${u}.value) FILTER (WHERE ${isShort(u)}) -> 0, NULL)`,
    exclusions: why.notFrequent,
    means:
      'the value that most members have, told apart as by count_distinct; of two, the one that was ' +
      'updated last, then the smaller text. A number that another member has as text is a number.',
  },
  unique_list: {
    ofItems: (items) => sql`
      SELECT json_array(
        nullif(json_group_array(text ORDER BY text), '[]'), 'list',
        iif(count(folded) > 0,
          json_group_array(coalesce(folded, lower(text)) ORDER BY text), NULL))
      FROM (SELECT text, folded FROM (${items}) WHERE length(text) <= ${listedLength}
        ORDER BY text LIMIT ${listedMost})`,
    ofTexts: (u) => sql`
      iif(count(${u}.folded) = 0 AND ${areShort(u)} AND count(${u}.value) <= ${listedMost},
        json_array(json_group_array(DISTINCT ${u}.value ORDER BY ${u}.value)
          FILTER (WHERE ${isShort(u)}), 'list', NULL), NULL)`,
    exclusions: why.notListed,
    means:
      `a list of the different values, as texts, told apart as by count_distinct: the first ` +
      `${why.listedMost} in the order of their bytes, without texts of over ${why.listedLength} ` +
      'characters. To audiences it is a list: a condition holds where it holds for an item.',
  },
}

/** A query of the different items `text` of a group: of rows of its members `m` and their values `u`. */
export const itemsOf = (rows: { from: SQL; where: SQL }): SQL => sql`
  SELECT ${item.text} AS text, min(${item.type}) AS type, max(${item.folded}) AS folded,
    count(DISTINCT m.user_id) AS members, max(u.updated_at) AS updated_at
  FROM ${rows.from} LEFT JOIN ${item.from} WHERE ${rows.where} GROUP BY text`

/** The functions, in the order of the table. */
export const functions = Object.keys(aggregates) as SharedAttribute['type'][] // its keys
