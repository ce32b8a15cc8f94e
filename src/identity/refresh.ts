import { and, eq, sql, type SQL } from 'drizzle-orm'
import { costOf, together, type Db, type Result } from '../db/connect.ts'
import { jsonLengthMax } from '../db/json-lists.ts'
import { groupDefinitions } from '../db/schema.ts'
import { carryOnSteps } from '../jobs/carry-on.ts'
import type { Invocation } from '../jobs/invocation.ts'
import type { MessageOf } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { hasCorrections } from './corrected.ts'
import { isUnshown, valueOfGroup } from './corrections.ts'
import { isLive, type GroupDefinition } from './definitions.ts'
import type { Listed } from './listed.ts'
import { markGroups, placesOf } from './marks.ts'
import { isNoValue, noValues } from './no-value.ts'
import { normalizeListed } from './normalize.ts'
import { candidatesWithSeat } from './ranges.ts'
import { fillSeats, moveSeats, removeBeyondSeats, removeUnmatched } from './seat.ts'
import { computeShared, deleteUnshared } from './share.ts'
import type { Seating } from './user-rows.ts'

/** A group that is marked: see `groupMarks`. */
interface Mark {
  value: string
  left: string | null
}

/** Marks of an invocation's first batch. */
const marksFirst = 200

/**
 * Forms the marked groups of a definition anew, some at a time, until none is marked. Each batch
 * computes them from what is true by then, so that it may come twice, late, or beside a run.
 */
export async function refreshGroups(
  res: Resources,
  { workspace, definition: key }: MessageOf<'refresh-groups'>,
): Promise<void> {
  const db = res.databaseOf(workspace)
  // On behind the last page, and round again, so that none waits behind those that come meanwhile.
  let after = ''
  await carryOnSteps(
    res,
    { kind: 'refresh-groups', workspace, definition: key },
    async (invocation) => {
      const definition = await findLive(db, workspace, key)
      if (definition === undefined) return false
      const most = invocation.items(marksFirst)
      const page = await findMarks(db, key, { after, most })
      const last = page.at(-1)
      if (last === undefined && after === '') return false
      after = page.length < most ? '' : (last?.value ?? '')
      if (page.length > 0) await refreshPage(res, definition, page, invocation)
      return true
    },
  )
}

/** A definition as it was read, and what its groups go by, as a text. */
interface Found {
  definition: GroupDefinition
  settings: string
  corrected: number
}

const settings = sql`json_array(source_user_attribute, attributes, matching, ignore_values)`

async function findLive(db: Db, workspace: number, key: number): Promise<Found | undefined> {
  const [found] = await db
    .select({
      definition: groupDefinitions,
      settings: sql<string>`${settings}`.as('settings'),
      corrected: sql<number>`${hasCorrections(key)}`.as('corrected'),
    })
    .from(groupDefinitions)
    .where(and(isLive(workspace), eq(groupDefinitions.key, key)))
  return found
}

/** Whether a definition is live and forms its groups as it did when it was read. */
const isAsRead = ({ definition: { key }, settings: read, corrected }: Found): SQL => sql`(
  SELECT ${settings} = ${read} AND ${hasCorrections(key)} = ${corrected}
  FROM group_definitions WHERE key = ${key} AND deleted_at IS NULL)`

const findMarks = (db: Db, key: number, { after, most }: { after: string; most: number }) =>
  db.all<Mark>(sql`
    SELECT value, left_value AS left FROM group_marks
    WHERE definition_key = ${key} AND value > ${after} ORDER BY value LIMIT ${most}`)

async function refreshPage(
  res: Resources,
  found: Found,
  page: Mark[],
  invocation: Invocation,
): Promise<void> {
  const { key, workspace } = found.definition
  const db = res.databaseOf(workspace)
  const before = await touchedGroups(db, seatingOf(res, found), found, page)
  if (before === undefined) {
    const middle = Math.ceil(page.length / 2)
    for (const half of [page.slice(0, middle), page.slice(middle)])
      await refreshPage(res, found, half, invocation)
    return
  }
  const results = await together(db, formAnew(res, found, page, before))
  const cost = costOf([...before.results, ...results])
  const facts = { event: 'refresh-step', work: 'refresh', workspace, definition: key }
  console.info(JSON.stringify({ ...facts, groups: page.length, ...cost }))
  res.measure({ kind: 'step', work: 'refresh', state: 'running', ...cost })
  await invocation.took(cost.ms, page.length)
}

/** The groups of some marks, and with them those where who moves into them sits. */
interface Touched {
  texts: string
  marked: Listed
  groups: Listed
  results: Result[]
}

