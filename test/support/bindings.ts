import {
  createExecutionContext,
  createMessageBatch,
  createScheduledController,
  getQueueResult,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { vi } from 'vitest'
import { shardsOf } from '../../src/db/shards.ts'
import worker from '../../src/index.ts'
import type { Message, Queued } from '../../src/messages.ts'
import type { Env } from '../../src/resources.ts'

/** A message as a queue was sent it. */
export interface Kept {
  message: Message
  delaySeconds: number
}

type Sent = { body: Message; delaySeconds?: number }

function queue(kept: Kept[]): Queue<Message> {
  const keep = ({ body, delaySeconds = 0 }: Sent) => kept.push({ message: body, delaySeconds })
  const only = {
    send: async (body: Message, options: QueueSendOptions = {}) => {
      keep({ ...options, body })
    },
    sendBatch: async (sent: Iterable<Sent>) => [...sent].forEach(keep),
  }
  return only as unknown as Queue<Message> // nothing else is called
}

/** The Worker's bindings, with queues that keep what they are sent: nobody delivers it. */
export function keeping(vars: Partial<Env> = {}) {
  const [work, scheduled, deliveries, events]: [Kept[], Kept[], Kept[], Kept[]] = [[], [], [], []]
  const queues = {
    WORK: queue(work),
    SCHEDULED: queue(scheduled),
    DELIVERIES: queue(deliveries),
    EVENTS: queue(events),
  }
  const bound: Env = { ...env, ...queues, ...vars }
  return { bound, work, scheduled, deliveries, events }
}

/** Has a cron come. */
export async function tick(cron: string, bound: Env, at = Date.now()): Promise<void> {
  await worker.scheduled(createScheduledController({ cron, scheduledTime: new Date(at) }), bound)
}

/** Has a cron come, and done its work on each shard. */
export async function tickEverywhere(cron: string, bound: Env, at = Date.now()): Promise<void> {
  const shards = shardsOf(bound)
  if (shards.length === 1) return tick(cron, bound, at)
  for (const shard of shards.keys())
    await consume('work', [{ kind: 'cron', cron, at, shard, stalled: true }], bound)
}

/** Hands messages to the Worker as one batch of a queue. What it gives tells what became of them, by their places. */
export async function consume(queue: string, bodies: Queued[], bound: Env, attempts = 1) {
  const messages = bodies.map((body, i) => ({
    id: String(i),
    timestamp: new Date(),
    attempts,
    body,
  }))
  const batch = createMessageBatch<Queued>(queue, messages)
  const retried = batch.messages.map((message) => vi.spyOn(message, 'retry'))
  await worker.queue(batch, bound)
  return async () => {
    const { explicitAcks } = await getQueueResult(batch, createExecutionContext())
    return {
      acked: explicitAcks.map(Number),
      retried: retried.flatMap(({ mock }, i) => mock.calls.map(([how]) => [i, how?.delaySeconds])),
    }
  }
}

/** Hands a request to the Worker. */
export const ask = async (path: string, init: RequestInit, bound: Env): Promise<Response> =>
  worker.fetch(new Request(`https://coterie.test${path}`, init), bound, createExecutionContext())
