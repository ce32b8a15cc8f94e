import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { day } from '../time.ts'
import {
  announce,
  enqueueAnnounced,
  enqueueDeliveries,
  record,
  type Announcement,
} from './announce.ts'
import { usualTypes, type deliveryStates, type EventType } from './event.ts'
import { firstKeyAt, keyOf, writtenWithin } from './event-list.ts'
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

/** Attempts of a delivery that are shown, as retries may be many. */
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
  const results = await together(db, [
    sql`
    UPDATE deliveries SET state = 'pending', tries = 0, next_attempt_at = ${res.now()}
    WHERE webhook_key = ${key}
      AND event_key = (SELECT key FROM events WHERE workspace_id = ${workspace} AND id = ${event})`,
    ...announce(res, workspace, {
      type: 'delivery.retried',
      data: { webhook_id: id, event_id: event },
    }),
  ])
  if (results[0].changes === 0)
    throw new Failure({ reason: 'not-found', what: 'delivery', id: event })
  await enqueueDeliveries(res, [{ workspace, webhook: key }])
  await enqueueAnnounced(res, workspace, results)
}

/** Deliveries of older events are gone. */
export const deliveryDays = 30

/** Events that one statement of a replay reads. */
const eventsPerStep = 1000

export interface Period {
  since: number
  until: number
  only: 'failed' | 'all'
}

/**
 * Sends events of a period (milliseconds) again: failed deliveries, or all events, older than the
 * webhook too. Gives their number. One that has broken off has `begun`. Throws `not-found`.
 */
export async function replay(
  res: Resources,
  workspace: number,
  id: string,
  { until, only, begun = false, ...period }: Period & { begun?: boolean },
): Promise<number> {
  const db = res.databaseOf(workspace)
  const { key } = await getWebhook(db, workspace, id)
  const now = res.now()
  const since = Math.max(period.since, now - deliveryDays * day)
  // Before it begins, as it may break off anywhere.
  if (!begun) await record(res, workspace, replayEvent(id, { since, until, only }))
  let count = 0
  let after: number | undefined = await keyBefore(db, workspace, since)
  while (after !== undefined) {
    const step: SQL = sql`
      SELECT key, type, at FROM events WHERE workspace_id = ${workspace} AND key > ${after}
      ORDER BY key LIMIT ${eventsPerStep}`
    const matching = sql`
      SELECT s.key FROM (${step}) AS s CROSS JOIN webhooks AS w ON w.key = ${key}
      WHERE s.at >= ${since} AND s.at <= ${until} AND s.type <> 'webhook.test'
        AND s.type IN (SELECT value FROM json_each(coalesce(w.event_types, ${usual})))`
    const requeue =
      only === 'failed'
        ? sql`UPDATE deliveries SET state = 'pending', tries = 0, next_attempt_at = ${now}
            WHERE webhook_key = ${key} AND state = 'failed' AND event_key IN (${matching})`
        : sql`INSERT INTO deliveries
              (webhook_key, event_key, workspace_id, state, attempts, tries, next_attempt_at)
            SELECT ${key}, key, ${workspace}, 'pending', 0, 0, ${now} FROM (${matching}) WHERE true
            ON CONFLICT (webhook_key, event_key) DO UPDATE
            SET state = 'pending', tries = 0, next_attempt_at = excluded.next_attempt_at`
    const [, end] = await together(db, [
      requeue,
      sql<{ scanned: number; reached: number; requeued: number }>`
      SELECT count(*) AS scanned, max(key) AS reached, changes() AS requeued FROM (${step})`,
    ])
    const { scanned, reached, requeued } = end.rows[0] ?? { scanned: 0, reached: 0, requeued: 0 }
    count += requeued
    after = scanned < eventsPerStep ? undefined : reached
  }
  await enqueueDeliveries(res, [{ workspace, webhook: key }])
  return count
}

const usual = JSON.stringify(usualTypes)

const replayEvent = (id: string, { since, until, only }: Period): Announcement => ({
  type: 'webhook.replayed',
  data: {
    webhook_id: id,
    since: new Date(since).toISOString(),
    until: new Date(until).toISOString(),
    only,
  },
})

async function keyBefore(db: Db, workspace: number, at: number): Promise<number> {
  const first = await db.get<{ key: number }>(
    sql`SELECT ${firstKeyAt(workspace, at - writtenWithin)} AS key`,
  )
  return first.key - 1
}
