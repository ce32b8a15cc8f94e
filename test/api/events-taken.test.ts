import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import type { Message, ReportsMessage } from '../../src/messages.ts'
import type { Env } from '../../src/resources.ts'
import { isEmpty, said } from '../support/answers.ts'
import { json, type Json } from '../support/api.ts'
import { ask, consume, keeping } from '../support/bindings.ts'
import { ann, at, environment, refusedEvents } from '../support/events.ts'
import { Team } from '../support/identity.ts'
import { strictQueue } from '../support/strict.ts'

const ways: [path: string, wrap: (batch: Json) => unknown][] = [
  ['/v2/events', (batch) => batch],
  ['/v2/bulkevents', (batch) => [batch]],
]

const writes = /^\s*(INSERT|UPDATE|DELETE|REPLACE)/i
/** A database that refuses to write. */
const onlyRead = (db: D1Database) =>
  new Proxy(db, {
    get(target, key) {
      if (key === 'withSession') return (from: string) => reading(target.withSession(from))
      return Reflect.get(reading(target), key)
    },
  })
const reading = <Of extends Pick<D1Database, 'prepare' | 'batch'>>(db: Of) =>
  new Proxy(db, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (key === 'prepare')
        return (query: string) => {
          if (writes.test(query)) throw new Error('the database only reads')
          return target.prepare(query)
        }
      return typeof value === 'function' ? value.bind(target) : value
    },
  })

/** Bindings whose queues keep messages of sizes that production takes. */
function opened(vars: Partial<Env> = {}) {
  const { bound, events } = keeping(vars)
  const strictly = { ...bound, EVENTS: strictQueue(bound.EVENTS) }
  const post = (team: Team, path: string, body: unknown, more: Partial<Env> = {}) => {
    const { headers, ...init } = json('POST', body)
    const all = { ...(headers as Record<string, string>), ...team.basic() }
    return ask(path, { ...init, headers: all }, { ...strictly, ...more })
  }
  const messages = () => events.map(({ message }) => message as ReportsMessage) // no others are sent
  return { bound: strictly, post, messages }
}

const known = async (team: Team) =>
  await env.DB.prepare('SELECT count(*) AS n FROM users WHERE workspace_id = ?')
    .bind(team.workspace)
    .first<number>('n')

describe.each(ways)('a batch that is taken at POST %s', (path, wrap) => {
  it('is a message, and nothing that the database writes', async () => {
    const team = await Team.open()
    const { post, messages } = opened({ DB: onlyRead(env.DB) })
    const before = Date.now()
    await isEmpty(post(team, path, wrap(ann({ a: 1, b: null }, at(before - 5)))), 202)
    const [{ taken, by, ...message } = { taken: 0 }, ...others] = messages()
    expect(by).toMatchObject({ name: 'tester', method: 'POST' })
    expect([message, others]).toEqual([
      {
        ...{ kind: 'reports', workspace: team.workspace },
        reports: [
          {
            user: '1',
            at: before - 5,
            changes: [
              ['a', 1],
              ['b', null],
            ],
          },
        ],
      },
      [],
    ])
    expect(taken).toBeGreaterThanOrEqual(before)
    expect(await known(team)).toBe(0)
  })

  it('has the time at which it came, however late it is written', async () => {
    const team = await Team.open()
    const { bound, post, messages } = opened()
    await isEmpty(post(team, path, wrap(ann({ a: 'event', b: 'event' }))), 202)
    await scheduler.wait(5)
    await team.send('PATCH', '/users/1', { user_attributes: { a: 'later' } })
    const { created_on } = await team.profile('1')
    await consume('events', messages(), bound)
    const profile = await team.profile('1')
    expect(profile).toMatchObject({ created_on, user_attributes: { a: 'later', b: 'event' } })
  })

  it('brings back nobody who was deleted meanwhile, known or not', async () => {
    const team = await Team.open()
    const { bound, post, messages } = opened()
    await isEmpty(post(team, path, wrap(ann({ a: 1 }))), 202)
    await isEmpty(post(team, path, wrap(ann({ a: 1 }, { mpid: 2 }))), 202)
    await team.user('1', { a: 1 })
    await scheduler.wait(5)
    expect((await team.call('DELETE', '/users/1')).status).toBe(204)
    expect((await team.call('DELETE', '/users/2')).status).toBe(404)
    await consume('events', messages(), bound)
    expect(await known(team)).toBe(0)
  })

  it.each<[string, unknown]>([
    ['of another shape', { mpid: 1 }],
    ['of no user', { environment }],
    ['with a value that is refused', ann({ a: {} })],
  ])('is none where it is %s', async (_, batch) => {
    const team = await Team.open()
    const { post, messages } = opened()
    expect(await said(post(team, path, wrap(batch as Json)))).toMatchObject({ status: 400 })
    expect(messages()).toEqual([])
  })

  it('is answered by 500 where the queue does not take it', async () => {
    const team = await Team.open()
    const { post } = opened()
    const silent = { sendBatch: () => Promise.reject(new Error('the queue is silent')) }
    const EVENTS = silent as unknown as Queue<Message> // nothing else is called
    expect(await said(post(team, path, wrap(ann({ a: 1 })), { EVENTS }))).toEqual(
      refusedEvents('Internal server error', 'INTERNAL_SERVER_ERROR', 500),
    )
    expect(await known(team)).toBe(0)
  })
})

describe('a large request', () => {
  const text = (kilobytes: number) =>
    Object.fromEntries(Array.from({ length: kilobytes / 4 }, (_, i) => [`t${i}`, 'x'.repeat(4000)]))
  const batches = (count: number, kilobytes: number) =>
    Array.from({ length: count }, (_, i) => ann(text(kilobytes), { mpid: i }))

  it('is split into messages of one call of the queue', async () => {
    const team = await Team.open()
    const { bound, post, messages } = opened()
    await isEmpty(post(team, '/v2/bulkevents', batches(5, 44)), 202)
    expect(messages().map(({ reports }) => reports.length)).toEqual([2, 2, 1])
    await consume('events', messages(), bound)
    expect((await team.profile('4'))['user_attributes']).toEqual(text(44))
  })

  it('lets the last batch of one moment hold, whichever message comes first', async () => {
    const team = await Team.open()
    const { bound, post, messages } = opened()
    const big = batches(5, 44).map((batch, i) => ({ ...batch, ...ann({ ...text(40), a: i }) }))
    await isEmpty(post(team, '/v2/bulkevents', big), 202)
    for (const message of messages().reverse()) await consume('events', [message], bound)
    expect((await team.profile('1'))['user_attributes']).toEqual({ ...text(40), a: 4 })
  })

  it.each([
    ['a batch is too large for a message', () => [ann({ a: 1 }), ...batches(1, 136)]],
    ['all are too large for a call', () => [...batches(6, 40), ann({ a: 1 }, { mpid: 9 })]],
  ])('is written at once where %s', async (_, all) => {
    const team = await Team.open()
    const { post, messages } = opened()
    await isEmpty(post(team, '/v2/bulkevents', all()), 202)
    expect(messages()).toEqual([])
    expect(await known(team)).toBe(new Set(all().map(({ mpid }) => String(mpid))).size)
  })

  it('of a single batch is written at once too', async () => {
    const team = await Team.open()
    const { post, messages } = opened()
    const list = { list: Array.from({ length: 400 }, () => 'x'.repeat(500)) }
    await isEmpty(post(team, '/v2/events', ann(list)), 202)
    expect(messages()).toEqual([])
    expect(await team.profile('1')).toMatchObject({ user_attributes: list })
  })
})
