import { decodeJwt } from 'jose'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import type { Message } from '../../src/messages.ts'
import { lines, type Json } from '../support/api.ts'
import { ask, consume, tick } from '../support/bindings.ts'
import { cookieOf, formOf } from '../support/console.ts'
import { logged } from '../support/log.ts'
import { threeShards, type Own } from '../support/three-shards.ts'
import { resigned } from '../support/tokens.ts'
import { newWorkspace } from '../support/workspaces.ts'

const log = logged()
const keys = 2 ** 40

type Installation = Awaited<ReturnType<typeof threeShards>>
let it3: Installation
/** A client on each shard, with its token. */
let owns: (Own & { token: string })[]

beforeAll(async () => {
  it3 = await threeShards()
  owns = []
  for (let shard = 0; shard < 3; shard++) {
    const own = await it3.client(newWorkspace())
    owns.push({ ...own, token: await it3.tokenOf(own) })
  }
})
const at = (shard: number) => {
  const own = owns[shard]
  if (own === undefined) throw new Error('there are three shards')
  return own
}

const everyCron = ['* * * * *', '*/5 * * * *', '0 4 * * *', '0 3 * * MON']

/** A group, and an upload of some people that has come to its job. */
async function uploaded({ token }: { token: string }, people: string[]) {
  const made = await it3.call(token, 'POST', '/groups/v3/groups', {
    body: JSON.stringify({ groupName: `owls ${crypto.randomUUID()}` }),
  })
  expect([made.status, await made.clone().text()]).toEqual([200, expect.anything()])
  const { groupId } = await made.json<Json>()
  const form = new FormData()
  form.set('type', 'ADD')
  form.set('fileName', new File([lines(people)], 'people.csv', { type: 'text/csv' }))
  const path = `/groups/v3/groups/${String(groupId)}/participants`
  const answer = await it3.call(token, 'PUT', path, { body: form })
  expect([answer.status, await answer.text()]).toEqual([200, expect.anything()])
  return String(groupId)
}

/** Has the messages of a cron come when files are old. */
async function sweepAt(late: Date, shards: number[]): Promise<void> {
  vi.setSystemTime(late)
  for (const shard of shards) {
    const message = { kind: 'cron', cron: '0 4 * * *', at: late.getTime(), shard }
    await consume('work', [message as unknown as Message], it3.bound) // a message of crons
  }
  vi.useRealTimers()
}

const memberIn = async ({ token }: { token: string }, group: string, person: string) => {
  const answer = await it3.call(token, 'GET', `/groups/v3/groups/${group}/participants/${person}`)
  return answer.status === 200 ? (await answer.json<Json>())['member'] : answer.status
}

describe('a new workspace', () => {
  it('gets a place on the emptiest shard', async () => {
    const shards = await Promise.all(owns.map(({ workspace }) => it3.shardOf(workspace)))
    expect(shards).toEqual([0, 1, 2])
  })

  it('gets one place where it is registered twice at once', async () => {
    const workspace = newWorkspace()
    const clients = await Promise.all([1, 2, 3].map(() => it3.client(workspace)))
    const shard = (await it3.shardOf(workspace)) ?? -1
    for (const client of clients) expect(decodeJwt(await it3.tokenOf(client))['shard']).toBe(shard)
    for (const [i, db] of it3.databases.entries()) {
      const found = await db
        .prepare('SELECT count(*) AS n FROM clients WHERE workspace_id = ?')
        .bind(workspace)
        .first<{ n: number }>()
      expect(found?.n).toBe(i === shard ? 3 : 0)
    }
  })

  it('gets none on a shard that is closed, out or without keys of its own', async () => {
    const closed = await threeShards({ SHARDS_CLOSED: '0' })
    closed.out.add(1)
    for (let i = 0; i < 3; i++) {
      const workspace = newWorkspace()
      await closed.client(workspace)
      expect(await closed.shardOf(workspace)).toBe(2)
    }
  })

  it('gets its place though it was asked for before', async () => {
    const closed = await threeShards({ SHARDS_CLOSED: '0' })
    const workspace = newWorkspace()
    await closed.admin('GET', `/oauth/clients?workspace_id=${workspace}`)
    const token = await closed.tokenOf(await closed.client(workspace))
    expect(decodeJwt(token)['shard']).toBe(await closed.shardOf(workspace))
  })

  it('stays on the first shard where it is older than the others', async () => {
    const one = await threeShards({ DB_1: undefined, DB_2: undefined })
    const workspace = newWorkspace()
    const old = await one.client(workspace)
    expect(await one.shardOf(workspace)).toBeUndefined()
    const token = await one.tokenOf(old)
    expect(decodeJwt(token)).not.toHaveProperty('shard')
    await it3.client(workspace)
    expect(await it3.shardOf(workspace)).toBe(0)
    expect((await it3.call(token, 'GET', '/groups/v3/groups')).status).toBe(200)
    expect(decodeJwt(await it3.tokenOf(old))['shard']).toBe(0)
  })
})

