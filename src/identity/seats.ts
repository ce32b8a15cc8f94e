import { sql, type SQL } from 'drizzle-orm'
import type { SharedAttribute } from '../db/schema.ts'
import { aggregate } from './aggregate.ts'

/**
 * The statements that change who sits in which group of a definition, and what the groups share. A group and what it shares
 * change in one batch, each row only where it differs, and only while `guard` holds.
 */
export interface Definition {
  workspace: number
  definition: number
  attributes: SharedAttribute[]
}

/** Whose value of which attribute decides, in groups of how many. */
export interface Seating extends Definition {
  source: string
  seatsMax: number
}

/** Source values in their order: after `after`, up to and including `upTo` or the end. */
export interface Stretch {
  after: string
  upTo: string | null
  /** The stretch is one value that more users have than a step takes: only those who can get a seat are looked at. */
  crowded: boolean
}

const within = (value: SQL, { after, upTo }: Stretch) =>
  upTo === null ? sql`${value} > ${after}` : sql`${value} > ${after} AND ${value} <= ${upTo}`

/**
 * Where the stretch after `after` ends that holds about `users` users and members of whole groups: `upTo` is null where it is the
 * last, `crowded` tells that it is one value of more.
 */
export function stretchAfter(
  { workspace, definition, source }: Seating,
  after: string,
  users: number,
): SQL {
  const ofUsers = sql`user_attributes WHERE workspace_id = ${workspace} AND name = ${source} AND value > ${after}`
  const ofMembers = sql`identity_members WHERE definition_key = ${definition} AND value > ${after}`
  // The value that the stretch stops short of.
  const next = (rows: SQL) =>
    sql`(SELECT value FROM ${rows} ORDER BY value LIMIT 1 OFFSET ${users})`
  const last = (rows: SQL) => sql`(SELECT max(value) FROM ${rows} AND value < next)`
  return sql`
    WITH stop AS (SELECT min(value) AS next FROM (SELECT ${next(ofUsers)} AS value UNION ALL SELECT ${next(ofMembers)})),
      short AS (SELECT next, max(value) AS upTo FROM (SELECT next, ${last(ofUsers)} AS value FROM stop UNION ALL SELECT next, ${last(ofMembers)} FROM stop))
    SELECT CASE WHEN next IS NULL THEN NULL ELSE coalesce(upTo, next) END AS upTo, next IS NOT NULL AND upTo IS NULL AS crowded FROM short`
}

/** What JavaScript trims, SQLite does not by itself: a value of blanks forms no group (CONTRACT 4). */
const blanks =
  '\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff'

/** The users of a stretch whose value can form a group: `u`. */
const having = ({ workspace, source }: Seating, stretch: Stretch) => sql`
  user_attributes AS u INDEXED BY user_attributes_by_value
  WHERE u.workspace_id = ${workspace} AND u.name = ${source} AND ${within(sql`u.value`, stretch)}
    AND u.type <> 'list' AND trim(u.value, ${blanks}) <> ''`

/** Of them, who come into question for a seat: a query of value and user. */
function coming(at: Seating, stretch: Stretch): SQL {
  const { workspace, definition, source, seatsMax } = at
  if (!stretch.crowded) return sql`SELECT u.value, u.user_id FROM ${having(at, stretch)}`
  // Those who sit in the group keep their seats and the free ones go by user id: nobody beyond twice the seats comes into question.
  const pivot = sql`(SELECT user_id FROM user_attributes WHERE workspace_id = ${workspace} AND name = ${source} AND value = ${stretch.upTo}
    AND type <> 'list' ORDER BY user_id LIMIT 1 OFFSET ${2 * seatsMax})`
  const sitting = sql`SELECT user_id FROM identity_members WHERE definition_key = ${definition} AND value = ${stretch.upTo}`
  return sql`SELECT u.value, u.user_id FROM ${having(at, stretch)} AND (coalesce(u.user_id <= ${pivot}, 1) OR u.user_id IN (${sitting}))`
}

/** The same with the value of the group that each sits in now. */
const candidates = (at: Seating, stretch: Stretch): SQL => {
  const { definition } = at
  // Most sit where they belong, and are found side by side in the order of values; the others by their id.
  return sql`(
    SELECT c.value, c.user_id,
      coalesce(s.value, (SELECT value FROM identity_members WHERE definition_key = ${definition} AND user_id = c.user_id)) AS seat
    FROM (${coming(at, stretch)}) AS c LEFT JOIN identity_members AS s INDEXED BY identity_members_by_value
      ON s.definition_key = ${definition} AND s.value = c.value AND s.user_id = c.user_id)`
}

/** What a look at a stretch tells: users with its values; of them, who sits nowhere, elsewhere, where they belong; and who sits there. */
export interface Look {
  users: number
  seatless: number
  moving: number
  staying: number
  members: number
  /** In the largest group. */
  largest: number
}

