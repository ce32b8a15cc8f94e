import { describe, expect, it } from 'vitest'
import type { Json } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import {
  deliveriesOf,
  elapse,
  hook,
  openedHooks,
  shown,
  tried,
  tryOut,
  verified,
  type Hook,
} from '../support/hooks.ts'
import { Receiver } from '../support/receiver.ts'
import { hour, minute, waits } from '../support/standard-webhooks.ts'

const day = 24 * hour

/** So long ago was the first failure of the webhook since something arrived. */
const failingFor = (ms: number, { id }: Hook) =>
  homeDb
    .prepare('UPDATE webhooks SET failing_since = ? WHERE id = ? AND failing_since IS NOT NULL')
    .bind(Date.now() - ms, id)
    .run()

const waitOf = (
  delivery: { next_attempt_on: string | null; attempts: { timestamp: string }[] } | undefined,
) =>
  Date.parse(delivery?.next_attempt_on ?? '') -
  Date.parse(delivery?.attempts.at(-1)?.timestamp ?? '')

/** More than a test takes from an attempt to its record. */
const slack = 10_000

/** One event and what came of its first attempt. */
async function answered(...answers: Parameters<Receiver['answers']>) {
  const { team, bank } = await openedHooks()
  const one = await hook(team)
  await one.receiver.answers(...answers)
  const event = await tryOut(team, one)
  const [delivery] = await tried(team, one, 1)
  if (delivery === undefined) throw new Error('nothing was sent')
  return { team, bank, one, event, delivery }
}

