import { beforeEach, describe, expect, it } from 'vitest'
import config from '../../wrangler.toml?raw'
import { said } from '../support/answers.ts'
import { Bank, json } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { Team } from '../support/identity.ts'

const rateLimited = { RATE_LIMITED: true }
const sentence = 'No more than 6000 requests in 60 seconds'

/** Sends requests until one is refused: here by twenty a minute, forty look-ups or ten at a door. */
async function untilShut(request: () => Promise<Response>, opened?: number): Promise<Response> {
  for (let i = 0; i < 50; i++) {
    const answer = await request()
    if (answer.status !== 429) continue
    expect(opened ?? i).toBe(i)
    return answer
  }
  throw new Error('fifty requests were let in')
}

function comesBack(answer: Response, most = 6000) {
  expect(answer.headers.get('retry-after')).toBe('60')
  expect(answer.headers.get('ratelimit-policy')).toBe(`"client";q=${most};w=60`)
  expect(answer.headers.get('ratelimit')).toBe('"client";r=0;t=60')
}

/** The limiter begins anew with each minute: no test stands across two. */
beforeEach(async () => {
  const left = 60_000 - (Date.now() % 60_000)
  if (left < 8000) await scheduler.wait(left)
})

describe('a client that sends too many requests', () => {
  it('is refused with a time to come back, in each dialect', async () => {
    const bank = await Bank.open()
    const refused = await untilShut(() =>
      callWith(rateLimited, '/groups/v3/groups', { headers: bank.headers() }),
    )
    comesBack(refused)
    expect(await said(refused)).toEqual({ status: 429, code: '2001', message: sentence })

    const ofrep = await untilShut(
      () =>
        callWith(rateLimited, '/ofrep/v1/evaluate/flags/owls', {
          ...json('POST', { context: { targetingKey: 'ann' } }),
          headers: { ...bank.headers(), 'content-type': 'application/json' },
        }),
      40,
    )
    comesBack(ofrep, 600_000)
    expect(await said(ofrep)).toEqual({
      status: 429,
      key: 'owls',
      errorCode: 'GENERAL',
      errorDetails: 'No more than 600000 requests in 60 seconds',
    })

    const team = await Team.open()
    const platform = await untilShut(() =>
      callWith(rateLimited, `/platform/workspaces/${team.workspace}/groups`, {
        headers: { authorization: `Bearer ${team.token}` },
      }),
    )
    comesBack(platform)
    expect(await said(platform)).toEqual({ status: 429, errors: [{ message: sentence }] })
  })

  it('keeps out no other client', async () => {
    const [busy, calm] = [await Bank.open(), await Bank.open()]
    await untilShut(() => callWith(rateLimited, '/groups/v3/groups', { headers: busy.headers() }))
    expect(
      (await callWith(rateLimited, '/groups/v3/groups', { headers: calm.headers() })).status,
    ).toBe(200)
  })

  it('is let in where nothing is limited', async () => {
    const bank = await Bank.open()
    for (let i = 0; i < 30; i++) expect((await bank.call('GET', '/groups')).status).toBe(200)
  })
})

describe('look-ups', () => {
  it('have a limit of their own, beside all other requests', async () => {
    const bank = await Bank.open()
    const headers = bank.headers()
    await untilShut(() => callWith(rateLimited, '/groups/v3/groups', { headers }), 20)
    const path = '/groups/v3/participants/ann/groups'
    comesBack(await untilShut(() => callWith(rateLimited, path, { headers }), 40), 600_000)
  })
})

/** A database that must not be queried. */
const DB = {
  prepare: () => {
    throw new Error('queried')
  },
} as unknown as D1Database // what `connect` calls
const unasked = { ...rateLimited, DB }

let addresses = 0
const from = (address = `192.0.2.${++addresses}`) => ({ 'cf-connecting-ip': address })
const basic = (id: string, secret = 'guess') => ({
  authorization: `Basic ${btoa(`${id}:${secret}`)}`,
})
const anybody = () => crypto.randomUUID()

