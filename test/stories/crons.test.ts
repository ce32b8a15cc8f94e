import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import config from '../../wrangler.toml?raw'
import { weekOf } from '../../src/identity/week.ts'
import { keeping, tick, type Kept } from '../support/bindings.ts'
import { homeDb } from '../support/databases.ts'
import { mondayIn } from '../support/identity.ts'
import {
  audience,
  definition,
  delivery,
  erasure,
  event,
  experiment,
  group,
  insert,
  job,
  run,
  webhook,
} from '../support/rows.ts'
import { logged } from '../support/log.ts'
import { watched } from '../support/watched.ts'

const minute = 60_000
const day = 24 * 60 * minute
const wednesday = mondayIn(1) + 2 * day

const [mondays, mornings, everyFive, everyMinute] = [
  '0 3 * * MON',
  '0 4 * * *',
  '*/5 * * * *',
  '* * * * *',
] as const
const others = [mornings, everyFive]

const balance = (experiment_key: number, more: Record<string, unknown> = {}) =>
  insert('experiment_balances', {
    ...{ experiment_key, workspace_id: 1, state: 'waiting', updated_at: 0, ...more },
  })

/** Work of each kind, last moved at a moment, and other work behind it. */
const stalledAt = (at: number) => {
  const [moved, made] = [{ updated_at: at }, { created_on: wednesday }]
  return homeDb.batch([
    ...[group(11), group(12, { deleted_at: at })],
    ...[job(21, 11, moved), job(22, 11, moved)],
    ...[job(23, -1, { ...moved, type: 'users' }), job(24, -1, { ...moved, type: 'users' })],
    ...[definition(31, made), definition(32, { ...made, deleted_at: at })],
    ...[run(41, 31, moved), run(42, 31, moved), erasure(51, moved)],
    ...[experiment(81), experiment(82, { deleted_at: at })],
    ...[balance(81, moved), balance(82, { ...moved, state: 'complete' })],
  ])
}

const stalled = [
  { kind: 'job', workspace: 1, job: 21 },
  { kind: 'import', workspace: 1, job: 23 },
  { kind: 'erase', workspace: 1, group: 12 },
  { kind: 'recompute', workspace: 1, run: 41 },
  { kind: 'erase-definition', workspace: 1, definition: 32 },
  { kind: 'erase-people', workspace: 1, erasure: 51 },
  { kind: 'erase-experiment', workspace: 1, experiment: 82 },
  { kind: 'balance', workspace: 1, experiment: 81 },
].map((message) => ({ ...message, stalled: true }))

const used =
  `audiences cron_places deliveries erasures events event_digests experience_groups experiments experiment_balances
  group_definitions jobs recompute_runs resumable_uploads
  sync_rules webhooks`.split(/\s+/)

beforeEach(async () => {
  await homeDb.batch(used.map((table) => homeDb.prepare(`DELETE FROM ${table}`)))
  vi.setSystemTime(wednesday)
})
afterEach(() => void vi.useRealTimers())

const messages = (kept: Kept[]) => kept.map(({ message }) => message)

/** What a cron has enqueued by the moment at which it is done. */
async function comes(cron: string, at?: number) {
  const { bound, work, scheduled, deliveries } = keeping()
  const { slow, underWay } = watched(bound)
  await tick(cron, slow, at)
  expect(underWay()).toEqual([])
  return {
    work: messages(work),
    scheduled: messages(scheduled),
    deliveries: messages(deliveries),
  }
}

const log = logged()

