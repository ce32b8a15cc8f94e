import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { lines, type Json } from '../support/api.ts'
import { consume, tick } from '../support/bindings.ts'
import { runs } from '../support/property.ts'
import { threeShards, type Own } from '../support/three-shards.ts'
import { newWorkspace } from '../support/workspaces.ts'

const people = ['ann', 'bob', 'carl', 'dora', 'eve', 'fay']
const minute = 60_000

const which = fc.nat(2)
const deed = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('upload' as const),
      which,
      type: fc.constantFrom('ADD', 'REMOVE', 'REPLACE'),
      people: fc.subarray(people, { minLength: 1 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('move' as const), which, to: which }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('back' as const), which }) },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('deliver' as const) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('fail' as const), shard: which }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('answer' as const), shard: which }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('cron' as const) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('a day passes' as const) }) },
)

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() }))
afterEach(() => void vi.useRealTimers())
const pass = (ms: number) => vi.setSystemTime(Date.now() + ms)

/** A workspace with a group, and who should be in it; nobody knows of those whose upload has failed. */
interface Tenant extends Own {
  token: string
  group: string
  members: Set<string>
  unknown: Set<string>
  hasMoved: boolean
}

type Installation = Awaited<ReturnType<typeof threeShards>>

async function tenant(it3: Installation): Promise<Tenant> {
  const own = await it3.client(newWorkspace())
  const token = await it3.tokenOf(own)
  const body = JSON.stringify({ groupName: 'owls' })
  const made = await it3.call(token, 'POST', '/groups/v3/groups', { body })
  const group = String((await made.json<Json>())['groupId'])
  return { ...own, token, group, members: new Set(), unknown: new Set(), hasMoved: false }
}

async function upload(it3: Installation, one: Tenant, type: string, who: string[]): Promise<void> {
  const form = new FormData()
  form.set('type', type)
  form.set('fileName', new File([lines(who)], 'people.csv', { type: 'text/csv' }))
  const path = `/groups/v3/groups/${one.group}/participants`
  const { status } = await it3.call(one.token, 'PUT', path, { body: form })
  expect([200, 400, 500, 503]).toContain(status)
  if (status === 400) return // too many wait
  if (status !== 200)
    for (const person of type === 'REPLACE' ? people : who) one.unknown.add(person)
  if (type === 'REPLACE') one.members.clear()
  for (const person of who)
    if (type === 'REMOVE') one.members.delete(person)
    else one.members.add(person)
}

/** Delivers what is there now; what fails is sent again later, or found by a cron. */
async function deliver(it3: Installation): Promise<void> {
  const { work, scheduled, deliveries, events } = it3
  for (const [queue, kept] of Object.entries({ work, scheduled, deliveries, events }))
    for (const { message } of kept.splice(0)) await consume(queue, [message], it3.bound)
}

const crons = async (it3: Installation) => {
  for (const cron of ['* * * * *', '*/5 * * * *', '0 4 * * *']) await tick(cron, it3.bound)
}

/** Whether it can be answered: its own shard answers, and the directory where it may have moved. */
const isReachable = async (it3: Installation, one: Tenant) =>
  !it3.out.has((await it3.shardOf(one.workspace)) ?? 0) && !(one.hasMoved && it3.out.has(0))

const isIn = async (it3: Installation, { token, group }: Tenant, person: string) => {
  const path = `/groups/v3/groups/${group}/participants/${person}`
  const answer = await it3.call(token, 'GET', path)
  return answer.status === 200 ? (await answer.json<Json>())['member'] : answer.status
}

type Deed = typeof deed extends fc.Arbitrary<infer D> ? D : never

async function live(deeds: Deed[]): Promise<void> {
  const it3 = await threeShards({ REVOCATIONS_SECONDS: 1 })
  const tenants = [await tenant(it3), await tenant(it3), await tenant(it3)]
  const at = (i: number) => tenants[i] ?? fail()
  for (const deed of deeds) {
    pass(1100)
    if (deed.does === 'upload') await upload(it3, at(deed.which), deed.type, deed.people)
    if (deed.does === 'deliver') await deliver(it3)
    if (deed.does === 'fail') it3.out.clear()
    if (deed.does === 'fail') it3.out.add(deed.shard)
    if (deed.does === 'answer') it3.out.clear()
    if (deed.does === 'cron') await crons(it3)
    if (deed.does === 'a day passes') await aDayLater()
    if (deed.does === 'move') await move(it3, at(deed.which), deed.to)
    if (deed.does === 'back') await back(it3, at(deed.which))
    for (const one of tenants)
      if (await isReachable(it3, one)) expect(await isIn(it3, one, 'nobody')).toBe(false)
  }
  it3.out.clear()
  for (let rounds = 0; rounds < 30 && !(await isQuiet(it3)); rounds++) {
    pass(11 * minute)
    await aDayLater()
    await crons(it3)
    for (let i = 0; i < 3; i++) await deliver(it3)
  }
  expect(await isQuiet(it3)).toBe(true)
  for (const one of tenants)
    for (const person of people.filter((person) => !one.unknown.has(person)))
      expect([person, await isIn(it3, one, person)]).toEqual([person, one.members.has(person)])
  for (const [k, db] of it3.databases.entries()) await expectOwn(it3, k, db)
}

/** For moves; tokens would end. */
const aDayLater = () =>
  env.DB.prepare("UPDATE moves SET updated_at = updated_at - 86400000 WHERE state = 'moved'").run()

const fail = (): never => {
  throw new Error('there are three')
}

async function move(it3: Installation, one: Tenant, to: number): Promise<void> {
  one.hasMoved = true
  const body = { workspace_id: one.workspace, to: to === 0 ? 'DB' : `DB_${to}` }
  const { status } = await it3.admin('POST', '/oauth/moves', body)
  expect([202, 400, 409, 500]).toContain(status)
}

async function back(it3: Installation, { workspace }: Tenant): Promise<void> {
  const found = await env.DB.prepare('SELECT max(key) AS key FROM moves WHERE workspace_id = ?')
    .bind(workspace)
    .first<{ key: number | null }>()
  const { status } = await it3.admin('POST', `/oauth/moves/${found?.key ?? 1}/back`)
  expect([202, 404, 409, 500]).toContain(status)
}

/** Whether no job waits, and no move goes on. */
async function isQuiet({ databases }: Installation): Promise<boolean> {
  const counts = await Promise.all(
    databases.map((db) =>
      db
        .prepare(
          `SELECT (SELECT count(*) FROM jobs WHERE ended_at IS NULL
              AND workspace_id NOT IN (SELECT workspace_id FROM fenced))
            + (SELECT count(*) FROM moves WHERE ended_at IS NULL) AS n`,
        )
        .first<number>('n'),
    ),
  )
  return counts.every((count) => count === 0)
}

/** Every row is of a workspace that lives there. */
async function expectOwn(it3: Installation, shard: number, db: D1Database): Promise<void> {
  const { results } = await db
    .prepare('SELECT DISTINCT workspace_id AS id FROM members UNION SELECT workspace_id FROM jobs')
    .all<{ id: number }>()
  for (const { id } of results) expect([id, await it3.shardOf(id)]).toEqual([id, shard])
}

it('loses nothing of anybody, whatever moves and fails', { timeout: 100_000 }, async () => {
  const history = fc.array(deed, { minLength: 10, maxLength: 30 })
  await fc.assert(fc.asyncProperty(history, live), { ...runs(4), endOnFailure: true })
})
