import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { said } from '../support/answers.ts'
import { asAdmin, Bank, call } from '../support/api.ts'
import { callWith } from '../support/door.ts'

/** A database that counts its queries, and answers only while it is up. */
function database() {
  const state = { up: true, queries: 0 }
  const prepare = (query: string) => {
    state.queries++
    if (state.up) return env.DB.prepare(query)
    throw new Error('D1_ERROR: secret inner words')
  }
  const batch = (statements: D1PreparedStatement[]) => env.DB.batch(statements)
  const session = { prepare, batch, getBookmark: () => null }
  const DB = { withSession: () => session } as unknown as D1Database // what `answers` calls
  const request = async (path: string) => {
    const answer = await callWith({ DB }, path)
    return [answer.status, await answer.json()]
  }
  return { state, request }
}

/** Lets the clock go on by so many milliseconds. */
const later = (ms: number) => {
  const now = Date.now() + ms
  vi.spyOn(Date, 'now').mockReturnValue(now)
}
afterEach(() => vi.restoreAllMocks())

const shard = { shard: 0 }
const answersOf = (path: string) => {
  const more = (status: string) => path === '/ready' && { shards: [{ ...shard, status }] }
  return {
    ok: [200, { status: 'ok', ...more('ok') }],
    down: [503, { status: 'down', ...more('down') }],
  }
}

describe.each(['/health', '/ready'])('GET %s', (path) => {
  const { ok, down } = answersOf(path)
  it('says to anyone that the database answers', async () => {
    later(60_000)
    const answer = await call(path)
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
    expect([answer.status, await answer.json()]).toEqual(ok)
  })

  it('says that it does not', async () => {
    later(120_000)
    const { state, request } = database()
    state.up = false
    expect(await request(path)).toEqual(down)
  })
})

it('GET /health asks the database every five seconds at most', async () => {
  const { ok, down } = answersOf('/health')
  later(180_000)
  const { state, request } = database()
  for (let i = 0; i < 3; i++) expect(await request('/health')).toEqual(ok)
  expect(state.queries).toBe(1)
  state.up = false
  later(4999)
  expect(await request('/health')).toEqual(ok)
  later(1)
  for (let i = 0; i < 3; i++) expect(await request('/health')).toEqual(down)
  expect(state.queries).toBe(2)
})

it('GET /ready asks it each time', async () => {
  const { ok, down } = answersOf('/ready')
  const { state, request } = database()
  for (const up of [true, false, true]) {
    state.up = up
    expect(await request('/ready')).toEqual(up ? ok : down)
  }
  expect(state.queries).toBe(3)
})

describe('GET /ready with a token', () => {
  it('shows the holder of ADMIN_TOKEN how large and busy each shard is', async () => {
    const answer = await call('/ready', asAdmin())
    const shards = [{ shard: 0, status: 'ok', bytes: expect.any(Number), ms: expect.any(Number) }]
    expect([answer.status, await answer.json()]).toEqual([200, { status: 'ok', shards }])
  })

  it('refuses any other', async () => {
    const bank = await Bank.open()
    for (const token of [bank.token, 'wrong']) {
      const answer = await call('/ready', { headers: { authorization: `Bearer ${token}` } })
      expect(await said(answer)).toMatchObject({ status: 401, error: 'invalid_token' })
    }
  })
})

describe('a path that leads nowhere', () => {
  it('is refused in JSON', async () => {
    const answer = await call('/nowhere')
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await said(answer)).toEqual({
      status: 404,
      error: 'not_found',
      error_description: 'There is no operation GET /nowhere',
    })
  })
})
