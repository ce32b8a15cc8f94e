import type { Queued } from './messages.ts'

/** What sends messages. */
export type Sender = Pick<Queue<Queued>, 'send' | 'sendBatch'>

/** A queue whose messages name the shard that they are of, unless they name one already. */
export const ofShard = (queue: Sender, shard: number): Sender => ({
  send: (message, options) => queue.send({ shard, ...message }, options),
  sendBatch: (messages, options) =>
    queue.sendBatch(
      [...messages].map(({ body, ...rest }) => ({ ...rest, body: { shard, ...body } })),
      options,
    ),
})
