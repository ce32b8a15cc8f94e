/** What a group's job did to it; `failed` counts the rows that were refused. */
export interface Applied {
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

interface OfClient {
  client_id: string
  name: string
}

/** Why a client is let in no longer. */
export const refusalReasons = ['secret', 'expired', 'revoked'] as const

/** Why a job failed. */
export const failureReasons = [
  'no-good-row',
  'gave-up',
  'header',
  'not-text',
  'mostly-bad',
  'limit',
  'rule',
] as const

/** The data of each type of event: ids mostly, by which a receiver gets what it needs. */
export interface EventData {
  'group.created': { group_id: string; name: string }
  'group.updated': { group_id: string; name: string }
  'group.deleted': { group_id: string }
  'group.participants.changed': Applied
  'job.failed': {
    job_id: string
    group_id: string | null
    reason: (typeof failureReasons)[number]
  }
  'definition.created': { definition_id: string }
  'definition.updated': { definition_id: string }
  'definition.deleted': { definition_id: string }
  'household.recomputed': Recomputed
  'audience.synced': Applied & { audience_id: string }
  'erasure.requested': ErasureRequested
  'person.erased': Erased
  'webhook.disabled': { webhook_id: string; reason: 'gone' | 'failing' }
  'webhook.test': { webhook_id: string }
  'client.created': OfClient & { scopes: string[] }
  'client.rotated': OfClient
  'client.deleted': OfClient
  'token.revoked': OfClient
  'token.refused': OfClient & { reason: (typeof refusalReasons)[number] }
}

interface ErasureRequested {
  erasure_id: string
  people: number
  /** Of one person; null where a file names them. */
  person_hash: string | null
}

/** The receipt of an erasure. */
interface Erased extends ErasureRequested {
  /** How many of each kind. */
  removed: Record<string, number>
  requested_on: string
  completed_on: string
  /** SHA-256 of all else as JSON, in hexadecimal digits. */
  digest: string
}

export type EventType = keyof EventData

/** Something that has happened in a workspace. */
export type Event = { [Type in EventType]: { type: Type; data: EventData[Type] } }[EventType]

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
  'erasure.requested',
  'person.erased',
  'webhook.disabled',
  'webhook.test',
  'client.created',
  'client.rotated',
  'client.deleted',
  'token.revoked',
  'token.refused',
] as const satisfies readonly EventType[]

/** What an event is about: the kind of thing, and the field of its data that has the thing's id. */
export const objects = {
  'group.created': ['group', 'group_id'],
  'group.updated': ['group', 'group_id'],
  'group.deleted': ['group', 'group_id'],
  'group.participants.changed': ['group', 'group_id'],
  'job.failed': ['job', 'job_id'],
  'definition.created': ['definition', 'definition_id'],
  'definition.updated': ['definition', 'definition_id'],
  'definition.deleted': ['definition', 'definition_id'],
  'household.recomputed': ['definition', 'definition_id'],
  'audience.synced': ['audience', 'audience_id'],
  'erasure.requested': ['erasure', 'erasure_id'],
  'person.erased': ['erasure', 'erasure_id'],
  'webhook.disabled': ['webhook', 'webhook_id'],
  'webhook.test': ['webhook', 'webhook_id'],
  'client.created': ['client', 'client_id'],
  'client.rotated': ['client', 'client_id'],
  'client.deleted': ['client', 'client_id'],
  'token.revoked': ['client', 'client_id'],
  'token.refused': ['client', 'client_id'],
} as const satisfies Record<EventType, readonly [kind: string, field: string]>

export const deliveryStates = ['pending', 'delivered', 'failed'] as const

const minute = 60_000
const hour = 60 * minute

/**
 * Milliseconds between one attempt and the next (Standard Webhooks 1.0, "Deliverability and
 * reliability").
 */
export const schedule = [
  0,
  5000,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  14 * hour,
  20 * hour,
  24 * hour,
] as const

/** Milliseconds without a success after which a webhook is disabled. */
export const disableAfter = 5 * 24 * hour

/**
 * When a delivery that failed `tries` times is tried again; undefined: never. Milliseconds.
 * `chance` (0 to 1) adds up to a fifth.
 */
export function nextAttempt(
  tries: number,
  now: number,
  chance: number,
  retryAfter: number | undefined,
): number | undefined {
  const wait = schedule[tries]
  if (wait === undefined) return undefined
  return now + Math.max(Math.round(wait * (1 + chance / 5)), Math.min(retryAfter ?? 0, 24 * hour))
}

/** Attempts that are due in more milliseconds wait for the cron of their minute. */
const soon = 90_000

/** The delays in seconds of messages for the attempts that are due soon, none too early. */
export function delaysOf(attempts: { at: number | null }[], now: number): number[] {
  const waits = attempts.flatMap(({ at }) => (at === null || at - now > soon ? [] : [at - now]))
  return [...new Set(waits.map((wait) => Math.max(1, Math.ceil(wait / 1000))))]
}

/** A `Retry-After` in milliseconds from now: seconds or a date (RFC 9110 §10.2.3). */
export function retryAfterOf(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000
  // Date.parse alone finds a date in nearly any text that has a number.
  const date = /^\s*(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .*\d\d:\d\d:\d\d/i.test(header)
    ? Date.parse(header)
    : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
