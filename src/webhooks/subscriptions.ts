import { and, asc, eq, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { webhooks } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { problemOfAddress } from './address.ts'
import { enqueueAnnounced, enqueueDeliveries, eventStatements, newEventId } from './announce.ts'
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

/** The webhooks of the workspace after one of them, oldest first. */
export async function listWebhooks(
  db: Db,
  workspace: number,
  { after, size }: { after: string; size: number },
): Promise<Subscription[]> {
  const isAfter =
    after === ''
      ? undefined
      : sql`${webhooks.key} > (SELECT key FROM webhooks WHERE ${named(workspace, after)})`
  return db
    .select(shown)
    .from(webhooks)
    .where(and(eq(webhooks.workspace, workspace), isAfter))
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
  const { meta } = await db.run(sql`
    INSERT INTO webhooks (workspace_id, id, url, description, event_types, secret,
      created_on, created_by, last_modified_on, last_modified_by)
    SELECT ${workspace}, ${id}, ${url}, ${description}, ${types}, ${secret},
      ${now}, ${by}, ${now}, ${by}
    WHERE (SELECT count(*) FROM webhooks WHERE workspace_id = ${workspace}) < ${webhooksMax}`)
  if (meta.changes === 0) throw new Failure({ reason: 'limit', what: 'webhooks', max: webhooksMax })
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
  return update(res, workspace, id, { ...draft, updatedAt: res.now(), updatedBy: by })
}

/** Its deliveries stay as long as their events. Throws `not-found`. */
export async function deleteWebhook(res: Resources, workspace: number, id: string): Promise<void> {
  const { meta } = await res.databaseOf(workspace).delete(webhooks).where(named(workspace, id))
  if (meta.changes === 0) throw new Failure({ reason: 'not-found', what: 'webhook', id })
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
    disabled: null,
    failingSince: null,
    updatedAt: res.now(),
    updatedBy: by,
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
  return update(res, workspace, id, { disabled: 'asked', updatedAt: res.now(), updatedBy: by })
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
      former,
      formerUntil: now + rotation,
      secret,
      updatedAt: now,
      updatedBy: by,
    })),
    secret,
  }
}

/** Test events of a workspace in so many seconds. */
const testsMost = 60
const testsPeriod = 3600
/** Among so many of the last events they are looked for, which needs no index of its own. */
const eventsSearched = 1000

/**
 * Sends a webhook a test event, and gives its id. Throws `not-found`, `invalid` if it is disabled,
 * `too-many-requests`.
 */
export async function testWebhook(res: Resources, workspace: number, id: string): Promise<string> {
  const { key, disabled } = await getWebhook(res.databaseOf(workspace), workspace, id)
  if (disabled !== null)
    throw new Failure({ reason: 'invalid', field: 'webhook', problem: 'is disabled' })
  const event = { id: newEventId(), type: 'webhook.test' as const, data: { webhook_id: id } }
  const now = res.now()
  const latest = sql`
    SELECT type, at FROM events WHERE workspace_id = ${workspace}
    ORDER BY key DESC LIMIT ${eventsSearched}`
  const statements = eventStatements(res, workspace, event, {
    guard: sql`(SELECT count(*) FROM (${latest})
      WHERE type = 'webhook.test' AND at > ${now - testsPeriod * 1000}) < ${testsMost}`,
    to: sql`w.key = ${key}`,
  })
  const results = await together(res.databaseOf(workspace), statements)
  if (results[0]?.changes !== 1)
    throw new Failure({ reason: 'too-many-requests', most: testsMost, seconds: testsPeriod })
  await enqueueAnnounced(res, workspace, results)
  return event.id
}

type Changes = {
  [Column in keyof typeof webhooks.$inferSelect]?: (typeof webhooks.$inferSelect)[Column] | SQL
}

async function update(
  res: Resources,
  workspace: number,
  id: string,
  changes: Changes,
): Promise<Subscription> {
  const [webhook] = await res
    .databaseOf(workspace)
    .update(webhooks)
    .set(changes)
    .where(named(workspace, id))
    .returning(shown)
  if (webhook === undefined) throw new Failure({ reason: 'not-found', what: 'webhook', id })
  return webhook
}

/** Throws `invalid`. */
function checkAddress({ webhookAddresses }: Resources, url: string): void {
  const problem = problemOfAddress(url, webhookAddresses)
  if (problem !== undefined) throw new Failure({ reason: 'invalid', field: 'url', problem })
}
