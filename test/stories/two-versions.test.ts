import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { Bank, membersOf, type Json } from '../support/api.ts'
import { consume, keeping, tick } from '../support/bindings.ts'
import { hookScopes } from '../support/hooks.ts'
import { Team } from '../support/identity.ts'
import { Receiver } from '../support/receiver.ts'
import {
  audience,
  definition,
  delivery,
  event,
  group,
  insert,
  job,
  member,
  run,
  webhook,
} from '../support/rows.ts'

/** The first migration that the version before does not know. */
const next = env.MIGRATIONS.findIndex(({ name }) => name === '0004_real_inputs.sql')

/** Empties the database but for the tables of the version before. */
async function formerTables(): Promise<void> {
  const { results } = await env.DB.prepare(
    `SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view')
       AND NOT name GLOB 'sqlite_*' AND NOT name GLOB '_cf_*' ORDER BY type DESC`,
  ).all<{ type: string; name: string }>()
  await env.DB.batch(results.map(({ type, name }) => env.DB.prepare(`DROP ${type} ${name}`)))
  await applyD1Migrations(env.DB, env.MIGRATIONS.slice(0, next))
}

const file = async (key: string, text: string) => {
  await env.FILES.put(key, text)
  return { file_key: key, file_size: text.length, slice_bytes: 1000 }
}

/** Users and what is known of them, of whom the file is at the second. */
const users = [
  ['ann', 'Ulm'],
  ['bob', 'Bonn'],
  ['cid', 'Bonn'],
  ['dan', 'Ulm'],
] as const
const userRows = () =>
  users.flatMap(([user_id, value]) => [
    insert('users', { workspace_id: 1, user_id, created_at: 0 }),
    insert('user_attributes', {
      ...{ workspace_id: 1, user_id, name: 'town', value, type: 'string', updated_at: 0 },
    }),
  ])

/** Groups of four participants, revision 1. */
const filled = (key: number, more: Record<string, unknown> = {}) => [
  group(key, { revision: 1, participant_count: 4, ...more }),
  ...['ann', 'bob', 'cid', 'dan'].map((id) => member(key, id)),
]

const seen = { added_rev: 2, seen_rev: 2 }
const inUlm = JSON.stringify({ operator: 'equals', attribute: 'town', value: 'Ulm' })

/** Files of participants in the midst of each state. */
async function groupJobs(): Promise<D1PreparedStatement[]> {
  const halfway = { revision: 2, applied: 2, touched: 2 }
  const add = await file('add', 'ParticipantId\neve\nfay\ngus\none,two\n')
  const behind = await file('behind', 'hal\n')
  const remove = { ...(await file('remove', 'ann\nbob\ncid\n')), slice_bytes: 4, type: 'remove' }
  const replace = await file('replace', 'bob\nzoe\n')
  return [
    ...[...filled(11), member(11, 'eve', seen), member(11, 'fay', seen)],
    ...[job(21, 11, { ...add, ...halfway, state: 'applying' }), job(22, 11, { ...behind })],
    ...filled(12),
    env.DB.prepare(
      "UPDATE members SET removed_rev = 2 WHERE group_key = 12 AND participant_id = 'ann'",
    ),
    job(23, 12, {
      ...{ ...remove, state: 'writing', revision: 2, offset: 4, line: 1, place: 'row' },
      ...{ rows: 1, touched: 1, step: 3 },
    }),
    ...[...filled(13), member(13, 'zoe', seen)],
    env.DB.prepare(
      "UPDATE members SET seen_rev = 2 WHERE group_key = 13 AND participant_id = 'bob'",
    ),
    job(24, 13, {
      ...{ ...replace, type: 'replace', state: 'sweeping', revision: 2, offset: 8, line: 2 },
      ...{ rows: 2, touched: 2, cursor: '' },
    }),
    ...[...filled(14), member(14, 'yan', seen), member(14, 'zoe', seen)],
    job(25, 14, {
      ...(await file('undone', 'yan\nzoe\n')),
      revision: 2,
      state: 'undoing',
      failure: 'gave-up',
      touched: 2,
    }),
  ]
}

