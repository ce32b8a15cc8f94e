import { describe, expect, it } from 'vitest'
import { requestSync } from '../../src/audiences/sync.ts'
import { findDue } from '../../src/audiences/refresh.ts'
import type { Db } from '../../src/db/connect.ts'
import { checkAcceptsFile, openJob } from '../../src/experience/jobs.ts'
import { enqueueStalled } from '../../src/experience/stalled.ts'
import { claimRun } from '../../src/identity/claim-run.ts'
import { cancelRuns, findNextRun, findRun, requestRun } from '../../src/identity/runs.ts'
import { enqueueStalledRuns } from '../../src/identity/stalled.ts'
import { openUsersJob } from '../../src/identity/users-jobs.ts'
import type { StoredFile } from '../../src/jobs/jobs.ts'
import { claimJob, findNextJobs } from '../../src/jobs/turn.ts'
import { usersQueue } from '../../src/jobs/job.ts'
import type { Resources } from '../../src/resources.ts'
import { filling, grouped, teamIs } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { planOf, watched } from '../support/plans.ts'
import { defined } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

/** Jobs of a queue that have ended; or runs of a definition. */
const endedJobs = (workspace: number, queue: number, count: number) =>
  homeDb
    .prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?3)
    INSERT INTO jobs (id, workspace_id, group_key, revision, type, state, file_name, file_key,
      file_size, slice_bytes, created_by, created_at, updated_at, ended_at)
    SELECT ?1 || ' ' || ?2 || ' ' || i, ?1, ?2, i, 'add', 'successful', '', '', 1, 1, '', i, i, i
    FROM n`,
    )
    .bind(workspace, queue, count)

const endedRuns = (workspace: number, definition: number, count: number) =>
  homeDb
    .prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?3)
    INSERT INTO recompute_runs (id, workspace_id, definition_key, state, created_at, updated_at,
      ended_at)
    SELECT ?1 || ' ' || ?2 || ' ' || i, ?1, ?2, 'successful', i, i, i FROM n`,
    )
    .bind(workspace, definition, count)

const keyOf = async (table: string, workspace: number) =>
  Number(
    await homeDb
      .prepare(`SELECT key FROM ${table} WHERE workspace_id = ? LIMIT 1`)
      .bind(workspace)
      .first('key'),
  )

const draft: StoredFile & { createdBy: string } = {
  ...{ fileName: '', fileKey: '', fileSize: 1, fileSha256: '', createdBy: '' },
  format: {
    ...{ separator: ',', header: 'auto', headed: null, name: '', column: 0, named: false },
    nulAt: null,
  },
}

type Costs = Record<string, number>

/** Rows that each check of a queue or a definition reads, in a workspace with such a history. */
async function costsAfter(
  ended: number,
): Promise<{ costs: Costs; db: ReturnType<typeof watched> }> {
  const workspace = newWorkspace()
  const { res } = hazardous()
  const group = await grouped(res, workspace)
  const queue = await keyOf('experience_groups', workspace)
  const synced = await filling(res, newWorkspace(), 'reds', teamIs('red'), 'daily')
  const [ofSync] = await res.directory.all<{ workspace: number; key: number }>(
    `SELECT workspace_id AS workspace, key FROM experience_groups WHERE id = '${synced.id}'`,
  )
  if (ofSync === undefined) throw new Error('no group')
  await defined(res, workspace, 'household', 'street', [])
  const definition = await keyOf('group_definitions', workspace)
  await homeDb.batch([
    endedJobs(workspace, queue, ended),
    endedJobs(workspace, usersQueue(workspace), ended),
    endedJobs(ofSync.workspace, ofSync.key, ended),
    endedRuns(workspace, definition, ended),
  ])

  await homeDb.prepare('UPDATE audiences SET refreshed = NULL').run()

  const seen = watched()
  const watchedRes: Resources = { ...res, database: seen.db, databaseOf: () => seen.db }
  const costs: Costs = {}
  const cost = async <T>(what: string, does: (db: Db, res: Resources) => Promise<T>) => {
    const before = seen.meter.rowsRead
    const result = await does(seen.db, watchedRes)
    costs[what] = seen.meter.rowsRead - before
    return result
  }
  const job = await cost('open a job', (_, res) =>
    openJob(res, workspace, group.id, { ...draft, type: 'add' }),
  )
  await cost('look whether a group takes a file', (db) =>
    checkAcceptsFile(db, workspace, group.id, res.limits),
  )
  await cost('open a job of users', (_, res) => openUsersJob(res, workspace, draft))
  await cost('claim a job', (_, res) =>
    claimJob(res, { key: job.key, step: 0, workspace, source: 'participants-file' }),
  )
  await cost('find the next jobs', (db) =>
    findNextJobs(db, workspace, { now: Date.now(), most: 6 }),
  )
  const due = await cost('find due audiences', (db) =>
    findDue(db, { refresh: 'daily', at: Date.now(), place: { at: '', key: 0 } }, res.limits),
  )
  expect(due).toHaveLength(1)
  await cost('open a sync', (_, res) => requestSync(res, ofSync.workspace, 'reds', { by: '' }))
  await cost('request a run', (_, res) => requestRun(res, workspace, 'household'))
  await cost('request it again', (_, res) => requestRun(res, workspace, 'household'))
  const next = await cost('find the next run', (db) => findNextRun(db, workspace, definition))
  const run = await findRun(res.directory, workspace, next?.key ?? 0)
  if (run === undefined) throw new Error('no run')
  await cost('claim a run', (_, res) => claimRun(res, run))
  await cost('cancel runs', (db) => cancelRuns(db, workspace, definition, 1))
  await cost('look for stalled jobs', (_, res) => enqueueStalled(res))
  await cost('look for stalled runs', (_, res) => enqueueStalledRuns(res))
  await homeDb.batch(
    ['jobs', 'recompute_runs', 'audiences', 'group_definitions', 'cron_places'].map((table) =>
      homeDb.prepare(`DELETE FROM ${table}`),
    ),
  )
  return { costs, db: seen }
}

describe('ten thousand ended jobs and runs', () => {
  it('are not read by checks of what has not ended', async () => {
    const few = await costsAfter(1)
    const many = await costsAfter(10_000)
    console.log(JSON.stringify(many.costs))
    for (const [what, rows] of Object.entries(many.costs))
      expect({ what, rows }).toEqual({ what, rows: few.costs[what] })
    expect(Math.max(...Object.values(many.costs))).toBeLessThan(60)
  }, 60_000)

  it('are in no index that is searched', async () => {
    const { statements } = (await costsAfter(1)).db
    const plans = await Promise.all(
      statements
        .filter(({ query }) => /ended_at"? is null/i.test(query) && !/^\s*insert/i.test(query))
        .map(planOf),
    )
    const steps = plans.flat().filter((step) => /\b(jobs|recompute_runs)_/.test(step))
    expect(steps.length).toBeGreaterThan(8)
    for (const step of steps) expect(step).toMatch(/_(unended|by_audience|by_id|by_week)/)
  })
})
