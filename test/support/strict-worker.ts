import { env as bindings } from 'cloudflare:workers'
import worker from '../../src/index.ts'
import type { Message } from '../../src/messages.ts'
import type { Env } from '../../src/resources.ts'
import { strict } from './strict.ts'
import { counted, countingQueue } from './taken.ts'

// Copied once: each is read through a proxy, all of them by each request.
const env = { ...bindings }
const counting = { ...env, EVENTS: countingQueue(env.EVENTS) }

/** The Worker that tests talk to: ours, on bindings as strict as production. */
export default {
  fetch: (request, _, context) => worker.fetch(request, strict(counting), context),
  queue: (batch) => worker.queue(counted(batch), strict(env)),
  scheduled: (controller) => worker.scheduled(controller, strict(env)),
} satisfies ExportedHandler<Env, Message>
