import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { said } from '../support/answers.ts'
import { asAdmin, call, eventually, json, newClient, tokenOf, type Client } from '../support/api.ts'
import { homeDb, homeResources } from '../support/databases.ts'
import { Team } from '../support/identity.ts'
import { plansOf } from '../support/plans.ts'

interface Shown {
  type: string
  data: object
  actor: { client_id: string | null; name: string }
  object: object
}

afterEach(() => void vi.useRealTimers())

const eventsOf = async (team: Team) =>
  (await team.get<{ events: Shown[] }>('/events')).events.filter(({ type }) =>
    /^(client|token)\./.test(type),
  )
const admin = (path: string, init: RequestInit) => call(`/oauth/clients${path}`, asAdmin(init))
const asked = async ({ id, secret }: Client, path = '/oauth/token', more = {}) => {
  const body = { client_id: id, client_secret: secret, grant_type: 'client_credentials', ...more }
  return (await call(path, json('POST', body))).status
}
const lookup = async (token: string) => {
  const headers = { authorization: `Bearer ${token}`, transactionId: crypto.randomUUID() }
  return (await call('/groups/v3/participants/ann/groups', { headers })).status
}
const twice = async (what: () => Promise<unknown>) => [await what(), await what()]

describe('the events of a workspace', () => {
  it('tell of its clients: made, rotated, revoked and deleted', async () => {
    const team = await Team.open()
    const draft = { workspace_id: team.workspace, name: 'till', scopes: ['groups:read'] }
    const made = await said(admin('', json('POST', draft)))
    const id = String(made['client_id'])
    const client = { id, secret: String(made['client_secret']), workspace: team.workspace }
    const token = await tokenOf(client)
    await admin(`/${id}/rotate`, { method: 'POST' })
    await asked(client, '/oauth/revoke', { token })
    await admin(`/${id}/revoke`, { method: 'POST' })
    await twice(() => admin(`/${id}`, { method: 'DELETE' }))
    const events = await eventsOf(team)
    const data = { client_id: id, name: 'till' }
    expect(events.map((event) => [event.type, event.data, event.actor])).toEqual([
      ['client.created', { ...data, scopes: ['groups:read'] }, { client_id: null, name: 'admin' }],
      ['client.rotated', data, { client_id: null, name: 'admin' }],
      ['token.revoked', data, { client_id: id, name: 'till' }],
      ['token.revoked', data, { client_id: null, name: 'admin' }],
      ['client.deleted', data, { client_id: null, name: 'admin' }],
    ])
    for (const event of events) expect(event.object).toEqual({ kind: 'client', id })
  })

  it('tell of no revocation that changes nothing', async () => {
    const team = await Team.open()
    const client = await newClient(undefined, team.workspace)
    const token = await tokenOf(client)
    for (const text of ['x', team.token, token, token])
      expect(await asked(client, '/oauth/revoke', { token: text })).toBe(200)
    expect((await eventsOf(team)).map(({ type }) => type)).toEqual(['token.revoked'])
  })
})

describe('a client who is refused', () => {
  const refusals = async (team: Team, count: number) => {
    const of = async () => (await eventsOf(team)).filter(({ type }) => type === 'token.refused')
    await eventually(of, (events) => events.length >= count)
    await scheduler.wait(50)
    return (await of()).map(({ data, actor }) => [data, actor])
  }

  it('by its secret is told of once an hour, by nobody who is known', async () => {
    const team = await Team.open()
    const client = await newClient(undefined, team.workspace)
    const wrong = { ...client, secret: 'wrong' }
    const told = [
      { client_id: client.id, name: 'tester', reason: 'secret' },
      { client_id: null, name: 'unknown' },
    ]
    await Promise.all(Array.from({ length: 10 }, () => asked(wrong)))
    expect(await refusals(team, 1)).toEqual([told])
    expect(await asked({ ...wrong, id: crypto.randomUUID() })).toBe(401)
    vi.setSystemTime(Date.now() + 3_590_000)
    await asked(wrong)
    expect(await refusals(team, 1)).toEqual([told])
    vi.setSystemTime(Date.now() + 11_000)
    await twice(() => asked(wrong))
    expect(await refusals(team, 2)).toEqual([told, told])
  })

  it('by its token is told of as itself', async () => {
    const team = await Team.open()
    const client = await newClient(undefined, team.workspace)
    const token = await tokenOf(client)
    await admin(`/${client.id}`, { method: 'DELETE' })
    expect(await twice(() => lookup(token))).toEqual([401, 401])
    expect(await refusals(team, 1)).toEqual([
      [
        { client_id: client.id, name: 'tester', reason: 'revoked' },
        { client_id: client.id, name: 'tester' },
      ],
    ])
  })

  it('as it has expired is told of', async () => {
    const team = await Team.open()
    const end = Date.now() + 60_000
    const expires_on = new Date(end).toISOString()
    const client = await newClient(undefined, team.workspace, { expires_on })
    vi.setSystemTime(end)
    expect(await twice(() => asked(client))).toEqual([401, 401])
    expect(await refusals(team, 1)).toMatchObject([[{ reason: 'expired' }, { name: 'unknown' }]])
  })

  it('in several isolates is told of by one, from an index', async () => {
    const team = await Team.open()
    const { id: client } = team.client
    const caller = { client, name: 'tester', workspace: team.workspace, scopes: [] }
    const plans = []
    for (let i = 0; i < 3; i++) {
      vi.resetModules()
      const isolate = await import('../../src/access/refusals.ts')
      plans.push(
        ...(await plansOf(async (db) => {
          const told: Promise<void>[] = []
          const res = { ...homeResources(env), databaseOf: () => db }
          isolate.announceRefusal(res, caller, 'secret', (work) => void told.push(work))
          await Promise.all(told)
        })),
      )
    }
    expect(await refusals(team, 1)).toHaveLength(1)
    const guards = plans.filter(({ query }) => query.includes('INSERT INTO events'))
    expect(guards).toHaveLength(3)
    for (const { plan } of guards)
      expect(plan.join()).toMatch(/SEARCH events USING INDEX events_by_object \(workspace_id=\?/)
  })

  it('leaves its refusal as it is where no event can be written', async () => {
    const team = await Team.open()
    const client = await newClient(undefined, team.workspace)
    await homeDb.prepare('ALTER TABLE events RENAME TO events_gone').run()
    try {
      expect(await asked({ ...client, secret: 'wrong' })).toBe(401)
      await scheduler.wait(50)
    } finally {
      await homeDb.prepare('ALTER TABLE events_gone RENAME TO events').run()
    }
    expect(await eventsOf(team)).toEqual([])
  })
})
