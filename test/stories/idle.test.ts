import { beforeEach, describe, expect, it } from 'vitest'
import { refreshDue } from '../../src/audiences/refresh.ts'
import { periodOf } from '../../src/audiences/refresh-period.ts'
import { enqueueDueBalances } from '../../src/experiments/due-balances.ts'
import { enqueueStalledBalances } from '../../src/experiments/stalled.ts'
import { beginWeek } from '../../src/identity/monday.ts'
import { enqueueStalledRuns } from '../../src/identity/stalled.ts'
import { enqueueStalled } from '../../src/experience/stalled.ts'
import { sweepRuns } from '../../src/identity/sweep.ts'
import { sweepJobs } from '../../src/jobs/sweep.ts'
import { deliverDue } from '../../src/webhooks/due.ts'
import { sweepEvents } from '../../src/webhooks/sweep.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { mondayIn } from '../support/identity.ts'

const day = 86_400_000
const monday = mondayIn(1)
const now = monday + 2 * day

const used = `audiences cron_places experience_groups deliveries events experiments
  experiment_balances group_definitions recompute_runs webhooks`
beforeEach(async () => {
  await homeDb.batch(used.split(/\s+/).map((table) => homeDb.prepare(`DELETE FROM ${table}`)))
})

const seed = (count: number, insert: string) =>
  homeDb
    .prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) ${insert}`,
    )
    .bind(count)
    .run()

const definitions = (count: number) =>
  seed(
    count,
    `INSERT INTO group_definitions (key, workspace_id, id, description, source_user_attribute,
      attributes, created_on, created_by, last_modified_on, last_modified_by)
    SELECT i, i, 'household', '', 'town', '[]', 0, '', 0, '' FROM n`,
  )

const webhooks = (count: number) =>
  seed(
    count,
    `INSERT INTO webhooks (key, workspace_id, id, url, description, secret, created_on, created_by,
      last_modified_on, last_modified_by)
    SELECT i, i, 'hook', '', '', '', 0, '', 0, '' FROM n`,
  )

const deliveries = (count: number, at: number) =>
  seed(
    count,
    `INSERT INTO deliveries (webhook_key, event_key, workspace_id, state, attempts, tries,
      next_attempt_at)
    SELECT i, e.value, i, 'pending', 0, 0, ${at} FROM n CROSS JOIN json_each('[1, 2, 3]') AS e`,
  )

/** Each fills a group, and has for the period of `at`. */
async function audiences(count: number, at: number) {
  await seed(
    count,
    `INSERT INTO audiences (workspace_id, id, name, description, rule, uses, refresh, refreshed,
      created_on, created_by, last_modified_on, last_modified_by)
    SELECT i, 'reds', '', '', '{}', '[]', iif(i % 2, 'daily', 'weekly'),
      iif(i % 2, '${periodOf('daily', at)}', '${periodOf('weekly', at)}'), 0, '', 0, '' FROM n`,
  )
  await seed(
    count,
    `INSERT INTO experience_groups (id, workspace_id, name, type, platform, created_at, updated_at,
      audience_id)
    SELECT 'group ' || i, i, '', '', '', 0, 0, 'reds' FROM n`,
  )
}

/** Running ones, the balances of which are as their groups are. */
async function experiments(count: number) {
  await seed(
    count,
    `INSERT INTO experiments (key, workspace_id, id, name, group_id, variants, control, traffic, status,
      created_on, created_by, last_modified_on, last_modified_by)
    SELECT i, i, 'price', '', 'group ' || i, '[]', '', 10000, 'running', 0, '', 0, '' FROM n`,
  )
  await seed(
    count,
    `INSERT INTO experiment_balances (experiment_key, workspace_id, state, result, updated_at)
    SELECT i, i, 'complete', '{"revision":0,"modifiedAt":0}', 0 FROM n`,
  )
}

async function cost(what: (res: ReturnType<typeof hazardous>['res']) => Promise<void>, at = now) {
  const { res, enqueued, deliveriesEnqueued } = hazardous({}, { now: () => at })
  await what(res)
  expect(res.meter.statements).toBeLessThan(1000)
  return { ...res.meter, enqueued, deliveriesEnqueued }
}

const everyMinute = async (res: Parameters<typeof deliverDue>[0]) => {
  await deliverDue(res)
  await enqueueDueBalances(res)
}

const everyFive = async (res: Parameters<typeof enqueueStalled>[0]) => {
  await enqueueStalled(res)
  await enqueueStalledRuns(res)
  await enqueueStalledBalances(res)
  await refreshDue(res, now)
  await sweepEvents(res)
  await sweepJobs(res)
  await sweepRuns(res)
}

describe('the week of 40,000 definitions', () => {
  it('begins over some invocations, each definition once', { timeout: 120_000 }, async () => {
    await definitions(40_000)
    const begun: number[] = []
    for (let crons = 0; crons < 3; crons++) {
      const { enqueued, rowsRead } = await cost((res) => beginWeek(res, monday))
      begun.push(enqueued.length)
      expect(rowsRead).toBeLessThan(6 * enqueued.length + 10)
    }
    expect(begun).toEqual([30_000, 10_000, 0])
    expect(
      await homeDb
        .prepare('SELECT count(*) AS n, count(DISTINCT definition_key) AS d FROM recompute_runs')
        .first(),
    ).toEqual({ n: 40_000, d: 40_000 })
  })

  it('begins for those that come meanwhile, and anew next week', async () => {
    await definitions(3)
    expect((await cost((res) => beginWeek(res, monday))).enqueued).toHaveLength(3)
    await homeDb
      .prepare(
        `INSERT INTO group_definitions (key, workspace_id, id, description, source_user_attribute,
        attributes, created_on, created_by, last_modified_on, last_modified_by)
      VALUES (4, 4, 'household', '', 'town', '[]', 0, '', 0, '')`,
      )
      .run()
    expect((await cost((res) => beginWeek(res, monday))).enqueued).toHaveLength(1)
    expect((await cost((res) => beginWeek(res, monday))).enqueued).toHaveLength(0)
    expect((await cost((res) => beginWeek(res, monday + 7 * day))).enqueued).toHaveLength(4)
  })
})

describe('deliveries of 40,000 webhooks', () => {
  it('are all enqueued in two minutes', { timeout: 120_000 }, async () => {
    await webhooks(40_000)
    await deliveries(40_000, now)
    const sent: number[] = []
    for (let minutes = 0; minutes < 2; minutes++) {
      const { deliveriesEnqueued, rowsRead } = await cost(deliverDue)
      sent.push(deliveriesEnqueued.length)
      expect(new Set(deliveriesEnqueued.map((m) => JSON.stringify(m))).size).toBe(sent.at(-1))
      expect(rowsRead).toBeLessThan(6 * deliveriesEnqueued.length + 10)
    }
    expect(sent).toEqual([30_000, 10_000])
  })
})

it('reads few rows while 10,000 of each kind have nothing due', async () => {
  await definitions(10_000)
  await webhooks(10_000)
  await deliveries(50, now + 1)
  await audiences(10_000, now)
  await experiments(10_000)
  await cost((res) => beginWeek(res, monday))
  await homeDb
    .prepare(
      `UPDATE recompute_runs SET state = 'successful', ended_at = ${monday}, updated_at = ${monday}`,
    )
    .run()
  const five = await cost(everyFive)
  const one = await cost(everyMinute)
  console.log(`every five minutes ${five.rowsRead} rows read, every minute ${one.rowsRead}`)
  expect([...five.enqueued, ...one.deliveriesEnqueued]).toEqual([])
  expect(one.rowsRead + five.rowsRead / 5).toBeLessThan(400)
})
