import { describe, expect, it } from 'vitest'
import { eventTypes } from '../../src/webhooks/event.ts'
import { declined, said, time } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import { hook, hookScopes, openedHooks, tryOut, writeEvents } from '../support/hooks.ts'
import { Team } from '../support/identity.ts'

interface Events {
  events: { id: string; type: string; timestamp: string; data: Json }[]
  next: string | null
}

const list = (team: Team, query = '') => team.get<Events>(`/events${query}`)
const idsOf = ({ events }: Events) => events.map(({ id }) => id)
const notFound = declined(404, 'Not found')

/** Events of three types, in a known order. */
async function threeEvents() {
  const { team, bank } = await openedHooks()
  const group = await bank.group('owls')
  await bank.send('PUT', `/groups/${group}`, { groupName: 'bats' })
  await bank.group('rats')
  await bank.call('DELETE', `/groups/${group}`)
  return { team, bank, group }
}

describe('GET /events', () => {
  it('lists what happened in order, although no webhook listens', async () => {
    const { team, group } = await threeEvents()
    const { events, next } = await list(team)
    expect(events).toMatchObject([
      {
        id: events[0]?.id,
        type: 'group.created',
        timestamp: expect.stringMatching(time) as string,
        data: { group_id: group, name: 'owls' },
      },
      {
        id: events[1]?.id,
        type: 'group.updated',
        timestamp: expect.stringMatching(time) as string,
        data: { group_id: group, name: 'bats' },
      },
      {
        id: events[2]?.id,
        type: 'group.created',
        timestamp: expect.any(String) as string,
        data: { group_id: expect.any(String) as string, name: 'rats' },
      },
      {
        id: events[3]?.id,
        type: 'group.deleted',
        timestamp: expect.stringMatching(time) as string,
        data: { group_id: group },
      },
    ])
    for (const { id, timestamp } of events) {
      expect(id).toMatch(/^evt_[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
      expect(Math.abs(Date.now() - Date.parse(timestamp))).toBeLessThan(60_000)
    }
    expect(new Set(events.map(({ id }) => id)).size).toBe(4)
    expect(next).toBe(events[3]?.id)
  })

  it('lists the newest first where it is asked to', async () => {
    const { team } = await threeEvents()
    const oldest = await list(team)
    const types = 'types=group.created'
    expect(idsOf(await list(team, '?order=newest'))).toEqual(idsOf(oldest).toReversed())
    const first = await list(team, `?order=newest&size=1&${types}`)
    expect(first).toMatchObject({ events: [{ data: { name: 'rats' } }] })
    const second = await list(team, `?order=newest&size=1&${types}&after=${String(first.next)}`)
    expect(second).toMatchObject({ events: [{ data: { name: 'owls' } }] })
    const end = await list(team, `?order=newest&${types}&after=${String(second.next)}`)
    expect(end).toEqual({ events: [], next: null })
  })

  it('is empty where nothing happened', async () => {
    expect(await list(await Team.open(hookScopes))).toEqual({ events: [], next: null })
  })

  it('goes on after an event, and is empty after the last', async () => {
    const { team, bank } = await threeEvents()
    const ids = idsOf(await list(team))
    for (const size of [1, 2, 3, 4, 5]) {
      const seen: string[] = []
      for (let after = ''; ;) {
        const page = await list(team, `?size=${size}${after}`)
        expect(page.events.length).toBeLessThanOrEqual(size)
        if (page.next === null) break
        seen.push(...idsOf(page))
        expect(ids.slice(0, seen.length)).toEqual(seen)
        expect(page.next).toBe(seen.at(-1))
        after = `&after=${page.next}`
      }
      expect(seen).toEqual(ids)
    }
    const last = ids.at(-1) ?? ''
    expect(await list(team, `?after=${last}`)).toEqual({ events: [], next: null })
    await bank.group('new')
    expect((await list(team, `?after=${last}`)).events).toMatchObject([
      { type: 'group.created', data: { name: 'new' } },
    ])
  })

  it('lists only some types, and may go on after another type', async () => {
    const { team } = await threeEvents()
    const { events } = await list(team)
    const ids = events.map(({ id }) => id)
    const [first, second, third, fourth] = ids
    expect(idsOf(await list(team, '?types=group.created'))).toEqual([first, third])
    expect(idsOf(await list(team, '?types=group.deleted,group.updated'))).toEqual([second, fourth])
    expect(idsOf(await list(team, `?types=group.created&after=${String(second)}`))).toEqual([third])
    expect(idsOf(await list(team, '?types=group.created&size=1'))).toEqual([first])
    expect(await list(team, '?types=job.failed')).toEqual({ events: [], next: null })
    expect(idsOf(await list(team, `?types=${eventTypes.join()}`))).toEqual(ids)
  })

  it.each([
    ['types=', 'types.0'],
    ['types=group.renamed', 'types.0'],
    ['types=group.created,,group.deleted', 'types.1'],
    ['types=group.created,*', 'types.1'],
    ['size=0', 'size must be at least 1'],
    ['size=1001', 'size cannot be more than 1000'],
    ['size=x', 'size must be a whole number'],
  ])('refuses ?%s by name', async (query, message) => {
    const team = await Team.open(hookScopes)
    const { status, errors } = await said(team.call('GET', `/events?${query}`))
    expect(status).toBe(422)
    expect(JSON.stringify(errors)).toContain(`{"message":"${message}`)
  })

  it('does not go on after what is not there', async () => {
    const { team } = await threeEvents()
    for (const after of ['evt_x', '', '1', '0', '%00', `evt_${crypto.randomUUID()}`])
      expect([after, await said(team.call('GET', `/events?after=${after}`))]).toEqual([
        after,
        notFound,
      ])
  })

  it("never lists another workspace's, nor goes on after one of them", async () => {
    const [{ team, bank }, other] = [await threeEvents(), await threeEvents()]
    const [ours, theirs] = [await list(team), await list(other.team)]
    expect(idsOf(ours).filter((id) => idsOf(theirs).includes(id))).toEqual([])
    expect(ours.events).toHaveLength(4)
    for (const id of idsOf(theirs))
      expect(await said(team.call('GET', `/events?after=${id}`))).toEqual(notFound)
    await other.bank.group('secret')
    await tryOut(other.team, await hook(other.team))
    expect(await list(team)).toEqual(ours)
    const answer = await other.team.call('GET', '/events', {
      headers: { authorization: `Bearer ${bank.token}` },
    })
    expect(answer.status).toBe(403)
  })

  it('lists a hundred by default, and up to a thousand on request', async () => {
    const team = await Team.open(hookScopes)
    await writeEvents(team.workspace, 1001)
    expect((await list(team)).events).toHaveLength(100)
    const { events, next } = await list(team, '?size=1000')
    expect(events).toHaveLength(1000)
    const [last, ...more] = idsOf(await list(team, `?after=${String(next)}`))
    expect([last?.endsWith('_1001'), more]).toEqual([true, []])
  })

  it('is open to clients with the scope to read webhooks', async () => {
    const { team } = await threeEvents()
    const others = await Team.open(
      ['groups:read', 'groups:write', 'webhooks:write'],
      team.workspace,
    )
    expect((await others.call('GET', '/events')).status).toBe(403)
    const reader = await Team.open(['webhooks:read'], team.workspace)
    expect(await list(reader)).toEqual(await list(team))
  })
})
