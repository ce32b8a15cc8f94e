import { sql, SQL } from 'drizzle-orm'
import type { Actor } from '../actor.ts'
import { together, type Result } from '../db/connect.ts'
import { faultOf } from '../failure.ts'
import { takeKey } from '../idempotency/keys.ts'
import { sendBatchMost } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { objects } from './event-object.ts'
import { usualTypes, type Event, type EventType } from './event.ts'

/** Holds where the statement before has changed something. */
const changed = sql`changes() > 0`

/** An event to write; SQL gives JSON. */
export type Announcement = (Event | { type: EventType; data: SQL }) & {
  /** Its object before and after. */
  change?: SQL | { before: object; after: object } | undefined
  /** Who has requested it, where that is not who acts now. */
  actor?: Actor
}

/**
 * The statements that write an event and its deliveries, and take the Idempotency-Key of the request.
 * They stand right behind the statement of the change, unless `guard` says otherwise.
 */
export function announce(
  res: Resources,
  workspace: number,
  event: Announcement,
  guard: SQL = changed,
): SQL[] {
  const to = subscribed(event.type)
  return eventStatements(res, workspace, { id: newEventId(), ...event }, { guard, to })
}

export const newEventId = () => `evt_${crypto.randomUUID()}`

/** The same for an event with an id, and for the webhooks `w` for which `to` holds. */
export function eventStatements(
  res: Resources,
  workspace: number,
  { id, data, ...event }: Announcement & { id: string },
  { guard, to }: { guard: SQL; to: SQL },
): SQL[] {
  // The limit keeps SQLite from evaluating the data twice.
  const row = sql`(SELECT ${id} AS id, ${jsonOf(data)} AS data WHERE ${guard} LIMIT 1)`
  return [
    insertEvents(res, workspace, event, row),
    insertDeliveries(workspace, { ids: sql`(${id})`, to }),
    ...takeKey(res, workspace, id),
  ]
}

/** The same for an event of each row of `rows`, a query of `id` (a UUID) and `data`. */
export function announceEach(res: Resources, workspace: number, type: EventType, rows: SQL): SQL[] {
  const ofEvents = sql`(SELECT 'evt_' || id AS id, data FROM (${rows}))`
  return [
    insertEvents(res, workspace, { type }, ofEvents),
    insertDeliveries(workspace, { ids: sql`(SELECT id FROM ${ofEvents})`, to: subscribed(type) }),
  ]
}

/** Writes an event of which nothing else in the database changes. */
export async function record(
  res: Resources,
  workspace: number,
  event: Announcement,
): Promise<void> {
  const statements = announce(res, workspace, event, sql`true`)
  await enqueueAnnounced(res, workspace, await together(res.databaseOf(workspace), statements))
}

function insertEvents(
  res: Resources,
  workspace: number,
  { type, change, actor = res.actor }: { type: EventType } & Pick<Announcement, 'change' | 'actor'>,
  rows: SQL,
): SQL {
  const [kind, field] = objects[type] ?? [null, null]
  return sql`
    INSERT INTO events (workspace_id, id, type, at, data,
      actor_id, actor, object_kind, object_id, change)
    SELECT ${workspace}, id, ${type}, ${res.now()}, data,
      ${actor.client ?? null}, ${JSON.stringify(actor)}, ${kind}, data ->> ${field}, ${jsonOf(change)}
    FROM ${rows} WHERE true ON CONFLICT (workspace_id, id) DO NOTHING`
}

const insertDeliveries = (workspace: number, { ids, to }: { ids: SQL; to: SQL }): SQL => sql`
    INSERT INTO deliveries
      (webhook_key, event_key, workspace_id, state, attempts, tries, next_attempt_at)
    SELECT w.key, e.key, e.workspace_id, 'pending', 0, 0, e.at
    FROM events AS e CROSS JOIN webhooks AS w ON w.workspace_id = e.workspace_id
    WHERE e.workspace_id = ${workspace} AND e.id IN ${ids} AND ${to}
    RETURNING webhook_key AS due`

const jsonOf = (value: SQL | object | undefined): SQL | string | null =>
  value === undefined || value instanceof SQL ? (value ?? null) : JSON.stringify(value)

/** Whether a webhook `w` is sent events of a type. */
function subscribed(type: EventType): SQL {
  const named = sql`${type} IN (SELECT value FROM json_each(w.event_types))`
  return sql`w.disabled IS NULL
  AND ${usualTypes.includes(type) ? sql`(w.event_types IS NULL OR ${named})` : named}`
}

/** Enqueues the deliveries that `announce` has written, by the results of its batch. */
export async function enqueueAnnounced(
  res: Resources,
  workspace: number,
  results: Result[],
): Promise<void> {
  const due = results.flatMap(({ rows }) =>
    (rows as { due?: number }[]).flatMap(({ due }) => (due === undefined ? [] : [due])),
  )
  await enqueueDeliveries(
    res,
    [...new Set(due)].map((webhook) => ({ workspace, webhook })),
  )
}

/**
 * Enqueues up to a hundred webhooks. Throws nothing where the queue does not answer: the cron of
 * the next minute finds what is due.
 */
export async function enqueueDeliveries(
  res: Resources,
  webhooks: { workspace: number; webhook: number; delaySeconds?: number }[],
): Promise<void> {
  if (webhooks.length === 0) return
  try {
    await res.deliveries.sendBatch(
      webhooks.slice(0, sendBatchMost).map(({ delaySeconds = 0, ...webhook }) => ({
        body: { kind: 'deliver', ...webhook },
        delaySeconds,
      })),
    )
  } catch (error) {
    console.error(
      JSON.stringify({ event: 'enqueue-failed', webhooks: webhooks.length, ...faultOf(error) }),
    )
  }
}
