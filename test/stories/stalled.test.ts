import { beforeEach, describe, expect, it } from 'vitest'
import { enqueueStalled } from '../../src/experience/stalled.ts'
import { enqueueStalledBalances, enqueueStalledExperiments } from '../../src/experiments/stalled.ts'
import { enqueueStalledRuns } from '../../src/identity/stalled.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { planOf, watched } from '../support/plans.ts'

const used = `cron_places experience_groups experiments experiment_balances group_definitions jobs
  recompute_runs`.split(/\s+/)
beforeEach(async () => {
  await homeDb.batch(used.map((table) => homeDb.prepare(`DELETE FROM ${table}`)))
})

const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)`
const rows: Record<string, string> = {
  job: `INSERT INTO jobs (key, id, workspace_id, group_key, revision, type, state, file_name,
      file_key, file_size, slice_bytes, created_by, created_at, updated_at)
    SELECT i, 'job ' || i, 1, i, 1, 'add', 'waiting', '', '', 1, 1, '', 1, i / 7 FROM n`,
  erase: `INSERT INTO experience_groups (key, id, workspace_id, name, type, platform, created_at,
      updated_at, deleted_at)
    SELECT i, 'group ' || i, 1, 'group ' || i, '', '', 1, 1, i / 7 FROM n`,
  recompute: `INSERT INTO recompute_runs (key, id, workspace_id, definition_key, state, created_at,
      updated_at)
    SELECT i, 'run ' || i, i, i, 'waiting', 1, i / 7 FROM n`,
  'erase-experiment': `INSERT INTO experiments (key, workspace_id, id, name, variants, control,
      traffic, status, created_on, created_by, last_modified_on, last_modified_by, deleted_at)
    SELECT i, 1, 'experiment ' || i, '', '[]', '', 1, 'draft', 1, '', 1, '', i / 7 FROM n`,
  'erase-definition': `INSERT INTO group_definitions (key, workspace_id, id, description,
      source_user_attribute, attributes, created_on, created_by, last_modified_on,
      last_modified_by, deleted_at)
    SELECT i, 1, 'definition ' || i, '', 'a', '[]', 1, '', 1, '', i / 7 FROM n`,
  balance: `INSERT INTO experiment_balances (experiment_key, workspace_id, state, updated_at)
    SELECT i, i, 'waiting', i / 7 FROM n`,
}

/** The numbers of what an invocation enqueues, and what that costs. */
async function enqueuedBy() {
  const { res, enqueued } = hazardous()
  await enqueueStalled(res)
  await enqueueStalledRuns(res)
  await enqueueStalledExperiments(res)
  await enqueueStalledBalances(res)
  const found = enqueued.map((message) => {
    if (message.kind === 'job') return message.job
    if (message.kind === 'erase') return message.group
    if (message.kind === 'recompute') return message.run
    if (message.kind === 'erase-experiment') return message.experiment
    if (message.kind === 'balance') return message.experiment
    return message.kind === 'erase-definition' ? message.definition : 0
  })
  return { found, kinds: new Set(enqueued.map(({ kind }) => kind)), meter: res.meter }
}

const upTo = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i + 1)

describe.each(Object.entries(rows))('stalled work (%s)', (kind, statement) => {
  it('is all enqueued, a thousand at a time, although it stays stalled', async () => {
    await homeDb.prepare(`${numbers} ${statement}`).bind(2500).run()
    for (const [from, to] of [
      [0, 1000],
      [1000, 2000],
      [2000, 2500],
      [0, 1000],
    ] as const) {
      const { found, kinds, meter } = await enqueuedBy()
      expect(found).toEqual(upTo(from, to))
      expect([...kinds]).toEqual([kind])
      expect(meter.statements).toBeLessThan(50)
      expect(meter.rowsRead).toBeLessThan(5000)
    }
  })
})

it('of the balances of a workspace is the one whose turn it is', async () => {
  await homeDb.batch([
    homeDb.prepare(`${numbers} ${rows['balance']}`).bind(120),
    homeDb
      .prepare(`${numbers} ${rows['erase-experiment']?.replace("'', i / 7 FROM", "'', NULL FROM")}`)
      .bind(110),
    homeDb.prepare('UPDATE experiment_balances SET workspace_id = 1 WHERE experiment_key <= 110'),
    homeDb.prepare("UPDATE experiment_balances SET state = 'due' WHERE experiment_key < 9"),
  ])
  expect((await enqueuedBy()).found).toEqual([9, ...upTo(110, 120)])
  const counts = (at: number) =>
    homeDb
      .prepare(
        "UPDATE experiment_balances SET state = 'counting', updated_at = ? WHERE experiment_key = 50",
      )
      .bind(at)
      .run()
  await counts(Date.now())
  expect((await enqueuedBy()).found).toEqual(upTo(110, 120))
  await counts(7)
  expect((await enqueuedBy()).found).toEqual([9, 50, ...upTo(110, 120)])
})

it('of a queue is its first, though hundreds wait behind others', async () => {
  await homeDb.prepare(`${numbers} ${rows['job']}`).bind(900).run()
  await homeDb.prepare('UPDATE jobs SET group_key = 1, revision = key WHERE key <= 800').run()
  expect((await enqueuedBy()).found).toEqual([1, ...upTo(800, 900)])
})

it('finds stalled work by indexes alone', async () => {
  const { db, statements } = watched()
  const res = { ...hazardous().res, database: db }
  await enqueueStalled(res)
  await enqueueStalledRuns(res)
  await enqueueStalledExperiments(res)
  await enqueueStalledBalances(res)
  const stalled = statements.filter(({ query }) => query.includes('AS isFirst'))
  const plans = await Promise.all(stalled.map(planOf))
  expect(plans.map(([first]) => first)).toEqual(
    [
      'jobs_unended',
      'jobs_unended',
      'experience_groups_deleted',
      'recompute_runs_unended',
      'group_definitions_deleted',
      'experiments_deleted',
      'experiment_balances_unended',
    ].map((index) => expect.stringContaining(`INDEX ${index} (`) as string),
  )
  for (const plan of plans) expect(plan.join()).not.toContain('TEMP B-TREE')
})
