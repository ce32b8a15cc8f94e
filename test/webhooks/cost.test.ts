import { env } from 'cloudflare:workers'
import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Db } from '../../src/db/connect.ts'
import { createGroup } from '../../src/experience/groups.ts'
import { deliver } from '../../src/webhooks/deliver.ts'
import { deliverDue } from '../../src/webhooks/due.ts'
import { deliveryStates } from '../../src/webhooks/event.ts'
import { listDeliveries, replay, retryDelivery } from '../../src/webhooks/history.ts'
import { createWebhook } from '../../src/webhooks/subscriptions.ts'
import { listEvents } from '../../src/webhooks/event-list.ts'
import { sweepEvents } from '../../src/webhooks/sweep.ts'
import { scene } from './scene.ts'
import { grouped } from '../support/audiences.ts'
import { homeDb, homeResources } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { plansOf } from '../support/plans.ts'
import { day, happened, now } from './past.ts'
import { newWorkspace } from '../support/workspaces.ts'

beforeEach(async () => {
  await homeDb.batch(
    ['events', 'deliveries', 'delivery_attempts', 'webhooks'].map((table) =>
      homeDb.prepare(`DELETE FROM ${table}`),
    ),
  )
})

/** Opens this many webhooks, and returns what creating a group costs then. */
async function costOf(
  webhooks: number,
  eventTypes: ['group.created'] | ['group.deleted'] | null = null,
) {
  const workspace = newWorkspace()
  const { res } = hazardous()
  for (let i = 0; i < webhooks; i++)
    await createWebhook(
      res,
      workspace,
      { url: 'https://hooks.shop.com', description: '', eventTypes },
      'tester',
    )
  const before = { ...res.meter }
  const actor = { client: crypto.randomUUID(), name: 'tester' }
  await createGroup({ ...res, actor }, workspace, {
    name: 'owls',
    description: undefined,
    type: 'EXPERIENCE_GROUP',
    platform: 'RETAIL_BANKING',
  })
  return {
    written: res.meter.rowsWritten - before.rowsWritten,
    statements: res.meter.statements - before.statements,
  }
}

describe('what an event costs', () => {
  it('is six rows written, and three more for each webhook that listens', async () => {
    const alone = await costOf(0)
    // A row, index entries and the table's last key: two of a group, four of an event.
    expect(alone.written).toBe(4 + 6)
    const ten = await costOf(10)
    expect(ten.written - alone.written).toBe(3 * 10)
    expect(ten.statements).toBe(alone.statements)
    expect((await costOf(10, ['group.created'])).written).toBe(ten.written)
    expect((await costOf(10, ['group.deleted'])).written).toBe(alone.written)
  })
})

describe('what a scan for deliveries costs', () => {
  it.each(['failed', 'pending'] as const)(
    'is no more for %s deliveries where thousands have arrived',
    async (state) => {
      const workspace = newWorkspace()
      const { res } = hazardous()
      const { key, id } = await createWebhook(
        res,
        workspace,
        { url: 'https://hooks.shop.com', description: '', eventTypes: null },
        'tester',
      )
      await happened(Array.from({ length: 5000 }, () => ({ age: 1, workspace })))
      await homeDb.batch([
        homeDb.prepare('UPDATE deliveries SET webhook_key = ?').bind(key),
        homeDb
          .prepare('UPDATE deliveries SET state = ?, next_attempt_at = 1 WHERE event_key % 500 = 0')
          .bind(state),
      ])
      const before = res.meter.rowsRead
      const range = { state, after: undefined, size: 20 }
      expect(await listDeliveries(res.databaseOf(workspace), workspace, id, range)).toHaveLength(10)
      expect(res.meter.rowsRead - before).toBeLessThan(500)
    },
  )
})

describe('what an invocation costs', () => {
  it('is three rows written for each event that arrives at once', async () => {
    const { res, happen, invoke, sent } = await scene()
    const cost = async (events: number) => {
      await happen(events)
      const before = res.meter.rowsWritten
      await invoke()
      return res.meter.rowsWritten - before
    }
    const [few, many] = [await cost(10), await cost(40)]
    expect(sent).toHaveLength(50)
    // A try counted, an attempt kept, and how it stands.
    expect((many - few) / 30).toBe(3)
  })

  it('is no more where thousands have arrived', async () => {
    const workspace = newWorkspace()
    const { res } = hazardous({}, { fetch: async () => new Response(null, { status: 204 }) })
    const { key } = await createWebhook(
      res,
      workspace,
      { url: 'https://hooks.shop.com', description: '', eventTypes: null },
      'tester',
    )
    const cost = async () => {
      await grouped(res, workspace)
      const before = res.meter.rowsRead
      await deliver(res, workspace, key)
      return res.meter.rowsRead - before
    }
    const alone = await cost()
    await happened(Array.from({ length: 5000 }, () => ({ age: 1, workspace, webhooks: 1 })))
    await homeDb.prepare('UPDATE deliveries SET webhook_key = ?').bind(key).run()
    expect(await cost()).toBeLessThan(alone + 100)
  })
})

