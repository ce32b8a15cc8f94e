import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { letIn } from '../../src/access/console-people.ts'
import { makeDigests } from '../../src/audit/make-digests.ts'
import { resources } from '../../src/resources.ts'
import { day } from '../../src/time.ts'
import { usualTypes } from '../../src/webhooks/event.ts'
import { addColumns, tables } from '../support/added-columns.ts'
import { isEmpty, said } from '../support/answers.ts'
import { asAdmin, Bank, call, eventually, lines, newClient, type Json } from '../support/api.ts'
import { ann, at } from '../support/events.ts'
import { hazardous } from '../support/hazard.ts'
import { hook, hookScopes, tried, type Hook } from '../support/hooks.ts'
import { household, mondayIn, Team } from '../support/identity.ts'
import { begun, ofTus, piece } from '../support/tus.ts'

/** Of people until they are erased or have moved, of a sync until it ends. */
const passing = ['erasure_people', 'identity_movers', 'sync_rules']

/** Of an installation of several shards. */
const ofShards = ['client_places', 'fences', 'move_changes', 'moves', 'places']

/** Waits until what was accepted has ended. */
async function ended(team: Team, { location }: { location: string }): Promise<Json> {
  let shown: Json = {}
  await vi.waitUntil(
    async () => {
      shown = await team.get(location)
      return !['CREATED', 'PROCESSING'].includes(String(shown['status']))
    },
    { timeout: 20_000, interval: 20 },
  )
  return shown
}

async function usersFile(team: Team, body: string): Promise<Json> {
  const headers = { 'content-type': 'text/csv' }
  const { status, id } = await said(team.call('PUT', '/users', { body, headers }))
  expect(status).toBe('CREATED')
  return ended(team, { location: `/imports/${String(id)}` })
}

async function sync(team: Team, bank: Bank): Promise<Json> {
  const { job_id } = await said(team.call('POST', '/audiences/owners/sync'))
  return bank.ended(String(job_id))
}

/** What is left are the files of users: those of participants go with their group. */
const jobsLeft = async () =>
  (await env.DB.prepare('SELECT type FROM jobs').all()).results.map(({ type }) => type)

/** The tables that have rows. */
const fullTables = async (): Promise<string[]> => {
  const names = await tables()
  const counts = await env.DB.batch<{ n: number }>(
    names.map((name) => env.DB.prepare(`SELECT count(*) AS n FROM ${name}`)),
  )
  return names.filter((_, i) => counts[i]?.results[0]?.n !== 0)
}

