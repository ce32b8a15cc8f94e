import { sql } from 'drizzle-orm'
import { firstUpTo } from '../jobs/batch-size.ts'
import { dropAnswers, hasAnswers } from '../idempotency/keys.ts'
import type { Invocation } from '../jobs/invocation.ts'
import type { Resources } from '../resources.ts'
import { commitErasure, countRemoved, goOnAfter, unmoved, type Erasing } from './erasures.ts'
import { findMentioning, mentionsOf } from './mentions.ts'

const eventsPerStep = 100

/** Answers to requests that are kept for those who send them again. */
const savedPerStep = 1000

/** An event has up to ten attempts at each of twenty webhooks, with a kilobyte each. */
const attemptsPerStep = 4000

/** What a receiver answered to an attempt. */
interface Answer {
  webhook: number
  event: number
  attempt: number
  answer: string
}

/** Drops answers to requests: they are sealed, and may name anybody. */
async function dropSaved(res: Resources, erasing: Erasing): Promise<boolean> {
  const { workspace, key, place } = erasing
  const guard = unmoved(erasing)
  const { moved } = await commitErasure(
    res,
    erasing,
    [
      dropAnswers(workspace, place.forgottenAt, savedPerStep, guard),
      countRemoved(sql`${key}`, 'saved_answers', guard),
    ],
    {},
  )
  return moved
}

/** Takes people out of what receivers answered to the next events. */
export async function eraseAnswers(
  res: Resources,
  erasing: Erasing,
  invocation: Invocation,
): Promise<boolean> {
  const { workspace, key, place, ids } = erasing
  const db = res.databaseOf(workspace)
  const events = await db.all<{ key: number; attempts: number }>(sql`
    SELECT key, (SELECT coalesce(sum(attempts), 0)
      FROM deliveries INDEXED BY deliveries_by_event WHERE event_key = events.key) AS attempts
    FROM events INDEXED BY events_by_workspace
    WHERE workspace_id = ${workspace} AND key > ${place.after?.key ?? 0}
    ORDER BY key LIMIT ${eventsPerStep}`)
  const page = firstUpTo(events, ({ attempts }) => attempts, attemptsPerStep)
  const last = page.at(-1)
  // Not with each page: those that are kept since then are looked through, and may be many.
  const isFirstOrLast = place.after === undefined || last === undefined
  if (isFirstOrLast && (await hasAnswers(db, workspace, place.forgottenAt)))
    return dropSaved(res, erasing)
  const answers = await db.all<Answer>(sql`
    SELECT a.webhook_key AS webhook, a.event_key AS event, a.attempt, a.answer
    FROM json_each(${JSON.stringify(page.map(({ key }) => key))}) AS e
      CROSS JOIN deliveries AS d INDEXED BY deliveries_by_event ON d.event_key = e.value
      CROSS JOIN delivery_attempts AS a
        ON a.webhook_key = d.webhook_key AND a.event_key = d.event_key
    WHERE a.answer <> ''`)
  const mentions = mentionsOf(ids)
  const mentioning = await invocation.runYielding(
    findMentioning(answers, ({ answer }) => mentions(answer)),
  )
  const found = mentioning.map(({ webhook, event, attempt }) => [webhook, event, attempt])
  const guard = unmoved(erasing)
  const { moved, ms } = await commitErasure(
    res,
    erasing,
    [
      sql`
      UPDATE delivery_attempts SET answer = ''
      WHERE ${guard} AND (webhook_key, event_key, attempt) IN (
        SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(${JSON.stringify(found)}))`,
      countRemoved(sql`${key}`, 'answers', guard),
    ],
    goOnAfter(erasing, last && { at: 0, key: last.key }, 'files'),
  )
  await invocation.took(ms, 0)
  return moved
}