/** A sync that has looked at two of four users. */
const sync = () => [
  ...filled(15, { audience_id: 'ulm' }),
  audience('ulm', { rule: inUlm }),
  env.DB.prepare(`UPDATE members SET seen_rev = 2 WHERE group_key = 15 AND participant_id = 'ann'`),
  env.DB.prepare(
    `UPDATE members SET removed_rev = 2 WHERE group_key = 15 AND participant_id = 'bob'`,
  ),
  job(26, 15, {
    ...{ type: 'replace', state: 'applying', audience_id: 'ulm', revision: 2, file_size: 4 },
    ...{ cursor: 'bob', offset: 2, reached: 2, batch_ids: 2, rows: 1, touched: 1, removed: 1 },
  }),
  insert('sync_rules', { job_key: 26, rule: inUlm }),
]

/** A file of users at its second slice, and one behind it. */
async function usersFiles(): Promise<D1PreparedStatement[]> {
  const first = 'user_id,mark\nann,1\n'
  const users = await file('users', `${first}bob,2\ncid\n`)
  return [
    insert('user_attributes', {
      ...{ workspace_id: 1, user_id: 'ann', name: 'mark', value: '1', type: 'string' },
      updated_at: 0,
    }),
    job(27, -1, {
      ...{ ...users, type: 'users', state: 'applying', header: '["mark"]' },
      ...{ offset: first.length, line: 2, place: 'row', rows: 1, touched: 1 },
    }),
    job(28, -1, { ...(await file('more', 'user_id,mark\ndan,4\n')), type: 'users' }),
  ]
}

/** A run that has formed the households of Bonn, and is at those of Ulm. */
const recompute = () => [
  definition(31, { attributes: JSON.stringify([{ id: 'town', type: 'latest' }]), id: 'towns' }),
  run(41, 31, {
    ...{ state: 'running', cursor: 'Bonn', source_user_attribute: 'town', step: 2, expected: 4 },
    ...{ attributes: JSON.stringify([{ id: 'town', type: 'latest' }]), week: '2026-W47' },
    ...{ looked: 2, seated: 2, groups: 1, started_at: 0 },
  }),
  ...['bob', 'cid'].map((user_id) =>
    insert('identity_members', { definition_key: 31, user_id, value: 'Bonn', joined_at: 0 }),
  ),
  insert('group_attributes', {
    ...{ definition_key: 31, value: 'Bonn', name: 'town', function: 'latest', result: 'Bonn' },
    type: 'string',
  }),
]

/** An event that an invocation was about to send when it died. */
const deliveries = (url: string) => [
  webhook(71, { url, secret: `whsec_${btoa('secret')}`, busy_until: 1 }),
  event(61, Date.now(), { type: 'group.created' }),
  delivery(71, 61, 1),
]

const isAcked = { acked: [0], retried: [] }

