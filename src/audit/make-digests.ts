import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { signText } from '../access/tokens.ts'
import { together, type Db } from '../db/connect.ts'
import { findPlace, goOn } from '../db/cron-place.ts'
import { isFenced } from '../db/fenced.ts'
import { faultOf, isPassing } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { day as dayLength } from '../time.ts'
import {
  eventColumns,
  firstKeyAt,
  readEvent,
  writtenWithin,
  type EventRow,
} from '../webhooks/event-list.ts'
import { lineOf } from '../webhooks/record.ts'
import { payloadOf, sha256Of, type Digest } from './digest.ts'

/** A digest with the key of the last event of its or an earlier day. */
type Stored = Digest & { lastKey: number }

/** Milliseconds after which a day that is over is summed up: all of its events are written. */
const settled = 60 * 60_000

/** Of an invocation, which completes the day that it is at. */
const statementsMost = 200
const timeMost = 60_000
const eventsPerPage = 5000

/**
 * Makes the digests of the days that are over: of each workspace since its last digest, or since
 * its first event. Where one invocation is not enough, the next goes on; without `begins` it does
 * only that. Safe to repeat, also at once.
 */
export async function makeDigests(res: Resources, { begins }: { begins: boolean }): Promise<void> {
  const db = res.database
  const part = 'digests'
  if (!begins && (await findPlace(db, part)) === undefined) return
  const until = dayOf(res.now() - settled - dayLength)
  const end = { statements: res.meter.statements + statementsMost, at: res.now() + timeMost }
  const mayGoOn = () => res.meter.statements < end.statements && res.now() < end.at
  await goOn(db, part, mayGoOn, async (from) => {
    const next = await findNext(db, from.key)
    if (next === undefined) return undefined
    if (next.isFenced === 1) return { at: 0, key: next.workspace }
    const isDone = await makeDigestsOf(res, next, { until, mayGoOn }).catch((error: unknown) => {
      if (isPassing(error)) throw error
      // The others' digests do not wait for what fails here; it is tried again tomorrow.
      const { workspace } = next
      console.error(JSON.stringify({ event: 'digests-failed', workspace, ...faultOf(error) }))
      return true
    })
    return isDone ? { at: 0, key: next.workspace } : from
  })
}

const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)
const startOf = (day: string): number => Date.parse(`${day}T00:00:00Z`)

/** A workspace, its last digest, and when its oldest event was. */
interface Next {
  workspace: number
  last: Stored | undefined
  since: number | null
  isFenced: number
}

/** The next workspace that has events or a digest. */
async function findNext(db: Db, after: number): Promise<Next | undefined> {
  const nextIn = (table: 'events' | 'event_digests') => sql`(SELECT workspace_id
    FROM ${sql.raw(table)} WHERE workspace_id > ${after} ORDER BY workspace_id LIMIT 1)`
  const [row] = await db.all<{ workspace: number | null } & Pick<Next, 'since' | 'isFenced'>>(sql`
    SELECT workspace, ${isFenced(sql`workspace`)} AS isFenced, (SELECT at FROM events
      WHERE workspace_id = workspace AND key > 0 ORDER BY key LIMIT 1) AS since
    FROM (SELECT min(id) AS workspace FROM (
      SELECT ${nextIn('events')} AS id UNION ALL SELECT ${nextIn('event_digests')}))`)
  if (row === undefined || row.workspace === null) return undefined
  const [last] = await db.all<Stored>(sql`
    SELECT day, first, last, last_key AS lastKey, count, sha256, previous, signature
    FROM event_digests WHERE workspace_id = ${row.workspace} ORDER BY day DESC LIMIT 1`)
  return { ...row, workspace: row.workspace, last }
}

/** False: days are left for the next invocation. */
async function makeDigestsOf(
  res: Resources,
  { workspace, last, since }: Next,
  { until, mayGoOn }: { until: string; mayGoOn: () => boolean },
): Promise<boolean> {
  // The invocation before may have ended between the table and the file.
  if (last !== undefined) await storeFile(res, workspace, last)
  let before = last
  let day = last === undefined ? dayOf(since ?? res.now()) : dayAfter(last.day)
  while (day <= until) {
    if (before !== last && !mayGoOn()) return false
    const digest =
      (await findSigned(res, workspace, day, before)) ?? (await sumUp(res, workspace, day, before))
    if (!(await store(res, workspace, digest))) return true // another invocation has made it
    before = digest
    day = dayAfter(day)
  }
  return true
}

