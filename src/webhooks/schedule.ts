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
