import { beforeEach, describe, expect, it } from 'vitest'
import { createGroup } from '../../src/experience/groups.ts'
import { deliver } from '../../src/webhooks/deliver.ts'
import { createWebhook } from '../../src/webhooks/subscriptions.ts'
import { sweepEvents } from '../../src/webhooks/sweep.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { day, happened, now } from './past.ts'
import { newWorkspace } from '../support/workspaces.ts'

const kept = 30 * day
const eventsKept = 401 * day
const tables = ['events', 'deliveries', 'delivery_attempts']

beforeEach(async () => {
  await homeDb.batch([...tables, 'webhooks'].map((table) => homeDb.prepare(`DELETE FROM ${table}`)))
})

/** The ages of remaining events, deliveries and attempts; undefined without an event. */
async function left(): Promise<(number | undefined)[][]> {
  const queries = [
    'SELECT at FROM events ORDER BY key',
    'SELECT e.at FROM deliveries AS d LEFT JOIN events AS e ON e.key = d.event_key ORDER BY d.event_key',
    'SELECT e.at FROM delivery_attempts AS d LEFT JOIN events AS e ON e.key = d.event_key ORDER BY d.event_key',
  ]
  const answers = await homeDb.batch<{ at: number | null }>(
    queries.map((query) => homeDb.prepare(query)),
  )
  return answers.map(({ results }) => results.map(({ at }) => (at === null ? undefined : now - at)))
}

const sweep = async (at = now) => {
  const { res } = hazardous({}, { now: () => at })
  await sweepEvents(res)
  return res.meter
}

describe('the sweep', () => {
  it('deletes deliveries older than thirty days, of every workspace, no event', async () => {
    const ages = [40 * day, 31 * day, kept + 2, kept + 1, kept, kept - 1, 29 * day, 1, 0]
    await happened(
      ages.flatMap((age) =>
        [1, 2, 3].map((workspace) => ({ age, workspace, webhooks: workspace, attempts: 2 })),
      ),
    )
    await sweep()
    const times = (ages: number[], count: number) =>
      ages.flatMap((age) => Array<number>(count).fill(age))
    const young = ages.slice(4)
    expect(await left()).toEqual([
      times(ages, 3),
      times(young, 1 + 2 + 3),
      times(young, 2 * (1 + 2 + 3)),
    ])
    await sweep(now + 1)
    expect((await left())[1]).toEqual(times(young.slice(1), 1 + 2 + 3))
  })

  it('deletes events of whole days that are older than AUDIT_DAYS', async () => {
    const ages = [401 * day, 400 * day + 1, 400 * day, 400 * day - 1, kept, 0]
    await happened(ages.flatMap((age) => [1, 2].map((workspace) => ({ age, workspace }))))
    const times = (ages: number[]) => ages.flatMap((age) => [age, age])
    await sweep(now + day - 1)
    expect((await left())[0]).toEqual(times(ages.slice(2)))
    await sweep(now + day)
    expect((await left())[0]).toEqual(times(ages.slice(4)))
    const { res } = hazardous({ AUDIT_DAYS: 1 }, { now: () => now + day })
    await sweepEvents(res)
    expect((await left())[0]).toEqual([0, 0])
  })

  it('deletes deliveries with their events where AUDIT_DAYS are fewer', async () => {
    await happened([8 * day, 6 * day].map((age) => ({ age, workspace: 1, attempts: 2 })))
    const { res } = hazardous({ AUDIT_DAYS: 7 }, { now: () => now })
    await sweepEvents(res)
    expect(await left()).toEqual([[6 * day], [6 * day], [6 * day, 6 * day]])
  })

  it('keeps a young event that was written before an old one', async () => {
    await happened([401 * day, 1, 401 * day, 2].map((age) => ({ age, workspace: 1 })))
    await sweep()
    expect((await left())[0]).toEqual([1, 2])
  })

  it('does nothing where nothing is old, however much is young', async () => {
    await happened(Array.from({ length: 5000 }, (_, i) => ({ age: kept - i, workspace: i % 7 })))
    const meter = await sweep()
    expect((await left()).map((rows) => rows.length)).toEqual([5000, 5000, 5000])
    expect(meter.statements).toBe(2)
    expect(meter.rowsRead).toBeLessThan(1000)
  })

  it('goes in steps of hundreds of events, over several invocations if needed', async () => {
    const many = 23_000
    await happened(
      Array.from({ length: many }, (_, i) => ({ age: eventsKept + many - i, workspace: i % 5 })),
    )
    const steps: number[] = []
    let invocations = 0
    for (let count = 2 * many; count > 0; invocations++) {
      let before = count
      const { res, meanwhile } = hazardous({}, { now: () => now })
      meanwhile(async () => {
        const rows = await homeDb
          .prepare('SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM deliveries) AS n')
          .first<number>('n')
        if (rows !== before) steps.push(before - (rows ?? 0))
        before = rows ?? 0
      })
      await sweepEvents(res)
      expect(before).toBeLessThan(count)
      const [events = [], deliveries = [], attempts = []] = await left()
      expect(events.length + deliveries.length).toBe(before)
      // No event goes before its deliveries, and no invocation ends between these and attempts.
      expect(attempts).toEqual(deliveries)
      expect(deliveries).not.toContain(undefined)
      expect(res.meter.statements).toBeLessThan(1000)
      count = before
    }
    expect(invocations).toBeGreaterThan(1)
    expect(Math.max(...steps)).toBeLessThanOrEqual(500)
    expect(await left()).toEqual([[], [], []])
  }, 60_000)

  it('reads and writes in proportion to what it deletes, whatever else exists', async () => {
    const old = Array.from({ length: 400 }, () => ({
      age: eventsKept,
      workspace: 1,
      webhooks: 3,
      attempts: 2,
    }))
    await happened(old)
    const alone = await sweep()
    await happened([
      ...old,
      ...Array.from({ length: 6000 }, () => ({ age: 1, workspace: 1, webhooks: 3, attempts: 2 })),
    ])
    const among = await sweep()
    expect((await left()).map((rows) => rows.length)).toEqual([6000, 18_000, 36_000])
    expect(among.rowsRead).toBeLessThan(alone.rowsRead + 1000)
    expect(among.rowsWritten).toBeLessThan(alone.rowsWritten + 100)
  })

  it('leaves nothing of an event that is deleted while being sent', async () => {
    const workspace = newWorkspace()
    const { res } = hazardous(
      {},
      {
        now: () => now,
        fetch: async () => {
          await sweepEvents(res)
          return new Response(null, { status: 204 })
        },
      },
    )
    const draft = { url: 'https://hooks.shop.com', description: '', eventTypes: null }
    const { key } = await createWebhook(res, workspace, draft, 'tester')
    await createGroup(res, workspace, {
      name: 'owls',
      description: undefined,
      type: 'EXPERIENCE_GROUP',
      platform: 'RETAIL_BANKING',
    })
    await homeDb
      .prepare('UPDATE events SET at = ?')
      .bind(now - eventsKept)
      .run()
    await deliver(res, workspace, key)
    expect(await left()).toEqual([[], [], []])
  })
})
