import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deleteUser } from '../../src/identity/delete-user.ts'
import { type Report } from '../../src/identity/write-reports.ts'
import { takeReports, writeReports } from '../../src/identity/reports.ts'
import type { ReportsMessage } from '../../src/messages.ts'
import { resources } from '../../src/resources.ts'
import { homeDb } from '../support/databases.ts'
import { faults } from '../support/deliveries.ts'
import { hazardous, insisting, type Fault } from '../support/hazard.ts'
import { logged } from '../support/log.ts'
import { overloaded } from '../support/outage.ts'
import { runs } from '../support/property.ts'
import { newWorkspace } from '../support/workspaces.ts'

const log = logged()

interface Request {
  reports: { user: string; ago: number; changes: Record<string, string | null> }[]
  /** The request dies of it, and is repeated. */
  fault: Fault | null
}

interface Delivery {
  /** Which of the messages come together, some again. */
  picks: number[]
  fault: Fault | null
}

const large = 'x'.repeat(50_000)
const user = fc.nat(3).map((n) => ['ann', 'é', '漢', '🎉'][n] ?? '')
const request: fc.Arbitrary<Request> = fc.record({
  reports: fc.array(
    fc.record({
      user,
      ago: fc.nat(3),
      changes: fc.dictionary(
        fc.constantFrom('plan', '$address', '__proto__'),
        fc.oneof(
          { weight: 12, arbitrary: fc.constantFrom('a', 'é', '', null) },
          { weight: 1, arbitrary: fc.constant(large) },
        ),
      ),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  fault: fc.option(faults(fc.nat(1))),
})
const delivery: fc.Arbitrary<Delivery> = fc.record({
  picks: fc.array(fc.nat(30), { minLength: 1, maxLength: 8 }),
  fault: fc.option(faults(fc.nat(4))),
})
const phase = fc.record({
  requests: fc.array(request, { minLength: 1, maxLength: 5 }),
  deliveries: fc.array(delivery, { maxLength: 6 }),
  deleted: fc.array(user, { maxLength: 2 }),
})

/** Reports of a request: no two requests say something of one moment. */
const reportsOf = ({ reports }: Request, taken: number): Report[] =>
  reports.map(({ user, ago, changes }) => ({
    user,
    at: taken - 1000 * ago,
    changes: Object.entries(changes).map(([name, text]) => ({
      name,
      to: text === null ? null : { text, type: 'string' },
    })),
  }))

/** Written one by one in the order of their times, but for what a deletion overtakes. */
function model(reports: Report[], deleted: Map<string, number>) {
  const users = new Map<string, Map<string, string>>()
  for (const { user, at, changes } of reports.toSorted((a, b) => a.at - b.at)) {
    if (at <= (deleted.get(user) ?? 0)) continue
    const attributes = users.get(user) ?? new Map<string, string>()
    users.set(user, attributes)
    for (const { name, to } of changes)
      if (to === null) attributes.delete(name)
      else attributes.set(name, to.text)
  }
  return Object.fromEntries([...users].map(([user, all]) => [user, [...all].sort()]))
}

async function stored(workspace: number) {
  const { results } = await homeDb
    .prepare(
      `SELECT u.user_id AS user, a.name, coalesce(a.sent, a.value) AS text
    FROM users AS u LEFT JOIN user_attributes AS a
      ON a.workspace_id = u.workspace_id AND a.user_id = u.user_id AND a.value IS NOT NULL
    WHERE u.workspace_id = ?`,
    )
    .bind(workspace)
    .all<{ user: string; name: string | null; text: string }>()
  const users = Map.groupBy(results, ({ user }) => user)
  const pairs = (rows: typeof results) =>
    rows.flatMap(({ name, text }) => (name === null ? [] : [[name, text]]))
  return Object.fromEntries([...users].map(([user, rows]) => [user, pairs(rows).sort()]))
}

describe('reports that are taken', () => {
  it('end as written by time, whatever order, repetition or fault they meet', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(phase, { minLength: 1, maxLength: 2 }), async (phases) => {
        const workspace = newWorkspace()
        let time = 1_700_000_000_000
        const hazard = hazardous({}, { now: () => time })
        const { res, reportsEnqueued, fuse } = hazard
        const taken: Report[] = []
        const deleted = new Map<string, number>()
        const written = new Set<ReportsMessage>()
        const deliver = async (messages: ReportsMessage[], fault: Fault | null) => {
          fuse(fault === null ? undefined : { ...fault })
          const failed = await writeReports(res, messages)
          fuse(undefined)
          for (const message of messages) if (!failed.has(message)) written.add(message)
        }
        const messages = () => reportsEnqueued as ReportsMessage[] // nothing else is sent there

        for (const { requests, deliveries, deleted: gone } of phases) {
          for (const one of requests) {
            time++
            const reports = reportsOf(one, time)
            await insisting(hazard, one.fault, async () => {
              await takeReports(res, workspace, reports)
              return true
            })
            taken.push(...reports)
          }
          for (const { picks, fault } of deliveries) {
            const all = messages()
            const some = picks.flatMap((pick) => all[pick % all.length] ?? [])
            await deliver([...new Set(some)], fault)
          }
          time += 500
          for (const one of gone) {
            deleted.set(one, time)
            await deleteUser(res, workspace, one).catch(() => undefined) // not known yet
          }
        }
        await deliver(
          messages()
            .filter((message) => !written.has(message))
            .reverse(),
          null,
        )
        expect(await stored(workspace)).toEqual(model(taken, deleted))
        await deliver(messages(), null)
        expect(await stored(workspace)).toEqual(model(taken, deleted))
      }),
      runs(25),
    )
  }, 120_000)
})