/**
 * A scan of a table that grows, or of all rows of a webhook or workspace; pending deliveries may be
 * scanned.
 */
const growing = '(events|deliveries|delivery_attempts|[dea])\\b'
const walking = new RegExp(
  `^SCAN ${growing}|AUTOMATIC|^SEARCH ${growing}.*` +
    '(?<!deliveries_due )\\((webhook_key|workspace_id)=\\?\\)$',
)

describe('the plan of', () => {
  const workspace = newWorkspace()
  const fetch = async () => new Response(null, { status: 500 })
  const over = (db: Db) => ({
    ...homeResources(env),
    databaseOf: () => db,
    database: db,
    fetch,
    now: () => now,
  })

  /** A webhook with an event on its way to it. */
  async function sending() {
    const { res } = hazardous({}, { now: () => now })
    const draft = {
      url: 'https://hooks.shop.com',
      description: '',
      eventTypes: ['group.created' as const],
    }
    const { key, id } = await createWebhook(res, workspace, draft, 'tester')
    await grouped(res, workspace)
    const [event] = await res.directory.all<{ id: string }>(
      sql`SELECT id FROM events ORDER BY key DESC LIMIT 1`,
    )
    return { key, id, event: event?.id ?? '' }
  }

  type Sending = Awaited<ReturnType<typeof sending>>
  const from = (at: Sending, after: boolean) => (after ? at.event : undefined)

  it.each<[what: string, statements: number, read: (db: Db, at: Sending) => Promise<unknown>]>([
    ['an invocation', 11, (db, { key }) => deliver(over(db), workspace, key)],
    ['the cron of every minute', 1, (db) => deliverDue(over(db))],
    [
      'the announcement of a change',
      2,
      (db) => createGroup(over(db), workspace, { ...group, name: `group ${crypto.randomUUID()}` }),
    ],
    ...[false, true].flatMap(
      (after): [string, number, (db: Db, at: Sending) => Promise<unknown>][] => [
        [
          `events${after ? ' after one' : ''}`,
          1,
          (db, at) =>
            listEvents(db, workspace, { after: from(at, after), types: undefined, size: 20 }),
        ],
        [
          `events of a type${after ? ' after one' : ''}`,
          1,
          (db, at) =>
            listEvents(db, workspace, {
              after: from(at, after),
              types: ['group.created'],
              size: 20,
            }),
        ],
        ...[undefined, ...deliveryStates].map(
          (state): [string, number, (db: Db, at: Sending) => Promise<unknown>] => [
            `${state ?? 'all'} deliveries${after ? ' after one' : ''}`,
            2,
            (db, at) =>
              listDeliveries(db, workspace, at.id, { state, after: from(at, after), size: 20 }),
          ],
        ),
      ],
    ),
    ['a retry', 1, (db, { id, event }) => retryDelivery(over(db), workspace, id, event)],
    [
      'a replay of what failed',
      2,
      (db, { id }) => replay(over(db), workspace, id, { since: 0, until: now, only: 'failed' }),
    ],
    [
      'a replay of all',
      2,
      (db, { id }) => replay(over(db), workspace, id, { since: 0, until: now, only: 'all' }),
    ],
    ['the sweep', 4, (db) => sweepEvents({ ...over(db), now: () => now + 31 * day })],
  ])('%s walks none of the tables that grow', async (_, statements, read) => {
    const at = await sending()
    const plans = await plansOf((db) => read(db, at))
    const ofEvents = plans.filter(({ query }) =>
      /\b(events|deliveries|delivery_attempts)\b/.test(query),
    )
    expect(ofEvents.length).toBeGreaterThanOrEqual(statements)
    const walks = ofEvents
      .filter(({ query }) => !/FROM (events|deliveries) ORDER BY (event_)?key LIMIT/.test(query))
      .flatMap(({ query, plan }) =>
        plan.filter((line) => walking.test(line)).map((line) => ({ line, query })),
      )
    expect(walks).toEqual([])
  })

  const group = { description: undefined, type: 'EXPERIENCE_GROUP', platform: 'RETAIL_BANKING' }
})
