import { and, asc, eq, gt, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { webhooks } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { problemOfAddress } from './address.ts'
import { announce, enqueueAnnounced, enqueueDeliveries, type Announcement } from './announce.ts'
import type { EventType } from './event.ts'
import { newSecret } from './sign.ts'

const shown = {
  key: webhooks.key,
  id: webhooks.id,
  url: webhooks.url,
  description: webhooks.description,
  eventTypes: webhooks.eventTypes,
  formerUntil: webhooks.formerUntil,
  disabled: webhooks.disabled,
  failingSince: webhooks.failingSince,
  createdAt: webhooks.createdAt,
  createdBy: webhooks.createdBy,
  updatedAt: webhooks.updatedAt,
  updatedBy: webhooks.updatedBy,
}

/** A webhook without its secrets. */
export type Subscription = Pick<typeof webhooks.$inferSelect, keyof typeof shown>

export interface SubscriptionDraft {
  url: string
  description: string
  /** Null: all. */
  eventTypes: EventType[] | null
}

const named = (workspace: number, id: string) =>
  and(eq(webhooks.workspace, workspace), eq(webhooks.id, id))

/** The webhooks of the workspace after one of them, oldest first. Throws `not-found` for that one. */
export async function listWebhooks(
  db: Db,
  workspace: number,
  { after, size }: { after: string; size: number },
): Promise<Subscription[]> {
  const afterKey = after === '' ? 0 : (await getWebhook(db, workspace, after)).key
  return db
    .select(shown)
    .from(webhooks)
    .where(and(eq(webhooks.workspace, workspace), gt(webhooks.key, afterKey)))
    .orderBy(asc(webhooks.key))
    .limit(size)
}

/** Throws `not-found` for an unknown webhook and for another workspace's alike. */
export async function getWebhook(db: Db, workspace: number, id: string): Promise<Subscription> {
  const [webhook] = await db.select(shown).from(webhooks).where(named(workspace, id))
  if (webhook === undefined) throw new Failure({ reason: 'not-found', what: 'webhook', id })
  return webhook
}

/** Creates a webhook, and shows its secret this once. Throws `invalid` for its URL, `limit`. */
export async function createWebhook(
  res: Resources,
  workspace: number,
  { url, description, eventTypes }: SubscriptionDraft,
  by: string,
): Promise<Subscription & { secret: string }> {
  checkAddress(res, url)
  const { webhooksMax } = res.limits
  const now = res.now()
  const secret = newSecret(crypto.getRandomValues(new Uint8Array(32)))
  const types = eventTypes === null ? null : JSON.stringify(eventTypes)
  const id = crypto.randomUUID()
  const db = res.databaseOf(workspace)
  // One statement, so that two requests at once stay within the limit.
  const results = await together(db, [
    sql`
    INSERT INTO webhooks (workspace_id, id, url, description, event_types, secret,
      created_on, created_by, last_modified_on, last_modified_by)
    SELECT ${workspace}, ${id}, ${url}, ${description}, ${types}, ${secret},
      ${now}, ${by}, ${now}, ${by}
    WHERE (SELECT count(*) FROM webhooks WHERE workspace_id = ${workspace}) < ${webhooksMax}`,
    ...announce(res, workspace, { type: 'webhook.created', data: { webhook_id: id } }),
  ])
  if (results[0].changes === 0)
    throw new Failure({ reason: 'limit', what: 'webhooks', max: webhooksMax })
  await enqueueAnnounced(res, workspace, results)
  return { ...(await getWebhook(db, workspace, id)), secret }
}

/** Replaces the URL, the description and the event types. Throws `invalid`, `not-found`. */
export async function updateWebhook(
  res: Resources,
  workspace: number,
  id: string,
  { by, ...draft }: SubscriptionDraft & { by: string },
): Promise<Subscription> {
  checkAddress(res, draft.url)
  const event = { ...eventOf('webhook.updated', id), change: changeOf(workspace, id, draft) }
  const changes = { ...draft, updatedAt: res.now(), updatedBy: by }
  return update(res, workspace, id, { changes, event })
}

/** Its deliveries stay as long as their events. Throws `not-found`. */
export async function deleteWebhook(res: Resources, workspace: number, id: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const results = await together(db, [
    db.delete(webhooks).where(named(workspace, id)),
    ...announce(res, workspace, { type: 'webhook.deleted', data: { webhook_id: id } }),
  ])
  if (results[0].changes === 0) throw new Failure({ reason: 'not-found', what: 'webhook', id })
  await enqueueAnnounced(res, workspace, results)
}

/**
 * Sends a webhook its events again, pending ones first, and forgets its failures. Throws
 * `not-found`.
 */
export async function enableWebhook(
  res: Resources,
  workspace: number,
  id: string,
  by: string,
): Promise<Subscription> {
  const webhook = await update(res, workspace, id, {
    changes: { disabled: null, failingSince: null, updatedAt: res.now(), updatedBy: by },
    event: eventOf('webhook.enabled', id),
  })
  await enqueueDeliveries(res, [{ workspace, webhook: webhook.key }])
  return webhook
}

/** Pending deliveries wait; what happens meanwhile can be replayed. Throws `not-found`. */
export async function disableWebhook(
  res: Resources,
  workspace: number,
  id: string,
  by: string,
): Promise<Subscription> {
  return update(res, workspace, id, {
    changes: { disabled: 'asked', updatedAt: res.now(), updatedBy: by },
    event: eventOf('webhook.paused', id),
  })
}

/** Milliseconds for which the former secret signs too. */
const rotation = 24 * 3_600_000

/**
 * Gives a webhook a new secret, shown this once; the former signs for a day. Throws `not-found`.
 */
export async function rotateSecret(
  res: Resources,
  workspace: number,
  id: string,
  by: string,
): Promise<Subscription & { secret: string }> {
  const now = res.now()
  const secret = newSecret(crypto.getRandomValues(new Uint8Array(32)))
  const former = sql`secret`
  return {
    ...(await update(res, workspace, id, {
      changes: { former, formerUntil: now + rotation, secret, updatedAt: now, updatedBy: by },
      event: eventOf('webhook.rotated', id),
    })),
    secret,
  }
}

type Changes = {
  [Column in keyof typeof webhooks.$inferSelect]?: (typeof webhooks.$inferSelect)[Column] | SQL
}

async function update(
  res: Resources,
  workspace: number,
  id: string,
  { changes, event }: { changes: Changes; event: Announcement },
): Promise<Subscription> {
  const db = res.databaseOf(workspace)
  // The event first, as it says what the webhook was before.
  const results = await together(db, [
    ...announce(res, workspace, event, sql`EXISTS (SELECT 1 ${rowOf(workspace, id)})`),
    db.update(webhooks).set(changes).where(named(workspace, id)),
  ])
  const webhook = await getWebhook(db, workspace, id)
  await enqueueAnnounced(res, workspace, results)
  return webhook
}

const rowOf = (workspace: number, id: string) =>
  sql`FROM webhooks WHERE workspace_id = ${workspace} AND id = ${id}`

/** An event that says no more than which webhook it is about. */
const eventOf = (
  type: 'webhook.updated' | 'webhook.enabled' | 'webhook.paused' | 'webhook.rotated',
  id: string,
): Announcement => ({ type, data: sql`json_object('webhook_id', ${id})` })

/** URLs may hold secrets: whether they changed is all that is said of them. */
const changeOf = (
  workspace: number,
  id: string,
  { url, description, eventTypes }: SubscriptionDraft,
): SQL => sql`(SELECT json_object(
    'before', json_object('description', description, 'event_types', json(event_types)),
    'after', json_object('description', ${description},
      'event_types', json(${JSON.stringify(eventTypes)}),
      'url_changed', json(iif(url = ${url}, 'false', 'true')))) ${rowOf(workspace, id)})`

/** Throws `invalid`. */
function checkAddress({ webhookAddresses }: Resources, url: string): void {
  const problem = problemOfAddress(url, webhookAddresses)
  if (problem !== undefined) throw new Failure({ reason: 'invalid', field: 'url', problem })
}