/** The database, which fails where a query is of this kind. */
const failing = (what: RegExp) =>
  new Proxy(homeDb, {
    get(target, key) {
      if (key === 'prepare')
        return (query: string) => {
          if (what.test(query)) throw new Error('no such luck')
          return target.prepare(query)
        }
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })

const count = (table: string) =>
  homeDb.prepare(`SELECT count(*) AS n FROM ${table}`).first<number>('n')

it('knows all the crons of wrangler.toml', () => {
  const crons = /^crons = (.*)$/m.exec(config)?.[1]
  expect(crons).toBe(
    JSON.stringify([mondays, mornings, everyFive, everyMinute]).replaceAll(',', ', '),
  )
})

describe.each(others)('%s', (cron) => {
  it('enqueues what no message has moved for more than ten minutes', async () => {
    await stalledAt(wednesday - 10 * minute - 1)
    expect(await comes(cron)).toEqual({ work: stalled, scheduled: [], deliveries: [] })
  })

  it('enqueues what a cron opened to the queue of such work', async () => {
    const at = wednesday - 10 * minute - 1
    const sync = { audience_id: 'owls', created_by: 'refresh', updated_at: at }
    await homeDb.batch([
      ...[group(11), group(12), job(21, 11, sync), job(22, 12, { ...sync, created_by: 'ann' })],
      ...[balance(81, { state: 'due', updated_at: at }), balance(82, { updated_at: at })],
      ...[definition(31, { created_on: wednesday }), definition(32, { created_on: wednesday })],
      ...[run(41, 31, { updated_at: at, week: '2020-W01' }), run(42, 32, { updated_at: at })],
    ])
    const flags = { stalled: true, scheduled: true, workspace: 1 }
    const { work, scheduled } = await comes(cron)
    expect(scheduled).toEqual([
      { kind: 'job', job: 21, ...flags },
      { kind: 'recompute', run: 41, ...flags },
      { kind: 'balance', experiment: 81, ...flags },
    ])
    expect(work).toEqual([
      { kind: 'job', job: 22, stalled: true, workspace: 1 },
      { kind: 'recompute', run: 42, stalled: true, workspace: 1 },
      { kind: 'balance', experiment: 82, stalled: true, workspace: 1 },
    ])
  })

  it('enqueues nothing that was moved ten minutes ago', async () => {
    await stalledAt(wednesday - 10 * minute)
    expect(await comes(cron)).toEqual({ work: [], scheduled: [], deliveries: [] })
  })

  it('begins the week whose own cron did not come', async () => {
    await definition(31).run()
    const { work, scheduled } = await comes(cron)
    const run = expect.any(Number) as number
    expect(scheduled).toEqual([{ kind: 'recompute', workspace: 1, run, scheduled: true }])
    expect(work).toEqual([])
    const { results } = await homeDb.prepare('SELECT week FROM recompute_runs').all()
    expect(results).toEqual([{ week: weekOf(wednesday) }])
    expect((await comes(cron)).scheduled).toEqual([])
  })

  it('fills groups with the audiences that are due at its time', async () => {
    await group(11, { audience_id: 'owls' }).run()
    await audience('owls', {
      rule: JSON.stringify({ operator: 'equals', attribute: 'town', value: 'Ulm' }),
      ...{ refresh: 'daily', refreshed: new Date(wednesday).toISOString().slice(0, 10) },
    }).run()
    expect((await comes(cron, wednesday + 60 * minute)).scheduled).toEqual([])
    const { work, scheduled } = await comes(cron, wednesday + day + 60 * minute)
    const job = expect.any(Number) as number
    expect(scheduled).toEqual([{ kind: 'job', workspace: 1, job, scheduled: true }])
    expect(work).toEqual([])
    expect(await count('sync_rules')).toBe(1)
  })

  it.each([
    ['enqueueStalled', /FROM jobs WHERE ended_at IS NULL/],
    ['enqueueStalledRuns', /FROM recompute_runs WHERE ended_at IS NULL/],
    ['beginMissedWeek', /FROM group_definitions AS d WHERE d\.key > /],
    ['enqueueStalledErasures', /FROM erasures WHERE ended_at IS NULL/],
    ['enqueueStalledExperiments', /FROM experiments WHERE deleted_at IS NOT NULL/],
    ['enqueueStalledBalances', /FROM experiment_balances WHERE state/],
    ['sweepUploads', /from "resumable_uploads"/],
    ['refreshDue', /audiences/],
    ['sweepEvents', /FROM events ORDER BY key/],
    ['sweepKeys', /DELETE FROM idempotency_keys/],
  ])('goes on after %s has failed, which it logs once', async (part, query) => {
    await stalledAt(wednesday - 10 * minute - 1)
    await event(61, wednesday - 401 * day).run()
    const { bound, work } = keeping({ DB: failing(query) })
    await tick(cron, bound, wednesday)
    expect(log.events('cron-failed')).toMatchObject([{ cron, part, error: 'no such luck' }])
    const missed =
      {
        enqueueStalled: ['job', 'import', 'erase'],
        enqueueStalledRuns: ['recompute', 'erase-definition'],
        enqueueStalledErasures: ['erase-people'],
        enqueueStalledExperiments: ['erase-experiment'],
        enqueueStalledBalances: ['balance'],
      }[part] ?? []
    const others = stalled.filter(({ kind }) => !missed.includes(kind))
    expect(messages(work)).toEqual(others)
    expect(await count('events')).toBe(part === 'sweepEvents' ? 1 : 0)
  })

  it('takes away uploads that nothing came of for twelve hours', async () => {
    const upload = (key: number, updated_at: number) =>
      insert('resumable_uploads', {
        ...{ key, id: `upload ${key}`, workspace_id: 1, length: 1, file_name: '', fields: '{}' },
        ...{ file_key: `uploads/1/${key}.csv`, created_at: 0, updated_at },
      })
    const old = wednesday - 12 * 60 * minute
    await homeDb.batch([upload(91, 0), upload(92, old), upload(93, old + 1)])
    await comes(cron)
    const { results } = await homeDb.prepare('SELECT key FROM resumable_uploads').all()
    expect(results).toEqual([{ key: 93 }])
  })

  it('takes away deliveries of thirty days ago, and events of four hundred', async () => {
    const old = wednesday - 30 * day
    await homeDb.batch([
      ...[event(60, wednesday - 401 * day), event(61, old - 1), event(62, old)],
      ...[delivery(71, 61, 0), delivery(71, 62, 0)],
    ])
    await comes(cron)
    const { results } = await homeDb.prepare('SELECT key FROM events').all()
    expect(results).toEqual([{ key: 61 }, { key: 62 }])
    expect(await count('deliveries')).toBe(1)
  })
})

describe(mondays, () => {
  it('opens and enqueues the run of its week, and nothing else', async () => {
    await stalledAt(wednesday - day)
    await homeDb.batch([definition(33), event(61, 0), webhook(71), delivery(71, 61, 0)])
    const monday = mondayIn(4)
    const { work, scheduled, deliveries } = await comes(mondays, monday)
    const { results } = await homeDb
      .prepare('SELECT key AS run, week FROM recompute_runs WHERE week IS NOT NULL')
      .all<{ run: number; week: string }>()
    expect(results.map(({ week }) => week)).toEqual([weekOf(monday), weekOf(monday)])
    expect(scheduled).toEqual(
      results.map(({ run }) => ({ kind: 'recompute', workspace: 1, run, scheduled: true })),
    )
    expect([work, deliveries]).toEqual([[], []])
    expect(await count('events')).toBe(1)
  })
})

describe(everyMinute, () => {
  it('enqueues webhooks whose events are due, and does nothing else', async () => {
    await stalledAt(wednesday - day)
    await homeDb.batch([
      ...[definition(33), event(61, 0), webhook(71), webhook(72), webhook(73)],
      ...[webhook(74, { disabled: 'asked' }), webhook(75, { busy_until: wednesday + 1 })],
      ...[delivery(71, 61, wednesday), delivery(72, 61, wednesday + 1)],
      ...[delivery(74, 61, 0), delivery(75, 61, 0)],
    ])
    const deliveries = [{ kind: 'deliver', workspace: 1, webhook: 71 }]
    expect(await comes(everyMinute)).toEqual({ work: [], scheduled: [], deliveries })
    expect([await count('events'), await count('recompute_runs')]).toEqual([1, 2])
  })

  /** A complete balance of an experiment, at revision 1 of its group unless `more` says otherwise. */
  const counted = (experiment: number, more: object = {}) => {
    const result = JSON.stringify({ version: 1, modifiedAt: 0, revision: 1, ...more })
    return balance(experiment, { state: 'complete', result })
  }

  it('has balances counted that are not of the live revision or experiment', async () => {
    const [on, off] = [{ group_id: 'group 11' }, { group_id: 'group 12' }]
    await homeDb.batch([
      ...[group(11, { revision: 1 }), group(12, { revision: 1, deleted_at: 1 })],
      ...[experiment(81, on), experiment(82, on), experiment(83, on), experiment(84, on)],
      ...[counted(82), counted(83, { revision: 0 }), counted(84, { modifiedAt: 7 })],
      ...[experiment(85, { ...on, status: 'paused' }), experiment(86, { ...on, status: 'draft' })],
      ...[experiment(87, off), experiment(88), experiment(89, { ...on, deleted_at: 1 })],
      ...[experiment(90, on), balance(90), experiment(91, { ...on, workspace_id: 2 })],
    ])
    const { work, scheduled } = await comes(everyMinute)
    const flags = { workspace: 1, scheduled: true }
    expect([work, scheduled]).toEqual([
      [],
      [81, 83, 84].map((experiment) => ({ kind: 'balance', experiment, ...flags })),
    ])
    const { results } = await homeDb
      .prepare(
        "SELECT experiment_key AS key FROM experiment_balances WHERE state = 'due' ORDER BY 1",
      )
      .all()
    expect(results).toEqual([{ key: 81 }, { key: 83 }, { key: 84 }])
    // They are not requested again.
    expect((await comes(everyMinute)).scheduled).toEqual([])
  })

  it('looks at forty experiments, and at the next ones in the next minute', async () => {
    const on = { group_id: 'group 11' }
    await homeDb.batch([
      group(11, { revision: 1 }),
      ...Array.from({ length: 90 }, (_, i) => experiment(100 + i, on)),
    ])
    const minutes = [
      (await comes(everyMinute)).scheduled.length,
      (await comes(everyMinute)).scheduled.length,
      (await comes(everyMinute)).scheduled.length,
    ]
    expect(minutes).toEqual([40, 40, 10])
    await homeDb.prepare('DELETE FROM experiment_balances').run()
    expect((await comes(everyMinute)).scheduled).toHaveLength(40)
  })

  it.each([
    ['deliverDue', /FROM deliveries/],
    ['enqueueDueBalances', /INDEXED BY experiments_running/],
  ])('goes on after %s has failed, which it logs once', async (part, query) => {
    await homeDb.batch([
      ...[event(61, 0), webhook(71), delivery(71, 61, wednesday)],
      ...[group(11), experiment(81, { group_id: 'group 11' })],
    ])
    const { bound, scheduled, deliveries } = keeping({ DB: failing(query) })
    await tick(everyMinute, bound, wednesday)
    const facts = { cron: everyMinute, part, error: 'no such luck' }
    expect(log.events('cron-failed')).toMatchObject([facts])
    const isFirst = part === 'deliverDue'
    expect([deliveries.length, scheduled.length]).toEqual(isFirst ? [0, 1] : [1, 0])
  })
})
