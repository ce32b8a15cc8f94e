import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { lines, type Json } from '../support/api.ts'
import { ask, consume, tick, type Kept } from '../support/bindings.ts'
import { threeShards, type Own } from '../support/three-shards.ts'
import { newWorkspace } from '../support/workspaces.ts'

type Installation = Awaited<ReturnType<typeof threeShards>>
let it3: Installation
let own: Own & { token: string }
let group: string

beforeAll(async () => {
  // A move waits for twice as long before it ends.
  it3 = await threeShards({ REVOCATIONS_SECONDS: 1 })
})

async function said(asked: Promise<Response>): Promise<Json> {
  const answer = await asked
  const text = await answer.text()
  const body = text.startsWith('{') ? (JSON.parse(text) as Json) : { text }
  const retryAfter = answer.headers.get('retry-after')
  return { status: answer.status, ...(retryAfter !== null && { retryAfter }), ...body }
}

const call = (method: string, path: string, init?: RequestInit) =>
  it3.call(own.token, method, path, init)

async function upload(people: string[], token = own.token): Promise<Json> {
  const form = new FormData()
  form.set('type', 'ADD')
  form.set('fileName', new File([lines(people)], 'people.csv', { type: 'text/csv' }))
  return said(it3.call(token, 'PUT', `/groups/v3/groups/${group}/participants`, { body: form }))
}

const isIn = async (person: string) =>
  (await said(call('GET', `/groups/v3/groups/${group}/participants/${person}`)))['member']

const move = (to: string) =>
  said(it3.admin('POST', '/oauth/moves', { workspace_id: own.workspace, to }))
const moves = async () => {
  const { moves } = await said(it3.admin('GET', `/oauth/moves?workspace_id=${own.workspace}`))
  return moves as Json[] // as the wire says
}

/** Delivers what is not of a move, and one message of it where `moving`. */
async function deliver(moving = false): Promise<void> {
  const scheduled = it3.scheduled.splice(0)
  const isOfMove = ({ message }: Kept) => message.kind === 'move'
  const [first, ...later] = scheduled.filter(isOfMove)
  it3.scheduled.push(...scheduled.filter((one) => !isOfMove(one)))
  await it3.deliver()
  if (moving && first !== undefined) await consume('scheduled', [first.message], it3.bound)
  else if (first !== undefined) it3.scheduled.push(first)
  it3.scheduled.push(...later)
}

/** Delivers until the newest move is in a state, and does something between two messages. */
async function until(state: string, meanwhile?: () => Promise<unknown>): Promise<Json> {
  for (let tries = 0; tries < 100; tries++) {
    const [newest = {}] = await moves()
    if (newest['status'] === state) return newest
    await meanwhile?.()
    await deliver(true)
    await scheduler.wait(100)
  }
  throw new Error(JSON.stringify(await moves()))
}

beforeEach(async () => {
  const client = await it3.client(newWorkspace())
  own = { ...client, token: await it3.tokenOf(client) }
  const made = await said(
    call('POST', '/groups/v3/groups', { body: JSON.stringify({ groupName: 'owls' }) }),
  )
  group = String(made['groupId'])
  await upload(['ann', 'bob'])
  await it3.deliver()
  expect(await isIn('ann')).toBe(true)
})

const elsewhere = async () => {
  const shard = (await it3.shardOf(own.workspace)) ?? 0
  const target = (shard + 1) % 3
  return { shard, target, to: target === 0 ? 'DB' : `DB_${target}` }
}

describe('a workspace that is moved', () => {
  it('goes on where it has moved to, with the tokens and messages of before', async () => {
    const { target, to } = await elsewhere()
    await upload(['carl'])
    const before = it3.work.splice(0)
    expect(before).toHaveLength(1)
    expect(await move(to)).toMatchObject({ status: 'COPYING', workspace_id: own.workspace, to })
    expect(await until('MOVED')).toMatchObject({ paused_ms: expect.any(Number) })
    expect(await it3.shardOf(own.workspace)).toBe(target)
    it3.work.push(...before)
    await it3.deliver()
    expect([await isIn('ann'), await isIn('carl'), await isIn('dora')]).toEqual([true, true, false])
    await upload(['dora'])
    await it3.deliver()
    expect(await isIn('dora')).toBe(true)
    const { results } = await (it3.databases[target] ?? env.DB)
      .prepare('SELECT count(*) AS n FROM members WHERE workspace_id = ?')
      .bind(own.workspace)
      .all()
    expect(results).toEqual([{ n: 4 }])
  })

  it('keeps what is written while it is copied', async () => {
    const { to } = await elsewhere()
    await move(to)
    const people: string[] = []
    await until('MOVED', async () => {
      const person = `person ${people.length}`
      const { status } = await upload([person])
      expect([200, 503]).toContain(status)
      if (status === 200) people.push(person)
    })
    await deliver()
    expect(people.length).toBeGreaterThan(3)
    for (const person of ['ann', 'bob', ...people])
      expect([person, await isIn(person)]).toEqual([person, true])
  })

  it('refuses a write for a moment at the end, and reads go on', async () => {
    const { shard, to } = await elsewhere()
    await move(to)
    await deliver(true)
    const source = it3.databases[shard] ?? env.DB
    await source
      .prepare("INSERT INTO fences (workspace_id, state, until) VALUES (?, 'closed', 9e15)")
      .bind(own.workspace)
      .run()
    expect(await upload(['hal'])).toEqual({
      status: 503,
      retryAfter: '1',
      code: '2001',
      message: 'The workspace is being moved: try again in a second.',
    })
    expect(await isIn('ann')).toBe(true)
    await source.prepare('DELETE FROM fences WHERE workspace_id = ?').bind(own.workspace).run()
    expect(await upload(['hal'])).toMatchObject({ status: 200 })
    await until('MOVED')
    await deliver()
    expect(await isIn('hal')).toBe(true)
  })

  it('stays where it is if it goes back, and may be moved again', async () => {
    const { shard, target, to } = await elsewhere()
    const { move_id } = await move(to)
    expect(await said(it3.admin('POST', `/oauth/moves/${String(move_id)}/back`))).toMatchObject({
      status: 'GOING_BACK',
    })
    await until('CANCELLED')
    await upload(['ivy'])
    await it3.deliver()
    expect(await isIn('ivy')).toBe(true)
    expect(await it3.shardOf(own.workspace)).toBe(shard)
    const found = await (it3.databases[target] ?? env.DB)
      .prepare('SELECT count(*) AS n FROM members WHERE workspace_id = ?')
      .bind(own.workspace)
      .first('n')
    expect(found).toBe(0)
    await move(to)
    await until('MOVED')
    expect(await isIn('ivy')).toBe(true)
  })
})

