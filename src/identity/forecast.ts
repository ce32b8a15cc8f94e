import { sql, type SQL } from 'drizzle-orm'
import type { Forecast } from '../db/schema.ts'
import { hasNoValue, within, type Range } from './ranges.ts'
import { groupValueColumn, userRows, type Seating } from './user-rows.ts'

/** The least users of a group of each size; each goes up to the next. */
export const sizesFrom = [1, 2, 3, 4, 5, 6, 11, 21, 51, 101, 1001] as const

export const valuesShown = 20
export const samplesShown = 10

export const noForecast: Forecast = {
  ...{ users: 0, withoutValue: 0, withList: 0, overLimit: 0, groups: 0 },
  sizes: sizesFrom.map(() => ({ groups: 0, users: 0 })),
  ...{ largest: [], none: [], samples: [] },
}

/** Of a range, as JSON: `sizes` has those that there are. */
export interface RangeForecast {
  users: number
  withoutValue: number
  overLimit: number
  groups: number
  sizes: string
  largest: string
  none: string
  samples: string
}

/** The query of what a range would form; `crowd` counts the users of a crowded one. */
export function forecastRange(seating: Seating, range: Range, crowd = 0): SQL<RangeForecast> {
  const value = groupValueColumn(seating)
  const { from, where } = userRows(seating)
  const rows = sql`FROM ${from} WHERE ${where} AND u.type <> 'list'`
  const columns = sql`SELECT ${value} AS value, ${hasNoValue(seating)} AS none`
  const values = range.crowded
    ? sql`${columns}, ${crowd} AS users ${rows} AND ${value} = ${range.upTo} LIMIT 1`
    : sql`${columns}, count(*) AS users ${rows} AND ${within(value, range)} GROUP BY ${value}`
  const size = sizesFrom.map(
    (from, i) => sql`WHEN users >= ${sql.raw(`${from}`)} THEN ${sql.raw(`${i}`)}`,
  )
  const most = (which: SQL) => sql`
    (SELECT json_group_array(json_object('value', value, 'users', users))
      FROM (SELECT value, users FROM v WHERE ${which}
        ORDER BY users DESC, value LIMIT ${valuesShown}))`
  return sql`
    WITH v AS MATERIALIZED (${values})
    SELECT coalesce(sum(users) FILTER (WHERE NOT none), 0) AS users,
      coalesce(sum(users) FILTER (WHERE none), 0) AS withoutValue,
      coalesce(sum(max(0, users - ${seating.seatsMax})) FILTER (WHERE NOT none), 0) AS overLimit,
      count(*) FILTER (WHERE NOT none) AS groups,
      (SELECT json_group_array(json_array(size, groups, users)) FROM (
        SELECT CASE ${sql.join(size.toReversed(), sql` `)} END AS size,
          count(*) AS groups, sum(users) AS users
        FROM v WHERE NOT none GROUP BY size)) AS sizes,
      ${most(sql`NOT none`)} AS largest, ${most(sql`none`)} AS none,
      (SELECT json_group_array(json_object('value', value, 'users', users, 'at', at))
        FROM (SELECT value, users, random() >> 11 AS at FROM v WHERE NOT none
          ORDER BY at LIMIT ${samplesShown})) AS samples
    FROM v`
}

/** What is known with a range more. */
export function withRange(before: Forecast, found: RangeForecast): Forecast {
  const list = <Row>(json: string) => JSON.parse(json) as Row[] // as `forecastRange` makes it
  const sizes = new Map(
    list<[number, number, number]>(found.sizes).map(([size, ...both]) => [size, both]),
  )
  const most = (a: Forecast['largest'], json: string) =>
    // Of two of one size that came first, the smaller value.
    [...a, ...list<Forecast['largest'][number]>(json)]
      .sort((one, other) => other.users - one.users)
      .slice(0, valuesShown)
  return {
    ...before,
    users: before.users + found.users,
    withoutValue: before.withoutValue + found.withoutValue,
    overLimit: before.overLimit + found.overLimit,
    groups: before.groups + found.groups,
    sizes: before.sizes.map(({ groups, users }, i) => {
      const [moreGroups = 0, moreUsers = 0] = sizes.get(i) ?? []
      return { groups: groups + moreGroups, users: users + moreUsers }
    }),
    largest: most(before.largest, found.largest),
    none: most(before.none, found.none),
    samples: [...before.samples, ...list<Forecast['samples'][number]>(found.samples)]
      .sort((a, b) => a.at - b.at)
      .slice(0, samplesShown),
  }
}
