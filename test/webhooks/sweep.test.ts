import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { createGroup } from '../../src/experience/groups.ts'
import { deliver } from '../../src/webhooks/deliver.ts'
import { sweepEvents } from '../../src/webhooks/history.ts'
import { createWebhook } from '../../src/webhooks/subscriptions.ts'
import { hazardous } from '../support/hazard.ts'
import { day, happened, now } from './past.ts'
import { newWorkspace } from '../support/workspaces.ts'

const kept = 30 * day
const tables = ['events', 'deliveries', 'delivery_attempts']

beforeEach(async () => {
  await env.DB.batch([...tables, 'webhooks'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
})

/** The ages of remaining events, deliveries and attempts; undefined without an event. */
async function left(): Promise<(number | undefined)[][]> {
  const queries = [
    'SELECT at FROM events ORDER BY key',
    'SELECT e.at FROM deliveries AS d LEFT JOIN events AS e ON e.key = d.event_key ORDER BY d.event_key',
    'SELECT e.at FROM delivery_attempts AS d LEFT JOIN events AS e ON e.key = d.event_key ORDER BY d.event_key',
  ]
  const answers = await env.DB.batch<{ at: number | null }>(
    queries.map((query) => env.DB.prepare(query)),
  )
  return answers.map(({ results }) => results.map(({ at }) => (at === null ? undefined : now - at)))
}

const sweep = async (at = now) => {
  const { res } = hazardous({}, { now: () => at })
  await sweepEvents(res)
  return res.meter
}

describe('the sweep', () => {
  it('deletes what is older than thirty days, of every workspace, nothing else', async () => {
    const ages = [40 * day, 31 * day, kept + 2, kept + 1, kept, kept - 1, 29 * day, 1, 0]
    await happened(
      ages.flatMap((age) =>
        [1, 2, 3].map((workspace) => ({ age, workspace, webhooks: workspace, attempts: 2 })),
      ),
    )
    await sweep()
    const young = ages.slice(4)
    const times = (count: number) => young.flatMap((age) => Array<number>(count).fill(age))
    expect(await left()).toEqual([times(3), times(1 + 2 + 3), times(2 * (1 + 2 + 3))])
    await sweep(now + 1)
    expect((await left())[0]).toEqual(times(3).slice(3))
  })

  it('does nothing where nothing is old, however much is young', async () => {
    await happened(Array.from({ length: 5000 }, (_, i) => ({ age: kept - i, workspace: i % 7 })))
    const meter = await sweep()
    expect((await left()).map((rows) => rows.length)).toEqual([5000, 5000, 5000])
    expect(meter.statements).toBe(1)
    expect(meter.rowsRead).toBeLessThan(1000)
  })

  it('goes in steps of hundreds of events, over several invocations if needed', async () => {
    const many = 23_000
    await happened(
      Array.from({ length: many }, (_, i) => ({ age: kept + many - i, workspace: i % 5 })),
    )
    const steps: number[] = []
    let invocations = 0
    for (let count = many; count > 0; invocations++) {
      let before = count
      const { res, meanwhile } = hazardous({}, { now: () => now })
      meanwhile(async () => {
        const rows = await env.DB.prepare('SELECT count(*) AS n FROM events').first<number>('n')
        if (rows !== before) steps.push(before - (rows ?? 0))
        before = rows ?? 0
      })
      await sweepEvents(res)
      expect(before).toBeLessThan(count)
      // No invocation ends between an event and its deliveries.
      expect(new Set((await left()).map((ages) => ages.length))).toEqual(new Set([before]))
      expect(res.meter.statements).toBeLessThan(1000)
      count = before
    }
    expect(invocations).toBeGreaterThan(1)
    expect(Math.max(...steps)).toBeLessThanOrEqual(500)
    expect(await left()).toEqual([[], [], []])
  }, 60_000)

  it('reads and writes in proportion to what it deletes, whatever else exists', async () => {
    const old = Array.from({ length: 400 }, () => ({
      age: kept + 1,
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
    await env.DB.prepare('UPDATE events SET at = ?')
      .bind(now - kept - 1)
      .run()
    await deliver(res, workspace, key)
    expect(await left()).toEqual([[], [], []])
  })
})
