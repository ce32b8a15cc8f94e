import { and, eq, sql, type SQL } from 'drizzle-orm'
import { costOf, together, type Db } from '../db/connect.ts'
import { deleteSome } from '../db/delete-some.ts'
import { definitionPreviews, type Forecast } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { Invocation } from '../jobs/invocation.ts'
import type { Resources } from '../resources.ts'
import { countUsersOf } from './crowded.ts'
import { checkAttributes, type DefinitionDraft } from './definitions.ts'
import { forecastRange, noForecast, withRange, type RangeForecast } from './forecast.ts'
import type { Forgotten } from './forget.ts'
import { deleteUnused, endOfValues, usersOf, writeNormalized } from './normalize.ts'
import { noValues } from './no-value.ts'
import { rangeAfter, within, type Range } from './ranges.ts'
import { userRows, usersByExactValue, type Seating } from './user-rows.ts'

type Row = typeof definitionPreviews.$inferSelect

/** What a definition would form; `samples` has some of its groups once it is complete. */
export interface Preview extends Omit<Row, 'forecast'> {
  forecast: Omit<Forecast, 'samples'>
  samples: { value: string; users: number; some: string[] }[]
}

/** Milliseconds for which a preview is kept, and previews that a workspace keeps. */
export const keptFor = 3_600_000
export const previewsMax = 20

/** Users who are counted for the progress; of more, it is shown as if they were so many. */
const expectedMax = 500_000

/** Begins to count what a definition would form. Throws `limit`. */
export async function openPreview(
  res: Resources,
  workspace: number,
  { source, attributes, matching = null, ignoreValues = null }: DefinitionDraft,
): Promise<Preview> {
  checkAttributes(attributes, res.limits)
  const db = res.databaseOf(workspace)
  const id = crypto.randomUUID()
  const now = res.now()
  const seating = seatingOf({ key: 0, workspace, source, matching: null, ignoreValues }, res)
  const blank = await countUsersOf(db, seating, '')
  const none = blank.users > 0 ? [{ value: '', users: blank.users }] : []
  const forecast: Forecast = { ...noForecast, withoutValue: blank.users, none }
  const { from, where } = usersByExactValue(seating)
  const { meta } = await db.run(sql`
    INSERT INTO definition_previews (id, workspace_id, source_user_attribute, matching,
      ignore_values, state, expected, scanned, forecast, created_at)
    SELECT ${id}, ${workspace}, ${source}, ${matching}, ${ignoreValues && JSON.stringify(ignoreValues)},
      ${matching === null ? 'counting' : 'normalizing'},
      (SELECT count(*) FROM (SELECT 1 FROM ${from} WHERE ${where} AND u.value >= ''
        LIMIT ${expectedMax})),
      0, ${JSON.stringify(forecast)}, ${now}
    WHERE (SELECT count(*) FROM definition_previews
      WHERE workspace_id = ${workspace} AND created_at > ${now - keptFor}) < ${previewsMax}`)
  if (meta.changes === 0) throw new Failure({ reason: 'limit', what: 'previews', max: previewsMax })
  return getPreview(res, workspace, id)
}

/** Milliseconds of the database within one request. */
const timeMax = 500

/** Carries a preview on for as long as a request may, and gives it. Throws `not-found`. */
export async function getPreview(res: Resources, workspace: number, id: string): Promise<Preview> {
  const invocation = new Invocation(res)
  const until = res.now() + timeMax
  for (let pieces = 0; ; pieces++) {
    const row = await findPreview(res, workspace, id)
    if (row.state === 'complete' || (pieces > 0 && res.now() > until)) return shown(res, row)
    await nextStep(res, row, invocation)
  }
}

async function findPreview(res: Resources, workspace: number, id: string): Promise<Row> {
  const [row] = await res
    .databaseOf(workspace)
    .select()
    .from(definitionPreviews)
    .where(and(eq(definitionPreviews.workspace, workspace), eq(definitionPreviews.id, id)))
  if (row !== undefined && row.createdAt > res.now() - keptFor) return row
  throw new Failure({ reason: 'not-found', what: 'preview', id })
}

/** A preview's normalized values are under a key that no definition has. */
const seatingOf = (
  { key, ...row }: Pick<Row, 'key' | 'workspace' | 'source' | 'matching' | 'ignoreValues'>,
  { limits }: Pick<Resources, 'limits'>,
): Seating => ({
  ...{ workspace: row.workspace, source: row.source, matching: row.matching },
  definitionKey: -key,
  noValues: noValues(row.ignoreValues, row.matching !== null),
  attributes: [],
  seatsMax: limits.groupUsersMax,
  hasCorrections: false,
})

const guardOf = ({ key, step }: Row): SQL =>
  sql`(SELECT step FROM definition_previews WHERE key = ${key}) = ${step}`

/** Takes a preview one range further, unless someone else has. */
function nextStep(res: Resources, row: Row, invocation: Invocation): Promise<void> {
  return row.state === 'normalizing'
    ? normalizeRange(res, row, invocation)
    : countRange(res, row, invocation)
}

