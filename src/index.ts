import { app } from './api/app.ts'
import { eraseGroup } from './experience/erase.ts'
import { giveUp } from './experience/jobs.ts'
import { runJob } from './experience/apply.ts'
import { pruneGroup } from './experience/prune.ts'
import { wakeForgotten } from './experience/forgotten.ts'
import { wake } from './experience/wake.ts'
import { faultOf } from './failure.ts'
import { retryDelay, type Message } from './messages.ts'
import { resources, type Env, type Resources } from './resources.ts'

export default {
  fetch: app.fetch,

  async queue(batch, env) {
    for (const message of batch.messages) {
      const res = resources(env)
      try {
        await (batch.queue.endsWith('-dead') ? bury(res, message.body) : answer(res, message.body))
        message.ack()
      } catch (error) {
        console.error(
          JSON.stringify({
            event: 'message-failed',
            queue: batch.queue,
            attempts: message.attempts,
            ...message.body,
            ...faultOf(error),
          }),
        )
        message.retry({ delaySeconds: retryDelay(message.attempts) })
      }
    }
  },

  async scheduled(controller, env) {
    if (controller.cron === '*/5 * * * *') await wakeForgotten(resources(env))
  },
} satisfies ExportedHandler<Env, Message>

/** Which room answers which message. */
async function answer(res: Resources, message: Message): Promise<void> {
  switch (message.kind) {
    case 'job':
      return runJob(res, message.workspace, message.job)
    case 'prune':
      return pruneGroup(res, message.workspace, message.group, message.after)
    case 'erase':
      return eraseGroup(res, message.workspace, message.group)
    default:
      throw new Error(`no room answers ${JSON.stringify(message)}`)
  }
}

/**
 * What becomes of a message that failed for good. A job is marked as failed and undone; where undoing is what failed, it is tried
 * again later. Pruning comes back with the next removals, erasing with `wakeForgotten`.
 */
async function bury(res: Resources, message: Message): Promise<void> {
  if (message.kind !== 'job') return
  const { workspace, job } = message
  const undoing = await giveUp(res.databaseOf(workspace), workspace, job, res.now())
  await wake(res, message, undoing ? 0 : 300)
}
