import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { headersOf, newSecret, secretsAt } from '../../src/webhooks/sign.ts'
import { said } from '../support/answers.ts'
import { homeDb } from '../support/databases.ts'
import { elapse, hook, openedHooks, tried, tryOut, type Hook } from '../support/hooks.ts'
import type { Team } from '../support/identity.ts'
import type { Arrived } from '../support/receiver-server.ts'

const day = 86_400_000
const secretOf = (fill: number) => newSecret(new Uint8Array(32).fill(fill))
const [now, old] = [secretOf(1), secretOf(2)]

describe('a secret', () => {
  it('is whsec_ and the bytes in base64, whichever they are', () => {
    expect(now).toBe('whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=')
    const bytes = Uint8Array.from({ length: 32 }, (_, i) => 255 - i)
    expect(
      Uint8Array.from(atob(newSecret(bytes).slice('whsec_'.length)), (c) => c.charCodeAt(0)),
    ).toEqual(bytes)
  })

  it('signs alone, with the former one while that is valid, then alone', () => {
    expect(secretsAt({ secret: now, former: null, formerUntil: null }, 5)).toEqual([now])
    const rotated = { secret: now, former: old, formerUntil: 100 }
    expect(secretsAt(rotated, 99)).toEqual([now, old])
    expect(secretsAt(rotated, 100)).toEqual([now])
    expect(secretsAt(rotated, 101)).toEqual([now])
  })
})

describe('the headers of an attempt', () => {
  const body = '{"type":"group.created","data":{"name":"é🎉"}}'
  const at = () => Date.now()

  it("name the event, the attempt's second and a signature of each secret", () => {
    const headers = headersOf('evt_1', body, [now, old], 1_795_489_200_999)
    expect(headers).toEqual({
      'content-type': 'application/json',
      'user-agent': 'Coterie-Webhooks/1',
      'webhook-id': 'evt_1',
      'webhook-timestamp': '1795489200',
      'webhook-signature': expect.stringMatching(/^v1,[\w+/]{43}= v1,[\w+/]{43}=$/),
    })
    const [first, second] = String(headers['webhook-signature']).split(' ')
    expect(first).not.toBe(second)
    expect(headersOf('evt_1', body, [now], 1_795_489_200_999)['webhook-signature']).toBe(first)
  })

  it('verify with any of the secrets, and with no other', () => {
    const headers = headersOf('evt_1', body, [now, old], at())
    for (const secret of [now, old])
      expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body))
    expect(() => new Webhook(secretOf(3)).verify(body, headers)).toThrow()
    expect(() => new Webhook(old).verify(body, headersOf('evt_1', body, [now], at()))).toThrow()
  })

  it.each<[string, (headers: Record<string, string>) => [string, Record<string, string>]]>([
    ['another body', (headers) => [`${body} `, headers]],
    ['another event', (headers) => [body, { ...headers, 'webhook-id': 'evt_2' }]],
    [
      'another second',
      (headers) => [
        body,
        { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1) },
      ],
    ],
  ])('are not believed of %s', (_, changed) => {
    expect(() =>
      new Webhook(now).verify(...changed(headersOf('evt_1', body, [now], at()))),
    ).toThrow()
  })

  it('are not believed long after', () => {
    expect(() =>
      new Webhook(now).verify(body, headersOf('evt_1', body, [now], at() - 600_000)),
    ).toThrow(/old/)
  })
})

async function rotated(team: Team, { id }: Hook): Promise<{ secret: string; until: number }> {
  const answer = await said(team.call('POST', `/webhooks/${id}/rotate`))
  expect(answer['status']).toBe(200)
  return {
    secret: String(answer['secret']),
    until: Date.parse(String(answer['former_secret_until'])),
  }
}

function believes(secret: string, arrived: Arrived): boolean {
  try {
    new Webhook(secret).verify(arrived.body, arrived.headers)
    return true
  } catch {
    return false
  }
}

/** Sends one more event, and returns which secrets verify it. */
async function believers(team: Team, one: Hook, secrets: string[]): Promise<boolean[]> {
  const before = (await one.receiver.arrived()).length
  await tryOut(team, one)
  const arrived = (await one.receiver.until(before + 1)).at(-1)
  if (arrived === undefined) throw new Error('nothing arrived')
  await tried(team, one, before + 1)
  return secrets.map((secret) => believes(secret, arrived))
}

/** Shortens the former secret's validity by this time. */
const elapseOf = (ms: number, { id }: Hook) =>
  homeDb
    .prepare('UPDATE webhooks SET former_until = former_until - ? WHERE id = ?')
    .bind(ms, id)
    .run()

describe('what a receiver gets', () => {
  it('is signed with the old secret, then with both, then the new', async () => {
    const { team } = await openedHooks()
    const one = await hook(team)
    expect(await believers(team, one, [one.secret, secretOf(9)])).toEqual([true, false])
    const { secret, until } = await rotated(team, one)
    expect(secret).not.toBe(one.secret)
    expect(Math.abs(until - Date.now() - day)).toBeLessThan(60_000)
    expect(await believers(team, one, [one.secret, secret])).toEqual([true, true])
    await elapseOf(day - 60_000, one)
    expect(await believers(team, one, [one.secret, secret])).toEqual([true, true])
    await elapseOf(60_000, one)
    expect(await believers(team, one, [one.secret, secret])).toEqual([false, true])
  })

  it('has the last two secrets after two rotations, for one day', async () => {
    const { team } = await openedHooks()
    const one = await hook(team)
    const first = await rotated(team, one)
    await elapseOf(day / 2, one)
    const second = await rotated(team, one)
    expect(second.until).toBeGreaterThanOrEqual(first.until)
    const secrets = [one.secret, first.secret, second.secret]
    expect(await believers(team, one, secrets)).toEqual([false, true, true])
  })

  it('is signed anew at each attempt, with the secrets of that moment', async () => {
    const { team } = await openedHooks()
    const one = await hook(team)
    await one.receiver.answers({ status: 500 }, { status: 503 }, {})
    const event = await tryOut(team, one)
    await tried(team, one, 1)
    await scheduler.wait(1100) // a timestamp counts seconds
    const { secret } = await rotated(team, one)
    await elapse(one)
    await tried(team, one, 2)
    await elapseOf(day, one)
    await scheduler.wait(1100)
    await elapse(one)
    const [delivery] = await tried(team, one, 3)

    const arrived = await one.receiver.arrived()
    expect(arrived.map(({ headers }) => headers['webhook-id'])).toEqual([event, event, event])
    expect(new Set(arrived.map(({ body }) => body)).size).toBe(1)
    const seconds = arrived.map(({ headers }) => Number(headers['webhook-timestamp']))
    const attempts = delivery?.attempts.map(({ timestamp }) =>
      Math.floor(Date.parse(timestamp) / 1000),
    )
    expect(seconds).toEqual(attempts)
    expect(new Set(seconds).size).toBe(3)

    const believers = arrived.map((attempt) => [
      believes(one.secret, attempt),
      believes(secret, attempt),
    ])
    expect(believers).toEqual([
      [true, false],
      [true, true],
      [false, true],
    ])
  })
})
