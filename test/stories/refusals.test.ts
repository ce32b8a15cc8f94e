import { beforeAll, describe, expect, it } from 'vitest'
import { deleteAudience } from '../../src/audiences/audiences.ts'
import type { Rule } from '../../src/audiences/rule.ts'
import { requestSync } from '../../src/audiences/sync.ts'
import { createGroup, renameGroup } from '../../src/experience/groups.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { updateDefinition } from '../../src/identity/definitions.ts'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import { giveUpRun } from '../../src/identity/runs.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import type { Message } from '../../src/messages.ts'
import { replay, retryDelivery } from '../../src/webhooks/history.ts'
import {
  createWebhook,
  deleteWebhook,
  disableWebhook,
  enableWebhook,
  rotateSecret,
  updateWebhook,
} from '../../src/webhooks/subscriptions.ts'
import { attachAudience, detachAudience } from '../../src/audiences/attach.ts'
import { testWebhook } from '../../src/webhooks/test-event.ts'
import { addAudience, changeAudience, filling, grouped, teamIs } from '../support/audiences.ts'
import { fileParts, hazardous, parts } from '../support/hazard.ts'
import { answer, answerAll } from '../support/stale.ts'
import { changesNothing } from '../support/store.ts'
import { defined, writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

const [ours, strangers] = [newWorkspace(), newWorkspace()]
const { res, enqueued } = hazardous({ JOBS_WAITING_MAX: 1 })
const hook = { url: 'https://hooks.shop.com/', description: '', eventTypes: null }
const dogs: Rule = { operator: 'equals', attribute: 'household:has_dog', value: true }
const among = (group: string): Rule => ({ operator: 'in_group', group })

/** What is there, and what a request names. */
let there: Record<'named' | 'filled' | 'others' | 'busy' | 'webhook' | 'off' | 'event', string> & {
  keys: Record<'group' | 'definition' | 'job' | 'ended' | 'import' | 'run' | 'webhook', number>
}

beforeAll(async () => {
  const webhook = await createWebhook(res, ours, hook, 'tester')
  const off = await createWebhook(res, ours, hook, 'tester')
  await disableWebhook(res, ours, off.id, 'tester')
  const event = await testWebhook(res, ours, webhook.id)
  const shared = [{ id: 'has_dog', type: 'boolean_or' }] as const
  const { key: definition } = await defined(res, ours, 'household', 'street', [...shared])
  await writeUsers(res, ours, [['ann', { team: 'red', street: 'ash', has_dog: true }]])
  const named = await grouped(res, ours, 'named')
  const filled = await filling(res, ours, 'reds', teamIs('red'))
  const busy = await grouped(res, ours, 'busy')
  await addAudience(res, ours, 'users', { operator: 'in_audience', audience: 'reds' })
  await addAudience(res, ours, 'members', among(named.id))
  await addAudience(res, ours, 'dogs', dogs)
  await addAudience(res, ours, 'above', among(filled.id))
  const others = await filling(res, ours, 'blues', teamIs('blue'))
  const send = (id = busy.id) =>
    receiveUpload(res, ours, id, { createdBy: 'tester', parts: parts('add', 'ann\n') })
  const { key: ended } = await send()
  await answerAll(res, enqueued)
  const { key: job } = await send()
  await send(named.id)
  await requestSync(res, ours, 'reds', { by: 'tester' })
  const { key: users } = await receiveUsers(res, ours, 'tester', fileParts('user_id,a\nann,b\n'))
  const { key: run } = await requestRecompute(res, ours, 'household')
  there = {
    named: named.id,
    filled: filled.id,
    others: others.id,
    busy: busy.id,
    webhook: webhook.id,
    off: off.id,
    event,
    keys: {
      group: named.key,
      definition,
      job,
      ended,
      import: users,
      run,
      webhook: webhook.key,
    },
  }
  enqueued.length = 0
  const held = { AUDIENCES_MAX: 6, DEFINITIONS_MAX: 1, WEBHOOKS_MAX: 2 }
  Object.assign(res.limits, hazardous({ ...held, JOBS_WAITING_MAX: 1 }).res.limits)
})

const draft = (name: string) => ({ name, type: 'EXPERIENCE_GROUP', platform: 'RETAIL_BANKING' })
const by = 'tester'

const refused: [what: string, reason: string, (workspace: number) => Promise<unknown>][] = [
  ['a group of a taken name', 'taken', (at) => createGroup(res, at, draft('named'))],
  ['a taken name', 'taken', (at) => renameGroup(res, at, there.busy, { name: 'named' })],
  ['a group in use', 'in-use', (at) => deleteGroup(res, at, there.named)],
  ['a taken definition', 'taken', (at) => defined(res, at, 'household', 'x', [])],
  ['a definition too many', 'limit', (at) => defined(res, at, 'more', 'x', [])],
  [
    'what is shared and in use',
    'in-use',
    (at) => updateDefinition(res, at, 'household', { change: { attributes: [] }, by }),
  ],
  ['a definition in use', 'in-use', (at) => deleteDefinition(res, at, 'household')],
  ['a taken audience', 'taken', (at) => addAudience(res, at, 'reds', teamIs('red'))],
  ['an audience too many', 'limit', (at) => addAudience(res, at, 'more', teamIs('red'))],
  ['a rule of nobody', 'rule-refused', (at) => changeAudience(res, at, 'reds', among('none'))],
  ['a cycle by rule', 'cycle', (at) => changeAudience(res, at, 'reds', among(there.filled))],
  ['a cycle by group', 'cycle', (at) => attachAudience(res, at, 'members', there.named)],
  ['a group of another', 'in-use', (at) => attachAudience(res, at, 'reds', there.others)],
  ['an audience in use', 'in-use', (at) => deleteAudience(res, at, 'reds')],
  ['what is not attached', 'not-attached', (at) => detachAudience(res, at, 'dogs')],
  ['a sync of nothing', 'not-attached', (at) => requestSync(res, at, 'dogs', { by })],
  [
    'a file for a filled group',
    'filled-by-audience',
    (at) => receiveUpload(res, at, there.filled, { createdBy: by, parts: parts('add', 'ann\n') }),
  ],
  [
    'a file too many',
    'jobs-waiting',
    (at) => receiveUpload(res, at, there.busy, { createdBy: by, parts: parts('add', 'ann\n') }),
  ],
  [
    'a file of users too many',
    'jobs-waiting',
    (at) => receiveUsers(res, at, by, fileParts('user_id,a\nann,b\n')),
  ],
  ['a webhook too many', 'limit', (at) => createWebhook(res, at, hook, by)],
  [
    'a webhook at a private address',
    'invalid',
    (at) => updateWebhook(res, at, there.webhook, { ...hook, url: 'https://10.0.0.1/', by }),
  ],
  ['a test of what is disabled', 'invalid', (at) => testWebhook(res, at, there.off)],
  ['a delivery of nothing', 'not-found', (at) => retryDelivery(res, at, there.webhook, 'none')],
]

describe('a refusal', () => {
  it.each(refused)('of %s changes no row', async (what, reason, ask) => {
    await changesNothing(what, () => expect(ask(ours)).rejects.toMatchObject({ facts: { reason } }))
    expect(enqueued).toEqual([])
  })
})

describe('a limit', () => {
  it('counts what a workspace has itself, and nothing of another', async () => {
    await defined(res, strangers, 'household', 'x', [])
    await addAudience(res, strangers, 'reds', teamIs('red'))
    await createWebhook(res, strangers, hook, by)
    await receiveUsers(res, strangers, by, fileParts('user_id,a\nann,b\n'))
    await deleteDefinition(res, strangers, 'household')
    await deleteAudience(res, strangers, 'reds')
    enqueued.length = 0
  })
})

const foreign: [what: string, (workspace: number) => Promise<unknown>][] = [
  ['renames a group', (at) => renameGroup(res, at, there.busy, { name: 'mine' })],
  ['deletes a group', (at) => deleteGroup(res, at, there.busy)],
  [
    'uploads',
    (at) => receiveUpload(res, at, there.named, { createdBy: by, parts: parts('add', 'bob\n') }),
  ],
  [
    'changes a definition',
    (at) => updateDefinition(res, at, 'household', { change: { source: 'x' }, by }),
  ],
  ['deletes a definition', (at) => deleteDefinition(res, at, 'household')],
  ['recomputes', (at) => requestRecompute(res, at, 'household')],
  ['changes an audience', (at) => changeAudience(res, at, 'dogs', teamIs('red'))],
  ['deletes an audience', (at) => deleteAudience(res, at, 'dogs')],
  ['attaches an audience', (at) => attachAudience(res, at, 'dogs', there.named)],
  ['detaches an audience', (at) => detachAudience(res, at, 'reds')],
  ['syncs', (at) => requestSync(res, at, 'reds', { by })],
  ['changes a webhook', (at) => updateWebhook(res, at, there.webhook, { ...hook, by })],
  ['deletes a webhook', (at) => deleteWebhook(res, at, there.webhook)],
  ['enables a webhook', (at) => enableWebhook(res, at, there.off, by)],
  ['disables a webhook', (at) => disableWebhook(res, at, there.webhook, by)],
  ['rotates a secret', (at) => rotateSecret(res, at, there.webhook, by)],
  ['tests a webhook', (at) => testWebhook(res, at, there.webhook)],
  ['retries a delivery', (at) => retryDelivery(res, at, there.webhook, there.event)],
  ['replays', (at) => replay(res, at, there.webhook, { since: 0, until: res.now(), only: 'all' })],
]

describe('a workspace', () => {
  it.each(foreign)('that %s by ids of another changes no row', async (what, ask) => {
    await changesNothing(what, () =>
      expect(ask(strangers)).rejects.toMatchObject({ facts: { reason: 'not-found' } }),
    )
    expect(enqueued).toEqual([])
  })
})

describe('a message', () => {
  it("about another workspace's work changes no row", async () => {
    const { job, import: users, run, group, definition, webhook } = there.keys
    const workspace = strangers
    const messages: Message[] = [
      { kind: 'job', workspace, job },
      { kind: 'import', workspace, job: users },
      { kind: 'import', workspace: ours, job },
      { kind: 'recompute', workspace, run },
      { kind: 'erase', workspace, group },
      { kind: 'erase-definition', workspace, definition },
      { kind: 'deliver', workspace, webhook },
    ]
    for (const message of messages)
      await changesNothing(JSON.stringify(message), () => answer(res, message))
  })

  it('to erase what nobody has deleted changes no row', async () => {
    const { group, definition } = there.keys
    for (const message of [
      { kind: 'erase', workspace: ours, group },
      { kind: 'erase-definition', workspace: ours, definition },
    ] as const)
      await changesNothing(message.kind, () => answer(res, message))
  })

  it('that failed for good gives up no ended or foreign work', async () => {
    const { job, ended, run } = there.keys
    await changesNothing('an ended job', () => giveUp(res, ours, ended))
    await changesNothing('the job of another', () => giveUp(res, strangers, job))
    await changesNothing('the run of another', () => giveUpRun(res, strangers, run))
    await giveUp(res, ours, job)
    await changesNothing('a job that is undone', () => giveUp(res, ours, job))
    await giveUpRun(res, ours, run)
    await changesNothing('an ended run', () => giveUpRun(res, ours, run))
  })
})
