import { sql, type SQL } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced, enqueueDeliveries } from './announce.ts'
import { answersToKeep, someErased } from './kept-answers.ts'
import { delaysOf, disableAfter } from './schedule.ts'
import { isDelivered, nextStateOf, saveOutcomes, type Claimed, type Outcome } from './outcomes.ts'
import { isHung, send, type Receiver } from './send.ts'
import { secretsAt } from './sign.ts'
import { enqueueNext, hasPlace } from './turn.ts'

/** Milliseconds after which an invocation sends nothing more. */
const invocationTime = 20_000

/** Milliseconds after which an invocation that has not reported is taken for dead. */
const leaseTime = 60_000

/** Deliveries that an invocation claims at a time. */
const claimedMost = 50

/** Requests to one receiver at the same time; one that fails gets no more at a time. */
const concurrency = 5

/** A webhook that this invocation alone sends to, until `lease` (milliseconds). */
interface Claim {
  workspace: number
  webhook: number
  lease: number
  receiver: Receiver
  deliveries: Claimed[]
  /** Whether somebody of the workspace was erased before. */
  someErased: boolean
}

/**
 * Sends the due deliveries of a webhook, and schedules retries. Safe to repeat, also at once; after
 * a crash, a delivery may arrive twice.
 */
export async function deliver(res: Resources, workspace: number, webhook: number): Promise<void> {
  if (await sendDue(res, workspace, webhook)) await enqueueNext(res, workspace, webhook)
}

/** Whether it has sent anything: it may have no turn, or nothing due. */
async function sendDue(res: Resources, workspace: number, webhook: number): Promise<boolean> {
  const until = res.now() + invocationTime
  for (let begun = false; ; begun = true) {
    const claim = await claimDue(res, workspace, webhook)
    if (claim === undefined) return begun
    const outcomes = await sendAll(res, claim, until)
    await saveSent(res, claim, outcomes)
    const sent = { attempts: outcomes.length, delivered: outcomes.filter(isDelivered).length }
    const left = claim.deliveries.length - outcomes.length
    const facts = { event: 'deliveries', workspace, webhook: claim.receiver.id }
    console.info(JSON.stringify({ ...facts, ...sent, left }))
    res.measure({ kind: 'deliveries', ...sent })
    // What else is due waits for the cron of the next minute.
    if (outcomes.some(isHung)) return true
    // A message that came meanwhile found the webhook claimed: the loop looks for its deliveries.
    if (res.now() <= until) continue
    await enqueueDeliveries(res, [{ workspace, webhook }])
    return true
  }
}

/**
 * Undefined where the webhook is claimed, disabled or deleted, has nothing due, or must wait for
 * others of its workspace.
 */
async function claimDue(
  res: Resources,
  workspace: number,
  webhook: number,
): Promise<Claim | undefined> {
  const now = res.now()
  const lease = now + leaseTime
  const due = sql`webhook_key = ${webhook} AND state = 'pending' AND next_attempt_at <= ${now}`
  const first = sql`
    SELECT event_key FROM deliveries INDEXED BY deliveries_due WHERE ${due}
    ORDER BY next_attempt_at, event_key LIMIT coalesce((
      SELECT iif(failing_since IS NULL, ${claimedMost}, ${concurrency})
      FROM webhooks WHERE key = ${webhook}), 0)`
  const [claimed, , receivers, deliveries] = await together(res.databaseOf(workspace), [
    sql`
    UPDATE webhooks SET busy_until = ${lease}
    WHERE key = ${webhook} AND workspace_id = ${workspace}
      AND disabled IS NULL AND coalesce(busy_until, 0) <= ${now}
      AND EXISTS (SELECT 1 FROM deliveries WHERE ${due}) AND ${hasPlace(workspace, now)}`,
    sql`
    UPDATE deliveries SET attempts = attempts + 1, tries = tries + 1
    WHERE webhook_key = ${webhook} AND event_key IN (${first}) AND changes() > 0`,
    sql<{ id: string; url: string; someErased: number } & Parameters<typeof secretsAt>[0]>`
    SELECT id, url, secret, former_secret AS former, former_until AS formerUntil,
      ${someErased(workspace)} AS someErased
    FROM webhooks WHERE key = ${webhook} AND busy_until = ${lease}`,
    sql<Claimed>`
    SELECT d.event_key AS event, d.attempts AS attempt, d.tries, e.id,
      json_object('type', e.type,
        'timestamp', strftime('%Y-%m-%dT%H:%M:%fZ', e.at / 1000.0, 'unixepoch'),
        'data', json(e.data)) AS body
    FROM (${first}) AS f
      CROSS JOIN deliveries AS d ON d.webhook_key = ${webhook} AND d.event_key = f.event_key
      CROSS JOIN events AS e ON e.key = d.event_key`,
  ])
  if (claimed.changes === 0) return undefined
  const [row] = receivers.rows
  if (row === undefined) return undefined
  return {
    workspace,
    webhook,
    lease,
    receiver: { id: row.id, url: row.url, secrets: secretsAt(row, now) },
    deliveries: deliveries.rows,
    someErased: row.someErased === 1,
  }
}

/** Sends deliveries a few at a time, and begins none after `until`, or once the receiver hangs. */
async function sendAll(
  res: Resources,
  { receiver, deliveries }: Claim,
  until: number,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const queue = deliveries.values()
  const sendNext = async () => {
    for (const delivery of queue) {
      outcomes.push(await send(res, receiver, delivery))
      if (res.now() > until || outcomes.some(isHung)) return
    }
  }
  await Promise.all(Array.from({ length: concurrency }, sendNext))
  return outcomes
}

/** Saves the outcomes in one batch, frees or disables the webhook, and enqueues retries. */
async function saveSent(res: Resources, claim: Claim, outcomes: Outcome[]): Promise<void> {
  const { workspace, webhook, lease, receiver, deliveries } = claim
  const now = res.now()
  const kept = claim.someErased
    ? await answersToKeep(res, workspace, outcomes)
    : { outcomes, nameErased: someErased(workspace) }
  const nextStates = outcomes.map((outcome) => nextStateOf(outcome, now))
  const gone = outcomes.some(({ status }) => status === 410)
  const someDelivered = outcomes.some(isDelivered)
  const failing = outcomes.length > 0 && !someDelivered
  const failingSince = failing
    ? sql`coalesce(failing_since, ${now})`
    : someDelivered
      ? null
      : sql`failing_since`
  const claimed = sql`key = ${webhook} AND busy_until = ${lease}`
  const disable = (reason: 'gone' | 'failing', condition: SQL): SQL[] => [
    sql`
    UPDATE webhooks SET disabled = ${reason}
    WHERE key = ${webhook} AND disabled IS NULL AND ${condition}`,
    ...announce(res, workspace, {
      type: 'webhook.disabled',
      data: { webhook_id: receiver.id, reason },
    }),
  ]
  const results = await together(res.databaseOf(workspace), [
    ...saveOutcomes(webhook, deliveries, kept, nextStates),
    sql`UPDATE webhooks SET failing_since = ${failingSince} WHERE ${claimed}`,
    ...(gone
      ? disable('gone', sql`true`)
      : failing
        ? disable('failing', sql`failing_since <= ${now - disableAfter}`)
        : []),
    sql`UPDATE webhooks SET busy_until = NULL WHERE ${claimed}`,
  ])
  await enqueueAnnounced(res, workspace, results)
  await enqueueDeliveries(
    res,
    delaysOf(nextStates, res.now()).map((delaySeconds) => ({ workspace, webhook, delaySeconds })),
  )
}
