/** What a group's job did to it; `failed` counts the rows that were refused. */
interface Applied {
  group_id: string
  job_id: string
  type: 'ADD' | 'REMOVE' | 'REPLACE'
  revision: number
  added: number
  removed: number
  unchanged: number
  failed: number
}

interface Recomputed {
  definition_id: string
  run_id: string
  groups: number
  users_seated: number
  users_over_limit: number
  rows_changed: number
}

/** What happens in a workspace, as others are told: thin, so that whoever hears of it asks for what it needs. */
export type Event =
  | { type: 'group.created' | 'group.updated'; data: { group_id: string; name: string } }
  | { type: 'group.deleted'; data: { group_id: string } }
  | { type: 'group.participants.changed'; data: Applied }
  | { type: 'job.failed'; data: { job_id: string; group_id: string | null; reason: string } }
  | { type: 'definition.created' | 'definition.updated' | 'definition.deleted'; data: { definition_id: string } }
  | { type: 'household.recomputed'; data: Recomputed }
  | { type: 'audience.synced'; data: Applied & { audience_id: string } }
  | { type: 'webhook.disabled'; data: { webhook_id: string; reason: 'gone' | 'failing' } }
  | { type: 'webhook.test'; data: { webhook_id: string } }

export type EventType = Event['type']

export const eventTypes = [
  'group.created',
  'group.updated',
  'group.deleted',
  'group.participants.changed',
  'job.failed',
  'definition.created',
  'definition.updated',
  'definition.deleted',
  'household.recomputed',
  'audience.synced',
  'webhook.disabled',
  'webhook.test',
] as const satisfies readonly EventType[]

/** How an event's way to a webhook ends, or has not ended yet. */
export const deliveryStates = ['pending', 'delivered', 'failed'] as const

const minute = 60_000
const hour = 60 * minute

/** How long after the attempt before each attempt comes, in milliseconds (Standard Webhooks 1.0, "Deliverability and reliability"). */
export const schedule = [0, 5000, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour] as const

/** Milliseconds for which failures alone are borne before a webhook is disabled. */
export const patience = 5 * 24 * hour

/**
 * When a delivery that has failed `tries` times is tried again, in milliseconds, or undefined where it is given up. `chance` (0 to 1) spreads
 * what failed together over a fifth more time; `retryAfter` is what the receiver asked for.
 */
export function nextAttempt(tries: number, now: number, chance: number, retryAfter: number | undefined): number | undefined {
  const wait = schedule[tries]
  if (wait === undefined) return undefined
  return now + Math.max(Math.round(wait * (1 + chance / 5)), Math.min(retryAfter ?? 0, 24 * hour))
}

/** A `Retry-After` in milliseconds from now: seconds or a date (RFC 9110 §10.2.3). */
export function retryAfterOf(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
