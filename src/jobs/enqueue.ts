import { faultOf } from '../failure.ts'
import { factsOf, isOfEvents, sendBatchMost, type Queued } from '../messages.ts'
import type { Sender } from '../queues.ts'
import type { Resources } from '../resources.ts'

/** Work of crons has a queue of its own: theirs may be thousands, and people wait for the others. */
export function queueOf(res: Resources, message: Queued): Sender {
  if (isOfEvents(message)) return res.events
  return message.scheduled === true ? res.scheduled : res.work
}

/** Enqueues work that is in the database already: if the queue fails, a cron finds it stalled. */
export async function enqueue(res: Resources, message: Queued, delaySeconds = 0): Promise<void> {
  try {
    await queueOf(res, message).send(message, { delaySeconds })
  } catch (error) {
    console.error(
      JSON.stringify({ event: 'enqueue-failed', ...factsOf(message), ...faultOf(error) }),
    )
  }
}

/** The same for many messages, as many at a time as a queue takes. */
export async function enqueueAll(res: Resources, messages: Queued[]): Promise<void> {
  for (const [queue, own] of Map.groupBy(messages, (message) => queueOf(res, message)))
    await sendAll(queue, own)
}

async function sendAll(queue: Sender, messages: Queued[]): Promise<void> {
  for (let from = 0; from < messages.length; from += sendBatchMost) {
    const batch = messages.slice(from, from + sendBatchMost)
    try {
      await queue.sendBatch(batch.map((body) => ({ body })))
    } catch (error) {
      console.error(
        JSON.stringify({ event: 'enqueue-failed', messages: batch.length, ...faultOf(error) }),
      )
    }
  }
}
