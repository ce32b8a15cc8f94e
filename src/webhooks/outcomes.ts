import { sql, type SQL } from 'drizzle-orm'
import { nextAttempt, type deliveryStates } from './event.ts'

/** What a delivery needs, of an event and of the webhook that it goes to. */
export interface Taken {
  event: number
  attempt: number
  tries: number
  id: string
  body: string
}

/** What came of an attempt. */
export interface Outcome extends Taken {
  at: number
  status: number | null
  duration: number
  answer: string
  retryAfter: number | undefined
}

/** Whether a receiver has taken an event. */
export const arrived = (status: number | null) => status !== null && status >= 200 && status < 300

/** What becomes of a delivery after an attempt, and when it is tried again. */
export interface Fate extends Pick<Taken, 'event' | 'attempt' | 'tries'> {
  state: (typeof deliveryStates)[number]
  at: number | null
}

export function fateOf({ event, attempt, tries, status, retryAfter }: Outcome, now: number): Fate {
  if (arrived(status)) return { event, state: 'delivered', at: null, attempt, tries }
  const at = nextAttempt(tries, now, Math.random(), retryAfter) ?? null
  return { event, state: at === null ? 'failed' : 'pending', at, attempt, tries }
}

/**
 * Whether a delivery is one of those told of, and still where the invocation has taken it: another may have followed an invocation that was thought dead,
 * or somebody asked for it anew. What has arrived has arrived all the same.
 */
const toldOf = (told: unknown[][]): SQL => sql`
  event_key IN (SELECT value ->> 0 FROM json_each(${JSON.stringify(told)}))
  AND (SELECT value ->> 1 = 'delivered' OR (value ->> 3 = deliveries.attempts AND value ->> 4 = deliveries.tries)
    FROM json_each(${JSON.stringify(told)}) WHERE value ->> 0 = deliveries.event_key)`

/** The statements that keep what was sent, and what becomes of it; what was taken and not sent is as it was. */
export function writeFates(
  webhook: number,
  taken: Taken[],
  outcomes: Outcome[],
  fates: Fate[],
): SQL[] {
  const attempts = outcomes.map(({ event, attempt, at, status, duration, answer }) => [
    event,
    attempt,
    at,
    status,
    duration,
    answer,
  ])
  const next = fates.map(({ event, state, at, attempt, tries }) => [
    event,
    state,
    at,
    attempt,
    tries,
  ])
  const sent = new Set(outcomes.map(({ event }) => event))
  const left = taken.flatMap(({ event, attempt, tries }) =>
    sent.has(event) ? [] : [[event, 'left', null, attempt, tries]],
  )
  return [
    sql`
    INSERT INTO delivery_attempts (webhook_key, event_key, attempt, at, status, duration, answer)
    SELECT ${webhook}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(${JSON.stringify(attempts)})
    WHERE EXISTS (SELECT 1 FROM deliveries WHERE webhook_key = ${webhook} AND event_key = value ->> 0)
    ON CONFLICT DO NOTHING`,
    sql`
    UPDATE deliveries SET (state, next_attempt_at) =
      (SELECT value ->> 1, value ->> 2 FROM json_each(${JSON.stringify(next)}) WHERE value ->> 0 = deliveries.event_key)
    WHERE webhook_key = ${webhook} AND state = 'pending' AND ${toldOf(next)}`,
    sql`
    UPDATE deliveries SET attempts = attempts - 1, tries = tries - 1
    WHERE webhook_key = ${webhook} AND state = 'pending' AND ${toldOf(left)}`,
  ]
}
