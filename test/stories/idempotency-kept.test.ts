import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { erasePerson } from '../../src/erasure/request.ts'
import { runErasure } from '../../src/erasure/run.ts'
import { findKey, keepAnswer, sweepKeys } from '../../src/idempotency/keys.ts'
import type { RequestKey } from '../../src/resources.ts'
import { tickEverywhere } from '../support/bindings.ts'
import { Bank, call, type Json } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { hookScopes } from '../support/hooks.ts'
import { Team } from '../support/identity.ts'
import { answered, keysOf } from '../support/keys.ts'
import { logged } from '../support/log.ts'
import { allWritten } from '../support/taken.ts'

const day = 86_400_000

beforeEach(async () => {
  await homeDb.prepare('DELETE FROM idempotency_keys').run()
})

const keyOf = (workspace: number, hash: string): RequestKey => ({
  ...{ workspace, client: 'one', hash, request: 'first' },
  fingerprint: () => 'same',
})

/** So many keys of a workspace, taken at a moment. */
const write = (workspace: number, count: number, at: number) =>
  homeDb
    .prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
     INSERT INTO idempotency_keys
       (workspace_id, client_id, key_hash, request, fingerprint, at, made, answer)
     SELECT ?1, 'one', 'key ' || i, '', '', ?3, iif(i % 2, '{}', NULL), 'sealed' FROM n`,
    )
    .bind(workspace, count, at)
    .run()

const countKeys = async () =>
  (await homeDb.prepare('SELECT count(*) AS n FROM idempotency_keys').first<{ n: number }>())?.n

describe('the cron', () => {
  it('deletes keys of a day ago', async () => {
    const now = Date.now()
    await write(1, 3, now - day)
    await write(2, 2, now - day + 60_000)
    await tickEverywhere('*/5 * * * *', env, now)
    expect([await keysOf(1), await keysOf(2)].map(({ length }) => length)).toEqual([0, 2])
  })

  it('deletes them in bounded steps, and the next goes on', async () => {
    await write(1, 25_000, 0)
    const { res } = hazardous()
    await sweepKeys(res)
    expect(await countKeys()).toBe(5000)
    await sweepKeys(res)
    expect(await countKeys()).toBe(0)
  })
})

describe('an erasure of people', () => {
  it('drops the answers of its workspace, but not what was made', async () => {
    const team = await Team.open(hookScopes)
    const bank = await Bank.open(undefined, team.workspace)
    const other = await Bank.open()
    const create = (one: Bank) =>
      one.call('POST', '/groups', {
        body: '{"groupName":"friends of lars"}',
        headers: { 'idempotency-key': 'one' },
      })
    const first = await answered(create(bank))
    await create(other)
    const batch = { mpid: 1, environment: 'production', user_attributes: { has_dog: true } }
    const headers = { ...team.basic(), 'idempotency-key': 'two' }
    const body = JSON.stringify(batch)
    expect((await call('/v2/events', { method: 'POST', body, headers })).status).toBe(202)
    await allWritten()
    const erased = await team.erase('lars')
    expect(erased).toMatchObject({ removed: { saved_answers: 2 } })
    const answers = async (workspace: number) =>
      (await keysOf(workspace)).map(({ answer, made }) => [answer !== null, made !== null])
    expect((await answers(team.workspace)).sort()).toEqual([
      [false, false],
      [false, true],
    ])
    expect(await answers(other.workspace)).toEqual([[true, true]])
    expect(await answered(create(bank))).toEqual({ ...first, replayed: true })
    const { content } = (await bank.get('/groups')) as { content: Json[] }
    expect(content).toHaveLength(1)
  })

  it('drops them in bounded steps', async () => {
    const team = await Team.open(hookScopes)
    await write(team.workspace, 2500, Date.now() - 1000)
    const erased = await team.erase('lars')
    expect(erased).toMatchObject({ removed: { saved_answers: 2500 } })
    expect((await keysOf(team.workspace)).filter(({ answer }) => answer !== null)).toEqual([])
  })

  it('reads answers that are kept meanwhile twice, however many events there are', async () => {
    const team = await Team.open(hookScopes)
    const { res } = hazardous()
    await homeDb
      .prepare(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
       INSERT INTO events (workspace_id, id, type, at, data)
       SELECT ?, 'evt_' || i, 'webhook.test', 0, '{}' FROM n`,
      )
      .bind(team.workspace)
      .run()
    await erasePerson(res, team.workspace, 'lars', 'tester')
    await write(team.workspace, 3000, Date.now() + 60_000)
    const erasure = homeDb.prepare('SELECT key FROM erasures WHERE workspace_id = ?')
    const key = (await erasure.bind(team.workspace).first<number>('key')) ?? 0
    const before = res.meter.rowsRead
    await runErasure(res, team.workspace, key)
    expect(res.meter.rowsRead - before).toBeLessThan(2 * 3000 + 6 * 1000)
  })
})

describe('a key', () => {
  it('keeps the first answer that it is given', async () => {
    const { res } = hazardous()
    const key = keyOf(7, 'kept')
    await keepAnswer(res, key, 'first')
    await keepAnswer(res, { ...key, request: 'second' }, 'second')
    await keepAnswer(res, { ...key, fingerprint: () => 'other' }, 'third')
    expect(await findKey(res, key)).toMatchObject({ answer: 'first', request: 'first' })
  })

  it('is free from a day on, though no cron came', async () => {
    let now = Date.now()
    const { res } = hazardous({}, { now: () => now })
    const key = keyOf(7, 'free')
    await keepAnswer(res, key, 'first')
    now += day - 1
    expect(await findKey(res, key)).toMatchObject({ answer: 'first' })
    now += 1
    expect(await findKey(res, key)).toBeUndefined()
    await keepAnswer(res, { ...key, fingerprint: () => 'other' }, 'second')
    expect(await findKey(res, key)).toMatchObject({ answer: 'second', fingerprint: 'other' })
  })
})

describe('what a key costs', () => {
  const log = logged()

  it('is three statements and four rows; a repeat is one statement', async () => {
    const bank = await Bank.open()
    await bank.group()
    const create = (name: string, headers: Record<string, string>) =>
      bank.call('POST', '/groups', { body: JSON.stringify({ groupName: name }), headers })
    const bills: { statements: number; rowsWritten: number }[] = []
    for (const [name, headers] of [
      ['owls', {}],
      ['bats', { 'idempotency-key': 'one' }],
      ['bats', { 'idempotency-key': 'one' }],
    ] as const) {
      expect((await create(name, headers)).status).toBe(200)
      const { statements, rowsWritten } = log.events('request').at(-1) ?? {}
      bills.push({ statements: Number(statements), rowsWritten: Number(rowsWritten) })
    }
    const [without, keyed, repeated] = bills
    expect(keyed).toEqual({
      statements: Number(without?.statements) + 3,
      // The key and its index, the answer and its index.
      rowsWritten: Number(without?.rowsWritten) + 4,
    })
    expect(repeated).toEqual({ statements: 1, rowsWritten: 0 })
  })
})