describe('a request', () => {
  it('asks no directory where its token names the shard', async () => {
    for (const shard of [1, 2]) {
      await it3.call(at(shard).token, 'GET', '/groups/v3/groups')
      for (const asked of it3.asked) asked.length = 0
      expect((await it3.call(at(shard).token, 'GET', '/groups/v3/groups')).status).toBe(200)
      expect(it3.asked.map((asked) => asked.length > 0)).toEqual([false, shard === 1, shard === 2])
    }
  })

  it('asks it once where its token is older', async () => {
    const older = await resigned(at(2).token, { shard: undefined })
    const counts = []
    for (let i = 0; i < 3; i++) {
      for (const asked of it3.asked) asked.length = 0
      expect((await it3.call(older, 'GET', '/groups/v3/groups')).status).toBe(200)
      counts.push(it3.asked[0]?.length)
    }
    expect(counts.slice(1)).toEqual([0, 0])
  })

  it('asks it again where it has seen another shard', async () => {
    const ask = async (bookmark: string) => {
      for (const asked of it3.asked) asked.length = 0
      const headers = { 'x-d1-bookmark': bookmark }
      const answer = await it3.call(at(2).token, 'GET', '/groups/v3/groups', { headers })
      return [answer.status, answer.headers.get('x-d1-bookmark'), it3.asked[0]?.length]
    }
    const own = '2:00000001-00000002'
    expect(await ask('')).toEqual([200, own, 0])
    expect(await ask(own)).toEqual([200, own, 0])
    expect(await ask('1:00000001-00000002')).toEqual([200, own, 1])
    expect(await ask('00000001-00000002')).toEqual([200, own, 1])
  })

  it('is refused alike for a wrong secret and an unknown client', async () => {
    const costs = []
    for (const id of [at(1).id, crypto.randomUUID()]) {
      for (const asked of it3.asked) asked.length = 0
      const authorization = `Basic ${btoa(`${id}:wrong`)}`
      const body = 'grant_type=client_credentials'
      const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' }
      const answer = await ask('/oauth/token', { method: 'POST', headers, body }, it3.bound)
      expect(answer.status).toBe(401)
      costs.push(it3.asked.flat().filter(({ query }) => !query.includes('events')).length)
    }
    expect(costs).toEqual([2, 2])
  })
})

describe('clients', () => {
  it('are listed over all shards, in the order of their ids', async () => {
    const list = async (query: string) => {
      const answer = await it3.admin('GET', `/oauth/clients?${query}`)
      return answer.json<{ clients: { client_id: string; workspace_id: number }[]; next: string }>()
    }
    const ids: string[] = []
    for (let next = ''; next !== null;) {
      const page = await list(`size=2&after=${next}`)
      ids.push(...page.clients.map(({ client_id }) => client_id))
      next = page.next
    }
    expect(ids).toEqual(ids.toSorted())
    expect(ids).toEqual(expect.arrayContaining(owns.map(({ id }) => id)))
    const { clients } = await list(`workspace_id=${at(2).workspace}`)
    expect(clients.map(({ client_id }) => client_id)).toEqual([at(2).id])
  })

  it('are rotated, revoked and deleted where they live', async () => {
    const own = await it3.client(at(2).workspace)
    const token = await it3.tokenOf(own)
    const rotated = await it3.admin('POST', `/oauth/clients/${own.id}/rotate`)
    expect(rotated.status).toBe(200)
    const path = '/groups/v3/groups'
    expect((await it3.call(token, 'GET', path)).status).toBe(200)
    expect((await it3.admin('POST', `/oauth/clients/${own.id}/revoke`)).status).toBe(204)
    expect((await it3.call(token, 'GET', path)).status).toBe(401)
    expect((await it3.admin('DELETE', `/oauth/clients/${own.id}`)).status).toBe(204)
    expect((await it3.admin('DELETE', `/oauth/clients/${own.id}`)).status).toBe(404)
    const left = await it3.databases[0]
      ?.prepare('SELECT * FROM client_places WHERE client_id = ?')
      .bind(own.id)
      .all()
    expect(left?.results).toEqual([])
  })

  it('are made once for an Idempotency-Key', async () => {
    const workspace = newWorkspace()
    const make = () => {
      const body = JSON.stringify({ workspace_id: workspace, name: 'once', scopes: ['users:read'] })
      const authorization = `Bearer ${it3.bound.ADMIN_TOKEN}`
      const headers = { authorization, 'content-type': 'application/json', 'idempotency-key': 'k' }
      return ask('/oauth/clients', { method: 'POST', headers, body }, it3.bound)
    }
    const [first, second] = [await (await make()).json<Json>(), await (await make()).json<Json>()]
    expect(second).toEqual(first)
  })

  it('sign in to the console on their shard', async () => {
    const { id, secret } = at(2)
    const fields = { client_id: id, client_secret: secret, to: '/console' }
    const entered = await ask('/console/sign-in', formOf(fields), it3.bound)
    const cookie = cookieOf(entered)
    expect(cookie).toMatch(`=2.${at(2).workspace}.`)
    const page = await ask('/console/groups', { headers: { cookie } }, it3.bound)
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('Sign out')])
    const links = { method: 'POST', headers: { authorization: `Basic ${btoa(`${id}:${secret}`)}` } }
    const { url } = await (await ask('/console/links', links, it3.bound)).json<{ url: string }>()
    const used = await ask(new URL(url).pathname, { method: 'POST' }, it3.bound)
    expect(cookieOf(used)).toMatch(`=2.${at(2).workspace}.`)
  })
})