describe('an answer', () => {
  it.each([200, 202, 204, 299])('of %i is the end of it', async (status) => {
    const { team, one, delivery } = await answered({ status })
    expect(delivery).toMatchObject({
      status: 'delivered',
      next_attempt_on: null,
      attempts: [{ status_code: status }],
    })
    await elapse(one)
    expect(await shown(team, one)).toMatchObject({ enabled: true, failing_since: null })
    expect(await one.receiver.arrived()).toHaveLength(1)
  })

  it.each([300, 304, 400, 404, 409, 429, 500, 503, 599])('of %i is a failure', async (status) => {
    const { team, one, delivery } = await answered({ status, body: status === 304 ? '' : 'no' }, {})
    expect(delivery).toMatchObject({ status: 'pending', attempts: [{ status_code: status }] })
    expect(waitOf(delivery)).toBeGreaterThanOrEqual(5000)
    expect(waitOf(delivery)).toBeLessThanOrEqual(6000 + slack)
    const { enabled, failing_since } = await shown(team, one)
    expect(enabled).toBe(true)
    expect(Date.parse(String(failing_since))).toBeGreaterThanOrEqual(
      Date.parse(delivery.attempts[0]?.timestamp ?? ''),
    )
    await elapse(one)
    expect((await tried(team, one, 2))[0]).toMatchObject({
      status: 'delivered',
      attempts: [{}, { attempt: 2, status_code: 204 }],
    })
    expect(await shown(team, one)).toMatchObject({ failing_since: null })
  })

  it.each([301, 302, 303, 307, 308])(
    'of %i is a failure, and nobody goes where it points to',
    async (status) => {
      const elsewhere = new Receiver()
      const { delivery } = await answered({ status, headers: { location: elsewhere.url } })
      expect(delivery).toMatchObject({ status: 'pending', attempts: [{ status_code: status }] })
      expect(await elsewhere.arrived()).toEqual([])
    },
  )

  it('is kept up to a kilobyte, and is not waited for beyond', async () => {
    const { delivery } = await answered({
      status: 200,
      body: '0123456789abcdef',
      times: 5 * 65_536,
    })
    expect(delivery).toMatchObject({
      status: 'delivered',
      attempts: [{ answer: '0123456789abcdef'.repeat(64) }],
    })
  })

  it('is kept where it is of other scripts, broken or holds U+0000', async () => {
    const { delivery } = await answered({ status: 500, body: 'é🎉\0"<\ud800' })
    expect(delivery.attempts[0]?.answer).toMatch(/^é🎉"<\ufffd+$/)
    expect(
      new TextEncoder().encode(
        (await answered({ status: 500, body: 'é', times: 4000 })).delivery.attempts[0]?.answer,
      ).length,
    ).toBeLessThanOrEqual(2048)
  })

  it('that never ends is given up after its first kilobyte, and counts', async () => {
    const { delivery } = await answered({ status: 200, body: 'x'.repeat(4096), open: true })
    expect(delivery).toMatchObject({
      status: 'delivered',
      attempts: [{ status_code: 200, answer: 'x'.repeat(1024) }],
    })
    expect(delivery.attempts[0]?.duration_ms).toBeLessThan(15_000)
  })

  it('of nobody is a failure', async () => {
    const { team } = await openedHooks()
    const one = await hook(team)
    await team.send('PUT', `/webhooks/${one.id}`, { url: 'http://127.0.0.1:9/' })
    await tryOut(team, one)
    const [delivery] = await tried(team, one, 1)
    expect(delivery).toMatchObject({
      status: 'pending',
      attempts: [{ status_code: null, answer: 'No connection' }],
    })
    expect((await shown(team, one))['failing_since']).not.toBeNull()
  })
})

describe('the next attempt', () => {
  const waitAfter = async (retryAfter: string, status = 503) =>
    waitOf((await answered({ status, headers: { 'retry-after': retryAfter } })).delivery)
  const between = (wait: number, least: number, most: number) => {
    expect(wait).toBeGreaterThanOrEqual(least)
    expect(wait).toBeLessThanOrEqual(most + slack)
  }

  it('comes when Retry-After says, in seconds or a date, within a day', async () => {
    between(await waitAfter('120'), 2 * minute, 2 * minute)
    between(await waitAfter('3600', 429), hour, hour)
    between(
      await waitAfter(new Date(Date.now() + 2 * hour).toUTCString()),
      2 * hour - slack,
      2 * hour,
    )
    between(await waitAfter('31536000'), day, day)
  })

  it("comes by the schedule where the receiver's wish is sooner or unreadable", async () => {
    for (const header of ['0', '1', 'soon', new Date(0).toUTCString()])
      between(await waitAfter(header), 5000, 6000)
  })

  it('comes on schedule, ten times in all, and then fails for good', async () => {
    const { team, one, event } = await answered({ status: 500 })
    for (const [at, wait] of waits.entries()) {
      const [delivery] = await tried(team, one, at + 1)
      expect(delivery?.attempts).toHaveLength(at + 1)
      between(waitOf(delivery), wait, wait * 1.2)
      await elapse(one)
    }
    const [delivery] = await tried(team, one, 10)
    expect(delivery).toMatchObject({ id: event, status: 'failed', next_attempt_on: null })
    expect(delivery?.attempts.map(({ attempt }) => attempt)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ])
    await elapse(one)
    const marker = await hook(team)
    await tryOut(team, marker)
    await tried(team, marker, 1)
    const arrived = await one.receiver.arrived()
    expect(arrived).toHaveLength(10)
    expect(new Set(arrived.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([event]))
    for (const request of arrived) verified(one.secret, request)
    expect(await shown(team, one)).toMatchObject({ enabled: true })
  })

  it('does not come before its time', async () => {
    const { team, one } = await answered({ status: 500 })
    const marker = await hook(team)
    await tryOut(team, marker)
    await tried(team, marker, 1)
    await elapse(marker)
    await tryOut(team, one)
    await tried(team, one, 2)
    expect(
      (await deliveriesOf(team, one)).deliveries.map(({ attempts }) => attempts.length),
    ).toEqual([1, 1])
  })
})

/** The events that other webhooks get of a disabled one. */
const disabledEvents = async (other: Hook) =>
  (await other.receiver.arrived())
    .map((request) => verified(other.secret, request))
    .map(({ type, data }) => ({ type, data: data as Json }))

describe('a webhook', () => {
  it('is disabled at once by a 410, with an event, until enabled', async () => {
    const { team, bank } = await openedHooks()
    const other = await hook(team, { event_types: ['webhook.disabled'] })
    const one = await hook(team)
    await one.receiver.answers({ status: 410, body: 'gone' }, {})
    const event = await tryOut(team, one)
    const [delivery] = await tried(team, one, 1)
    expect(delivery).toMatchObject({
      id: event,
      status: 'pending',
      attempts: [{ status_code: 410, answer: 'gone' }],
    })
    expect(await shown(team, one)).toMatchObject({ enabled: false, disabled_because: 'gone' })
    await tried(team, other, 1)
    expect(await disabledEvents(other)).toEqual([
      { type: 'webhook.disabled', data: { webhook_id: one.id, reason: 'gone' } },
    ])

    await bank.group()
    await elapse(one)
    expect(await one.receiver.arrived()).toHaveLength(1)
    expect(await team.call('POST', `/webhooks/${one.id}/enable`)).toMatchObject({ status: 200 })
    const [again] = await tried(team, one, 2)
    expect(again).toMatchObject({ id: event, status: 'delivered' })
    expect(await shown(team, one)).toMatchObject({
      enabled: true,
      disabled_because: null,
      failing_since: null,
    })
    expect(await disabledEvents(other)).toHaveLength(1)
  })

  it('is disabled by five days of failures only, with one event', async () => {
    const { team, bank } = await openedHooks()
    const other = await hook(team)
    const one = await hook(team)
    await one.receiver.answers({ status: 500 })
    await tryOut(team, one)
    await tried(team, one, 1)
    await failingFor(5 * day - minute, one)
    await elapse(one)
    await tried(team, one, 2)
    expect(await shown(team, one)).toMatchObject({ enabled: true, disabled_because: null })
    await failingFor(5 * day, one)
    await elapse(one)
    await tried(team, one, 3)
    expect(await shown(team, one)).toMatchObject({ enabled: false, disabled_because: 'failing' })
    await tried(team, other, 1)
    await bank.group()
    await tried(team, other, 2)
    expect(await disabledEvents(other)).toMatchObject([
      { type: 'webhook.disabled', data: { webhook_id: one.id, reason: 'failing' } },
      { type: 'group.created' },
    ])
    expect((await deliveriesOf(team, one)).deliveries).toMatchObject([
      { status: 'pending', attempts: [{}, {}, {}] },
    ])
  })

  it('has its failures cleared by one success, and by enabling', async () => {
    const { team } = await openedHooks()
    const one = await hook(team)
    await one.receiver.answers({ status: 500 }, {}, { status: 500 })
    await tryOut(team, one)
    await tried(team, one, 1)
    await failingFor(6 * day, one)
    await elapse(one)
    await tried(team, one, 2)
    expect(await shown(team, one)).toMatchObject({ enabled: true, failing_since: null })

    await tryOut(team, one)
    await tried(team, one, 3)
    const { enabled, failing_since } = await shown(team, one)
    expect([enabled, Date.now() - Date.parse(String(failing_since)) < minute]).toEqual([true, true])
    await failingFor(6 * day, one)
    await team.call('POST', `/webhooks/${one.id}/enable`)
    await elapse(one)
    await tried(team, one, 4)
    expect(await shown(team, one)).toMatchObject({ enabled: true })
  })
})