export function look(at: Seating, stretch: Stretch): SQL {
  const users = stretch.crowded ? sql`(SELECT count(*) FROM ${having(at, stretch)})` : sql`count(*)`
  return sql`
    WITH c AS MATERIALIZED (SELECT * FROM ${candidates(at, stretch)}),
      g AS MATERIALIZED (SELECT count(*) AS size FROM identity_members
        WHERE definition_key = ${at.definition} AND ${within(sql`value`, stretch)} GROUP BY value)
    SELECT ${users} AS users, count(*) FILTER (WHERE seat IS NULL) AS seatless, count(*) FILTER (WHERE seat <> value) AS moving,
      count(*) FILTER (WHERE seat = value) AS staying,
      (SELECT coalesce(sum(size), 0) FROM g) AS members, (SELECT coalesce(max(size), 0) FROM g) AS largest
    FROM c`
}

/** Writes down who of a stretch's users sits in the group of another value, for as long as the batch lasts: see `forgetMovers`. */
export const noteMovers = (at: Seating, stretch: Stretch, guard: SQL): SQL => sql`
  INSERT INTO identity_movers (definition_key, user_id)
  SELECT ${at.definition}, user_id FROM ${candidates(at, stretch)} WHERE seat <> value AND ${guard}`

export const movers = ({ definition }: Definition): SQL =>
  sql`SELECT user_id FROM identity_movers WHERE definition_key = ${definition}`

export const forgetMovers = ({ definition }: Definition, guard: SQL): SQL => sql`
  DELETE FROM identity_movers WHERE definition_key = ${definition} AND ${guard}`

/**
 * Takes users (a query of their ids) out of the groups that they sit in, and computes what those groups share without them.
 * Safe beside any other change: the groups are found when it runs.
 */
export function leave(at: Definition, users: SQL, guard: SQL): SQL[] {
  const { definition, attributes } = at
  const going = sql`
    WITH going AS MATERIALIZED (${users}),
      touched AS MATERIALIZED (SELECT value FROM identity_members WHERE definition_key = ${definition} AND user_id IN (SELECT user_id FROM going))`
  const staying = sql`m.user_id NOT IN (SELECT user_id FROM going)`
  return [
    ...share(at, sql`m.value IN (SELECT value FROM touched) AND ${staying}`, guard, going),
    sql`${going}
    DELETE FROM group_attributes
    WHERE definition_key = ${definition} AND value IN (SELECT value FROM touched) AND ${guard} AND (
      ${unasked(attributes)}
      OR NOT EXISTS (SELECT 1 FROM identity_members AS m WHERE m.definition_key = ${definition} AND m.value = group_attributes.value AND ${staying}))`,
    sql`DELETE FROM identity_members WHERE definition_key = ${definition} AND user_id IN (${users}) AND ${guard}`,
  ]
}

/** Takes out of a stretch's groups who has their value no more. */
export const unseat = (
  { workspace, definition, source }: Seating,
  stretch: Stretch,
  guard: SQL,
): SQL => sql`
  DELETE FROM identity_members
  WHERE definition_key = ${definition} AND ${within(sql`value`, stretch)} AND ${guard} AND NOT EXISTS
    (SELECT 1 FROM user_attributes AS u INDEXED BY user_attributes_by_value WHERE u.workspace_id = ${workspace} AND u.name = ${source}
      AND u.value = identity_members.value AND u.user_id = identity_members.user_id AND u.type <> 'list')`

/** Takes out of a stretch's groups whose seat is beyond the limit, where that was lowered: the last by user id. */
export const shrink = ({ definition, seatsMax }: Seating, stretch: Stretch, guard: SQL): SQL => sql`
  DELETE FROM identity_members WHERE definition_key = ${definition} AND ${guard} AND user_id IN
    (SELECT user_id FROM (SELECT user_id, row_number() OVER (PARTITION BY value ORDER BY user_id) AS place
      FROM identity_members WHERE definition_key = ${definition} AND ${within(sql`value`, stretch)}) WHERE place > ${seatsMax})`

/** Gives a stretch's free seats to who sits nowhere, by user id; and writes them in that order, which is that of the key. */
export const seat = (at: Seating, stretch: Stretch, now: number, guard: SQL): SQL => {
  const { definition, seatsMax } = at
  return sql`
  INSERT INTO identity_members (definition_key, user_id, value, joined_at)
  SELECT ${definition}, n.user_id, n.value, ${now}
  FROM (SELECT value, user_id, row_number() OVER (PARTITION BY value ORDER BY user_id) AS place FROM (${coming(at, stretch)}) AS c
    WHERE NOT EXISTS (SELECT 1 FROM identity_members AS s WHERE s.definition_key = ${definition} AND s.user_id = c.user_id)) AS n
    LEFT JOIN (SELECT value, count(*) AS size FROM identity_members
      WHERE definition_key = ${definition} AND ${within(sql`value`, stretch)} GROUP BY value) AS g ON g.value = n.value
  WHERE n.place + coalesce(g.size, 0) <= ${seatsMax} AND ${guard}
  ORDER BY n.user_id`
}

