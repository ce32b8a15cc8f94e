import worker from '../../src/index.ts'
import type { Message } from '../../src/messages.ts'
import type { Env } from '../../src/resources.ts'
import { strict } from './strict.ts'
import { counted, countingQueue } from './taken.ts'

const counting = (env: Env): Env => ({ ...env, EVENTS: countingQueue(env.EVENTS) })

/** The Worker that tests talk to: ours, on bindings as strict as production. */
export default {
  fetch: (request, env, context) => worker.fetch(request, strict(counting(env)), context),
  queue: (batch, env) => worker.queue(counted(batch), strict(env)),
  scheduled: (controller, env) => worker.scheduled(controller, strict(env)),
} satisfies ExportedHandler<Env, Message>
