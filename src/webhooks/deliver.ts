import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import type { Resources } from '../resources.ts'
import { problemOfAddress } from './address.ts'
import { announce, enqueueDeliveries, enqueueAnnounced, enqueuedMost } from './announce.ts'
import { patience, retryAfterOf, ringsFor } from './event.ts'
import { arrived, fateOf, writeFates, type Outcome, type Taken } from './outcomes.ts'
import { headersOf, secretsAt } from './sign.ts'

/** Milliseconds: for an answer (Standard Webhooks 1.0), for an invocation before it begins no more, and for one after which it is thought dead. */
const answerTime = 15_000
const invocationTime = 20_000
const leaseTime = 60_000

/** Deliveries that an invocation takes at a time, and sends at once. */
const takenMost = 50
const atOnce = 5

/** Bytes kept of what a receiver answers. */
const answerMost = 1024

interface Receiver {
  id: string
  url: string
  secrets: string[]
}

/**
 * Sends a webhook what is due, a few at a time, and tries again later what does not arrive. No other invocation sends to it meanwhile; one that
 * has died is followed by another, which may send again what arrived. Safe to repeat, also at once.
 */
export async function deliver(res: Resources, workspace: number, webhook: number): Promise<void> {
  const db = res.databaseOf(workspace)
  const until = res.now() + invocationTime
  for (;;) {
    const lease = res.now() + leaseTime
    const { receiver, taken } = await take(db, workspace, webhook, res.now(), lease)
    if (receiver === undefined) return
    const outcomes = await sendAll(res, receiver, taken, until)
    const left = taken.length - outcomes.length
    await record(res, db, { workspace, webhook, id: receiver.id, lease }, taken, outcomes)
    const delivered = outcomes.filter(({ status }) => arrived(status)).length
    console.info(
      JSON.stringify({
        event: 'deliveries',
        workspace,
        webhook: receiver.id,
        attempts: outcomes.length,
        delivered,
        left,
      }),
    )
    // What was enqueued meanwhile found the webhook taken: it is looked for before the invocation ends.
    if (res.now() > until) return enqueueDeliveries(res, [{ workspace, webhook }])
  }
}

/** Takes the webhook for an invocation, and what is due. Nothing where it is taken, disabled or gone, or nothing is due. */
async function take(
  db: Db,
  workspace: number,
  webhook: number,
  now: number,
  lease: number,
): Promise<{ receiver: Receiver | undefined; taken: Taken[] }> {
  const due = sql`webhook_key = ${webhook} AND state = 'pending' AND next_attempt_at <= ${now}`
  const first = sql`SELECT event_key FROM deliveries INDEXED BY deliveries_due WHERE ${due} ORDER BY next_attempt_at, event_key LIMIT ${takenMost}`
  const [claimed, , receivers, found] = await together(db, [
    sql`
    UPDATE webhooks SET busy_until = ${lease}
    WHERE key = ${webhook} AND workspace_id = ${workspace} AND disabled IS NULL AND coalesce(busy_until, 0) <= ${now}
      AND EXISTS (SELECT 1 FROM deliveries WHERE ${due})`,
    sql`
    UPDATE deliveries SET attempts = attempts + 1, tries = tries + 1
    WHERE webhook_key = ${webhook} AND event_key IN (${first}) AND changes() > 0`,
    sql`SELECT id, url, secret, former_secret AS former, former_until AS formerUntil FROM webhooks WHERE key = ${webhook} AND busy_until = ${lease}`,
    sql`
    SELECT d.event_key AS event, d.attempts AS attempt, d.tries, e.id,
      json_object('type', e.type, 'timestamp', strftime('%Y-%m-%dT%H:%M:%fZ', e.at / 1000.0, 'unixepoch'), 'data', json(e.data)) AS body
    FROM (${first}) AS f CROSS JOIN deliveries AS d ON d.webhook_key = ${webhook} AND d.event_key = f.event_key
      CROSS JOIN events AS e ON e.key = d.event_key`,
  ])
  if (claimed?.meta.changes !== 1) return { receiver: undefined, taken: [] }
  // The columns selected above.
  const [row] = (receivers?.results ?? []) as ({ id: string; url: string } & Parameters<
    typeof secretsAt
  >[0])[]
  if (row === undefined) return { receiver: undefined, taken: [] }
  return {
    receiver: { id: row.id, url: row.url, secrets: secretsAt(row, now) },
    taken: (found?.results ?? []) as unknown as Taken[],
  }
}

