import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { deleteAudience } from '../../src/audiences/audiences.ts'
import { requestSync } from '../../src/audiences/sync.ts'
import { listGroups } from '../../src/experience/groups.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { receiveUpload, toGroup } from '../../src/experience/upload.ts'
import { createExperiment } from '../../src/experiments/create.ts'
import { deleteExperiment } from '../../src/experiments/erase.ts'
import { setStatus } from '../../src/experiments/status.ts'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { deleteUser } from '../../src/identity/delete-user.ts'
import { openPreview } from '../../src/identity/previews.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import { receiveUsers, toUsers } from '../../src/identity/users-upload.ts'
import { deleteUpload } from '../../src/jobs/delete-upload.ts'
import { createUpload, type Destination } from '../../src/jobs/resumable.ts'
import type { Message } from '../../src/messages.ts'
import { createWebhook, deleteWebhook } from '../../src/webhooks/subscriptions.ts'
import { eventTypes } from '../../src/webhooks/event.ts'
import { eventually, json } from '../support/api.ts'
import { addAudience, filling, grouped, teamIs } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { groupDoors, knock, ofrepDoors, workspaceDoors, type NamedDoor } from '../support/doors.ts'
import { fileParts, hazardous, parts } from '../support/hazard.ts'
import { Team } from '../support/identity.ts'
import { answer, answerAll } from '../support/stale.ts'
import { emptyTables, everyRow } from '../support/store.ts'
import { twinsOf } from '../support/twin.ts'
import { defined, writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

const receiver = () => Promise.resolve(new Response('no', { status: 500 }))
const { res, enqueued, deliveriesEnqueued } = hazardous({}, { fetch: receiver })

/** Carries on all that waits, but takes no deleted thing's rows away. */
async function settle(): Promise<void> {
  const stays = ({ kind }: Message) => kind === 'erase' || kind === 'erase-definition'
  for (let message = enqueued.shift(); message !== undefined; message = enqueued.shift())
    if (!stays(message)) await answer(res, message)
}

/** Something of each kind, and what a request may name. */
async function build(workspace: number): Promise<Record<string, string>> {
  const hook = { url: `${env.RECEIVER}/in/twins`, description: '', eventTypes: null }
  const webhook = await createWebhook(res, workspace, hook, 'tester')
  const people = ['ann', 'bob', 'cid'].map(
    (one, i) => [one, { street: 'ash', team: 'red', has_dog: i === 0 }] as [string, object],
  )
  await writeUsers(res, workspace, people as Parameters<typeof writeUsers>[2], res.now())
  const shared = [{ id: 'has_dog', type: 'boolean_or' }] as const
  await defined(res, workspace, 'household', 'street', [...shared])
  const run = await requestRecompute(res, workspace, 'household')
  await settle()
  const group = await grouped(res, workspace, 'owls')
  const file = parts('add', 'ann\nbob\na,b\n')
  const job = await receiveUpload(res, workspace, group.id, { createdBy: 'tester', parts: file })
  const users = fileParts('user_id,plan\nann,gold\na,b,c\n')
  const { id: import_id } = await receiveUsers(res, workspace, 'tester', users)
  const [toOwls, toAll] = [
    toGroup(res, workspace, group.id, { createdBy: 'tester' }),
    toUsers(res, workspace, 'tester'),
  ]
  const begun = async (to: Destination) =>
    (await createUpload(res, to, { length: 4, fields: { type: 'add' } })).id
  const preview = await openPreview(res, workspace, {
    ...{ description: '', attributes: [], source: 'street', matching: 'normalized' },
  })
  const spare = await grouped(res, workspace, 'spare')
  await filling(res, workspace, 'coupon', { operator: 'not', expression: teamIs('blue') })
  await addAudience(res, workspace, 'mates', {
    operator: 'and',
    expressions: [
      { operator: 'in_audience', audience: 'coupon' },
      { operator: 'in_group', group: group.id },
      { operator: 'equals', attribute: 'household:has_dog', value: true },
    ],
  })
  await requestSync(res, workspace, 'coupon', { by: 'tester' })
  const variants = [
    { id: 'red', weight: 5000, forced: ['cid'] },
    { id: 'blue', weight: 5000 },
  ]
  const draft = { name: 'n', group: group.id, unit: 'household', variants }
  await createExperiment(res, workspace, 'summer', {
    change: draft,
    by: 'tester',
    mayReadUsers: true,
  })
  await setStatus(res, workspace, 'summer', { to: 'running', by: 'tester' })
  await settle()
  await answerAll(res, deliveriesEnqueued)
  const [event] = await res.directory.$client
    .prepare(
      `SELECT id FROM events WHERE workspace_id = ? AND key IN (SELECT event_key FROM deliveries)
       ORDER BY key LIMIT 1`,
    )
    .bind(workspace)
    .all<{ id: string }>()
    .then(({ results }) => results)
  return {
    workspace_id: String(workspace),
    groupId: group.id,
    jobId: job.id,
    participantId: 'ann',
    group_id: 'household',
    run_id: run.id,
    preview_id: preview.id,
    import_id,
    uploadId: await begun(toOwls),
    other_uploadId: await begun(toOwls),
    upload_id: await begun(toAll),
    other_upload_id: await begun(toAll),
    user_id: 'ann',
    mpid: 'ann',
    org_id: '1',
    account_id: '2',
    name: 'household:has_dog',
    audience_id: 'mates',
    experiment_id: 'summer',
    participant_id: 'ann',
    experience_group: spare.id,
    webhook_id: webhook.id,
    delivery_id: event?.id ?? '',
    key: 'owls',
  }
}

/** Deletes all that `build` has made. */
async function deleteAll(workspace: number, ids: Record<string, string>): Promise<void> {
  const db = res.databaseOf(workspace)
  await setStatus(res, workspace, 'summer', { to: 'ended', by: 'tester' })
  await deleteExperiment(res, workspace, 'summer')
  await deleteAudience(res, workspace, 'mates')
  const page = { page: 0, size: 100, sort: { field: 'name', descending: false } } as const
  for (const { id } of (await listGroups(db, workspace, page)).items)
    await deleteGroup(res, workspace, id)
  await deleteAudience(res, workspace, 'coupon')
  await deleteDefinition(res, workspace, 'household')
  for (const one of ['ann', 'bob', 'cid', 'ann~', 'bob~', 'cid~'])
    await deleteUser(res, workspace, one).catch(() => undefined)
  for (const id of [ids['upload_id'], ids['other_upload_id']])
    await deleteUpload(res, toUsers(res, workspace, 'tester'), id ?? '')
  await deleteWebhook(res, workspace, ids['webhook_id'] ?? '')
  await settle()
}

const others = eventTypes.filter((type) => !/exported$|^client/.test(type)).join()
const readsByPost = /(audiences\/preview|memberships|assignments|evaluate\/flags(\/:key)?)$/
const csv = { accept: 'text/csv' }
const reads: (NamedDoor & { headers?: Record<string, string> })[] = [
  ...groupDoors.filter(({ template }) => template.startsWith('/groups/v3')),
  ...workspaceDoors,
  ...ofrepDoors,
]
  .filter(({ method, template }) => method === 'GET' || readsByPost.test(template))
  // An export is an event itself, and so is the client that asks.
  .map((door) => (door.template.endsWith('/events') ? { ...door, query: `types=${others}` } : door))
const byName = (end: string) => reads.find(({ name }) => name.endsWith(end))
/** The same doors with other queries, headers or bodies. */
const variants = [
  ...reads
    .filter(({ template }) => /(participants|:audience_id\/users)$/.test(template))
    .map((door) => ({ ...door, name: `${door.name} (csv)`, headers: csv })),
  ...[
    '/jobs?groupId=:groupId',
    '/instances?value=ash',
    '/deliveries?status=failed',
    '/deliveries?after=:delivery_id',
    `/events?after=:delivery_id&types=${others}`,
  ].flatMap((path) => {
    const door = byName(path.slice(0, path.indexOf('?')))
    const query = path.slice(path.indexOf('?'))
    if (door === undefined) return []
    const { query: _, ...plain } = door
    return [{ ...plain, name: door.name + query, template: door.template + query }]
  }),
  ...reads
    .filter(({ name }) => name.endsWith('/memberships'))
    .map((door) => ({
      ...door,
      name: `${door.name} of one group`,
      init: json('POST', { participantIds: ['ann', 'zoe'], groupIds: ['{groupId}'] }),
    })),
]

const writes = [
  ...groupDoors.filter(({ template }) => template.startsWith('/groups/v3')),
  ...workspaceDoors,
]
  .filter(({ name }) => !reads.some((read) => read.name === name))
  .sort((a, b) => Number(a.method === 'DELETE') - Number(b.method === 'DELETE'))

/** The answers of every door that changes something, and then of those that do not. */
async function change(ids: Record<string, string>): Promise<Record<string, string>> {
  const allEnded = async () => {
    const unended = `SELECT (SELECT count(*) FROM jobs WHERE workspace_id = ?1 AND ended_at IS NULL)
      + (SELECT count(*) FROM recompute_runs WHERE workspace_id = ?1 AND ended_at IS NULL)
      + (SELECT count(*) FROM experiment_balances WHERE workspace_id = ?1 AND state <> 'complete') AS n`
    const left = homeDb.prepare(unended).bind(Number(ids['workspace_id']))
    await eventually(
      () => left.first('n'),
      (n) => n === 0,
    )
  }
  const after = async (when: string) =>
    Object.fromEntries(
      Object.entries(await walk(ids)).map(([name, answer]) => [`${name} ${when}`, answer]),
    )
  const coupon = { ...ids, audience_id: 'coupon' }
  const [deletes, others] = [true, false].map((deleting) =>
    writes.filter(({ method }) => (method === 'DELETE') === deleting),
  )
  const answers = await knockAt(others ?? [], ids)
  await knockAt(
    writes.filter(({ name }) => name.endsWith('/sync')),
    coupon,
  )
  await allEnded()
  const changed = await after('once all is changed')
  Object.assign(answers, await knockAt(deletes ?? [], ids))
  await knockAt(
    writes.filter(({ name }) => /^DELETE .*:audience_id$/.test(name)),
    coupon,
  )
  await allEnded()
  return { ...answers, ...changed, ...(await after('once all is deleted')) }
}

/** The answers of every door that changes nothing. */
const walk = (ids: Record<string, string>) => knockAt([...reads, ...variants], ids)

const tokens = new Map<number, string>()

/** By one client, as another would be one more event. */
async function tokenIn(workspace: number): Promise<string> {
  const token = tokens.get(workspace) ?? (await Team.open(undefined, workspace)).token
  tokens.set(workspace, token)
  return token
}

async function knockAt(
  doors: typeof reads,
  ids: Record<string, string>,
): Promise<Record<string, string>> {
  const token = await tokenIn(Number(ids['workspace_id']))
  const answers: Record<string, string> = {}
  for (const door of doors) {
    const headers = { authorization: `Bearer ${token}`, transactionId: crypto.randomUUID() }
    const answer = await knock(door, { ...headers, ...door.headers }, ids)
    answers[door.name] = `${answer.status} ${await answer.text()}`
  }
  return answers
}

/** Doors to the past, which deleting does not change. */
const remains = /\/events|\/imports|^GET .*\/deliveries\b/

/** The same without ids, moments and durations. */
const unnamed = (answers: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(answers).map(([name, answer]) => [
      name,
      answer
        .replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, 'id')
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z?|\b1\d{12}\b/g, 'moment')
        .replace(/"(duration_ms|replayed)":\d+/g, 'number')
        .replace(/whsec_[\w+/=]+/g, 'secret')
        .replace(/\b10000\d\d\b/g, 'workspace'),
    ]),
  )

