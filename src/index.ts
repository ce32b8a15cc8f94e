import { app } from './api/app.ts'
import { refreshDue } from './audiences/refresh.ts'
import { sourceOf } from './audiences/apply.ts'
import { eraseGroup } from './experience/erase.ts'
import { runJob } from './experience/apply.ts'
import { pruneGroup } from './experience/prune.ts'
import { enqueueStalled } from './experience/stalled.ts'
import { eraseDefinition } from './identity/erase.ts'
import { enqueueStalledRuns } from './identity/stalled.ts'
import { sweepRuns } from './identity/sweep.ts'
import { runUsersJob } from './identity/users-file.ts'
import { beginWeek } from './identity/monday.ts'
import { runRecompute } from './identity/recompute.ts'
import { giveUpRun } from './identity/runs.ts'
import { deliver } from './webhooks/deliver.ts'
import { deliverDue } from './webhooks/due.ts'
import { sweepEvents } from './webhooks/history.ts'
import { giveUp } from './jobs/jobs.ts'
import { enqueue } from './jobs/enqueue.ts'
import { sweepFiles } from './jobs/sweep-files.ts'
import { sweepJobs } from './jobs/sweep.ts'
import { faultOf } from './failure.ts'
import { retryDelay, type Message } from './messages.ts'
import { resources, type Env, type Resources } from './resources.ts'

export default {
  fetch: app.fetch,

  async queue(batch, env) {
    // At once, as receivers of webhooks may be slow; other queues give one message at a time.
    await Promise.all(
      batch.messages.map(async (message) => {
        const res = resources(env)
        try {
          await (batch.queue.endsWith('-dead')
            ? handleDeadLetter(res, message.body)
            : handle(res, message.body))
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
      }),
    )
  },

  async scheduled(controller, env) {
    const res = resources(env)
    if (controller.cron === '0 3 * * MON') return beginWeek(res, controller.scheduledTime)
    if (controller.cron === '* * * * *') return deliverDue(res)
    await enqueueStalled(res)
    await enqueueStalledRuns(res)
    await refreshDue(res, controller.scheduledTime)
    await sweepEvents(res)
    await sweepJobs(res)
    await sweepRuns(res)
    if (controller.cron === '0 4 * * *') await sweepFiles(res)
  },
} satisfies ExportedHandler<Env, Message>

async function handle(res: Resources, message: Message): Promise<void> {
  switch (message.kind) {
    case 'job':
      return runJob(res, message.workspace, message.job, sourceOf)
    case 'import':
      return runUsersJob(res, message.workspace, message.job)
    case 'prune':
      return pruneGroup(res, message.workspace, message.group, message.after)
    case 'erase':
      return eraseGroup(res, message.workspace, message.group)
    case 'recompute':
      return runRecompute(res, message.workspace, message.run)
    case 'erase-definition':
      return eraseDefinition(res, message.workspace, message.definition)
    case 'deliver':
      return deliver(res, message.workspace, message.webhook)
    default:
      throw new Error(`nothing handles the message ${JSON.stringify(message)}`)
  }
}

/** Fails the work of a message that is out of retries; other work comes back through the crons. */
async function handleDeadLetter(res: Resources, message: Message): Promise<void> {
  switch (message.kind) {
    case 'job':
    case 'import': {
      const undoing = await giveUp(res, message.workspace, message.job)
      return enqueue(res, message, undoing ? 0 : 300) // undoing itself failed: later again
    }
    case 'recompute':
      await giveUpRun(res, message.workspace, message.run)
      return enqueue(res, message)
  }
}
