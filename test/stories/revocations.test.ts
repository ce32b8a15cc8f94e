import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { sweepClientSecrets } from '../../src/access/clients.ts'
import { asAdmin, call, eventually, newClient, tokenOf, type Client } from '../support/api.ts'
import { ask, keeping, tickEverywhere } from '../support/bindings.ts'
import { homeDb, homeResources } from '../support/databases.ts'
import { logged } from '../support/log.ts'
import { outAfter, primaryOut } from '../support/outage.ts'
import { plansOf } from '../support/plans.ts'

const log = logged()
const lookup = '/groups/v3/participants/ann/groups'

let now = Date.now()
beforeAll(() => void vi.setSystemTime(now))
afterAll(() => void vi.useRealTimers())

const pass = (seconds: number) => void vi.setSystemTime((now += 1000 * seconds))

async function status(token: string, DB = homeDb): Promise<number> {
  const headers = { authorization: `Bearer ${token}`, transactionId: crypto.randomUUID() }
  return (await ask(lookup, { headers }, keeping({ DB, REVOCATIONS_SECONDS: 20 }).bound)).status
}

/** A client whose tokens another isolate has revoked: this one is not told. */
async function revokedElsewhere(): Promise<{ client: Client; token: string }> {
  const client = await newClient()
  const token = await tokenOf(client)
  await homeDb
    .prepare('INSERT INTO revocations VALUES (?, ?, ?)')
    .bind(client.id, client.workspace, now + 1000)
    .run()
  return { client, token }
}

/** The database, and how often the list of revocations was read from it, in which answers `wait`. */
function counted(wait?: Promise<void>) {
  const reads = { all: 0, others: 0 }
  const listing = /^select .* from "revocations" where "revocations"."not_before"/
  const DB = new Proxy(homeDb, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (key !== 'prepare') return typeof value === 'function' ? value.bind(target) : value
      return (query: string) => {
        const statement = target.prepare(query)
        if (!listing.test(query)) return (reads.others++, statement)
        reads.all++
        return wait === undefined ? statement : late(statement, wait)
      }
    },
  })
  return { DB, reads }
}

const late = (statement: D1PreparedStatement, wait: Promise<void>): D1PreparedStatement =>
  new Proxy(statement, {
    get(target, key) {
      if (key === 'bind') return (...values: unknown[]) => late(target.bind(...values), wait)
      if (key === 'all') return async () => (await wait, target.all())
      return Reflect.get(target, key)
    },
  })

describe('an isolate that has just begun', () => {
  it('refuses everybody while it cannot know who is out', async () => {
    const token = await tokenOf(await newClient())
    expect(await status(token, outAfter(0).db)).toBe(500)
    expect(log.events('revocations-not-read')).toHaveLength(1)
  })

  it('asks a replica while the primary is out', async () => {
    pass(5)
    const { token } = await revokedElsewhere()
    const other = await tokenOf(await newClient())
    expect([await status(token, primaryOut()), await status(other, primaryOut())]).toEqual([
      401, 200,
    ])
  })
})

describe('a revocation elsewhere', () => {
  // Each begins with a list that was read just now.
  beforeEach(async () => {
    pass(60)
    expect(await status(await tokenOf(await newClient()))).toBe(200)
  })

  it('holds here after the first request after twenty seconds', async () => {
    const { token } = await revokedElsewhere()
    pass(19)
    expect(await status(token)).toBe(200)
    pass(1)
    await status(token)
    expect(
      await eventually(
        () => status(token),
        (is) => is === 401,
      ),
    ).toBe(401)
  })

  it('holds for the first request after forty seconds', async () => {
    const { token, client } = await revokedElsewhere()
    pass(40)
    expect(await status(token)).toBe(401)
    expect(await status(await tokenOf(client))).toBe(200)
  })

  it('is read by one of many requests, and by none that follow', async () => {
    const { token } = await revokedElsewhere()
    const other = await tokenOf(await newClient())
    pass(40)
    const { DB, reads } = counted()
    const all = await Promise.all(
      Array.from({ length: 60 }, (_, i) => status(i % 2 === 0 ? token : other, DB)),
    )
    expect(new Set(all.filter((_, i) => i % 2 === 0))).toEqual(new Set([401]))
    expect(new Set(all.filter((_, i) => i % 2 === 1))).toEqual(new Set([200]))
    expect(reads).toEqual({ all: 1, others: 0 })
    pass(19)
    for (let i = 0; i < 20; i++) await status(token, DB)
    expect(reads).toEqual({ all: 1, others: 0 })
  })

  it('is not waited for between twenty and forty seconds', async () => {
    const { token } = await revokedElsewhere()
    pass(21)
    const arrives = Promise.withResolvers<void>()
    const { DB, reads } = counted(arrives.promise)
    expect([await status(token, DB), reads.all]).toEqual([200, 1])
    arrives.resolve()
    expect(
      await eventually(
        () => status(token),
        (is) => is === 401,
      ),
    ).toBe(401)
  })

  it('takes no bookmark of the request, and no place in its cost', async () => {
    const { token } = await revokedElsewhere()
    const other = await tokenOf(await newClient())
    pass(40)
    await status(token)
    const first = log.events('request').at(-1)
    await status(other)
    expect(first).toMatchObject({ status: 401, statements: 0, rowsRead: 0 })
  })
})