beforeEach(emptyTables)

describe('every door', () => {
  it('says the same whatever another workspace has under the same ids', async () => {
    const workspace = newWorkspace()
    const ids = await build(workspace)
    const before = await walk(ids)
    for (const [name, answer] of Object.entries(before))
      expect([name, answer]).toEqual([name, expect.stringMatching(/^200 /)])

    const twins: [number, number] = [newWorkspace(), newWorkspace()]
    await twinsOf(workspace, twins)
    expect(await walk(ids)).toEqual(before)
    for (const twin of twins) {
      await deleteAll(twin, ids)
      expect(await walk(ids)).toEqual(before)
    }
  })

  it('that writes answers the same, and changes no row of another workspace', async () => {
    const alone = unnamed(await change(await build(newWorkspace())))
    await emptyTables()
    const workspace = newWorkspace()
    const ids = await build(workspace)
    const ours = await everyRow()
    const twins: [number, number] = [newWorkspace(), newWorkspace()]
    await twinsOf(workspace, twins)
    const theirs = (await everyRow()).difference(ours)
    const beside = unnamed(await change(ids))
    for (const [name, answer] of Object.entries(alone))
      if (!remains.test(name)) expect([name, beside[name]]).toEqual([name, answer])
    const after = await everyRow()
    expect([...theirs.difference(after)]).toEqual([])
    const astray = homeDb.prepare(`SELECT count(*) AS n FROM deliveries AS d
      JOIN events AS e ON e.key = d.event_key WHERE e.workspace_id <> d.workspace_id`)
    expect(await astray.first('n')).toBe(0)
    const named = new RegExp(`"workspace_id":(${twins.join('|')})\\b`)
    const added = after.difference(theirs).difference(ours)
    expect([...added].filter((row) => named.test(row))).toEqual([])
  })

  it('answers for deleted things as for things that never were', async () => {
    const workspace = newWorkspace()
    const ids = await build(workspace)
    await deleteAll(workspace, ids)
    const nowhere = await walk({ ...ids, workspace_id: String(newWorkspace()) })
    const there = await walk(ids)
    for (const [name, answer] of Object.entries(nowhere))
      if (!remains.test(name)) expect([name, there[name]]).toEqual([name, answer])
  })

  it('says nothing of deleted things that had the same names', async () => {
    const workspace = newWorkspace()
    await deleteAll(workspace, await build(workspace))
    await scheduler.wait(2) // what was written in the moment of a deletion is deleted, too
    const again = unnamed(await walk(await build(workspace)))
    const anew = unnamed(await walk(await build(newWorkspace())))
    for (const [name, answer] of Object.entries(anew))
      if (!remains.test(name)) expect([name, again[name]]).toEqual([name, answer])
  })
})