describe('a caller whom nobody knows yet', () => {
  type Request = (vars: object, id: string, address: Record<string, string>) => Promise<Response>
  const post =
    (path: string): Request =>
    (vars, id, address) =>
      callWith(vars, path, {
        method: 'POST',
        body: path === '/v2/events' ? '{}' : 'grant_type=client_credentials&token=x',
        headers: {
          ...basic(id),
          ...address,
          'content-type': 'application/x-www-form-urlencoded',
        },
      })
  const clients: Request = (vars, id, address) =>
    callWith(vars, '/oauth/clients', { headers: { authorization: `Bearer ${id}`, ...address } })
  const doors: [name: string, most: number, opened: number, request: Request][] = [
    ['/oauth/token', 600, 10, post('/oauth/token')],
    ['/oauth2/v1/token', 600, 10, post('/oauth2/v1/token')],
    ['/oauth/revoke', 600, 10, post('/oauth/revoke')],
    ['/oauth/clients', 600, 10, clients],
    ['/v2/events', 6000, 20, post('/v2/events')],
  ]

  it.each(doors)('is counted by address: %s', async (_, most, opened, request) => {
    const address = from()
    comesBack(await untilShut(() => request(rateLimited, anybody(), address), opened), most)
    expect((await request(unasked, anybody(), address)).status).toBe(429)
    expect((await request(rateLimited, anybody(), from())).status).toBe(401)
  })

  it('is counted by address: /ready', async () => {
    const headers = from()
    comesBack(await untilShut(() => callWith(rateLimited, '/ready', { headers }), 10), 600)
    expect((await callWith(unasked, '/ready', { headers })).status).toBe(429)
    expect((await callWith(rateLimited, '/ready', { headers: from() })).status).toBe(200)
    expect((await callWith(rateLimited, '/health', { headers })).status).toBe(200)
  })

  it.each(doors.filter(([name]) => name !== '/oauth/clients'))(
    'is counted by the client that it names: %s',
    async (_, most, opened, request) => {
      const id = anybody()
      comesBack(await untilShut(() => request(rateLimited, id, from()), opened), most)
      expect((await request(unasked, id, from())).status).toBe(429)
      expect((await request(rateLimited, anybody(), from())).status).toBe(401)
    },
  )

  it('is counted by the network of an address of IPv6', async () => {
    const request = post('/oauth/token')
    const hosts = (i: number) => (i % 2 === 0 ? `2001:db8::${i + 1}` : `2001:db8:0:0:${i}:2:3:4`)
    let i = 0
    await untilShut(() => request(rateLimited, anybody(), from(hosts(i++))), 10)
    expect((await request(rateLimited, anybody(), from('2001:db8:0:1::1'))).status).toBe(401)
  })

  it('gets the answers of OAuth and of the Events API', async () => {
    const address = from()
    const shut = (path: string) =>
      said(untilShut(() => post(path)(rateLimited, anybody(), address)))
    expect(await shut('/oauth/token')).toEqual({
      status: 429,
      error: 'temporarily_unavailable',
      error_description: 'No more than 600 requests in 60 seconds',
    })
    expect(await shut('/v2/events')).toEqual({
      status: 429,
      errors: [{ code: 'TOO_MANY_REQUESTS', message: sentence }],
    })
  })

  it('takes nothing from the client that it names', async () => {
    const team = await Team.open()
    await untilShut(() =>
      callWith(rateLimited, '/v2/events', {
        method: 'POST',
        body: '{}',
        headers: { ...basic(team.client.id), ...from() },
      }),
    )
    const path = `/platform/workspaces/${team.workspace}/groups`
    const headers = { authorization: `Bearer ${team.token}` }
    expect((await callWith(rateLimited, path, { headers })).status).toBe(200)
  })
})

describe('wrangler.toml', () => {
  it.each([
    ['LIMITER', 'RATE_LIMIT'],
    ['LOOKUP_LIMITER', 'LOOKUP_RATE_LIMIT'],
    ['DOOR_LIMITER', 'DOOR_RATE_LIMIT'],
    ['QUESTION_LIMITER', 'QUESTION_RATE_LIMIT'],
  ])('states the limit of %s also for the refusal', (binding, name) => {
    const field = (name: string) => new RegExp(`^${name} = (\\w+)`, 'm').exec(config)?.[1]
    const simple = new RegExp(`name = "${binding}"\\n.*\\nsimple = (.*)\\n`).exec(config)?.[1]
    expect(simple).toBe(`{ limit = ${field(name)}, period = ${field('RATE_PERIOD')} }`)
  })
})