/** Computes what the groups of a stretch share: last of all, as it counts who sits there. */
export const shareAll = (at: Definition, stretch: Stretch, guard: SQL): SQL[] =>
  share(at, within(sql`m.value`, stretch), guard)

type Aggregate = SharedAttribute & { type: Exclude<SharedAttribute['type'], 'latest'> }

/** Attributes of one statement: D1 takes a hundred parameters. */
const aggregatesPerStatement = 20

/** The statements of the groups of those members (a condition on `m`) whom it names; each begins with `going`. */
function share(at: Definition, whom: SQL, guard: SQL, going = sql``): SQL[] {
  const { definition, attributes } = at
  const aggregates = attributes.filter(
    (attribute): attribute is Aggregate => attribute.type !== 'latest',
  )
  const selections = attributes
    .filter(({ type }) => type === 'latest')
    .map(({ id }) => latest(at, id, sql`${whom} AND ${guard}`))
  for (let from = 0; from < aggregates.length; from += aggregatesPerStatement)
    selections.push(
      aggregated(
        at,
        aggregates.slice(from, from + aggregatesPerStatement),
        sql`${whom} AND ${guard}`,
      ),
    )
  return selections.map(
    (selection) => sql`${going}
      INSERT INTO group_attributes (definition_key, value, name, function, result, type)
      SELECT ${definition}, in_group, name, function, result, type FROM (${selection}) WHERE true
      ON CONFLICT (definition_key, value, name) DO UPDATE
      SET function = excluded.function, result = excluded.result, type = excluded.type
      WHERE result IS NOT excluded.result OR type IS NOT excluded.type OR function <> excluded.function`,
  )
}

const told = ({ workspace }: Definition, name: SQL) =>
  sql`u.workspace_id = ${workspace} AND u.user_id = m.user_id AND u.name ${name}`

/** All of them in one walk through the members: what is known of a user stands side by side. */
function aggregated(at: Definition, attributes: Aggregate[], whom: SQL): SQL {
  const names = sql.join(
    attributes.map(({ id }) => sql`${id}`),
    sql`, `,
  )
  const results = attributes.map(
    ({ id, type }, i) => sql`, ${aggregate(type, id)} AS ${sql.raw(`r${i}`)}`,
  )
  const cases = attributes.map((_, i) => sql.raw(`WHEN ${i} THEN r${i} `))
  return sql`
    SELECT g.in_group, asked.value ->> 'id' AS name, asked.value ->> 'type' AS function, CASE asked.key ${sql.join(cases)} END AS result,
      iif(asked.value ->> 'type' = 'boolean_or', 'boolean', 'number') AS type
    FROM (SELECT m.value AS in_group ${sql.join(results)}
      FROM identity_members AS m LEFT JOIN user_attributes AS u ON ${told(at, sql`IN (${names})`)}
      WHERE m.definition_key = ${at.definition} AND ${whom} GROUP BY m.value) AS g
    CROSS JOIN json_each(${JSON.stringify(attributes)}) AS asked`
}

/** The most recently updated value; of two of one moment, that of the smaller user id. */
const latest = (at: Definition, id: string, whom: SQL): SQL => sql`
  SELECT in_group, ${id} AS name, 'latest' AS function, result, type
  FROM (SELECT m.value AS in_group, u.value AS result, u.type,
      row_number() OVER (PARTITION BY m.value ORDER BY u.value IS NULL, u.updated_at DESC, m.user_id) AS place
    FROM identity_members AS m LEFT JOIN user_attributes AS u ON ${told(at, sql`= ${id}`)}
    WHERE m.definition_key = ${at.definition} AND ${whom})
  WHERE place = 1`

/** What is asked for no more is not computed anew. It would be wrong if it were asked for again, and so it goes. */
const unasked = (attributes: SharedAttribute[]) =>
  sql`(name, function) NOT IN (SELECT value ->> 'id', value ->> 'type' FROM json_each(${JSON.stringify(attributes)}))`

/** Deletes what is asked for no more, or was shared by a group that has no member left. */
export const unshare = (
  { definition, attributes }: Definition,
  stretch: Stretch,
  guard: SQL,
): SQL => sql`
  DELETE FROM group_attributes
  WHERE definition_key = ${definition} AND ${within(sql`value`, stretch)} AND ${guard} AND (
    ${unasked(attributes)}
    OR NOT EXISTS (SELECT 1 FROM identity_members AS m WHERE m.definition_key = ${definition} AND m.value = group_attributes.value))`

/** How many members and groups a stretch has: a query of `seated`, `groups`. */
export const seatedIn = ({ definition }: Definition, stretch: Stretch): SQL => sql`
  SELECT count(*) AS seated, count(DISTINCT value) AS groups FROM identity_members
  WHERE definition_key = ${definition} AND ${within(sql`value`, stretch)}`