/** Undefined where the marks, or the groups, are more than a statement takes. */
async function touchedGroups(
  db: Db,
  seating: Seating,
  found: Found,
  page: Mark[],
): Promise<Touched | undefined> {
  const { matching } = found.definition
  const list = page.flatMap(({ value, left }) => (left === null ? [value] : [value, left]))
  const values = list.map((text) => valueOfGroup(text, matching))
  const [texts, marked] = [JSON.stringify(list), listOf(seating, values)]
  const isTooLong = (json: string) => json.length > jsonLengthMax && page.length > 1
  if (isTooLong(texts)) return undefined
  const results = await together(db, [
    ...normalizing(found, texts, marked),
    selectSeatsElsewhere(seating, marked),
  ])
  const left = (results.at(-1)?.rows ?? []) as { seat: string }[] // as it selects
  const groups = listOf(seating, [...values, ...left.map(({ seat }) => seat)])
  return isTooLong(groups.values) ? undefined : { texts, marked, groups, results }
}

/** Members may have written theirs in a new way, and users have come, since it was last done. */
const normalizing = (found: Found, texts: string, { values }: Listed): SQL[] =>
  found.definition.matching === null
    ? []
    : [normalizeListed(found.definition, { texts, groups: values }, isAsRead(found))]

/** The statements that seat and compute groups from what is true by then. */
function formAnew(
  res: Resources,
  found: Found,
  page: Mark[],
  { texts, marked, groups }: Touched,
): SQL[] {
  const { key } = found.definition
  const [seating, now, guard] = [seatingOf(res, found), res.now(), isAsRead(found)]
  return [
    ...normalizing(found, texts, groups),
    ...markLeaving(found.definition, groups, now),
    moveSeats(seating, groups, now, guard),
    removeUnmatched(seating, groups, guard),
    removeBeyondSeats(seating, groups, guard),
    fillSeats(seating, groups, now, guard),
    deleteUnshared(seating, groups, guard),
    ...computeShared(seating, groups, guard),
    noteRefreshed(key, now),
    unmark(key, page, sql`${guard} AND ${isNobodyElsewhere(seating, marked)}`),
  ]
}

/** Marks where members belong whose change nothing has marked, as the definition is weekly. */
const markLeaving = ({ key, refresh }: GroupDefinition, { values }: Listed, now: number): SQL[] =>
  refresh === 'continuous'
    ? []
    : [
        markGroups(
          placesOf(sql`
          SELECT ${key} AS key, m.user_id, 0 AS always FROM json_each(${values}) AS g
            CROSS JOIN identity_members AS m INDEXED BY identity_members_by_value
              ON m.definition_key = ${key} AND m.value = g.value`),
          now,
        ),
      ]

const seatingOf = ({ limits }: Resources, { definition, corrected }: Found): Seating => ({
  workspace: definition.workspace,
  definitionKey: definition.key,
  source: definition.source,
  matching: definition.matching,
  noValues: noValues(definition.ignoreValues, definition.matching !== null),
  attributes: definition.attributes,
  seatsMax: limits.groupUsersMax,
  hasCorrections: corrected === 1,
})

function listOf({ noValues }: Seating, texts: string[]): Listed {
  const values = [...new Set(texts)]
  const wanted = values.filter((value) => isUnshown(value) || !isNoValue(value, noValues))
  return { values: JSON.stringify(values), wanted: JSON.stringify(wanted) }
}

/** A query of the other groups of which users of some groups are members: they leave them. */
const selectSeatsElsewhere = (seating: Seating, listed: Listed): SQL => sql`
  SELECT DISTINCT seat FROM ${candidatesWithSeat(seating, listed)} WHERE seat <> value`

/** Whether that is nobody by now: somebody may have come to sit elsewhere since the groups were read. */
const isNobodyElsewhere = (seating: Seating, listed: Listed): SQL => sql`(
  SELECT count(*) FROM ${candidatesWithSeat(seating, listed)} WHERE seat <> value) = 0`

/** Notes since when no event tells of groups that are formed anew: an event of each minute does. */
const noteRefreshed = (key: number, now: number): SQL => sql`
  UPDATE group_definitions SET refreshed_since = ${now}
  WHERE key = ${key} AND refreshed_since IS NULL AND deleted_at IS NULL`

/** Deletes marks, but for one that names another group that was left by now. */
function unmark(key: number, page: Mark[], guard: SQL): SQL {
  const marks = JSON.stringify(page.map(({ value, left }) => [value, left ?? '']))
  return sql`
  DELETE FROM group_marks WHERE definition_key = ${key} AND ${guard}
    AND value IN (SELECT value ->> 0 FROM json_each(${marks}))
    AND (value, coalesce(left_value, '')) IN (
      SELECT value ->> 0, value ->> 1 FROM json_each(${marks}))`
}