async function normalizeRange(res: Resources, row: Row, invocation: Invocation): Promise<void> {
  const users = usersOf(res, invocation)
  const run = { ...row, definition: -row.key }
  const values = await findRange(res.databaseOf(row.workspace), endOfValues(run, users), row.cursor)
  const last = values.upTo === null
  const withList = await countLists(res, row, values)
  await move(res, row, invocation, {
    users,
    statements: [
      deleteUnused(run, values, guardOf(row)),
      writeNormalized(run, values, guardOf(row)),
    ],
    to: {
      ...(last && { state: 'counting' as const }),
      cursor: values.upTo ?? '',
      forecast: { ...row.forecast, withList: row.forecast.withList + withList },
    },
  })
}

async function countRange(res: Resources, row: Row, invocation: Invocation): Promise<void> {
  const db = res.databaseOf(row.workspace)
  const users = usersOf(res, invocation)
  const seating = seatingOf(row, res)
  const range = await findRange(db, rangeAfter(seating, row.cursor, users), row.cursor)
  const crowd = range.crowded ? await countUsersOf(db, seating, range.upTo ?? '') : undefined
  const [found] = await db.all<RangeForecast>(forecastRange(seating, range, crowd?.users))
  if (found === undefined) throw new Error('the count of a range gave no row')
  const forecast = withRange(row.forecast, found)
  const withList = row.matching === null ? await countLists(res, row, range) : 0
  await move(res, row, invocation, {
    users,
    statements: [],
    to: {
      ...(range.upTo === null && { state: 'complete' as const }),
      cursor: range.upTo ?? row.cursor,
      scanned: row.scanned + found.users + found.withoutValue,
      forecast: { ...forecast, withList: forecast.withList + withList },
    },
  })
}

async function findRange(db: Db, query: SQL, after: string): Promise<Range> {
  const [end] = await db.all<{ upTo: string | null; crowded: number }>(query)
  return { after, upTo: end?.upTo ?? null, crowded: end?.crowded === 1 }
}

async function countLists(res: Resources, row: Row, range: Range): Promise<number> {
  const { from, where } = usersByExactValue(row)
  const { n } = await res.databaseOf(row.workspace).get<{ n: number }>(sql`
    SELECT count(*) AS n FROM ${from}
    WHERE ${where} AND ${within(sql`u.value`, range)} AND u.type = 'list'`)
  return n
}

interface Move {
  users: number
  statements: SQL[]
  to: Partial<Row>
}

async function move(
  res: Resources,
  { key, step, workspace }: Row,
  invocation: Invocation,
  { users, statements, to }: Move,
): Promise<void> {
  const db = res.databaseOf(workspace)
  const results = await together(db, [
    ...statements,
    db
      .update(definitionPreviews)
      .set({ ...to, step: step + 1 })
      .where(sql`key = ${key} AND step = ${step}`),
  ])
  await invocation.took(costOf(results).ms, users)
}

/** With some users of each sample, as they are now: no id of a user is kept. */
async function shown(res: Resources, row: Row): Promise<Preview> {
  const { samples, ...forecast } = row.forecast
  if (row.state !== 'complete' || samples.length === 0) return { ...row, forecast, samples: [] }
  const seating = seatingOf(row, res)
  const { from, where } = userRows(seating)
  const isExact = row.matching === null
  const [value, order] = isExact
    ? ['u.value', 'u.user_id']
    : ['nv.normalized', 'nv.value, u.user_id']
  const found = await together(
    res.databaseOf(row.workspace),
    samples.map(
      (sample) => sql<{ user: string }>`
      SELECT u.user_id AS user FROM ${from}
      WHERE ${where} AND ${sql.raw(value)} = ${sample.value} AND u.type <> 'list'
      ORDER BY ${sql.raw(order)} LIMIT ${seating.seatsMax}`,
    ),
  )
  const some = found.map(({ rows }) => rows.map(({ user }) => user))
  return {
    ...row,
    forecast,
    samples: samples
      .map(({ value, users }, i) => ({ value, users, some: some[i] ?? [] }))
      .sort((a, b) => Buffer.compare(Buffer.from(a.value), Buffer.from(b.value))),
  }
}

/** Whole percent of what is to be counted; the first half of a preview normalizes values. */
export function percentOfPreview({ state, scanned, expected }: Preview): number {
  if (state === 'complete') return 100
  return state === 'normalizing'
    ? 0
    : Math.min(99, Math.floor((100 * scanned) / Math.max(1, expected)))
}

/** The statements that delete a workspace's previews, as users leave who may be in them. */
export const forgetPreviews = ({ workspace, users, guard }: Forgotten): SQL[] => [
  sql`
  DELETE FROM normalized_values WHERE ${guard}
    AND definition_key IN (SELECT -key FROM definition_previews WHERE workspace_id = ${workspace})
    AND value IN (SELECT value FROM user_attributes
      WHERE workspace_id = ${workspace} AND user_id IN (${users}))`,
  sql`DELETE FROM definition_previews WHERE workspace_id = ${workspace} AND ${guard}`,
]

const sweptMost = 5000

/** Deletes previews of over an hour ago, and normalized values of none, in bounded steps. */
export async function sweepPreviews({ database, now }: Resources): Promise<void> {
  await together(database, [
    deleteSome(sql`definition_previews`, sql`key`, sql`created_at <= ${now() - keptFor}`, 1000),
    deleteSome(
      sql`normalized_values`,
      sql`definition_key, normalized, value`,
      sql`definition_key < 0
        AND NOT EXISTS (SELECT 1 FROM definition_previews WHERE key = -definition_key)`,
      sweptMost,
    ),
  ])
}
