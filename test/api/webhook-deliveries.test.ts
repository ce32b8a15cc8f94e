import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { declined, isEmpty, said, time } from '../support/answers.ts'
import type { Bank } from '../support/api.ts'
import {
  deliveriesOf,
  elapse,
  eventsOf,
  failForGood,
  hook,
  openedHooks,
  tried,
  tryOut,
  verified,
  type Hook,
} from '../support/hooks.ts'
import type { Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')

/** Groups, whose events come in this order. */
async function groups(bank: Bank, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < count; i++) ids.push(await bank.group())
  return ids
}

const idsOf = async (team: Team, one: Hook, query = '') =>
  (await deliveriesOf(team, one, query)).deliveries.map(({ id }) => id)
const retry = (team: Team, { id }: Hook, delivery: string) =>
  team.call('POST', `/webhooks/${id}/deliveries/${delivery}/retry`)

/** The webhook's deliveries have failed for good. */
const giveUp = ({ id }: Hook) =>
  env.DB.prepare(
    `UPDATE deliveries SET state = 'failed', tries = 10, next_attempt_at = NULL
      WHERE webhook_key = (SELECT key FROM webhooks WHERE id = ?)`,
  )
    .bind(id)
    .run()

describe('GET /webhooks/{id}/deliveries', () => {
  it('lists deliveries, newest first, with the result of each attempt', async () => {
    const { team, bank } = await openedHooks()
    const one = await hook(team)
    expect(await deliveriesOf(team, one)).toEqual({ deliveries: [], next: null })
    await one.receiver.answers(
      { status: 500, body: 'broken' },
      { status: 201, body: 'made', after: 50 },
      {},
    )
    await bank.group()
    await tried(team, one, 1)
    const before = Date.now()
    await elapse(one)
    await tried(team, one, 2)
    await bank.group()
    const [second, first] = await tried(team, one, 3)
    const events = await eventsOf(team)
    expect(second).toEqual({
      id: events[1]?.id,
      type: 'group.created',
      timestamp: events[1]?.['timestamp'],
      status: 'delivered',
      next_attempt_on: null,
      attempts: [
        {
          attempt: 1,
          timestamp: expect.stringMatching(time),
          status_code: 204,
          duration_ms: expect.any(Number) as number,
          answer: '',
        },
      ],
    })
    expect(first).toMatchObject({ id: events[0]?.id, status: 'delivered', next_attempt_on: null })
    expect(first?.attempts).toMatchObject([
      { attempt: 1, status_code: 500, answer: 'broken' },
      { attempt: 2, status_code: 201, answer: 'made' },
    ])
    const [failed, made] = first?.attempts ?? []
    expect(made?.duration_ms).toBeGreaterThanOrEqual(40)
    expect(made?.duration_ms).toBeLessThan(15_000)
    expect(Date.parse(made?.timestamp ?? '')).toBeGreaterThanOrEqual(before - 5)
    expect(Date.parse(failed?.timestamp ?? '')).toBeLessThanOrEqual(before)
  })

  it('shows when the next attempt of a pending delivery is due', async () => {
    const { team, bank } = await openedHooks()
    const one = await hook(team)
    await one.receiver.answers({ status: 500 })
    await bank.group()
    const [delivery] = await tried(team, one, 1)
    expect(delivery?.status).toBe('pending')
    const wait =
      Date.parse(delivery?.next_attempt_on ?? '') -
      Date.parse(delivery?.attempts[0]?.timestamp ?? '')
    expect(wait).toBeGreaterThanOrEqual(5000)
    expect(wait).toBeLessThanOrEqual(6000 + (delivery?.attempts[0]?.duration_ms ?? 0) + 3000)
  })

  it('lists the deliveries in one state', async () => {
    const { team, bank } = await openedHooks()
    const one = await hook(team)
    await bank.group()
    await tried(team, one, 1)
    await one.receiver.answers({ status: 500 })
    await bank.group()
    await tried(team, one, 2)
    const failed = (await idsOf(team, one, '?status=pending'))[0] ?? ''
    await failForGood(failed)
    await bank.group()
    await tried(team, one, 3)
    const [third = '', second = '', first = ''] = (await eventsOf(team))
      .map(({ id }) => id)
      .reverse()
    expect(second).toBe(failed)
    expect(await idsOf(team, one)).toEqual([third, second, first])
    for (const [status, id] of Object.entries({
      pending: third,
      failed: second,
      delivered: first,
    })) {
      expect(await deliveriesOf(team, one, `?status=${status}`)).toMatchObject({
        deliveries: [{ id, status }],
        next: null,
      })
      expect(await idsOf(team, one, `?status=${status}&after=${id}`)).toEqual([])
    }
  })

  it('goes page by page to the oldest, in all states or one', async () => {
    const { team, bank } = await openedHooks()
    const one = await hook(team)
    await groups(bank, 5)
    await tried(team, one, 5)
    const newestFirst = (await eventsOf(team)).map(({ id }) => id).reverse()
    for (const state of ['', '&status=delivered'])
      for (const size of [1, 2, 5, 6]) {
        const seen: string[] = []
        let pages = 0
        for (let next: string | null = ''; next !== null; pages++) {
          const after: string = next === '' ? '' : `&after=${next}`
          const page = await deliveriesOf(team, one, `?size=${size}${after}${state}`)
          expect(page.deliveries.length).toBeLessThanOrEqual(size)
          for (const { attempts } of page.deliveries) expect(attempts).toHaveLength(1)
          seen.push(...page.deliveries.map(({ id }) => id))
          expect(newestFirst.slice(0, seen.length)).toEqual(seen)
          next = page.next
        }
        expect(seen).toHaveLength(5)
        expect(pages).toBe(Math.floor(5 / size) + 1)
      }
  })

  it("lists only its own webhook's, and may go on after other events", async () => {
    const { team, bank } = await openedHooks()
    const [one, two] = [
      await hook(team, { event_types: ['group.created'] }),
      await hook(team, { event_types: ['group.deleted'] }),
    ]
    const [group = ''] = await groups(bank, 1)
    await bank.call('DELETE', `/groups/${group}`)
    await Promise.all([tried(team, one, 1), tried(team, two, 1)])
    const [created, deleted] = await eventsOf(team)
    expect(await idsOf(team, one)).toEqual([created?.id])
    expect(await idsOf(team, two)).toEqual([deleted?.id])
    expect(await idsOf(team, one, `?after=${String(deleted?.id)}`)).toEqual([created?.id])
    expect(await idsOf(team, two, `?after=${String(created?.id)}`)).toEqual([])
  })

  it.each([
    ['status=gone', 'status must be one of pending, delivered, failed'],
    ['status=PENDING', 'status must be one of pending, delivered, failed'],
    ['status=', 'status is required'],
    ['size=0', 'size must be at least 1'],
    ['size=1001', 'size cannot be more than 1000'],
    ['size=1.5', 'size must be a whole number'],
    ['size=x', 'size must be a whole number'],
  ])('refuses ?%s', async (query, message) => {
    const { team } = await openedHooks()
    const { id } = await hook(team)
    expect(await said(team.call('GET', `/webhooks/${id}/deliveries?${query}`))).toEqual(
      declined(422, message),
    )
  })

  it("does not go on after unknown events or another workspace's", async () => {
    const [{ team }, other] = [await openedHooks(), await openedHooks()]
    const one = await hook(team)
    const theirs = await hook(other.team)
    const event = await tryOut(other.team, theirs)
    for (const after of [event, 'evt_x', 'x', '1', '%00'])
      expect(await said(team.call('GET', `/webhooks/${one.id}/deliveries?after=${after}`))).toEqual(
        notFound,
      )
  })
})