/** Sends a few at once, and begins none after `until`. */
async function sendAll(
  res: Resources,
  receiver: Receiver,
  taken: Taken[],
  until: number,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const queue = taken.values()
  const lane = async () => {
    for (const one of queue) {
      outcomes.push(await send(res, receiver, one))
      if (res.now() > until) return
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return outcomes
}

async function send(res: Resources, { url, secrets }: Receiver, taken: Taken): Promise<Outcome> {
  const at = res.now()
  const told = (status: number | null, answer: string, retryAfter?: number): Outcome => ({
    ...taken,
    at,
    status,
    duration: res.now() - at,
    answer,
    retryAfter,
  })
  const problem = problemOfAddress(url, { local: res.localWebhooks })
  if (problem !== undefined) return told(null, `The URL ${problem}`)
  try {
    const response = await res.fetch(url, {
      method: 'POST',
      headers: headersOf(taken.id, taken.body, secrets, at),
      body: taken.body,
      redirect: 'manual',
      signal: AbortSignal.timeout(answerTime),
    })
    const retryAfter = retryAfterOf(response.headers.get('retry-after'), res.now())
    return told(response.status, await beginningOf(response), retryAfter)
  } catch (error) {
    const late = error instanceof Error && error.name === 'TimeoutError'
    return told(null, late ? `No answer within ${answerTime / 1000} seconds` : 'No connection')
  }
}

/** The first kilobyte of an answer, or what came of it: the rest need not come, and the status holds without it. */
async function beginningOf(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  if (reader === undefined) return ''
  const decoder = new TextDecoder()
  let text = ''
  try {
    for (let bytes = 0; bytes < answerMost;) {
      const { done, value } = await reader.read()
      if (done) break
      text += decoder.decode(value.subarray(0, answerMost - bytes), { stream: true })
      bytes += value.length
    }
    await reader.cancel()
  } catch {
    // It broke off, or took too long.
  }
  return text.replaceAll('\0', '')
}

/**
 * Keeps what came of an invocation, in one batch; the webhook is free again, or disabled where its receiver has gone or fails for too long. Enqueues
 * for what is tried again soon: where that is lost, the cron finds it.
 */
async function record(
  res: Resources,
  db: Db,
  {
    workspace,
    webhook,
    id,
    lease,
  }: { workspace: number; webhook: number; id: string; lease: number },
  taken: Taken[],
  outcomes: Outcome[],
): Promise<void> {
  const now = res.now()
  const fates = outcomes.map((outcome) => fateOf(outcome, now))
  const gone = outcomes.some(({ status }) => status === 410)
  const some = outcomes.some(({ status }) => arrived(status))
  const failing = outcomes.length > 0 && !some
  const ours = sql`key = ${webhook} AND busy_until = ${lease}`
  const disable = (why: 'gone' | 'failing', when: SQL): SQL[] => [
    sql`UPDATE webhooks SET disabled = ${why} WHERE key = ${webhook} AND disabled IS NULL AND ${when}`,
    ...announce(
      workspace,
      { type: 'webhook.disabled', data: { webhook_id: id, reason: why } },
      now,
    ),
  ]
  const results = await together(db, [
    ...writeFates(webhook, taken, outcomes, fates),
    sql`UPDATE webhooks SET failing_since = ${failing ? sql`coalesce(failing_since, ${now})` : some ? null : sql`failing_since`} WHERE ${ours}`,
    ...(gone
      ? disable('gone', sql`true`)
      : failing
        ? disable('failing', sql`failing_since <= ${now - patience}`)
        : []),
    sql`UPDATE webhooks SET busy_until = NULL WHERE ${ours}`,
  ])
  await enqueueAnnounced(res, workspace, results)
  const enqueues = ringsFor(fates, res.now())
  await enqueueDeliveries(
    res,
    enqueues.map((delaySeconds) => ({ workspace, webhook, delaySeconds })),
  )
}

/** Enqueues for every webhook that something is due for: what was written and never enqueued, and whose next attempt has come. */
export async function deliverDue(res: Resources): Promise<void> {
  const now = res.now()
  for (let after: number | undefined = 0; after !== undefined;) {
    const due: { workspace: number; webhook: number }[] = await res.directory.all(sql`
      SELECT w.workspace_id AS workspace, w.key AS webhook FROM webhooks AS w
      WHERE w.key > ${after} AND w.disabled IS NULL AND coalesce(w.busy_until, 0) <= ${now} AND EXISTS (SELECT 1 FROM deliveries AS d
        WHERE d.webhook_key = w.key AND d.state = 'pending' AND d.next_attempt_at <= ${now})
      ORDER BY w.key LIMIT ${enqueuedMost}`)
    await enqueueDeliveries(res, due)
    after = due.length < enqueuedMost ? undefined : due.at(-1)?.webhook
  }
}
