import { sweepClientSecrets } from './access/clients.ts'
import { sweepSessions } from './access/console-sessions.ts'
import { sweepRevocations } from './access/revocations.ts'
import { app } from './api/app.ts'
import { refreshDue } from './audiences/refresh.ts'
import { makeDigests } from './audit/make-digests.ts'
import { sourceOf } from './audiences/apply.ts'
import { runErasure } from './erasure/run.ts'
import { enqueueStalledErasures } from './erasure/stalled.ts'
import { sweepErasures } from './erasure/sweep.ts'
import { enqueueDueBalances } from './experiments/due-balances.ts'
import { runBalance } from './experiments/count-balance.ts'
import { eraseExperiment } from './experiments/erase.ts'
import { enqueueStalledBalances, enqueueStalledExperiments } from './experiments/stalled.ts'
import { eraseGroup } from './experience/erase.ts'
import { writeExposures } from './experiments/exposures.ts'
import { sweepKeys } from './idempotency/keys.ts'
import { runJob } from './experience/apply.ts'
import { enqueueBusyGroups, enqueueQuietGroups, pruneGroup } from './experience/prune.ts'
import { enqueueStalled } from './experience/stalled.ts'
import { eraseDefinition } from './identity/erase.ts'
import { beginMissedWeek, enqueueStalledRuns } from './identity/stalled.ts'
import { sweepRuns } from './identity/sweep.ts'
import { runUsersJob } from './identity/users-file.ts'
import { beginWeek } from './identity/monday.ts'
import { runRecompute } from './identity/recompute.ts'
import { writeReports } from './identity/reports.ts'
import { giveUpRun } from './identity/runs.ts'
import { runMove } from './moving/run.ts'
import { deliver } from './webhooks/deliver.ts'
import { deliverDue } from './webhooks/due.ts'
import { sweepEvents } from './webhooks/sweep.ts'
import { sweepWebhookSecrets } from './webhooks/sweep-secrets.ts'
import { giveUp } from './jobs/jobs.ts'
import { enqueue, queueOf } from './jobs/enqueue.ts'
import { letsOthersGo } from './jobs/others.ts'
import { measureState } from './jobs/state.ts'
import { sweepFiles } from './jobs/sweep-files.ts'
import { sweepUploads } from './jobs/sweep-uploads.ts'
import { sweepJobs } from './jobs/sweep.ts'
import { faultOf, isPassing } from './failure.ts'
import {
  factsOf,
  isOfEvents,
  revivedWithin,
  sequelOf,
  type EventsMessage,
  type Message,
} from './messages.ts'
import { resources, type Env, type Resources } from './resources.ts'

export default {
  fetch: app.fetch,

  async queue(batch, env) {
    const res = resources(env)
    const dead = batch.queue.endsWith('-dead')
    for (const { body, attempts } of batch.messages)
      if (dead && attempts === 1)
        res.measure({ kind: 'message', work: body.kind, outcome: 'dead', attempts })
    await handleEvents(res, batch.queue, batch.messages)
    // Other queues have batches of one, but for dead letters of deliveries, which are dropped.
    await Promise.all(
      batch.messages.map(async (message) => {
        if (isOfEvents(message.body)) return
        const res = resources(env)
        try {
          await (dead ? handleDeadLetter(res, message.body) : handle(res, message.body))
          message.ack()
        } catch (error) {
          await followUp(res, batch.queue, message, error)
        }
      }),
    )
  },

  async scheduled(controller, env) {
    const res = resources(env)
    if (controller.cron === '0 3 * * MON') return beginWeek(res, controller.scheduledTime)
    if (controller.cron === '* * * * *')
      return inTurn(controller.cron, {
        deliverDue: () => deliverDue(res),
        enqueueDueBalances: () => enqueueDueBalances(res),
      })
    const daily = controller.cron === '0 4 * * *'
    await inTurn(controller.cron, {
      enqueueStalled: () => enqueueStalled(res),
      enqueueStalledRuns: () => enqueueStalledRuns(res),
      beginMissedWeek: () => beginMissedWeek(res),
      enqueueStalledErasures: () => enqueueStalledErasures(res),
      enqueueStalledExperiments: () => enqueueStalledExperiments(res),
      enqueueStalledBalances: () => enqueueStalledBalances(res),
      enqueueQuietGroups: () => enqueueQuietGroups(res),
      sweepEvents: () => sweepEvents(res),
      sweepJobs: () => sweepJobs(res),
      sweepRuns: () => sweepRuns(res),
      sweepUploads: () => sweepUploads(res),
      sweepRevocations: () => sweepRevocations(res),
      sweepKeys: () => sweepKeys(res),
      sweepClientSecrets: () => sweepClientSecrets(res),
      sweepSessions: () => sweepSessions(res),
      sweepWebhookSecrets: () => sweepWebhookSecrets(res),
      ...(daily
        ? {
            sweepFiles: () => sweepFiles(res),
            enqueueBusyGroups: () => enqueueBusyGroups(res),
            sweepErasures: () => sweepErasures(res),
          }
        : { measureState: () => measureState(res) }),
      makeDigests: () => makeDigests(res, { begins: daily }),
      // Last, as it goes on for as long as the invocation may.
      refreshDue: () => refreshDue(res, controller.scheduledTime),
    })
  },
} satisfies ExportedHandler<Env, Message>