describe('work', () => {
  it('goes on on the shard that its messages name', async () => {
    for (const shard of [0, 1, 2]) {
      const group = await uploaded(at(shard), ['ann', 'bob'])
      const messages = await it3.deliver()
      expect(new Set(messages.map((message) => message.shard))).toEqual(new Set([shard]))
      expect(await memberIn(at(shard), group, 'ann')).toBe(true)
    }
  })

  it('finds its shard where an older message names none', async () => {
    const group = await uploaded(at(1), ['ann'])
    for (const kept of it3.work) delete kept.message.shard
    await it3.deliver()
    expect(await memberIn(at(1), group, 'ann')).toBe(true)
  })

  it('that waits for its shard is of no other, where its message names none', async () => {
    const group = await uploaded(at(2), ['ann'])
    const messages = it3.work.splice(0).map(({ message }) => message)
    for (const message of messages) delete message.shard
    it3.out.add(2)
    await consume('work', messages, it3.bound)
    it3.out.delete(2)
    expect(await it3.deliver()).not.toEqual([])
    expect(await memberIn(at(2), group, 'ann')).toBe(true)
  })

  it('is of events of several shards in one batch', async () => {
    it3.events.length = 0
    for (const { id, secret } of owns) {
      const headers = {
        authorization: `Basic ${btoa(`${id}:${secret}`)}`,
        'content-type': 'application/json',
      }
      const report = { mpid: '1', environment: 'production', user_attributes: { $city: 'Ulm' } }
      const body = JSON.stringify(report)
      const answer = await ask('/v2/events', { method: 'POST', headers, body }, it3.bound)
      expect(answer.status).toBe(202)
    }
    const messages = it3.events.splice(0).map(({ message }) => message)
    expect(messages.map(({ shard }) => shard)).toEqual([0, 1, 2])
    it3.out.add(1)
    const { acked, retried } = await (await consume('events', messages, it3.bound))()
    it3.out.delete(1)
    expect([acked, it3.events.map(({ message }) => message.shard)]).toEqual([
      expect.arrayContaining([0, 2]),
      [1],
    ])
    expect(retried).toEqual([])
    expect(log.events('message-waits')).toHaveLength(1)
    await it3.deliver()
    for (const { token, workspace } of owns) {
      const path = `/platform/workspaces/${workspace}/users/1`
      expect((await it3.call(token, 'GET', path)).status).toBe(200)
    }
  })

  it('has keys that meet no other shard’s', async () => {
    for (const [shard, db] of it3.databases.entries())
      for (const table of ['events', 'experience_groups', 'jobs']) {
        const found = await db
          .prepare(`SELECT min(key) AS first, max(key) AS last FROM ${table}`)
          .first<{ first: number; last: number }>()
        expect(found?.first).toBeGreaterThan(shard * keys)
        expect(found?.last).toBeLessThan((shard + 1) * keys)
      }
  })
})

