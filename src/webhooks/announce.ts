import { sql, SQL } from 'drizzle-orm'
import { faultOf } from '../failure.ts'
import type { Resources } from '../resources.ts'
import type { Event, EventType } from './event.ts'

/** Holds where the statement before has changed something. */
const changed = sql`changes() > 0`

/**
 * The statements that write an event, and its delivery to each webhook that listens: they stand in the batch of the change that it tells of,
 * right behind the statement that makes it, or wherever `guard` says whether it is made. `data` may be an SQL expression of JSON.
 */
export function announce(
  workspace: number,
  { type, data }: Event | { type: EventType; data: SQL },
  now: number,
  guard: SQL = changed,
): SQL[] {
  return telling(
    newEventId(),
    workspace,
    type,
    data instanceof SQL ? data : JSON.stringify(data),
    now,
    { guard, to: listening },
  )
}

export const newEventId = () => `evt_${crypto.randomUUID()}`

/** The statements that write an event, `data` as JSON, and its delivery to each webhook `w` of the workspace that `to` holds for. */
export function telling(
  id: string,
  workspace: number,
  type: EventType,
  data: SQL | string,
  now: number,
  { guard, to }: { guard: SQL; to: SQL },
): SQL[] {
  return [
    sql`
    INSERT INTO events (workspace_id, id, type, at, data)
    SELECT ${workspace}, ${id}, ${type}, ${now}, ${data} WHERE ${guard}`,
    sql`
    INSERT INTO deliveries (webhook_key, event_key, workspace_id, state, attempts, tries, next_attempt_at)
    SELECT w.key, e.key, e.workspace_id, 'pending', 0, 0, e.at FROM events AS e CROSS JOIN webhooks AS w ON w.workspace_id = e.workspace_id
    WHERE e.workspace_id = ${workspace} AND e.id = ${id} AND ${to}
    RETURNING webhook_key AS due`,
  ]
}

/** Whether a webhook `w` is sent an event `e`. */
const listening = sql`w.disabled IS NULL
  AND (w.event_types IS NULL OR e.type IN (SELECT value FROM json_each(w.event_types)))`

/** Enqueues the deliveries that a batch has written (see `announce`). Where the queue does not answer, the cron of the next minute does. */
export async function enqueueAnnounced(
  res: Resources,
  workspace: number,
  results: D1Result[],
): Promise<void> {
  const due = results.flatMap(({ results }) =>
    (results as { due?: number }[]).flatMap(({ due }) => (due === undefined ? [] : [due])),
  )
  await enqueueDeliveries(
    res,
    [...new Set(due)].map((webhook) => ({ workspace, webhook })),
  )
}

/** As many as one `sendBatch` takes. */
export const enqueuedMost = 100

/** Enqueues up to a hundred webhooks that have something to be sent, at once or after so many seconds. */
export async function enqueueDeliveries(
  res: Resources,
  webhooks: { workspace: number; webhook: number; delaySeconds?: number }[],
): Promise<void> {
  if (webhooks.length === 0) return
  try {
    await res.deliveries.sendBatch(
      webhooks.slice(0, enqueuedMost).map(({ delaySeconds = 0, ...one }) => ({
        body: { kind: 'deliver', ...one },
        delaySeconds,
      })),
    )
  } catch (error) {
    console.error(
      JSON.stringify({ event: 'enqueue-failed', webhooks: webhooks.length, ...faultOf(error) }),
    )
  }
}