/** Messages of so many reports each, all of other users. */
const messagesOf = (workspace: number, count: number, reports: number): ReportsMessage[] =>
  Array.from({ length: count }, (_, i) => ({
    ...{ kind: 'reports', workspace, taken: 1 },
    reports: Array.from({ length: reports }, (_, j) => ({
      ...{ user: `user-${j}-${i}`, at: 1 },
      changes: [
        ['plan', `plan ${i}`],
        ['age', j],
      ],
    })),
  }))

const usersOf = async (workspace: number) => Object.keys(await stored(workspace)).length

describe('a batch of messages', () => {
  it('writes a thousand events of a workspace in a few statements', async () => {
    const workspace = newWorkspace()
    const { res } = hazardous()
    const messages = messagesOf(workspace, 100, 10)
    expect(await writeReports(res, messages)).toEqual(new Map())
    expect(await usersOf(workspace)).toBe(1000)
    const { statements, rowsRead, rowsWritten } = res.meter
    // A user takes one row, each of two attributes two; the count of users one, the event of all four.
    expect([statements, rowsWritten]).toEqual([10, 5005])
    expect(rowsRead).toBeLessThan(20_000)

    await writeReports(res, messages)
    expect([res.meter.statements, res.meter.rowsWritten]).toEqual([20, 5009])
  })

  it('writes the last of a thousand events of one user', async () => {
    const workspace = newWorkspace()
    const { res } = hazardous()
    const messages = messagesOf(workspace, 100, 10).map((message, i) => ({
      ...message,
      reports: message.reports.map((report, j) => ({ ...report, user: 'ann', at: 10 * i + j })),
    }))
    await writeReports(res, messages)
    expect(await stored(workspace)).toEqual({
      ann: [
        ['age', '9'],
        ['plan', 'plan 99'],
      ],
    })
    expect(res.meter.rowsWritten).toBeLessThan(16)
  })

  it('lets the later request hold of two that name one moment', async () => {
    const workspace = newWorkspace()
    const messages = messagesOf(workspace, 3, 1).map((message, i) => ({
      ...message,
      taken: 10 - i,
      reports: message.reports.map((report) => ({ ...report, user: 'ann' })),
    }))
    await writeReports(hazardous().res, messages)
    expect((await stored(workspace))['ann']).toContainEqual(['plan', 'plan 0'])
  })

  it('is written by workspaces', async () => {
    const [one, other] = [newWorkspace(), newWorkspace()]
    const { res } = hazardous()
    const [a, b] = [messagesOf(one, 50, 1), messagesOf(other, 50, 1)]
    await writeReports(
      res,
      a.flatMap((message, i) => [message, b[i] ?? message]),
    )
    expect([await usersOf(one), await usersOf(other)]).toEqual([50, 50])
    expect(res.meter.statements).toBe(20)
  })

  it.each<[string, object]>([
    ['of another version', { reports: 'none' }],
    ['with a change of another shape', { reports: [{ user: 'x', at: 1, changes: [['a', {}]] }] }],
    ['that the database refuses', { reports: [{ user: 'x', at: null, changes: [['a', 1]] }] }],
  ])('is written but for the one %s', async (_, bad) => {
    const workspace = newWorkspace()
    const { res } = hazardous()
    const messages = messagesOf(workspace, 20, 2)
    const broken = { ...messages[7], ...bad } as ReportsMessage // as another version sends it
    messages[7] = broken
    const failed = await writeReports(res, messages)
    expect([...failed.keys()]).toEqual([broken])
    expect(await usersOf(workspace)).toBe(38)
  })

  it('is written for who sent little before who sent much', async () => {
    const [much, little] = [newWorkspace(), newWorkspace()]
    let time = Date.now()
    const { res, takes, meanwhile } = hazardous({}, { now: () => time })
    takes(100)
    meanwhile(async () => {
      time += 5000
    })
    const messages = [...messagesOf(much, 10, 3000), ...messagesOf(little, 1, 2)]
    const failed = await writeReports(res, messages)
    expect(await usersOf(little)).toBe(2)
    expect(failed.size).toBeGreaterThan(3)
    expect([...failed.keys()].every(({ workspace }) => workspace === much)).toBe(true)
  })

  it('waits as a whole where the database is out, queried once', async () => {
    const [one, other] = [newWorkspace(), newWorkspace()]
    let batches = 0
    const out = {
      prepare: (query: string) => homeDb.prepare(query),
      batch: () => (batches++, Promise.reject(new Error(overloaded))),
    }
    const DB = out as unknown as D1Database // what `connect` calls
    const messages = [...messagesOf(one, 10, 1), ...messagesOf(other, 10, 1)]
    const failed = await writeReports(resources({ ...env, DB }), messages)
    expect([failed.size, batches]).toEqual([20, 1])
    expect(await writeReports(hazardous().res, messages)).toEqual(new Map())
  })

  it('logs what it has written, and nobody', async () => {
    const workspace = newWorkspace()
    await writeReports(hazardous().res, messagesOf(workspace, 3, 2))
    expect(log.events('reports')).toMatchObject([{ workspace, messages: 3, reports: 6 }])
    expect(log.lines().join()).not.toMatch(/user-|plan/)
  })
})
