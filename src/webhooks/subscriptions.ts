import { and, asc, eq, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { webhooks } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { problemOfAddress } from './address.ts'
import { newEventId, enqueueDeliveries, enqueueAnnounced, telling } from './announce.ts'
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

/** A webhook without its secrets: they are told once, and used for signing alone. */
export type Subscription = Pick<typeof webhooks.$inferSelect, keyof typeof shown>

export interface SubscriptionDraft {
  url: string
  description: string
  /** Null: all. */
  eventTypes: EventType[] | null
}

const named = (workspace: number, id: string) =>
  and(eq(webhooks.workspace, workspace), eq(webhooks.id, id))

/** The webhooks of the workspace, oldest first: no more than the limits of this installation allow, or allowed. */
export async function listWebhooks(db: Db, workspace: number): Promise<Subscription[]> {
  return db
    .select(shown)
    .from(webhooks)
    .where(eq(webhooks.workspace, workspace))
    .orderBy(asc(webhooks.key))
}

/** Throws `not-found` for an unknown webhook and for another workspace's alike. */
export async function getWebhook(db: Db, workspace: number, id: string): Promise<Subscription> {
  const [webhook] = await db.select(shown).from(webhooks).where(named(workspace, id))
  if (webhook === undefined) throw new Failure({ reason: 'not-found', what: 'webhook', id })
  return webhook
}

/** Opens a webhook. Its secret is told here and never again. Throws `invalid` for a URL that is not open to all, `limit`. */
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
  // One statement, so that two requests at once do not both find room.
  const { meta } = await db.run(sql`
    INSERT INTO webhooks (workspace_id, id, url, description, event_types, secret,
      created_on, created_by, last_modified_on, last_modified_by)
    SELECT ${workspace}, ${id}, ${url}, ${description}, ${types}, ${secret},
      ${now}, ${by}, ${now}, ${by}
    WHERE (SELECT count(*) FROM webhooks WHERE workspace_id = ${workspace}) < ${webhooksMax}`)
  if (meta.changes === 0) throw new Failure({ reason: 'limit', what: 'webhooks', max: webhooksMax })
  return { ...(await getWebhook(db, workspace, id)), secret }
}

/** Replaces where a webhook's events go, and which. Throws `invalid`, `not-found`. */
export async function updateWebhook(
  res: Resources,
  workspace: number,
  id: string,
  draft: SubscriptionDraft,
  by: string,
): Promise<Subscription> {
  checkAddress(res, draft.url)
  return changed(res, workspace, id, { ...draft, updatedAt: res.now(), updatedBy: by })
}

/** A deleted webhook gets nothing more; what it was sent is kept as long as the events are. Throws `not-found`. */
export async function deleteWebhook(db: Db, workspace: number, id: string): Promise<void> {
  const { meta } = await db.delete(webhooks).where(named(workspace, id))
  if (meta.changes === 0) throw new Failure({ reason: 'not-found', what: 'webhook', id })
}

/** Has a webhook get its events again, those first that were on their way; its failures are forgotten. Throws `not-found`. */
export async function enableWebhook(
  res: Resources,
  workspace: number,
  id: string,
  by: string,
): Promise<Subscription> {
  const webhook = await changed(res, workspace, id, {
    disabled: null,
    failingSince: null,
    updatedAt: res.now(),
    updatedBy: by,
  })
  await enqueueDeliveries(res, [{ workspace, webhook: webhook.key }])
  return webhook
}

/** Has a webhook get nothing until it is enabled: what is on its way waits, what happens meanwhile can be replayed. Throws `not-found`. */
export async function disableWebhook(
  res: Resources,
  workspace: number,
  id: string,
  by: string,
): Promise<Subscription> {
  return changed(res, workspace, id, { disabled: 'asked', updatedAt: res.now(), updatedBy: by })
}

/** For how long the secret before signs beside a new one, in milliseconds. */
const rotation = 24 * 3_600_000

/** Gives a webhook a new secret, which is told here and never again. The one before signs beside it for a day. Throws `not-found`. */
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
    ...(await changed(res, workspace, id, {
      former,
      formerUntil: now + rotation,
      secret,
      updatedAt: now,
      updatedBy: by,
    })),
    secret,
  }
}

/** Sends a webhook, and no other, an event to try it by. Gives the event's id. Throws `not-found`, or `invalid` where it is disabled. */
export async function testWebhook(res: Resources, workspace: number, id: string): Promise<string> {
  const { key, disabled } = await getWebhook(res.databaseOf(workspace), workspace, id)
  if (disabled !== null)
    throw new Failure({ reason: 'invalid', field: 'webhook', problem: 'is disabled' })
  const event = newEventId()
  const data = JSON.stringify({ webhook_id: id })
  const statements = telling(event, workspace, 'webhook.test', data, res.now(), {
    guard: sql`true`,
    to: sql`w.key = ${key}`,
  })
  await enqueueAnnounced(res, workspace, await together(res.databaseOf(workspace), statements))
  return event
}

type Changes = {
  [Column in keyof typeof webhooks.$inferSelect]?: (typeof webhooks.$inferSelect)[Column] | SQL
}

async function changed(
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

function checkAddress({ localWebhooks }: Resources, url: string): void {
  const problem = problemOfAddress(url, { local: localWebhooks })
  if (problem !== undefined) throw new Failure({ reason: 'invalid', field: 'url', problem })
}