describe('POST /webhooks/{id}/deliveries/{delivery_id}/retry', () => {
  it('sends a delivered event again under its id, or a pending one', async () => {
    const { team, bank } = await openedHooks()
    const one = await hook(team)
    await bank.group()
    const [delivered] = await tried(team, one, 1)
    await isEmpty(retry(team, one, String(delivered?.id)), 204)
    expect((await tried(team, one, 2))[0]).toMatchObject({
      status: 'delivered',
      attempts: [{ attempt: 1 }, { attempt: 2 }],
    })
    const arrived = await one.receiver.arrived()
    expect(arrived.map(({ headers }) => headers['webhook-id'])).toEqual([
      delivered?.id,
      delivered?.id,
    ])
    for (const request of arrived) verified(one.secret, request)

    await one.receiver.answers({ status: 500 }, {})
    await bank.group()
    const [pending] = await tried(team, one, 3)
    expect(pending?.status).toBe('pending')
    await isEmpty(retry(team, one, String(pending?.id)), 204)
    expect((await tried(team, one, 4))[0]).toMatchObject({
      id: pending?.id,
      status: 'delivered',
      next_attempt_on: null,
    })
  })

  it('begins the schedule anew for what was given up', async () => {
    const { team, bank } = await openedHooks()
    const one = await hook(team)
    await one.receiver.answers({ status: 500 })
    await bank.group()
    await tried(team, one, 1)
    await giveUp(one)
    const [event = ''] = await idsOf(team, one, '?status=failed')
    await isEmpty(retry(team, one, event), 204)
    const [again] = await tried(team, one, 2)
    expect(again).toMatchObject({ status: 'pending', attempts: [{ attempt: 1 }, { attempt: 2 }] })
    const wait =
      Date.parse(again?.next_attempt_on ?? '') - Date.parse(again?.attempts[1]?.timestamp ?? '')
    expect(wait).toBeGreaterThanOrEqual(5000)
    expect(wait).toBeLessThan(60_000)
  })

  it('does not find deliveries that are unknown or of another webhook', async () => {
    const [{ team }, other] = [await openedHooks(), await openedHooks()]
    const [one, two, theirs] = [await hook(team), await hook(team), await hook(other.team)]
    const events = [await tryOut(team, two), await tryOut(other.team, theirs)]
    await tried(team, two, 1)
    await tried(other.team, theirs, 1)
    for (const event of [...events, 'evt_x', '%00'])
      expect(await said(retry(team, one, event))).toEqual(notFound)
    expect(await one.receiver.arrived()).toEqual([])
    expect(await two.receiver.arrived()).toHaveLength(1)
    expect(await theirs.receiver.arrived()).toHaveLength(1)
  })
})
