import { sourceOf } from '../../src/audiences/apply.ts'
import { runBalance } from '../../src/experiments/count-balance.ts'
import { runErasure } from '../../src/erasure/run.ts'
import { eraseExperiment } from '../../src/experiments/erase.ts'
import { runJob } from '../../src/experience/apply.ts'
import { eraseGroup } from '../../src/experience/erase.ts'
import { pruneGroup } from '../../src/experience/prune.ts'
import { eraseDefinition } from '../../src/identity/erase.ts'
import { runRecompute } from '../../src/identity/recompute.ts'
import { runUsersJob } from '../../src/identity/users-file.ts'
import type { Message } from '../../src/messages.ts'
import type { Resources } from '../../src/resources.ts'
import { deliver as send } from '../../src/webhooks/deliver.ts'
import { hazardous } from './hazard.ts'
import { changesNothing, emptyTables } from './store.ts'
import { everyCall } from './property.ts'

/** Carries on what a message is about, as the Worker does. */
export async function answer(res: Resources, message: Message): Promise<void> {
  res.meter.statements = 0 // each message is an event of its own
  const { workspace } = message
  switch (message.kind) {
    case 'job':
      return runJob(res, message, sourceOf)
    case 'import':
      return runUsersJob(res, workspace, message.job)
    case 'recompute':
      return runRecompute(res, message)
    case 'prune':
      return pruneGroup(res, message)
    case 'erase':
      return eraseGroup(res, workspace, message.group)
    case 'erase-definition':
      return eraseDefinition(res, workspace, message.definition)
    case 'erase-experiment':
      return eraseExperiment(res, workspace, message.experiment)
    case 'erase-people':
      return runErasure(res, workspace, message.erasure)
    case 'balance':
      return runBalance(res, message)
    case 'deliver':
      return send(res, workspace, message.webhook)
  }
}

/** Delivers what was enqueued, and what is enqueued meanwhile, until nothing is left. */
export async function answerAll(res: Resources, enqueued: Message[]): Promise<void> {
  for (let message = enqueued.shift(); message !== undefined; message = enqueued.shift())
    await answer(res, message)
}

/** Work that waits, and what others do while an invocation of it sleeps. */
export interface Waiting {
  message: Message
  meanwhile: () => Promise<void>
}

/** Another invocation may end a job between two reads of it. */
export function unlessFileIsMissing(error: unknown): void {
  if (!(error instanceof Error && /^the file of job .* is missing$/.test(error.message)))
    throw error
}

type Hazard = ReturnType<typeof hazardous>

/**
 * An invocation of new work falls asleep before its first call that may write, another before its
 * second, and so on: once awake, it must change nothing. Gives how many such calls there were.
 */
export async function sleepsThroughEach(
  what: string,
  open: (hand: Hazard) => Promise<Waiting>,
  vars: Parameters<typeof hazardous>[0] = {},
): Promise<number> {
  for (let at = what.length % everyCall; ; at += everyCall) {
    await emptyTables()
    const hand = hazardous({ ...vars, USERS_PER_STEP: 1000 })
    const sleeper = hazardous(vars)
    const { message, meanwhile } = await open(hand)
    const { promise, resolve } = Promise.withResolvers<void>()
    const asleep = new Promise<boolean>((fallen) =>
      sleeper.fuse({ at, only: 'writes', until: promise, fallen: () => fallen(true) }),
    )
    const running = answer(sleeper.res, message)
    if (!(await Promise.race([asleep, running.then(() => false)]))) return at
    await meanwhile()
    await changesNothing(`${what}, asleep before call ${at}`, () => {
      resolve()
      return running.catch(unlessFileIsMissing)
    })
  }
}
