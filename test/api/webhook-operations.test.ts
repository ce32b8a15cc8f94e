import { describe, expect, it } from 'vitest'
import { declined, isEmpty, said, time } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import {
  deliveriesOf,
  eventsOf,
  elapse,
  hook,
  hookScopes,
  openedHooks,
  shown,
  tried,
  tryOut,
  verified,
} from '../support/hooks.ts'
import { Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')
const url = 'https://hooks.example.com/in?a=b'
const secretShape = /^whsec_[\w+/]{43}=$/

const all = (team: Team) => team.get<Json[]>('/webhooks')
const at = ({ id }: { id?: unknown }, rest = '') => `/webhooks/${String(id)}${rest}`
const create = async (team: Team): Promise<Json> => {
  const { status, secret: _, ...webhook } = await said(team.send('POST', '/webhooks', { url }))
  expect(status).toBe(201)
  return webhook
}

describe('the secret of a webhook', () => {
  it('is shown by no answer after the one that made it', async () => {
    const { team, bank } = await openedHooks()
    const one = await hook(team)
    const rotated = await said(team.call('POST', at(one, '/rotate')))
    await one.receiver.answers({ status: 500, body: 'no' }, {})
    await bank.group()
    await tried(team, one, 1)
    const secrets = [one.secret, String(rotated['secret'])].map((secret) =>
      secret.slice('whsec_'.length),
    )
    const requests: [string, string, Json?][] = [
      ...['', one.id, `${one.id}/deliveries`].map((path): [string, string] => ['GET', path]),
      ['PUT', one.id, { url: one.receiver.url }],
      ...['disable', 'enable', 'test'].map((path): [string, string] => [
        'POST',
        `${one.id}/${path}`,
      ]),
      ['POST', `${one.id}/replay`, { since: '2020-01-01T00:00:00Z', only: 'all' }],
      ['DELETE', one.id],
    ]
    const answers = [await team.call('GET', '/events')]
    for (const [method, path, body] of requests) {
      const at = `/webhooks${path === '' ? '' : `/${path}`}`
      answers.push(await (body === undefined ? team.call(method, at) : team.send(method, at, body)))
    }
    for (const answer of answers) {
      expect(answer.ok).toBe(true)
      const text = await answer.text()
      for (const secret of secrets) expect(text).not.toContain(secret)
      expect(text).not.toContain('whsec_')
    }
  })
})

describe('POST /webhooks/{id}/disable and enable', () => {
  it('answer alike, however often they are repeated', async () => {
    const team = await Team.open(hookScopes)
    const before = await create(team)
    for (let i = 0; i < 2; i++) {
      const off = await said(team.call('POST', at(before, '/disable')))
      expect(off).toEqual({
        ...before,
        status: 200,
        enabled: false,
        disabled_because: 'asked',
        last_modified_on: off['last_modified_on'],
      })
    }
    expect(await shown(team, { id: String(before['id']) })).toMatchObject({
      enabled: false,
      disabled_because: 'asked',
    })
    for (let i = 0; i < 2; i++) {
      const on = await said(team.call('POST', at(before, '/enable')))
      expect(on).toEqual({ ...before, status: 200, last_modified_on: on['last_modified_on'] })
    }
  })

  it('hold pending deliveries back until enabled; meanwhile nothing new is added', async () => {
    const { team, bank } = await openedHooks()
    const one = await hook(team)
    await one.receiver.answers({ status: 500 }, {})
    const first = await bank.group('first')
    await tried(team, one, 1)
    await team.call('POST', at(one, '/disable'))
    await bank.group('second')
    await elapse(one)
    const marker = await hook(team)
    await tryOut(team, marker)
    await tried(team, marker, 1)
    expect(await one.receiver.arrived()).toHaveLength(1)
    expect(await deliveriesOf(team, one)).toMatchObject({
      deliveries: [{ status: 'pending', attempts: [{}] }],
    })

    await team.call('POST', at(one, '/enable'))
    await one.receiver.until(2)
    const third = await bank.group('third')
    const arrived = await one.receiver.until(3)
    const names = arrived
      .map((one) => JSON.parse(one.body) as Json)
      .map(({ data }) => (data as Json)['group_id']) // as each event of a group has
    expect(names).toEqual([first, first, third])
  })
})

describe('POST /webhooks/{id}/rotate', () => {
  it('shows a new secret once, and the end of the old one', async () => {
    const team = await Team.open(hookScopes)
    const {
      status: _,
      secret: old,
      ...before
    } = await said(team.send('POST', '/webhooks', { url }))
    const answer = await team.call('POST', at(before, '/rotate'))
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const { status, secret, ...after } = await said(answer)
    expect([status, secret]).toEqual([200, expect.stringMatching(secretShape)])
    expect(secret).not.toBe(old)
    const changed = {
      former_secret_until: expect.stringMatching(time),
      last_modified_on: expect.stringMatching(time),
    }
    expect(after).toEqual({ ...before, ...changed })
    expect(
      Date.parse(String(after['former_secret_until'])) -
        Date.parse(String(after['last_modified_on'])),
    ).toBe(86_400_000)
    expect(await team.get(at(before))).toEqual(after)
  })
})

describe('POST /webhooks/{id}/test', () => {
  it('sends an event to that webhook alone, whatever it listens for', async () => {
    const { team } = await openedHooks()
    const [one, other] = [await hook(team, { event_types: ['job.failed'] }), await hook(team)]
    const event = await tryOut(team, one)
    const [arrived] = await one.receiver.until(1)
    if (arrived === undefined) throw new Error('nothing arrived')
    expect(arrived.headers['webhook-id']).toBe(event)
    const { timestamp, ...body } = verified(one.secret, arrived)
    expect(body).toEqual({ type: 'webhook.test', data: { webhook_id: one.id } })
    expect(timestamp).toMatch(time)
    expect(await eventsOf(team)).toMatchObject([{ ...body, id: event, timestamp }])
    expect((await deliveriesOf(team, other)).deliveries).toEqual([])
  })

  it('is refused for a disabled webhook, and nothing is sent', async () => {
    const team = await Team.open(hookScopes)
    const webhook = await create(team)
    await team.call('POST', at(webhook, '/disable'))
    expect(await said(team.call('POST', at(webhook, '/test')))).toEqual(
      declined(422, 'webhook is disabled'),
    )
    expect(await eventsOf(team)).toEqual([])
  })
})

describe('a webhook that is not there', () => {
  const operations: [string, string, unknown?][] = [
    ['GET', ''],
    ['PUT', '', { url }],
    ['DELETE', ''],
    ['POST', '/enable'],
    ['POST', '/disable'],
    ['POST', '/rotate'],
    ['POST', '/test'],
    ['GET', '/deliveries'],
    ['POST', '/deliveries/evt_x/retry'],
    ['POST', '/replay', { since: '2020-01-01T00:00:00Z', only: 'all' }],
  ]
  it.each(operations)(
    "is not found by %s %s, unknown, another workspace's or deleted alike",
    async (method, rest, body) => {
      const [team, other] = [await Team.open(hookScopes), await Team.open(hookScopes)]
      const [deleted, anothers] = [await create(team), await create(other)]
      await isEmpty(team.call('DELETE', at(deleted)), 204)
      const before = [await team.get('/events'), await other.get('/events')]
      for (const id of [
        deleted['id'],
        anothers['id'],
        crypto.randomUUID(),
        'x',
        '__proto__',
        '%00',
        '%25',
      ]) {
        const path = `/webhooks/${String(id)}${rest}`
        const requests =
          body === undefined ? team.call(method, path) : team.send(method, path, body)
        expect([id, await said(requests)]).toEqual([id, notFound])
      }
      expect(await all(other)).toEqual([anothers])
      expect([await team.get('/events'), await other.get('/events')]).toEqual(before)
    },
  )
})
