import { faultOf } from '../failure.ts'
import type { Message } from '../messages.ts'
import type { Resources } from '../resources.ts'

/** Milliseconds after which work that no message has moved is thought stalled, and how much of it is looked for at a time: as much as one `sendBatch` takes. */
export const stalledAfter = 10 * 60_000
export const stalledMost = 100

/**
 * Enqueues work that stands in the database already. Where the queue does not answer, nothing is lost and the request that did
 * the work has not failed: a cron looks for what has stalled.
 */
export async function enqueue(res: Resources, message: Message, delaySeconds = 0): Promise<void> {
  try {
    await res.work.send(message, { delaySeconds })
  } catch (error) {
    console.error(JSON.stringify({ event: 'enqueue-failed', ...message, ...faultOf(error) }))
  }
}

/** The same for up to a hundred pieces of work. */
export async function enqueueAll(res: Resources, messages: Message[]): Promise<void> {
  if (messages.length === 0) return
  try {
    await res.work.sendBatch(messages.map((body) => ({ body })))
  } catch (error) {
    console.error(
      JSON.stringify({ event: 'enqueue-failed', messages: messages.length, ...faultOf(error) }),
    )
  }
}
