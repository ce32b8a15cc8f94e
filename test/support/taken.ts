import { isOfEvents, type Message } from '../../src/messages.ts'
import { eventually } from './api.ts'

/** Messages of events that the queue was given, and those that were acknowledged. */
const count = { sent: 0, written: 0 }

/** The queue of events, which counts what it is given. */
export const countingQueue = (queue: Queue<Message>): Queue<Message> =>
  new Proxy(queue, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (key !== 'sendBatch') return typeof value === 'function' ? value.bind(target) : value
      return async (messages: MessageSendRequest<Message>[]) => {
        await target.sendBatch(messages)
        count.sent += messages.length
      }
    },
  })

/** A batch whose acknowledged events are counted. */
export function counted(batch: MessageBatch<Message>): MessageBatch<Message> {
  for (const message of batch.messages) {
    if (!isOfEvents(message.body)) continue
    const ack = message.ack.bind(message)
    message.ack = () => {
      ack()
      count.written++
    }
  }
  return batch
}

export const countOfReports = () => ({ ...count })

/** Waits until all events that were taken are written. */
export const allWritten = () =>
  eventually(
    () => Promise.resolve(countOfReports()),
    ({ sent, written }) => written >= sent,
  )