describe('while the database is out', () => {
  it('those who are known stay out, and others in', async () => {
    const known = await revokedElsewhere()
    const other = await tokenOf(await newClient())
    pass(60)
    expect(await status(known.token)).toBe(401)
    for (const seconds of [30, 60, 3600]) {
      pass(seconds)
      expect([await status(known.token, primaryOut()), await status(other, primaryOut())]).toEqual([
        401, 200,
      ])
    }
    const next = await revokedElsewhere()
    pass(6)
    await status(next.token)
    expect(
      await eventually(
        () => status(next.token),
        (is) => is === 401,
      ),
    ).toBe(401)
  })

  it('only the first requests wait for a primary that does not answer', async () => {
    const { token } = await revokedElsewhere()
    pass(60)
    const never = counted(new Promise(() => undefined))
    const begun = performance.now()
    expect(await Promise.all([status(token, never.DB), status(token, never.DB)])).toEqual([
      200, 200,
    ])
    expect(performance.now() - begun).toBeGreaterThan(2500)
    const then = performance.now()
    for (const seconds of [1, 5, 5]) {
      pass(seconds)
      expect(await status(token, never.DB)).toBe(200)
    }
    expect(performance.now() - then).toBeLessThan(2000)
    expect(never.reads.all).toBe(3)
    pass(5)
    await status(token)
    expect(
      await eventually(
        () => status(token),
        (is) => is === 401,
      ),
    ).toBe(401)
  })
})

describe('every five minutes', () => {
  const ids = async () =>
    (
      await homeDb.prepare('SELECT client_id AS id FROM revocations').all<{ id: string }>()
    ).results.map(({ id }) => id)

  it('revocations go whose tokens have all expired, a thousand at once', async () => {
    await homeDb.prepare('DELETE FROM revocations').run()
    const until = now - 28_800_000 - 300_000
    const insert = homeDb.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)
      INSERT INTO revocations SELECT 'old ' || i, 1, ? FROM n`,
    )
    const young = homeDb.prepare("INSERT INTO revocations VALUES ('young', 1, ?)")
    await homeDb.batch([insert.bind(until), young.bind(until + 1)])
    await tickEverywhere('*/5 * * * *', keeping().bound)
    expect(await ids()).toHaveLength(2)
    await tickEverywhere('*/5 * * * *', keeping().bound)
    expect(await ids()).toEqual(['young'])
  })

  it('former secrets are cleared whose day is over', async () => {
    const [over, good] = [await newClient(), await newClient()]
    for (const { id } of [over, good])
      await call(`/oauth/clients/${id}/rotate`, asAdmin({ method: 'POST' }))
    const until = homeDb.prepare('UPDATE clients SET former_until = ? WHERE id = ?')
    await homeDb.batch([until.bind(now, over.id), until.bind(now + 1, good.id)])
    await tickEverywhere('*/5 * * * *', keeping().bound)
    const { results } = await homeDb
      .prepare(
        'SELECT id FROM clients WHERE former_secret_hash IS NOT NULL OR former_until IS NOT NULL',
      )
      .all()
    expect(results).toEqual([{ id: good.id }])
  })

  it('former secrets are found by their index', async () => {
    const [swept] = await plansOf((db) =>
      sweepClientSecrets({ ...homeResources(env), database: db }),
    )
    expect(swept?.plan.join()).toMatch(/SEARCH clients USING (COVERING )?INDEX clients_by_former/)
    expect(swept?.plan.join()).not.toMatch(/SCAN clients/)
  })
})