describe('a version on the tables of a later one', () => {
  let team: Team
  let bank: Bank
  let group: string
  let webhook: Hook
  let upload: string
  beforeAll(async () => {
    await addColumns()
    team = await Team.open(hookScopes)
    bank = await Bank.open(undefined, team.workspace)
    webhook = await hook(team)
    const headers = { 'idempotency-key': 'owls' }
    const created = () =>
      bank.call('POST', '/groups', { body: '{"groupName":"owls"}', headers }).then(said)
    const { groupId } = await created()
    expect(await created()).toMatchObject({ groupId })
    group = String(groupId)
  })

  it('finds columns that it does not know in each table', async () => {
    const names = await tables()
    expect(names).toHaveLength(40)
    const query = "SELECT count(*) AS n FROM pragma_table_info(?) WHERE name GLOB 'extra*'"
    const found = await env.DB.batch<{ n: number }>(
      names.map((name) => env.DB.prepare(query).bind(name)),
    )
    expect(found.map(({ results }) => results[0]?.n)).toEqual(names.map(() => 2))
  })

  it('applies files of participants, keeps what is wrong with them, and undoes', async () => {
    const add = await bank.apply(group, 'ADD', lines(['ann', 'bob', 'cid']) + 'one,two\n')
    expect(add).toMatchObject({ jobStatus: 'PARTIAL_SUCCESS', addedCount: 3 })
    const replace = await bank.apply(group, 'REPLACE', lines(['bob', 'dan']))
    expect(replace).toMatchObject({ jobStatus: 'SUCCESSFUL', addedCount: 1, removedCount: 2 })
    const remove = await bank.apply(group, 'REMOVE', lines(['bob']))
    expect(remove).toMatchObject({ jobStatus: 'SUCCESSFUL', removedCount: 1 })
    const bad = await bank.apply(group, 'REPLACE', 'eve\none,two\nthree,four\n')
    expect(bad).toMatchObject({ jobStatus: 'FAILED' })
    const binary = await bank.apply(group, 'ADD', 'fay\0\n')
    expect(binary).toMatchObject({ jobStatus: 'FAILED' })
    expect(await bank.members(group)).toEqual(['dan'])
  })

  it('keeps users by a file, one by one and by events', async () => {
    const file = await usersFile(team, 'user_id,$address\njohn,1 Main St\njane,1 Main St\nzoe\n')
    expect(file).toMatchObject({ status: 'PARTIAL_SUCCESS', rows_refused: 1, users_created: 2 })
    await team.user('lea', { $address: '1 Main St' })
    await team.send('PATCH', '/users/john', { user_attributes: { has_dog: true } })
    const now = at(Date.now())
    await isEmpty(team.report(ann({ $address: '1 Main St', has_dog: false }, now)), 202)
    expect(await team.profile('1')).toMatchObject({ user_attributes: { $address: '1 Main St' } })
  })

  it('takes a file in pieces', async () => {
    const call = (...of: Parameters<Team['call']>) => team.call(...of)
    upload = await begun(call, '/users/uploads', 11, {})
    const sent = await team.call('PATCH', `/users/uploads/${upload}`, piece(0, 'user_id\nlea'))
    const location = `/imports/${String(sent.headers.get('job-id'))}`
    expect(await ended(team, { location })).toMatchObject({ status: 'SUCCESSFUL' })
  })

  it('forms households, and moves those who move', async () => {
    await team.define({ ...household, matching: 'normalized' })
    expect(await team.recompute()).toMatchObject({ status: 'SUCCESSFUL', users_seated: 4 })
    await team.user('ken', { $address: '2 Oak Ave' })
    await team.send('PATCH', '/users/1', { user_attributes: { $address: '2 Oak Ave' } })
    expect(await team.monday(mondayIn(1))).toMatchObject({ status: 'SUCCESSFUL', groups: 2 })
    const { groups } = await team.get<{ groups: Json[] }>('/users/1')
    expect(groups).toEqual([expect.objectContaining({ definition: 'household' })])
    const profile = await team.profile('jane')
    expect(profile['user_attributes']).toMatchObject({ 'household:has_dog': true })
  })

  it('fills a group by an audience, and names who cannot be in', async () => {
    await team.user('x'.repeat(40), { has_dog: true })
    const owners = { operator: 'equals', attribute: 'has_dog', value: true }
    await team.audience('owners', owners)
    await team.attach('owners', group)
    expect(await sync(team, bank)).toMatchObject({
      jobStatus: 'PARTIAL_SUCCESS',
      addedCount: 1,
      removedCount: 1,
      failedRecordsCount: 1,
    })
    expect(await bank.members(group)).toEqual(['john'])
  })

  it('notifies a webhook of all that, and again on request', async () => {
    const { events } = await team.get<{ events: Json[] }>(
      `/events?size=1000&types=${usualTypes.join()}`,
    )
    await tried(team, webhook, events.length)
    const types = (await webhook.receiver.arrived()).map(
      ({ body }) => (JSON.parse(body) as Json)['type'],
    )
    expect([...new Set(types)].sort()).toEqual([
      'audience.synced',
      'definition.created',
      'group.created',
      'group.participants.changed',
      'household.recomputed',
      'job.failed',
    ])
    const replay = { since: '2020-01-01T00:00:00Z', only: 'all' }
    const { replayed } = await said(team.send('POST', `/webhooks/${webhook.id}/replay`, replay))
    expect(replayed).toBe(events.length)
    await tried(team, webhook, 2 * events.length)
  })

  it('keeps experiments, and whom they force variants on', async () => {
    const variants = [
      { id: 'red', weight: 5000, forced: ['ann', 'bob'] },
      { id: 'blue', weight: 5000 },
    ]
    const draft = { id: 'summer', name: 'Summer', group_id: group, unit: 'household', variants }
    expect(await said(team.send('POST', '/experiments', draft))).toMatchObject({ status: 'draft' })
    const start = team.call('POST', '/experiments/summer/start')
    expect(await said(start)).toMatchObject({ status: 'running' })
    const change = { variants: [{ ...variants[0], forced: ['bob'] }, variants[1]], traffic: 7 }
    expect(await said(team.send('PUT', '/experiments/summer', change))).toMatchObject({
      traffic: 7,
      variants: [{ forced: ['bob'] }, { forced: [] }],
    })
  })

  it('counts how they split their group, and who saw a variant', async () => {
    await said(team.call('POST', '/experiments/summer/balance'))
    const balance = () => team.get('/experiments/summer/balance')
    const shown = await eventually(balance, ({ status }) => status === 'complete')
    expect(shown).toMatchObject({ members: 1 })
    const exposures = [{ experiment_id: 'summer', participant_id: 'ann', variant: 'red' }]
    await isEmpty(team.send('POST', '/experiments/exposures', { exposures }), 202)
    await eventually(
      () => team.get('/experiments/summer/exposures'),
      ({ variants }) => (variants as Json[])[0]?.['participants'] === 1,
    )
  })

  it('lets somebody sign in to the console by a link', async () => {
    const { id, secret } = team.client
    const authorization = `Basic ${btoa(`${id}:${secret}`)}`
    const link = await said(call('/console/links', { method: 'POST', headers: { authorization } }))
    const entered = await call(new URL(String(link['url'])).pathname, {
      method: 'POST',
      redirect: 'manual',
    })
    expect(entered.status).toBe(303)
    const [cookie = ''] = entered.headers.getSetCookie().map((one) => one.split(';')[0] ?? '')
    expect((await call('/console/groups', { headers: { cookie } })).status).toBe(200)
    const who = await newClient(undefined, team.workspace)
    await letIn(resources(env), 'mara@bank.example', who.id)
  })

  it('refuses the token of a client that is deleted', async () => {
    const other = await Team.open(undefined, team.workspace)
    expect((await other.call('GET', '/groups')).status).toBe(200)
    await isEmpty(call(`/oauth/clients/${other.client.id}`, asAdmin({ method: 'DELETE' })), 204)
    expect((await other.call('GET', '/groups')).status).toBe(401)
  })

  it('has written to every table by now', async () => {
    await isEmpty(team.call('DELETE', '/users/jane'), 204)
    await team.erase('lars')
    const { res } = hazardous({}, { now: () => Date.now() + 3 * day })
    await makeDigests(res, { begins: true })
    const full = await fullTables()
    expect((await tables()).filter((table) => !full.includes(table))).toEqual(
      [...passing, ...ofShards].sort(),
    )
  })

  it('deletes all of it', async () => {
    await isEmpty(team.call('DELETE', '/audiences/owners'), 204)
    await said(team.call('POST', '/experiments/summer/end'))
    await isEmpty(team.call('DELETE', '/experiments/summer'), 204)
    expect((await bank.call('DELETE', `/groups/${group}`)).status).toBe(200)
    await isEmpty(team.call('DELETE', '/groups/household'), 204)
    await isEmpty(team.call('DELETE', `/webhooks/${webhook.id}`), 204)
    await isEmpty(team.call('DELETE', `/users/uploads/${upload}`, { headers: ofTus }), 204)
    for (const user of ['john', 'lea', '1', 'ken', 'x'.repeat(40)])
      await isEmpty(team.call('DELETE', `/users/${user}`), 204)
    const kept = [
      'clients',
      'console_people',
      'console_sessions',
      'cron_places',
      'deleted_users',
      'deliveries',
      'delivery_attempts',
      'erased_people',
      'erasures',
      'event_digests',
      'events',
      'idempotency_keys',
      'revocations',
    ]
    const ofUsers = ['job_problems', 'jobs', 'workspaces']
    await vi.waitFor(async () => expect(await fullTables()).toEqual([...kept, ...ofUsers].sort()), {
      timeout: 10_000,
    })
    expect(await jobsLeft()).toEqual(['users', 'users'])
  })
})
