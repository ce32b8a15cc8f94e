import { describe, expect, it } from 'vitest'
import { declined, said } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import {
  deliveriesOf,
  elapse,
  eventsOf,
  failForGood,
  hook,
  openedHooks,
  tried,
  tryOut,
  writeEvents,
  type Hook,
} from '../support/hooks.ts'
import type { Team } from '../support/identity.ts'

const replay = (team: Team, { id }: Hook, span: Json) =>
  said(team.send('POST', `/webhooks/${id}/replay`, span))

const since = '2020-01-01T00:00:00Z'

describe('POST /webhooks/{id}/replay', () => {
  it('sends all events of a time range again, under the same ids', async () => {
    const { team, bank } = await openedHooks()
    const one = await hook(team)
    const ids: string[] = []
    for (let i = 0; i < 4; i++) {
      await bank.group()
      await scheduler.wait(5)
      ids.push((await eventsOf(team)).at(-1)?.id ?? '')
    }
    await tried(team, one, 4)
    const events = await eventsOf(team)
    const span = { since: events[1]?.['timestamp'], until: events[2]?.['timestamp'], only: 'all' }
    expect(await replay(team, one, span)).toEqual({ status: 202, replayed: 2 })
    await tried(team, one, 6)
    const again = (await one.receiver.arrived())
      .slice(4)
      .map(({ headers }) => headers['webhook-id'])
    expect(again.sort()).toEqual([ids[1], ids[2]].sort())
    expect(await replay(team, one, { since: events[3]?.['timestamp'], only: 'all' })).toEqual({
      status: 202,
      replayed: 1,
    })
    await tried(team, one, 7)
    expect(await replay(team, one, { since: '2100-01-01T00:00:00+01:00', only: 'all' })).toEqual({
      status: 202,
      replayed: 0,
    })
    expect(await replay(team, one, { since, until: '2020-01-02T00:00:00Z', only: 'all' })).toEqual({
      status: 202,
      replayed: 0,
    })
  })

  it('sends only those that failed for good, and begins their schedule anew', async () => {
    const { team, bank } = await openedHooks()
    const one = await hook(team)
    await bank.group()
    await tried(team, one, 1)
    await one.receiver.answers({ status: 500 })
    await bank.group()
    const [failed] = await tried(team, one, 2)
    expect(await replay(team, one, { since, only: 'failed' })).toEqual({ status: 202, replayed: 0 })
    await failForGood(failed?.id)
    expect(
      await replay(team, one, { since, until: '2020-01-02T00:00:00Z', only: 'failed' }),
    ).toEqual({ status: 202, replayed: 0 })
    expect(await replay(team, one, { since, only: 'failed' })).toEqual({ status: 202, replayed: 1 })
    const [again] = await tried(team, one, 3)
    expect(again).toMatchObject({ id: failed?.id, status: 'pending', attempts: [{}, {}] })
    expect(Date.parse(again?.next_attempt_on ?? '') - Date.now()).toBeLessThan(60_000)
    const names = (await one.receiver.arrived()).map(({ headers }) => headers['webhook-id'])
    expect(names.slice(1)).toEqual([failed?.id, failed?.id])
  })

  it('sends events from before the webhook existed or while it was disabled', async () => {
    const { team, bank } = await openedHooks()
    const first = await bank.group()
    const one = await hook(team, { event_types: ['group.created'] })
    const second = await bank.group()
    await tried(team, one, 1)
    await team.call('POST', `/webhooks/${one.id}/disable`)
    const third = await bank.group()
    expect((await bank.send('PUT', `/groups/${third}`, { groupName: 'renamed' })).status).toBe(200)
    await team.call('POST', `/webhooks/${one.id}/enable`)
    expect(await replay(team, one, { since, only: 'failed' })).toEqual({ status: 202, replayed: 0 })
    expect(await replay(team, one, { since, only: 'all' })).toEqual({ status: 202, replayed: 3 })
    await tried(team, one, 4)
    const delivered = (await one.receiver.arrived())
      .slice(1)
      .map(({ body }) => JSON.parse(body) as { type: string; data: Json })
    expect(new Set(delivered.map(({ type }) => type))).toEqual(new Set(['group.created']))
    expect(delivered.map(({ data }) => data['group_id']).sort()).toEqual(
      [first, second, third].sort(),
    )
  })

  it('waits with a disabled webhook until it is enabled', async () => {
    const { team, bank } = await openedHooks()
    const one = await hook(team)
    await team.call('POST', `/webhooks/${one.id}/disable`)
    await bank.group()
    expect(await replay(team, one, { since, only: 'all' })).toEqual({ status: 202, replayed: 1 })
    await elapse(one)
    const marker = await hook(team)
    await tryOut(team, marker)
    await tried(team, marker, 1)
    expect(await one.receiver.arrived()).toEqual([])
    await team.call('POST', `/webhooks/${one.id}/enable`)
    await one.receiver.until(1)
  })

  it("sends neither tests nor another workspace's events nor to another webhook", async () => {
    const [{ team, bank }, other] = [await openedHooks(), await openedHooks()]
    const [one, two] = [await hook(team), await hook(team)]
    await tryOut(team, two)
    await tried(team, two, 1)
    await other.bank.group()
    await bank.group()
    await Promise.all([tried(team, one, 1), tried(team, two, 2)])
    expect(await replay(team, one, { since, only: 'all' })).toEqual({ status: 202, replayed: 1 })
    await tried(team, one, 2)
    expect(await two.receiver.arrived()).toHaveLength(2)
  })

  it('goes over more events than one step takes', async () => {
    const { team, bank } = await openedHooks()
    await writeEvents(bank.workspace, 2100)
    const one = await hook(team)
    await team.call('POST', `/webhooks/${one.id}/disable`)
    expect(await replay(team, one, { since, only: 'all' })).toEqual({ status: 202, replayed: 2100 })
    expect((await deliveriesOf(team, one, '?status=pending&size=1000')).deliveries).toHaveLength(
      1000,
    )
  })

  it.each<[unknown, string]>([
    [{ only: 'all' }, 'since is required'],
    [{ since }, 'only is required'],
    [{ since, only: 'some' }, 'only must be failed or all'],
    [{ since: 'yesterday', only: 'all' }, 'since must be a time such as 2026-11-24T03:00:00Z'],
    [{ since: '2026-11-24', only: 'all' }, 'since must be a time such as 2026-11-24T03:00:00Z'],
    [
      { since: '2026-11-24T03:00:00', only: 'all' },
      'since must be a time such as 2026-11-24T03:00:00Z',
    ],
    [
      { since: '2026-02-30T03:00:00Z', only: 'all' },
      'since must be a time such as 2026-11-24T03:00:00Z',
    ],
    [{ since: 1, only: 'all' }, 'since must be a time such as 2026-11-24T03:00:00Z'],
    [{ since, until: 'now', only: 'all' }, 'until must be a time such as 2026-11-24T03:00:00Z'],
    [{ since, until: null, only: 'all' }, 'until must be a time such as 2026-11-24T03:00:00Z'],
    [[], 'body must be an object'],
  ])('refuses %j, and sends nothing', async (body, message) => {
    const { team, bank } = await openedHooks()
    await bank.group()
    const one = await hook(team)
    expect(await said(team.send('POST', `/webhooks/${one.id}/replay`, body))).toEqual(
      declined(422, message),
    )
    expect(await deliveriesOf(team, one)).toEqual({ deliveries: [], next: null })
  })
})
