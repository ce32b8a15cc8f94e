import { isOfEvents, type Message } from '../../src/messages.ts'
import { eventually } from './api.ts'

/** Messages of events that the queue was given, and those of them that were acknowledged. */
const count = { sent: 0, written: 0 }

/** How many of a body wait to be acknowledged: a test may send others by itself. */
const waiting = new Map<string, number>()

const changeWaiting = (body: Message, by: number) => {
  const key = JSON.stringify(body)
  waiting.set(key, (waiting.get(key) ?? 0) + by)
}

const isWaiting = (body: Message) => (waiting.get(JSON.stringify(body)) ?? 0) > 0

/** The queue of events, which counts what it is given. */
export const countingQueue = (queue: Queue<Message>): Queue<Message> =>
  new Proxy(queue, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (key !== 'sendBatch') return typeof value === 'function' ? value.bind(target) : value
      return async (messages: MessageSendRequest<Message>[]) => {
        // Before they are sent, as they may be written at once.
        for (const { body } of messages) changeWaiting(body, 1)
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
      if (!isWaiting(message.body)) return
      changeWaiting(message.body, -1)
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