describe('a token that is revoked', () => {
  it('stays so where revocations were last read before the workspace came', async () => {
    const { shard, target } = await elsewhere()
    const form = new URLSearchParams({
      token: own.token,
      client_id: own.id,
      client_secret: own.secret,
    })
    const revoked = await ask('/oauth/revoke', { method: 'POST', body: form }, it3.bound)
    expect(revoked.status).toBe(200)
    const refused = () => call('GET', `/groups/v3/groups/${group}`)
    expect((await refused()).status).toBe(401)
    await env.DB.prepare('UPDATE places SET shard = ?, former = ? WHERE workspace_id = ?')
      .bind(target, shard, own.workspace)
      .run()
    await scheduler.wait(2500)
    expect((await refused()).status).toBe(401)
  })
})

describe('POST /oauth/moves', () => {
  it('gives the same move again, and refuses another', async () => {
    const { shard, to } = await elsewhere()
    const third = [0, 1, 2].find((one) => one !== shard && `DB_${one}` !== to && one !== 0)
    const first = await move(to)
    expect(await move(to)).toMatchObject({ move_id: first['move_id'] })
    if (third !== undefined)
      expect(await move(`DB_${third}`)).toMatchObject({ status: 409, error: 'invalid_request' })
    await until('MOVED')
    expect(await move(to)).toMatchObject({ status: 409, error_description: /not deleted yet/ })
  })

  it.each([
    [{ workspace_id: 1, to: 'DB_9' }, 400],
    [{ workspace_id: 1, to: 'other' }, 400],
    [{ workspace_id: 888_888_888, to: 'DB_1' }, 404],
  ])('refuses %o with %i', async (body, status) => {
    expect(await said(it3.admin('POST', '/oauth/moves', body))).toMatchObject({ status })
  })
})

describe('a database that is not ready', () => {
  const notReady = { status: 400, error_description: /not ready/ }

  it('is no target while it does not answer', async () => {
    const target = (await it3.shardOf(own.workspace)) === 1 ? 2 : 1
    it3.out.add(target)
    expect(await move(`DB_${target}`)).toMatchObject(notReady)
    it3.out.clear()
    expect(await moves()).toEqual([])
  })

  it('is no target while its keys are another’s', async () => {
    const target = (await it3.shardOf(own.workspace)) === 1 ? 2 : 1
    const db = target === 1 ? env.OTHER_1 : env.OTHER_2
    const ofMembers = `WHERE name = 'experience_groups'`
    const found = await db.prepare(`SELECT seq FROM sqlite_sequence ${ofMembers}`).first('seq')
    const setKey = (key: unknown) =>
      db.prepare(`UPDATE sqlite_sequence SET seq = ? ${ofMembers}`).bind(key).run()
    await setKey(1)
    const { shards } = await (await ask('/ready', {}, it3.bound)).json<{ shards: Json[] }>()
    expect(await move(`DB_${target}`)).toMatchObject(notReady)
    await setKey(found)
    expect(shards[target]).toEqual({ shard: target, status: 'unprepared' })
    expect(await moves()).toEqual([])
  })
})

describe('a move whose message is lost', () => {
  it('is gone on with by the cron of the directory', async () => {
    const { to } = await elsewhere()
    await move(to)
    await deliver(true)
    it3.scheduled.length = 0
    await env.DB.prepare('UPDATE moves SET updated_at = updated_at - 600000').run()
    await tick('*/5 * * * *', it3.bound)
    await until('MOVED')
    await tick('*/5 * * * *', it3.bound)
    await it3.deliver()
    expect((await moves())[0]).toMatchObject({ status: 'MOVED' })
    await env.DB.prepare('UPDATE moves SET updated_at = updated_at - 86400000').run()
    await tick('*/5 * * * *', it3.bound)
    expect(await until('COMPLETE')).toMatchObject({ ended_on: expect.any(String) })
    expect(await isIn('ann')).toBe(true)
  })
})

describe('the message of a move', () => {
  it('may come again, and once the move is over', async () => {
    const { to } = await elsewhere()
    const { move_id } = await move(to)
    await until('MOVED')
    const message = { kind: 'move', workspace: own.workspace, move: Number(move_id) } as const
    await consume('scheduled', [message], it3.bound)
    await consume('scheduled', [{ ...message, move: 10_000 }], it3.bound)
    expect(await isIn('ann')).toBe(true)
  })
})
