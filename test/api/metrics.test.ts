import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { points } from '../../src/metrics.ts'
import readme from '../../src/README.md?raw'
import { Bank, json } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { groupDoors, knock, ofrepDoors, workspaceDoors } from '../support/doors.ts'
import { logged } from '../support/log.ts'
import { outAfter } from '../support/outage.ts'
import { recorder } from '../support/points.ts'
import { settled } from '../support/settled.ts'

const log = logged()

const any: unknown = expect.any(Number)

describe('the point of a request', () => {
  it('has its route, how it ended, and what it cost', async () => {
    const bank = await Bank.open()
    const { vars, of } = recorder()
    const headers = { ...bank.headers(), 'content-type': 'application/json' }
    const create = { ...json('POST', { groupName: 'owls' }), headers }
    await callWith(vars, '/groups/v3/groups', create)
    await callWith(vars, '/groups/v3/groups/x', { headers })
    await callWith(vars, '/groups/v3/nowhere/at/all', { headers })
    const none = { fault: 'none', ms: any, rowsRead: any, rowsWritten: any, statements: any }
    const groups = '/groups/v3/groups'
    expect(of('request')).toEqual([
      { ...none, route: groups, method: 'POST', status: 200 },
      { ...none, route: `${groups}/:groupId`, method: 'GET', status: 400 },
      { ...none, route: 'none', method: 'GET', status: 400 },
    ])
    expect(Number(of('request')[0]?.['rowsWritten'])).toBeGreaterThan(0)
    expect(Number(of('request')[0]?.['statements'])).toBeGreaterThan(0)
  })

  it('is written for look-ups that are not logged too', async () => {
    const bank = await Bank.open()
    const { vars, of } = recorder()
    const path = '/groups/v3/participants/ann/groups'
    for (let i = 0; i < 5; i++)
      await callWith({ ...vars, LOG_LOOKUPS: 0 }, path, { headers: bank.headers() })
    expect(log.events('request').filter(({ route }) => /participants/.test(String(route)))).toEqual(
      [],
    )
    expect(of('request')).toHaveLength(5)
  })

  it.each([
    ['D1 DB is overloaded. Requests queued for too long.', 'database'],
    ['no such table: groups', 'other'],
  ])('says whose the fault is: %s', async (message, fault) => {
    const bank = await Bank.open()
    const { vars, of } = recorder()
    const DB = outAfter(0, message).db
    await callWith({ ...vars, DB }, '/groups/v3/groups', { headers: bank.headers() })
    expect(of('request')).toMatchObject([{ status: 500, fault }])
  })

  it('names no person, no address and no workspace, whatever is requested', async () => {
    const { team, bank, ids } = await settled()
    const person = 'person-77'
    const { vars, kept, of } = recorder()
    const people = { ...ids, participantId: person, user_id: person, mpid: person, key: person }
    const headers = { ...bank.headers(), authorization: `Bearer ${team.token}` }
    const doors = [...groupDoors, ...workspaceDoors, ...ofrepDoors]
      .filter(({ method }) => method !== 'DELETE')
      .map((door) => ({ ...door, query: `${door.query ?? ''}&after=${person}` }))
    for (const door of doors) {
      const to = (path: string, init?: RequestInit) => callWith(vars, path, init)
      await (await knock(door, headers, people, to)).body?.cancel()
    }
    await callWith(vars, `/nowhere/${person}?is=${person}`)
    expect(of('request')).toHaveLength(doors.length + 1)
    const texts = kept.flatMap(({ blobs = [], indexes = [] }) => [...blobs, ...indexes])
    expect(new Set(texts.map(String)).size).toBeGreaterThan(20)
    for (const text of texts)
      expect(String(text)).not.toMatch(/person|coterie\.test|http|[\da-f]{8}-/)
  })
})

describe('without a data set', () => {
  const { METRICS: _, ...unbound } = env

  it('all is answered as before', async () => {
    const bank = await Bank.open()
    const absent = { ...unbound, METRICS: undefined } as unknown as typeof env // as where it is not bound
    const answer = await callWith(absent, '/groups/v3/groups', { headers: bank.headers() })
    expect(answer.status).toBe(200)
    expect(log.events('point-failed')).toEqual([])
  })

  it('that takes a point, a request is answered all the same', async () => {
    const bank = await Bank.open()
    const failing = {
      writeDataPoint: () => {
        throw new Error('no more points')
      },
    }
    const vars = { METRICS: failing }
    const answer = await callWith(vars, '/groups/v3/groups', { headers: bank.headers() })
    expect(answer.status).toBe(200)
    expect(log.events('point-failed')).toMatchObject([{ error: 'no more points' }])
  })
})

describe('the document of the metrics', () => {
  const section = readme.slice(
    readme.indexOf('### Metrics and alerts'),
    readme.indexOf('### A new signing'),
  )
  const statements = [...section.matchAll(/SELECT [^;`]*/g)].map(([sql]) => sql)

  it('lists every kind of point and its columns', () => {
    for (const [kind, { blobs, doubles }] of Object.entries(points)) {
      const row = section.split('\n').find((line) => line.startsWith(`| \`${kind}\``))
      const [, , , texts = '', numbers = ''] = (row ?? '').split('|').map((cell) => cell.trim())
      expect([kind, texts, numbers]).toEqual([kind, blobs.join(', '), doubles.join(', ')])
    }
  })

  it('has five queries and five alerts, over columns that there are', () => {
    expect(statements).toHaveLength(10)
    for (const sql of statements) {
      const kinds = [...sql.matchAll(/blob1 = '(\w+)'/g)].map(([, kind = '']) => kind)
      expect(kinds.length, sql).toBeGreaterThan(0)
      const columns = kinds.map(
        (kind) => Object.entries(points).find(([name]) => name === kind)?.[1],
      )
      const widest = (of: 'blobs' | 'doubles') =>
        Math.max(...columns.map((one) => one?.[of].length ?? 0))
      for (const [, of, n, , name] of sql.matchAll(/\b(blob|double)(\d+)\b( AS (\w+))?/g)) {
        const place = of === 'blob' ? Number(n) - 2 : Number(n) - 1
        expect(place, sql).toBeLessThan(widest(of === 'blob' ? 'blobs' : 'doubles'))
        const names = columns[0]?.[of === 'blob' ? 'blobs' : 'doubles'] ?? []
        if (name !== undefined) expect(name, sql).toBe(names[place])
      }
    }
  })
})
