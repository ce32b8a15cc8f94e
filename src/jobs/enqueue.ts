import { faultOf } from '../failure.ts'
import { factsOf, sendBatchMost, type Message } from '../messages.ts'
import type { Resources } from '../resources.ts'

/** Enqueues work that is in the database already: if the queue fails, a cron finds it stalled. */
export async function enqueue(res: Resources, message: Message, delaySeconds = 0): Promise<void> {
  try {
    await res.work.send(message, { delaySeconds })
  } catch (error) {
    console.error(
      JSON.stringify({ event: 'enqueue-failed', ...factsOf(message), ...faultOf(error) }),
    )
  }
}

/** The same for many messages, as many at a time as a queue takes. */
export async function enqueueAll(res: Resources, messages: Message[]): Promise<void> {
  for (let from = 0; from < messages.length; from += sendBatchMost) {
    const batch = messages.slice(from, from + sendBatchMost)
    try {
      await res.work.sendBatch(batch.map((body) => ({ body })))
    } catch (error) {
      console.error(
        JSON.stringify({ event: 'enqueue-failed', messages: batch.length, ...faultOf(error) }),
      )
    }
  }
}
