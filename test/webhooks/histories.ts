import fc from 'fast-check'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import { eraseGroup } from '../../src/experience/erase.ts'
import { createGroup, renameGroup } from '../../src/experience/groups.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { updateDefinition } from '../../src/identity/definitions.ts'
import { deleteDefinition, eraseDefinition } from '../../src/identity/erase.ts'
import { requestRecompute, runRecompute } from '../../src/identity/recompute.ts'
import type { Message } from '../../src/messages.ts'
import { deliver } from '../../src/webhooks/deliver.ts'
import { usualTypes, type EventType } from '../../src/webhooks/event.ts'
import {
  createWebhook,
  deleteWebhook,
  disableWebhook,
  enableWebhook,
  updateWebhook,
} from '../../src/webhooks/subscriptions.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import { lines } from '../support/api.ts'
import { faults } from '../support/deliveries.ts'
import { turned } from '../support/experiments.ts'
import { hazardous, parts, type Fault } from '../support/hazard.ts'
import { defined } from '../support/weeks.ts'
import { momentOf } from './changes.ts'
import { newWorkspace } from '../support/workspaces.ts'

export const hour = 3_600_000

/** A request of a client. */
export type Deed =
  | { what: 'opens a group' | 'defines'; name: string }
  | { what: 'renames a group'; pick: number; name: string }
  | {
      what: 'deletes a group' | 'redefines' | 'undefines' | 'recomputes' | 'gives a job up'
      pick: number
    }
  | { what: 'starts an experiment' | 'pauses an experiment' | 'ends an experiment'; pick: number }
  | { what: 'uploads'; pick: number; type: string; ids: string[]; badRows: number }
  | { what: 'opens a webhook'; types: EventType[] | null }
  | { what: 'replaces a webhook'; pick: number; types: EventType[] | null }
  | { what: 'disables a webhook' | 'enables a webhook' | 'deletes a webhook'; pick: number }

export type Happening =
  | { then: 'deed' | 'silently' | 'twice at once'; deed: Deed }
  | { then: 'dying'; deed: Deed; dies: Fault }
  | { then: 'beside an invocation'; deed: Deed; pick: number }
  | {
      then: 'message'
      of: 'work' | 'deliveries'
      pick: number
      how: 'once' | 'and kept' | 'never' | 'twice at once'
    }
  | { then: 'message'; of: 'work' | 'deliveries'; pick: number; how: Fault }
  | { then: 'cron' }
  | { then: 'later'; ms: number }
  /** Nothing gets through for as long as so many attempts take. */
  | { then: 'bad days'; attempts: number }

/**
 * The receiver's behaviour: `lost` never arrives, `late` and `cut` answer too late or not fully.
 */
export type Answer = 'takes' | 'fails' | 'redirects' | 'is busy' | 'lost' | 'late' | 'cut'

const pick = fc.nat(35)
const name = fc.constantFrom('owls', 'jays', 'rooks')
const types = fc.option(fc.subarray([...usualTypes], { minLength: 1 }), { freq: 2 })
const one = <const What extends string>(...what: What[]) => fc.constantFrom(...what)

const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ what: one('opens a group'), name }) },
  { weight: 2, arbitrary: fc.record({ what: one('renames a group'), pick, name }) },
  { weight: 1, arbitrary: fc.record({ what: one('deletes a group'), pick }) },
  {
    weight: 4,
    arbitrary: fc.record({
      what: one('uploads'),
      pick,
      type: one('add', 'remove', 'replace'),
      ids: fc.array(one('ann', 'bob', 'cid', 'dan', 'eve'), { maxLength: 5 }),
      badRows: fc.nat(2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: one('defines'), name }) },
  {
    weight: 4,
    arbitrary: fc.record({
      what: one(
        'redefines',
        'redefines',
        'recomputes',
        'recomputes',
        'undefines',
        'gives a job up',
      ),
      pick,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: one(
        'starts an experiment',
        'starts an experiment',
        'pauses an experiment',
        'ends an experiment',
      ),
      pick,
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: one('opens a webhook'), types }) },
  { weight: 1, arbitrary: fc.record({ what: one('replaces a webhook'), pick, types }) },
  {
    weight: 3,
    arbitrary: fc.record({
      what: one(
        'disables a webhook',
        'enables a webhook',
        'enables a webhook',
        'deletes a webhook',
      ),
      pick,
    }),
  },
)

const dies = (calls: number) => faults(fc.nat(calls))
const message = { then: one('message'), of: one('work', 'deliveries', 'deliveries'), pick }

export const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ then: one('deed', 'deed', 'silently', 'twice at once'), deed }),
  },
  { weight: 3, arbitrary: fc.record({ then: one('dying'), deed, dies: dies(3) }) },
  { weight: 3, arbitrary: fc.record({ then: one('beside an invocation'), deed, pick }) },
  {
    weight: 5,
    arbitrary: fc.record({
      ...message,
      how: one('once', 'once', 'and kept', 'never', 'twice at once'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ ...message, how: dies(7) }) },
  { weight: 2, arbitrary: fc.record({ then: one('cron') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      then: one('later'),
      ms: fc.constantFrom(1, 6000, 61_000, hour, 3 * hour, 40 * hour),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ then: one('bad days'), attempts: fc.constantFrom(3, 10, 10, 14) }),
  },
)

export const answer: fc.Arbitrary<Answer> = one(
  'takes',
  'takes',
  'takes',
  'fails',
  'redirects',
  'is busy',
  'lost',
  'late',
  'cut',
)