describe('a cron', () => {
  it('is a message for each shard', async () => {
    await it3.deliver()
    const at = Date.UTC(2026, 10, 30, 3)
    for (const cron of everyCron) {
      await tick(cron, it3.bound, at)
      const messages = it3.work.splice(0).map(({ message }) => message as Message | object) // a cron's
      expect(messages).toEqual(
        [0, 1, 2].map((shard) => ({ kind: 'cron', cron, at, shard, stalled: true })),
      )
    }
  })

  it('opens the recomputes of its shard’s workspaces', async () => {
    for (const { token, workspace } of owns) {
      const body = JSON.stringify({ id: 'household', source_user_attribute: '$address' })
      const path = `/platform/workspaces/${workspace}/groups`
      expect((await it3.call(token, 'POST', path, { body })).status).toBe(200)
    }
    await it3.deliver()
    it3.out.add(1)
    await tick('0 3 * * MON', it3.bound, Date.now() + 7 * 86_400_000)
    const crons = it3.work.splice(0)
    for (const { message } of crons) await consume('work', [message], it3.bound)
    expect(it3.scheduled.map(({ message }) => message.shard)).toEqual([0, 2])
    it3.out.delete(1)
    for (const { message } of crons) await consume('work', [message], it3.bound)
    expect(it3.scheduled.map(({ message }) => message.shard)).toEqual([0, 2, 1])
    await it3.deliver()
  })

  it('deletes no file that a job on another shard needs', async () => {
    const groups = []
    for (const { token } of owns) groups.push(await uploaded({ token }, ['zoe']))
    const files = async () => (await it3.bound.FILES.list({ prefix: 'uploads/' })).objects.length
    const before = await files()
    const late = new Date(Date.now() + 2 * 86_400_000)
    await sweepAt(late, [0, 1, 2])
    expect(await files()).toBe(before)
    it3.out.add(2)
    await sweepAt(late, [0, 1, 2])
    it3.out.delete(2)
    expect(await files()).toBe(before)
    await it3.deliver()
    for (const [shard, group] of groups.entries())
      expect(await memberIn(at(shard), group, 'zoe')).toBe(true)
  })
})

describe('a shard that is out', () => {
  it('harms no request to another', async () => {
    for (const { token } of owns) await it3.call(token, 'GET', '/groups/v3/groups')
    for (const down of [0, 1, 2]) {
      it3.out.add(down)
      const statuses = []
      for (const { token } of owns)
        statuses.push((await it3.call(token, 'GET', '/groups/v3/groups')).status)
      expect(statuses).toEqual([0, 1, 2].map((shard) => (shard === down ? 500 : 200)))
      const ready = await ask('/ready', {}, it3.bound)
      const { shards } = await ready.json<{ shards: Json[] }>()
      expect(ready.status).toBe(503)
      expect(shards.map(({ status }) => status)).toEqual(
        [0, 1, 2].map((shard) => (shard === down ? 'down' : 'ok')),
      )
      it3.out.delete(down)
    }
    expect((await ask('/ready', {}, it3.bound)).status).toBe(200)
  })
})

describe('no statement', () => {
  it('names a workspace that lives on another shard', async () => {
    for (const asked of it3.asked) asked.length = 0
    for (const shard of [0, 1, 2]) await uploaded(at(shard), ['ann', `p${shard}`])
    for (const cron of everyCron) await tick(cron, it3.bound)
    await it3.deliver()
    const isOfDirectory = (query: string) => /\b(client_)?places\b/.test(query)
    for (const [shard, asked] of it3.asked.entries()) {
      expect(asked.length).toBeGreaterThan(10)
      const others = owns.filter((_, other) => other !== shard).map(({ workspace }) => workspace)
      for (const { query, params } of asked.filter(({ query }) => !isOfDirectory(query)))
        expect({ query, names: params.filter((one) => others.some((w) => w === one)) }).toEqual({
          query,
          names: [],
        })
    }
  })

  it('has written a row of one to another shard', async () => {
    for (const [shard, db] of it3.databases.entries()) {
      const { results } = await db
        .prepare(
          `SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%\`workspace_id\`%'
            AND name NOT IN ('places', 'client_places')`,
        )
        .all<{ name: string }>()
      expect(results.length).toBeGreaterThan(15)
      const others = owns.filter((_, other) => other !== shard).map(({ workspace }) => workspace)
      for (const { name } of results) {
        const found = await db
          .prepare(`SELECT 1 FROM ${name} WHERE workspace_id IN (${others.join()}) LIMIT 1`)
          .all()
        expect({ name, rows: found.results }).toEqual({ name, rows: [] })
      }
    }
  })
})
