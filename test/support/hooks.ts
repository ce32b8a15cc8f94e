import { Webhook } from 'standardwebhooks'
import { expect } from 'vitest'
import { usualTypes } from '../../src/webhooks/event.ts'
import { Bank, type Json } from './api.ts'
import { homeDb } from './databases.ts'
import { cron, platformScopes, Team } from './identity.ts'
import type { Arrived } from './receiver-server.ts'
import { Receiver } from './receiver.ts'

export const hookScopes = [...platformScopes, 'webhooks:read', 'webhooks:write']

/** A team that may all, and a bank in the same workspace. */
export async function openedHooks(): Promise<{ team: Team; bank: Bank }> {
  const team = await Team.open(hookScopes)
  return { team, bank: await Bank.open(undefined, team.workspace) }
}

export interface Hook {
  id: string
  secret: string
  receiver: Receiver
}

/** Opens a webhook with a receiver of its own. */
export async function hook(team: Team, more: Json = {}): Promise<Hook> {
  const receiver = new Receiver()
  const answer = await team.send('POST', '/webhooks', { url: receiver.url, ...more })
  expect(answer.status).toBe(201)
  const { id, secret } = await answer.json<{ id: string; secret: string }>()
  return { id, secret, receiver }
}

export interface Delivery {
  id: string
  type: string
  timestamp: string
  status: string
  next_attempt_on: string | null
  attempts: {
    attempt: number
    timestamp: string
    status_code: number | null
    duration_ms: number
    answer: string
  }[]
}

export const deliveriesOf = (team: Team, { id }: { id: string }, query = '') =>
  team.get<{ deliveries: Delivery[]; next: string | null }>(`/webhooks/${id}/deliveries${query}`)

/** Of the events, those that a webhook is sent which names no types. */
export const eventsOf = async (team: Team, query = '') =>
  (await team.get<{ events: (Json & { id: string })[] }>(`/events${query}`)).events.filter(
    ({ type }) => usualTypes.some((usual) => usual === type),
  )

/** Writes this many events into a workspace. */
export const writeEvents = (workspace: number, count: number) =>
  homeDb
    .prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?3)
     INSERT INTO events (workspace_id, id, type, at, data)
       SELECT ?1, 'evt_' || ?1 || '_' || i, 'job.failed', ?2, '{}' FROM n`,
    )
    .bind(workspace, Date.now(), count)
    .run()

/** The deliveries of an event have failed for good. */
export const failForGood = (event: string | undefined) =>
  homeDb
    .prepare(
      `UPDATE deliveries SET state = 'failed', tries = 10, next_attempt_at = NULL
     WHERE event_key = (SELECT key FROM events WHERE id = ?)`,
    )
    .bind(event)
    .run()

/** A webhook's deliveries, newest first, after this many attempts in all. */
export async function tried(
  team: Team,
  hook: { id: string },
  attempts: number,
): Promise<Delivery[]> {
  // Polling ends, or a failed test would go on beside the next.
  for (const until = Date.now() + 40_000; ;) {
    const { deliveries } = await deliveriesOf(team, hook, '?size=1000')
    const made = deliveries.reduce((sum, { attempts }) => sum + attempts.length, 0)
    if (made >= attempts) return deliveries
    if (Date.now() > until) throw new Error(`${made} attempts of ${attempts}`)
    await scheduler.wait(20)
  }
}

/** Sends the webhook an event to try it by. Gives the event's id. */
export async function tryOut(team: Team, { id }: { id: string }): Promise<string> {
  const answer = await team.call('POST', `/webhooks/${id}/test`)
  expect(answer.status).toBe(202)
  return (await answer.json<{ event_id: string }>()).event_id
}

/** Makes a webhook's next attempts due, and triggers the cron. */
export async function elapse({ id }: { id: string }): Promise<void> {
  await homeDb
    .prepare(
      `UPDATE deliveries SET next_attempt_at = ? WHERE state = 'pending' AND webhook_key
      = (SELECT key FROM webhooks WHERE id = ?)`,
    )
    .bind(Date.now(), id)
    .run()
  await cron('* * * * *', Date.now())
}

/** What arrived, once it is verified as a receiver does it. */
export const verified = (secret: string, { body, headers }: Arrived): Json => {
  new Webhook(secret).verify(body, headers)
  return JSON.parse(body) as Json
}

export const shown = (team: Team, { id }: { id: string }) => team.get(`/webhooks/${id}`)