/** Runs the parts of a cron, each also if the one before fails. */
async function inTurn(cron: string, parts: Record<string, () => Promise<void>>): Promise<void> {
  for (const [part, run] of Object.entries(parts))
    await run().catch((error: unknown) =>
      console.error(JSON.stringify({ event: 'cron-failed', cron, part, ...faultOf(error) })),
    )
}

/** Logs why a message failed, and sees to it that it comes again. */
async function followUp(
  res: Resources,
  queue: string,
  message: globalThis.Message<Message>,
  error: unknown,
): Promise<void> {
  const { attempts, body } = message
  const passing = isPassing(error)
  const dead = queue.endsWith('-dead')
  const sequel = sequelOf(body, { attempts, passing, dead })
  // Dead letters of events are tried again for days.
  const waits = passing || (dead && isOfEvents(body))
  const outcome = sequel.then === 'give-up' ? 'lost' : waits ? 'waits' : 'failed'
  const event = outcome === 'waits' ? 'message-waits' : 'message-failed'
  console.error(JSON.stringify({ event, queue, attempts, ...factsOf(body), ...faultOf(error) }))
  res.measure({ kind: 'message', work: body.kind, outcome, attempts })
  if (sequel.then === 'let-go' || sequel.then === 'give-up') return message.ack()
  const { delaySeconds } = sequel
  if (sequel.then === 'retry') return message.retry({ delaySeconds })
  await queueOf(res, sequel.message)
    .send(sequel.message, { delaySeconds })
    .then(
      () => message.ack(),
      () => message.retry({ delaySeconds }),
    )
}

/** Writes what events say, dead letters too, and sees to it that messages that failed come again. */
async function handleEvents(
  res: Resources,
  queue: string,
  messages: readonly globalThis.Message<Message>[],
): Promise<void> {
  const events = messages.flatMap((message) =>
    isOfEvents(message.body) ? [{ message, body: message.body }] : [],
  )
  const bodies = events.map(({ body }) => body)
  const reports = bodies.filter((body) => body.kind === 'reports')
  const exposures = bodies.filter((body) => body.kind === 'exposures')
  const failed = new Map<EventsMessage, unknown>([
    ...(await writeReports(res, reports)),
    ...(await writeExposures(res, exposures)),
  ])
  await Promise.all(
    events.map(({ message, body }) =>
      failed.has(body) ? followUp(res, queue, message, failed.get(body)) : message.ack(),
    ),
  )
}

async function handle(res: Resources, message: Message): Promise<void> {
  if (await letsOthersGo(res, message)) return
  switch (message.kind) {
    case 'job':
      return runJob(res, message, sourceOf)
    case 'import':
      return runUsersJob(res, message.workspace, message.job)
    case 'prune':
      return pruneGroup(res, message)
    case 'erase':
      return eraseGroup(res, message.workspace, message.group)
    case 'recompute':
      return runRecompute(res, message)
    case 'erase-definition':
      return eraseDefinition(res, message.workspace, message.definition)
    case 'erase-experiment':
      return eraseExperiment(res, message.workspace, message.experiment)
    case 'erase-people':
      return runErasure(res, message.workspace, message.erasure)
    case 'balance':
      return runBalance(res, message)
    case 'move':
      return runMove(res, message)
    case 'deliver':
      return deliver(res, message.workspace, message.webhook)
    default:
      throw new Error(`nothing handles the message ${JSON.stringify(factsOf(message))}`)
  }
}

/**
 * Fails the work of a message that is out of retries, unless another message has moved it since;
 * other work comes back through the crons.
 */
async function handleDeadLetter(res: Resources, message: Message): Promise<void> {
  const before = res.now() - revivedWithin
  switch (message.kind) {
    case 'job':
    case 'import': {
      const undoing = await giveUp(res, message.workspace, message.job, before)
      return enqueue(res, message, undoing ? 0 : 300) // undoing failed, or it was revived
    }
    case 'recompute': {
      const ended = await giveUpRun(res, message.workspace, message.run, before)
      return enqueue(res, message, ended ? 0 : 300)
    }
  }
}
