import { sql, type SQL } from 'drizzle-orm'
import { type deliveryStates } from './event.ts'
import { nextAttempt } from './schedule.ts'

/** A delivery that an invocation has claimed, with what it sends. */
export interface Claimed {
  event: number
  attempt: number
  tries: number
  id: string
  body: string
}

/** An attempt and its answer; `status` is null where there was no answer. Times in milliseconds. */
export interface Outcome extends Claimed {
  at: number
  status: number | null
  duration: number
  answer: string
  retryAfter: number | undefined
}

export const isDelivered = ({ status }: Pick<Outcome, 'status'>) =>
  status !== null && status >= 200 && status < 300

/** The state of a delivery after an attempt; `at` is when it is tried again. */
export interface NextState extends Pick<Claimed, 'event' | 'attempt' | 'tries'> {
  state: (typeof deliveryStates)[number]
  at: number | null
}

export function nextStateOf(outcome: Outcome, now: number): NextState {
  const { event, attempt, tries, retryAfter } = outcome
  if (isDelivered(outcome)) return { event, state: 'delivered', at: null, attempt, tries }
  const at = nextAttempt(tries, now, Math.random(), retryAfter) ?? null
  return { event, state: at === null ? 'failed' : 'pending', at, attempt, tries }
}

/**
 * False for deliveries that were claimed or retried again meanwhile: their attempt is out of date,
 * unless it has arrived.
 */
const isUpToDate = (rows: unknown[][]): SQL => sql`
  event_key IN (SELECT value ->> 0 FROM json_each(${JSON.stringify(rows)}))
  AND (SELECT value ->> 1 = 'delivered'
      OR (value ->> 3 = deliveries.attempts AND value ->> 4 = deliveries.tries)
    FROM json_each(${JSON.stringify(rows)}) WHERE value ->> 0 = deliveries.event_key)`

/** Outcomes as they are saved, and SQL: whether their answers name somebody who was erased. */
export interface Kept {
  outcomes: Outcome[]
  nameErased: SQL
}

/**
 * The statements that save attempts and next states, without answers where these name somebody who
 * was erased; what was claimed and not sent is as before.
 */
export function saveOutcomes(
  webhook: number,
  claimed: Claimed[],
  { outcomes, nameErased }: Kept,
  nextStates: NextState[],
): SQL[] {
  const attempts = outcomes.map(({ event, attempt, at, status, duration, answer }) => [
    event,
    attempt,
    at,
    status,
    duration,
    answer,
  ])
  const next = nextStates.map(({ event, state, at, attempt, tries }) => [
    event,
    state,
    at,
    attempt,
    tries,
  ])
  const sent = new Set(outcomes.map(({ event }) => event))
  const unsent = claimed.flatMap(({ event, attempt, tries }) =>
    sent.has(event) ? [] : [[event, 'unsent', null, attempt, tries]],
  )
  return [
    sql`
    INSERT INTO delivery_attempts (webhook_key, event_key, attempt, at, status, duration, answer)
    SELECT ${webhook}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
      iif(${nameErased}, '', value ->> 5)
    FROM json_each(${JSON.stringify(attempts)})
    WHERE EXISTS
      (SELECT 1 FROM deliveries WHERE webhook_key = ${webhook} AND event_key = value ->> 0)
    ON CONFLICT DO NOTHING`,
    sql`
    UPDATE deliveries SET (state, next_attempt_at) =
      (SELECT value ->> 1, value ->> 2 FROM json_each(${JSON.stringify(next)})
       WHERE value ->> 0 = deliveries.event_key)
    WHERE webhook_key = ${webhook} AND state = 'pending' AND ${isUpToDate(next)}`,
    sql`
    UPDATE deliveries SET attempts = attempts - 1, tries = tries - 1
    WHERE webhook_key = ${webhook} AND state = 'pending' AND ${isUpToDate(unsent)}`,
  ]
}
