import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { exportEvents, listEvents } from '../../src/webhooks/event-list.ts'
import { declined, said } from '../support/answers.ts'
import { newClient, tokenOf, type Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'
import { planOf, watched } from '../support/plans.ts'
import { newWorkspace } from '../support/workspaces.ts'

interface Events {
  events: { id: string; type: string; timestamp: string }[]
  next: string | null
}

const scopes = ['groups:read', 'groups:write', 'audit:read']
const start = Date.UTC(2027, 4, 1)
const count = 100_000

/** A workspace with an event each second, now and then one that was written some minutes late. */
async function crowded(): Promise<number> {
  const workspace = newWorkspace()
  await env.DB.prepare(
    `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?3 - 1)
     INSERT INTO events (workspace_id, id, type, at, data, actor_id, actor, object_kind, object_id)
     SELECT ?1, 'evt_' || ?1 || '_' || i, iif(i = 77777, 'group.created', 'group.updated'),
       ?2 + 1000 * (i - iif(i % 50 = 0, 200, 0)), '{}',
       'client-' || (i % 1000), '{"client":"client-' || (i % 1000) || '","name":"x"}',
       'group', 'group-' || (i % 500) FROM n`,
  )
    .bind(workspace, start, count)
    .run()
  return workspace
}

const second = (i: number) => start + 1000 * i
const numberOf = ({ id }: { id: string }) => Number(id.split('_')[2])

describe('GET /events', () => {
  it('lists what a client has done, what was done to a thing, and since when', async () => {
    const client = await newClient(scopes)
    const team = await Team.open(scopes, client.workspace)
    await team.define(household)
    const token = await tokenOf(client)
    const path = `/groups/household`
    const headers = { authorization: `Bearer ${token}` }
    await team.call('DELETE', path, { headers })
    const list = (query: string) => team.get<Events>(`/events?${query}`)
    const { events } = await list('')
    const [created, deleted] = events
    expect(events.map(({ type }) => type).slice(-2)).toEqual([
      'definition.created',
      'definition.deleted',
    ])
    expect(created).toBeDefined()
    const types = async (query: string) => (await list(query)).events.map(({ type }) => type)
    const about = 'object=definition:household'
    expect(await types(about)).toEqual(['definition.created', 'definition.deleted'])
    expect(await types(`${about}&actor=${client.id}`)).toEqual(['definition.deleted'])
    expect(await types(`actor=${client.id}`)).toEqual(['definition.deleted'])
    expect(await types(`actor=${crypto.randomUUID()}`)).toEqual([])
    const last = events.at(-1)?.timestamp ?? ''
    expect(await types(`${about}&since=${last}`)).toContain('definition.deleted')
    expect(await types(`until=${new Date(Date.parse(last) + 1).toISOString()}`)).toHaveLength(
      events.length,
    )
    expect(await types('until=2020-01-01T00:00:00Z')).toEqual([])
    expect(await types('since=2100-01-01T00:00:00Z')).toEqual([])
    expect(deleted).toBeDefined()
  })

  it.each([
    ['since=yesterday', 'since must be a time such as 2026-11-24T03:00:00Z'],
    ['until=2026-11-24', 'until must be a time such as 2026-11-24T03:00:00Z'],
    ['object=group', 'object must be a kind and an id, such as group:3f2a…'],
    ['object=group:', 'object must be a kind and an id, such as group:3f2a…'],
    ['actor=', 'actor is required'],
  ])('refuses ?%s', async (query, message) => {
    const team = await Team.open(scopes)
    expect(await said(team.call('GET', `/events?${query}`))).toEqual(declined(422, message))
  })

  it('streams all of them as lines, which say what a page says', async () => {
    const team = await Team.open(scopes)
    await team.define(household)
    await team.call('DELETE', '/groups/household')
    const answer = await team.call('GET', '/events', {
      headers: { accept: 'application/x-ndjson' },
    })
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = (await answer.text()).split('\n')
    expect(lines.pop()).toBe('')
    const { events } = await team.get<{ events: Json[] }>('/events')
    expect(lines.map((line) => JSON.parse(line) as Json)).toEqual(events)
    expect(lines).toEqual(events.map((event) => JSON.stringify(event)))
    const unknown = { headers: { accept: 'application/x-ndjson' } }
    expect((await team.call('GET', '/events?after=evt_x', unknown)).status).toBe(404)
  })
})

describe('events among a hundred thousand', () => {
  let workspace = 0
  beforeAll(async () => void (workspace = await crowded()), 60_000)

  const periods: [since: number | undefined, until: number | undefined][] = [
    [second(0), second(10)],
    [second(54_321), second(54_399)],
    [second(99_990), undefined],
    [undefined, second(5)],
    [second(-900), second(-100)],
    [second(200_000), undefined],
  ]

  it.each(periods)('from %o until %o are all found, and none else', async (since, until) => {
    const { db, meter } = watched()
    const found = await listEvents(db, workspace, { since, until, size: 1000 })
    const at = (i: number) => second(i - (i % 50 === 0 ? 200 : 0))
    const wanted = Array.from({ length: count }, (_, i) => i).filter(
      (i) => at(i) >= (since ?? 0) && at(i) <= (until ?? Infinity),
    )
    expect(found.events.map(numberOf)).toEqual(wanted)
    expect(meter.rowsRead).toBeLessThan(8000)
  })

  it.each([
    ['no filter', {}, 100],
    ['a period', { since: second(50_000), until: second(90_000) }, 100],
    ['a rare type', { types: ['group.created' as const] }, 100],
    ['a client', { actor: 'client-7' }, 100],
    ['a client and a type', { actor: 'client-7', types: ['group.created' as const] }, 100],
    ['a thing', { object: { kind: 'group', id: 'group-7' } }, 100],
    ['a client and a thing', { actor: 'client-7', object: { kind: 'group', id: 'group-7' } }, 100],
    ['nothing there is', { actor: 'nobody', since: second(10) }, 100],
  ])('by %s cost a bounded number of rows a page', async (_, filter, size) => {
    const { db, meter, statements } = watched()
    await listEvents(db, workspace, { ...filter, size })
    expect(meter.rowsRead).toBeLessThan(8000)
    for (const one of statements)
      for (const line of await planOf(one))
        expect(line).not.toMatch(/^SCAN (events|e)\b|AUTOMATIC|\(workspace_id=\?\)$/)
  })

  it('are gone through page by page, also where many are empty', async () => {
    const { db } = watched()
    const seen: number[] = []
    let pages = 0
    for (let after: string | undefined; ; pages++) {
      const types = ['group.created' as const]
      const page: Awaited<ReturnType<typeof listEvents>> = await listEvents(db, workspace, {
        types,
        after,
        size: 10,
      })
      seen.push(...page.events.map(numberOf))
      if (page.next === null) break
      after = page.next
    }
    expect(seen).toEqual([77_777])
    expect(pages).toBeGreaterThanOrEqual(50)
  }, 60_000)

  it('are exported in pieces, as fast as they are read', async () => {
    const { db, meter } = watched()
    const object = { kind: 'group', id: 'group-7' }
    const text = await new Response(await exportEvents(db, workspace, { object })).text()
    expect(text.trimEnd().split('\n')).toHaveLength(count / 500)
    meter.statements = 0
    const reader = (await exportEvents(db, workspace, {})).getReader()
    await reader.read()
    expect(meter.statements).toBe(1)
    await reader.cancel()
  })

  it.each([
    ['all', {}, count],
    ['a rare type', { types: ['group.created' as const] }, 1],
    ['a period', { since: second(20_000) }, 80_000],
  ])('of %s are exported by few statements', async (_, filter, about) => {
    const { db, meter } = watched()
    const text = await new Response(await exportEvents(db, workspace, filter)).text()
    expect(Math.abs(text.split('\n').length - 1 - about)).toBeLessThan(10)
    expect(meter.statements).toBeLessThan(2 * Math.ceil(count / 5000))
  })

  it('are looked for no more when who exports them goes away', async () => {
    const { db, meter } = watched()
    const reader = (await exportEvents(db, workspace, { types: ['job.failed'] })).getReader()
    void reader.read()
    await reader.cancel()
    await scheduler.wait(1000)
    expect(meter.statements).toBeLessThan(5)
    expect(meter.statements).toBeLessThan(9)
  })
})
