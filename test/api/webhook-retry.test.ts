import { expect, it } from 'vitest'
import { hook, openedHooks, tried, verified } from '../support/hooks.ts'

it('a refused delivery comes again after five seconds, once, without a cron', async () => {
  const { team, bank } = await openedHooks()
  const one = await hook(team)
  await one.receiver.answers({ status: 503 }, { status: 204 })
  const began = Date.now()
  await bank.group('owls')
  await one.receiver.until(2)
  expect(Date.now() - began).toBeLessThan(9_000)

  const [delivery] = await tried(team, one, 2)
  expect(delivery).toMatchObject({ status: 'delivered', next_attempt_on: null })
  const [first, again] = (delivery?.attempts ?? []).map(({ timestamp }) => Date.parse(timestamp))
  const wait = (again ?? 0) - (first ?? 0)
  expect(wait).toBeGreaterThanOrEqual(5_000)
  expect(wait).toBeLessThanOrEqual(8_000)

  await scheduler.wait(1_500)
  const arrived = await one.receiver.arrived()
  expect(arrived.map((request) => verified(one.secret, request)['type'])).toEqual([
    'group.created',
    'group.created',
  ])
  expect(new Set(arrived.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
})
