import { app } from './api/app.ts'
import { runCron } from './crons.ts'
import { sourceOf } from './audiences/apply.ts'
import { runErasure } from './erasure/run.ts'
import { runBalance } from './experiments/count-balance.ts'
import { eraseExperiment } from './experiments/erase.ts'
import { eraseGroup } from './experience/erase.ts'
import { writeExposures } from './experiments/exposures.ts'
import { runJob } from './experience/apply.ts'
import { pruneGroup } from './experience/prune.ts'
import { eraseDefinition } from './identity/erase.ts'
import { runUsersJob } from './identity/users-file.ts'
import { runRecompute } from './identity/recompute.ts'
import { refreshGroups } from './identity/refresh.ts'
import { writeReports } from './identity/reports.ts'
import { giveUpRun } from './identity/runs.ts'
import { runMove } from './moving/run.ts'
import { deliver } from './webhooks/deliver.ts'
import { giveUp } from './jobs/jobs.ts'
import { enqueue, enqueueAll, queueOf } from './jobs/enqueue.ts'
import { letsOthersGo } from './jobs/others.ts'
import { faultOf, isPassing } from './failure.ts'
import {
  factsOf,
  isOfEvents,
  revivedWithin,
  sequelOf,
  type EventsMessage,
  type Message,
  type Queued,
} from './messages.ts'
import { atWorkspace } from './places/directory.ts'
import { at, resources, type Env, type Resources } from './resources.ts'
import { day } from './time.ts'

export default {
  fetch: app.fetch,

  async queue(batch, env) {
    const res = resources(env)
    const dead = batch.queue.endsWith('-dead')
    for (const { body, attempts } of batch.messages)
      if (dead && attempts === 1)
        res.measure({ kind: 'message', work: body.kind, outcome: 'dead', attempts })
    await handleEvents(env, batch.queue, batch.messages)
    // Other queues have batches of one, but for dead letters of deliveries, which are dropped.
    await Promise.all(
      batch.messages.map(async (message) => {
        if (isOfEvents(message.body)) return
        const res = resources(env)
        try {
          const own = await atShardOf(res, message.body)
          await (dead ? handleDeadLetter(own, message.body) : handle(own, message.body))
          message.ack()
        } catch (error) {
          await followUp(res, batch.queue, message, error)
        }
      }),
    )
  },

  async scheduled({ cron, scheduledTime: at }, env) {
    const res = resources(env)
    if (res.shards === 1) return runCron(res, { cron, at })
    const shards = [...Array(res.shards).keys()]
    // Not among what crons open: on a Monday that is thousands of messages.
    await enqueueAll(
      res,
      shards.map((shard) => ({ kind: 'cron', cron, at, shard, stalled: true })),
    )
  },
} satisfies ExportedHandler<Env, Queued>

/** Logs why a message failed, and sees to it that it comes again. */
async function followUp(
  res: Resources,
  queue: string,
  message: globalThis.Message<Queued>,
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
  // One that names no shard may be of another than the one at hand.
  await queueOf(res, sequel.message)
    .send({ shard: undefined, ...sequel.message }, { delaySeconds })
    .then(
      () => message.ack(),
      () => message.retry({ delaySeconds }),
    )
}

/** Milliseconds for which what a workspace has left refuses to be written, at least. */
const refusedFor = day / 2

/** The resources of the shard that a message is of. */
function atShardOf(res: Resources, message: Queued): Promise<Resources> | Resources {
  if (message.kind === 'cron') return at(res, message.shard ?? 0)
  const isOld = isOfEvents(message) && message.taken < res.now() - refusedFor
  return atWorkspace(res, message.workspace, isOld ? undefined : message.shard)
}

type Events = { message: globalThis.Message<Queued>; body: Message & EventsMessage }[]

/** Writes what events say, dead letters too, each shard's by themselves. */
async function handleEvents(
  env: Env,
  queue: string,
  messages: readonly globalThis.Message<Queued>[],
): Promise<void> {
  const ofShards = new Map<number, Events>()
  await Promise.all(
    messages.map(async (message) => {
      const { body } = message
      if (!isOfEvents(body)) return
      const res = resources(env)
      try {
        const { shard } = await atShardOf(res, body)
        ofShards.set(shard, [...(ofShards.get(shard) ?? []), { message, body }])
      } catch (error) {
        await followUp(res, queue, message, error)
      }
    }),
  )
  await Promise.all(
    [...ofShards].map(([shard, events]) => writeEvents(at(resources(env), shard), queue, events)),
  )
}

/** Sees to it that those that failed come again. */
async function writeEvents(res: Resources, queue: string, events: Events): Promise<void> {
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

async function handle(res: Resources, message: Queued): Promise<void> {
  if (message.kind === 'cron') return runCron(res, message)
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
    case 'refresh-groups':
      return refreshGroups(res, message)
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
async function handleDeadLetter(res: Resources, message: Queued): Promise<void> {
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