describe('the database of the version before, with work under way', () => {
  let bank: Bank
  let team: Team
  const receiver = new Receiver()

  /** Has the cron come, and then each message that follows from it. */
  async function goOn(): Promise<void> {
    const { bound, work, scheduled, deliveries } = keeping({ DEFINITIONS_MAX: 2 })
    await tick('*/5 * * * *', bound)
    await tick('* * * * *', bound)
    for (const [queue, kept] of Object.entries({ work, scheduled, deliveries }))
      for (let sent = kept.shift(); sent !== undefined; sent = kept.shift())
        expect(await (await consume(queue, [sent.message], bound))()).toEqual(isAcked)
  }

  const jobs = async () =>
    (
      await env.DB.prepare(
        `SELECT key, state, rows, bad_rows AS bad, added, removed FROM jobs ORDER BY key`,
      ).all()
    ).results

  const members = async () =>
    Object.fromEntries(
      await Promise.all(
        [11, 12, 13, 14, 15].map(async (key) => [key, await membersOf(1, `group ${key}`)] as const),
      ),
    )

  beforeAll(async () => {
    await formerTables()
    await env.DB.batch([
      ...userRows(),
      ...(await groupJobs()),
      ...sync(),
      ...(await usersFiles()),
      ...recompute(),
      ...deliveries(receiver.url),
    ])
    await applyD1Migrations(env.DB, env.MIGRATIONS)
    team = await Team.open(hookScopes, 1)
    bank = await Bank.open(undefined, 1)
  })

  it('is read as it was before anything goes on', async () => {
    const before = ['ann', 'bob', 'cid', 'dan']
    expect(await members()).toEqual({ 11: before, 12: before, 13: before, 14: before, 15: before })
    expect(await bank.get('/jobs/job 21')).toMatchObject({ jobStatus: 'PROCESSING' })
    expect((await team.profile('bob'))['user_attributes']).toEqual({
      ...{ town: 'Bonn', 'towns:town': 'Bonn' },
    })
    expect(await team.get('/audiences/ulm/count')).toMatchObject({ count: 2 })
  })

  it('is carried on to the end of each', async () => {
    await goOn()
    expect(await jobs()).toEqual([
      { key: 21, state: 'partial', rows: 4, bad: 1, added: 3, removed: 0 },
      { key: 22, state: 'successful', rows: 1, bad: 0, added: 1, removed: 0 },
      { key: 23, state: 'successful', rows: 3, bad: 0, added: 0, removed: 3 },
      { key: 24, state: 'successful', rows: 2, bad: 0, added: 1, removed: 3 },
      { key: 25, state: 'failed', rows: 0, bad: 0, added: 0, removed: 0 },
      { key: 26, state: 'successful', rows: 2, bad: 0, added: 0, removed: 2 },
      { key: 27, state: 'partial', rows: 3, bad: 1, added: 0, removed: 0 },
      { key: 28, state: 'successful', rows: 1, bad: 0, added: 0, removed: 0 },
    ])
    expect(await members()).toEqual({
      11: ['ann', 'bob', 'cid', 'dan', 'eve', 'fay', 'gus', 'hal'],
      12: ['dan'],
      13: ['bob', 'zoe'],
      14: ['ann', 'bob', 'cid', 'dan'],
      15: ['ann', 'dan'],
    })
    const { results } = await env.DB.prepare(
      'SELECT key, participant_count AS count FROM experience_groups ORDER BY key',
    ).all()
    expect(results).toEqual([
      ...[
        { key: 11, count: 8 },
        { key: 12, count: 1 },
        { key: 13, count: 2 },
      ],
      ...[
        { key: 14, count: 4 },
        { key: 15, count: 2 },
      ],
    ])
  })

  it('has its users and households whole', async () => {
    const marks = await Promise.all(
      users.map(async ([id]) => (await team.profile(id))['user_attributes'] as Json),
    )
    expect(marks).toEqual([
      { town: 'Ulm', 'towns:town': 'Ulm', mark: '1' },
      { town: 'Bonn', 'towns:town': 'Bonn', mark: '2' },
      { town: 'Bonn', 'towns:town': 'Bonn' },
      { town: 'Ulm', 'towns:town': 'Ulm', mark: '4' },
    ])
    expect(await team.get('/groups/towns/runs/run 41')).toMatchObject({
      ...{ status: 'SUCCESSFUL', users_seated: 4, groups: 2 },
    })
  })

  it('has its event delivered', async () => {
    const arrived = await receiver.until(1)
    expect(arrived.map(({ headers }) => headers['webhook-id'])).toContain('event 61')
  })

  it('leaves no file behind', async () => {
    expect((await env.FILES.list()).objects).toEqual([])
  })
})