const dayAfter = (day: string): string => dayOf(startOf(day) + dayLength)

async function sumUp(
  res: Resources,
  workspace: number,
  day: string,
  before: Stored | undefined,
): Promise<Stored> {
  const db = res.databaseOf(workspace)
  const lastKey = before?.lastKey ?? 0
  const upTo = await lastKeyOf(db, workspace, { after: lastKey, end: startOf(day) + dayLength })
  const sum = createHash('sha256')
  let count = 0
  let [first, last]: [string | null, string | null] = [null, null]
  for (let key = lastKey; key < upTo;) {
    const rows = await db.all<EventRow>(sql`
      SELECT ${eventColumns(sql`events`)} FROM events
      WHERE workspace_id = ${workspace} AND key > ${key} AND key <= ${upTo}
      ORDER BY key LIMIT ${eventsPerPage}`)
    for (const row of rows) sum.update(lineOf(readEvent(row)))
    count += rows.length
    first ??= rows[0]?.id ?? null
    last = rows.at(-1)?.id ?? last
    key = rows.at(-1)?.key ?? upTo
  }
  const previous = before === undefined ? null : sha256Of(before.signature)
  const digest = { day, first, last, count, sha256: sum.digest('hex'), previous }
  const signature = await signText(res.signing, JSON.stringify(payloadOf(workspace, digest)))
  return { ...digest, signature, lastKey: upTo }
}

/**
 * The digest of a day whose file is there though its row is gone: a day is signed once, whatever has
 * become of its events and of the table.
 */
async function findSigned(
  res: Resources,
  workspace: number,
  day: string,
  before: Stored | undefined,
): Promise<Stored | undefined> {
  const file = await res.files.get(fileOf(workspace, day))
  if (file === null) return undefined
  console.error(JSON.stringify({ event: 'digest-restored', workspace, day }))
  const digest = await file.json<Digest>()
  const db = res.databaseOf(workspace)
  const after = before?.lastKey ?? 0
  const [last] = await db.all<{ key: number }>(
    sql`SELECT key FROM events WHERE workspace_id = ${workspace} AND id = ${digest.last}`,
  )
  const end = startOf(day) + dayLength
  const lastKey =
    last?.key ?? (digest.count === 0 ? after : await lastKeyOf(db, workspace, { after, end }))
  return { ...digest, lastKey }
}

/** The key of the last event before the end of a day; `after` where there is none since. */
async function lastKeyOf(
  db: Db,
  workspace: number,
  { after, end }: { after: number; end: number },
): Promise<number> {
  const [last] = await db.all<{ key: number }>(sql`
    SELECT key FROM events
    WHERE workspace_id = ${workspace} AND key > ${after}
      AND key < ${firstKeyAt(workspace, end + writtenWithin)} AND at < ${end}
    ORDER BY key DESC LIMIT 1`)
  return last?.key ?? after
}

/** False: there is a digest of the day. */
async function store(res: Resources, workspace: number, digest: Stored): Promise<boolean> {
  const { day, first, last, lastKey, count, sha256, previous, signature } = digest
  const oldest = dayOf(startOf(day) - res.limits.auditDays * dayLength)
  const [inserted] = await together(res.databaseOf(workspace), [
    sql`
    INSERT INTO event_digests
      (workspace_id, day, first, last, last_key, count, sha256, previous, signature)
    VALUES (${workspace}, ${day}, ${first}, ${last}, ${lastKey}, ${count}, ${sha256}, ${previous},
      ${signature})
    ON CONFLICT DO NOTHING`,
    sql`DELETE FROM event_digests WHERE workspace_id = ${workspace} AND day < ${oldest}`,
  ])
  if (inserted.changes === 0) return false
  await storeFile(res, workspace, digest)
  return true
}

const fileOf = (workspace: number, day: string) => `audit/${workspace}/${day}.json`

/** Writes the digest's file once: what is there stays. */
async function storeFile(res: Resources, workspace: number, digest: Stored): Promise<void> {
  const { lastKey: _, ...shown } = digest
  const name = fileOf(workspace, digest.day)
  if ((await res.files.head(name)) === null) await res.files.put(name, JSON.stringify(shown))
}
