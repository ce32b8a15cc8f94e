import { faultOf } from '../failure.ts'
import type { Message } from '../messages.ts'
import type { Resources } from '../resources.ts'

/**
 * Rings for work that stands in the database already. Where the queue does not answer, nothing is lost and the request that did
 * the work has not failed: `wakeForgotten` finds it.
 */
export async function wake(res: Resources, message: Message, delaySeconds = 0): Promise<void> {
  try {
    await res.work.send(message, { delaySeconds })
  } catch (error) {
    console.error(JSON.stringify({ event: 'queue-silent', ...message, ...faultOf(error) }))
  }
}