/** A workspace whose receivers, queues, clock and chance the test controls and records. */
export async function scene(answers: Answer[]) {
  const workspace = newWorkspace()
  const arrivals: { url: string; id: string; body: string; taken: boolean }[] = []
  let [time, sends] = [Date.UTC(2027, 0, 1), 0]
  let always: Answer | undefined
  const answered = (answer: Answer): Response => {
    if (answer === 'late') throw new DOMException('late', 'TimeoutError')
    if (answer === 'cut')
      return new Response(
        new ReadableStream({ pull: (controller) => controller.error(new Error('cut')) }),
      )
    if (answer === 'redirects')
      return new Response(null, {
        status: 302,
        headers: { location: 'https://hooks.shop.com/elsewhere' },
      })
    if (answer === 'is busy')
      return new Response('later', { status: 429, headers: { 'retry-after': '120' } })
    return new Response(null, { status: answer === 'takes' ? 204 : 500 })
  }
  const fetch = async (url: string, { headers, body }: RequestInit) => {
    const answer = always ?? answers[sends++ % answers.length] ?? 'takes'
    await scheduler.wait(0)
    if (answer === 'lost') throw new TypeError('no connection')
    arrivals.push({
      url,
      id: new Headers(headers).get('webhook-id') ?? '',
      body: String(body),
      taken: answer === 'takes' || answer === 'cut',
    })
    return answered(answer)
  }
  const hazard = hazardous({ DEFINITIONS_MAX: 2 }, { fetch, now: () => ++time })
  return {
    ...hazard,
    workspace,
    arrivals,
    later: (ms: number) => (time += ms),
    receives: (answer: Answer | undefined) => (always = answer),
  }
}

export type Scene = Awaited<ReturnType<typeof scene>>

export function answerMessage(
  { res, workspace }: Scene,
  message: Message,
): Promise<void> | undefined {
  res.meter.statements = 0 // each message is an event of its own
  if (message.kind === 'job') return runJob(res, message, sourceOf)
  if (message.kind === 'erase') return eraseGroup(res, workspace, message.group)
  if (message.kind === 'recompute') return runRecompute(res, message)
  if (message.kind === 'erase-definition')
    return eraseDefinition(res, workspace, message.definition)
  if (message.kind === 'deliver') return deliver(res, workspace, message.webhook)
  return undefined
}

/** Changes, each announced as it succeeds. */
export const changing = [
  'opens a group',
  'renames a group',
  'deletes a group',
  'defines',
  'redefines',
  'undefines',
]

/** Changes that are none where all is so already. */
export const setting = ['starts an experiment', 'pauses an experiment', 'ends an experiment']

let urls = 0

export async function does({ res, workspace }: Scene, deed: Deed): Promise<unknown> {
  const { groups, jobs, definitions, experiments, webhooks } = await momentOf(workspace)
  /** Usually an existing id, sometimes a deleted or unknown one. */
  const of = (rows: Map<number, { id: string; deleted?: number | null }>) => {
    const pick = 'pick' in deed ? deed.pick : 0
    const some = [...rows.values()].filter(
      ({ deleted }) => pick % 6 === 5 || (deleted ?? null) === null,
    )
    return some[Math.floor(pick / 6) % Math.max(1, some.length)]?.id ?? crypto.randomUUID()
  }
  const draft = () => ({
    url: `https://hooks.shop.com/${++urls}`,
    description: '',
    eventTypes: 'types' in deed ? deed.types : null,
  })
  switch (deed.what) {
    case 'opens a group':
      return createGroup(res, workspace, {
        name: deed.name,
        description: undefined,
        type: 'EXPERIENCE_GROUP',
        platform: 'RETAIL_BANKING',
      })
    case 'renames a group':
      return renameGroup(res, workspace, of(groups), { name: deed.name, description: undefined })
    case 'deletes a group':
      return deleteGroup(res, workspace, of(groups))
    case 'uploads': {
      const rows = ['ParticipantId', ...deed.ids, ...Array<string>(deed.badRows).fill('one,two')]
      return receiveUpload(res, workspace, of(groups), {
        createdBy: 'tester',
        parts: parts(deed.type, lines(rows)),
      })
    }
    case 'gives a job up': {
      const waiting = [...jobs.values()].filter(({ state }) =>
        ['waiting', 'applying', 'writing'].includes(state),
      )
      const job = waiting[deed.pick % Math.max(1, waiting.length)]
      return job === undefined ? undefined : giveUp(res, workspace, job.key)
    }
    case 'defines':
      return defined(res, workspace, deed.name, 'street', [])
    case 'redefines':
      return updateDefinition(res, workspace, of(definitions), {
        change: { description: crypto.randomUUID() },
        by: 'tester',
      })
    case 'undefines':
      return deleteDefinition(res, workspace, of(definitions))
    case 'recomputes':
      return requestRecompute(res, workspace, of(definitions))
    case 'starts an experiment':
      return turned(res, workspace, of(experiments), 'running')
    case 'pauses an experiment':
      return turned(res, workspace, of(experiments), 'paused')
    case 'ends an experiment':
      return turned(res, workspace, of(experiments), 'ended')
    case 'opens a webhook':
      return createWebhook(res, workspace, draft(), 'tester')
    case 'replaces a webhook':
      return updateWebhook(res, workspace, of(webhooks), { ...draft(), by: 'tester' })
    case 'disables a webhook':
      return disableWebhook(res, workspace, of(webhooks), 'tester')
    case 'enables a webhook':
      return enableWebhook(res, workspace, of(webhooks), 'tester')
    case 'deletes a webhook':
      return deleteWebhook(res, workspace, of(webhooks))
  }
}
