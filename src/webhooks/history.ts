import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { day } from '../time.ts'
import { enqueueDeliveries } from './announce.ts'
import type { deliveryStates, EventType } from './event.ts'
import type { PastEvent } from './record.ts'
import { getWebhook } from './subscriptions.ts'

export type DeliveryState = (typeof deliveryStates)[number]

export interface Attempt {
  attempt: number
  at: number
  status: number | null
  /** Milliseconds. */
  duration: number
  answer: string
}

/** The way of an event to a webhook; `event` is the event's id, and the delivery's too. */
export interface Delivery {
  event: string
  type: EventType
  at: number
  state: DeliveryState
  nextAttemptAt: number | null
  attempts: Attempt[]
}

/** Events in the order in which they happened, `after` excluded. Throws `not-found` for `after`. */
export async function listEvents(
  db: Db,
  workspace: number,
  {
    after,
    types,
    size,
  }: { after: string | undefined; types: EventType[] | undefined; size: number },
): Promise<PastEvent[]> {
  const afterKey = after === undefined ? 0 : await keyOf(db, workspace, after)
  const ofTypes =
    types === undefined
      ? sql``
      : sql`AND type IN (SELECT value FROM json_each(${JSON.stringify(types)}))`
  const rows = await db.all<EventRow>(sql`
    SELECT ${eventColumns(sql`events`)} FROM events
    WHERE workspace_id = ${workspace} AND key > ${afterKey} ${ofTypes} ORDER BY key LIMIT ${size}`)
  return rows.map(readEvent)
}

/** A row of `eventColumns`. */
type EventRow = Omit<PastEvent, 'data' | 'actor' | 'change'> &
  Record<'data', string> &
  Record<'actor' | 'change', string | null>

const eventColumns = (e: SQL) => sql`${e}.key, ${e}.id, ${e}.type, ${e}.at, ${e}.data, ${e}.actor,
  ${e}.object_kind AS objectKind, ${e}.object_id AS objectId, ${e}.change`

const readEvent = ({ data, actor, change, ...row }: EventRow): PastEvent => ({
  ...row,
  data: JSON.parse(data) as PastEvent['data'], // what is written
  actor: JSON.parse(actor ?? 'null') as PastEvent['actor'],
  change: JSON.parse(change ?? 'null') as PastEvent['change'],
})

async function keyOf(db: Db, workspace: number, event: string): Promise<number> {
  const [row] = await db.all<{ key: number }>(
    sql`SELECT key FROM events WHERE workspace_id = ${workspace} AND id = ${event}`,
  )
  if (row === undefined) throw new Failure({ reason: 'not-found', what: 'event', id: event })
  return row.key
}

/** Attempts of a delivery that are shown: retries may be many. */
export const attemptsMost = 20

/**
 * The deliveries of a webhook before the event `after`, newest first, each with its last attempts.
 * Throws `not-found`.
 */
export async function listDeliveries(
  db: Db,
  workspace: number,
  id: string,
  {
    state,
    after,
    size,
  }: { state: DeliveryState | undefined; after: string | undefined; size: number },
): Promise<Delivery[]> {
  const { key } = await getWebhook(db, workspace, id)
  const before = after === undefined ? Number.MAX_SAFE_INTEGER : await keyOf(db, workspace, after)
  // SQLite takes a partial index only where the state is a literal: one of our own words.
  const inState = state === undefined ? sql`` : sql.raw(`AND d.state = '${state}'`)
  const index = {
    pending: 'INDEXED BY deliveries_due',
    failed: 'INDEXED BY deliveries_failed',
    delivered: '',
  }[state ?? 'delivered']
  const page = sql`SELECT d.event_key, d.state, d.next_attempt_at, d.attempts FROM deliveries AS d ${sql.raw(index)}
    WHERE d.webhook_key = ${key} AND d.event_key < ${before} ${inState}
    ORDER BY d.event_key DESC LIMIT ${size}`
  const [found, attempts] = await together(db, [
    sql<Omit<Delivery, 'attempts'>>`
    SELECT e.id AS event, e.type, e.at, p.state, p.next_attempt_at AS nextAttemptAt
    FROM (${page}) AS p CROSS JOIN events AS e ON e.key = p.event_key`,
    sql<Attempt & { event: string }>`
    SELECT e.id AS event, a.attempt, a.at, a.status, a.duration, a.answer
    FROM (${page}) AS p CROSS JOIN events AS e ON e.key = p.event_key
      CROSS JOIN delivery_attempts AS a ON a.webhook_key = ${key} AND a.event_key = p.event_key
        AND a.attempt > p.attempts - ${attemptsMost}`,
  ])
  const deliveries = found.rows.map((delivery): Delivery => ({ ...delivery, attempts: [] }))
  const byEvent = new Map(deliveries.map((delivery) => [delivery.event, delivery]))
  for (const { event, ...attempt } of attempts.rows) byEvent.get(event)?.attempts.push(attempt)
  return deliveries
}

