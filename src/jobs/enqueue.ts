import { faultOf } from '../failure.ts'
import { factsOf, type Message } from '../messages.ts'
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

/** The same for up to a hundred messages. */
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