/** Sends an event to a webhook again, now and then by the whole schedule. Throws `not-found`. */
export async function retryDelivery(
  res: Resources,
  workspace: number,
  id: string,
  event: string,
): Promise<void> {
  const db = res.databaseOf(workspace)
  const { key } = await getWebhook(db, workspace, id)
  const [retried] = await together(db, [
    sql`
    UPDATE deliveries SET state = 'pending', tries = 0, next_attempt_at = ${res.now()}
    WHERE webhook_key = ${key}
      AND event_key = (SELECT key FROM events WHERE workspace_id = ${workspace} AND id = ${event})`,
  ])
  if (retried.changes === 0) throw new Failure({ reason: 'not-found', what: 'delivery', id: event })
  await enqueueDeliveries(res, [{ workspace, webhook: key }])
}

/** Events that one statement of a replay reads. */
const eventsPerStep = 1000

/**
 * Sends events of a period (milliseconds) again: failed deliveries, or all events, older than the
 * webhook too. Gives their number. Throws `not-found`.
 */
export async function replay(
  res: Resources,
  workspace: number,
  id: string,
  { since, until, only }: { since: number; until: number; only: 'failed' | 'all' },
): Promise<number> {
  const db = res.databaseOf(workspace)
  const { key } = await getWebhook(db, workspace, id)
  const now = res.now()
  let count = 0
  for (let after: number | undefined = 0; after !== undefined;) {
    const step: SQL = sql`
      SELECT key, type, at FROM events WHERE workspace_id = ${workspace} AND key > ${after}
      ORDER BY key LIMIT ${eventsPerStep}`
    const matching = sql`
      SELECT s.key FROM (${step}) AS s CROSS JOIN webhooks AS w ON w.key = ${key}
      WHERE s.at >= ${since} AND s.at <= ${until} AND s.type <> 'webhook.test'
        AND (w.event_types IS NULL OR s.type IN (SELECT value FROM json_each(w.event_types)))`
    const requeue =
      only === 'failed'
        ? sql`UPDATE deliveries SET state = 'pending', tries = 0, next_attempt_at = ${now}
            WHERE webhook_key = ${key} AND state = 'failed' AND event_key IN (${matching})`
        : sql`INSERT INTO deliveries
              (webhook_key, event_key, workspace_id, state, attempts, tries, next_attempt_at)
            SELECT ${key}, key, ${workspace}, 'pending', 0, 0, ${now} FROM (${matching}) WHERE true
            ON CONFLICT (webhook_key, event_key) DO UPDATE
            SET state = 'pending', tries = 0, next_attempt_at = excluded.next_attempt_at`
    const [replayed, end] = await together(db, [
      requeue,
      sql<{ scanned: number; reached: number }>`
      SELECT count(*) AS scanned, max(key) AS reached FROM (${step})`,
    ])
    const [{ scanned, reached } = { scanned: 0, reached: 0 }] = end.rows
    count += replayed.changes
    after = scanned < eventsPerStep ? undefined : reached
  }
  await enqueueDeliveries(res, [{ workspace, webhook: key }])
  return count
}

const retentionDays = 30
const eventsPerSweep = 200
const sweepsPerInvocation = 50

/** Deletes events older than thirty days and their deliveries, in bounded steps. */
export async function sweepEvents(res: Resources): Promise<void> {
  const db = res.directory
  const before = res.now() - retentionDays * day
  for (let sweep = 0; sweep < sweepsPerInvocation; sweep++) {
    const [end] = await db.all<{ key: number | null }>(
      sql`
      SELECT max(key) AS key FROM (SELECT key, at FROM events ORDER BY key LIMIT ${eventsPerSweep})
      WHERE at < ${before}`,
    )
    if (end === undefined || end.key === null) return
    await together(db, [
      sql`
      DELETE FROM delivery_attempts WHERE (webhook_key, event_key) IN
        (SELECT webhook_key, event_key FROM deliveries WHERE event_key <= ${end.key})`,
      sql`DELETE FROM deliveries WHERE event_key <= ${end.key}`,
      sql`DELETE FROM events WHERE key <= ${end.key}`,
    ])
  }
}
