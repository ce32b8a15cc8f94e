import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openJob } from '../../src/experience/jobs.ts'
import { enqueueStalledRuns } from '../../src/identity/stalled.ts'
import { sweepRuns } from '../../src/identity/sweep.ts'
import { weekOf } from '../../src/identity/week.ts'
import { sweepJobs } from '../../src/jobs/sweep.ts'
import type { Env } from '../../src/resources.ts'
import { keeping, tickEverywhere } from '../support/bindings.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { mondayIn } from '../support/identity.ts'
import { definition, group, insert, job, run } from '../support/rows.ts'

const day = 86_400_000
const now = mondayIn(1) + 2 * day
const ago = (days: number, ms = 0) => now - days * day - ms

const used = `cron_places experience_groups group_definitions job_problems jobs recompute_runs`
beforeEach(async () => {
  vi.setSystemTime(now)
  await homeDb.batch(used.split(' ').map((table) => homeDb.prepare(`DELETE FROM ${table}`)))
})

afterEach(() => void vi.useRealTimers())

const endedAt = (at: number) => ({ created_at: at - 1, updated_at: at, ended_at: at })
const endedJob = (key: number, of: number, at: number, more = {}) =>
  job(key, of, { ...endedAt(at), state: 'successful', ...more })
const endedRun = (key: number, of: number, at: number, more = {}) =>
  run(key, of, { ...endedAt(at), state: 'successful', ...more })
const problem = (job_key: number, line: number) =>
  insert('job_problems', { job_key, line, problem: 'format' })

const keysOf = async (table: string, column = 'key') =>
  (
    await homeDb.prepare(`SELECT DISTINCT ${column} AS key FROM ${table} ORDER BY 1`).all()
  ).results.map(({ key }) => key)

const at = (vars: Partial<Env> = {}) => hazardous(vars, { now: () => now }).res

/** Jobs of one group that ended long ago, the first ones with so many problems each. */
async function history(jobs: number, withProblems: number, problems: number) {
  const numbers = (most: number) =>
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${most})`
  await homeDb.batch([
    homeDb.prepare(
      `${numbers(jobs)} INSERT INTO jobs (key, id, workspace_id, group_key, revision, type, state,
        file_name, file_key, file_size, slice_bytes, created_by, created_at, updated_at, ended_at)
      SELECT i, 'job ' || i, 1, 11, i, 'add', 'partial', '', '', 1, 1, '', i, i, i FROM n`,
    ),
    homeDb.prepare(
      `${numbers(problems)} INSERT INTO job_problems (job_key, line, problem)
      SELECT key, i, 'format' FROM jobs CROSS JOIN n WHERE key <= ${withProblems}`,
    ),
  ])
}

async function swept() {
  const res = at()
  await sweepJobs(res)
  return res
}

describe('jobs', () => {
  it('are kept thirty days, and then deleted with their problems', async () => {
    await homeDb.batch([
      ...[
        endedJob(1, 11, ago(40)),
        endedJob(2, -1, ago(31)),
        endedJob(3, 22, ago(30, 1), { workspace_id: 2 }),
      ],
      ...[
        endedJob(4, 11, ago(30)),
        endedJob(5, 11, ago(1)),
        endedJob(6, 22, ago(1), { workspace_id: 2 }),
      ],
      ...[endedJob(7, -1, ago(0))],
      ...[1, 2, 3, 4, 7].flatMap((key) => [problem(key, 1), problem(key, 2)]),
    ])
    await tickEverywhere('*/5 * * * *', keeping().bound, now)
    expect(await keysOf('jobs')).toEqual([4, 5, 6, 7])
    expect(await keysOf('job_problems', 'job_key')).toEqual([4, 7])
  })

  it('are kept as long as JOBS_DAYS says', async () => {
    await homeDb.batch([endedJob(1, 11, ago(8)), endedJob(2, 11, ago(6)), endedJob(3, 11, ago(1))])
    await sweepJobs(at({ JOBS_DAYS: 7 }))
    expect(await keysOf('jobs')).toEqual([2, 3])
  })

  it('that have not ended stay, however old', async () => {
    await homeDb.batch([
      job(1, 11, { state: 'undoing' }),
      job(2, 11, { created_at: now, updated_at: now }),
    ])
    await sweepJobs(at())
    expect(await keysOf('jobs')).toEqual([1, 2])
  })

  it('never repeat a revision: the last of each queue stays', async () => {
    await homeDb.batch([group(11), endedJob(1, 11, ago(90)), endedJob(2, 11, ago(80))])
    const res = at()
    await sweepJobs(res)
    expect(await keysOf('jobs')).toEqual([2])
    const format = { separator: ',', header: 'auto', headed: null, name: '', column: 0 } as const
    await openJob(res, 1, 'group 11', {
      ...{ fileName: '', fileKey: '', fileSize: 1, type: 'add', createdBy: '', fileSha256: '' },
      format: { ...format, named: false, nulAt: null },
    })
    expect(await keysOf('jobs', 'revision')).toEqual([2, 3])
  })

  it('stay where a group still has the revision that they made', async () => {
    await homeDb.batch([
      group(11, { revision: 2 }),
      ...[1, 2].map((key) => endedJob(key, 11, ago(90), { revision: key })),
      endedJob(3, 11, ago(80), { state: 'failed' }),
      endedJob(4, 11, ago(70), { state: 'failed' }),
    ])
    await sweepJobs(at())
    expect(await keysOf('jobs')).toEqual([2, 4])
  })

  it('are swept in bounded steps, which the next cron goes on with', async () => {
    await history(1200, 12, 10_000)
    let crons = 0
    for (; (await keysOf('jobs')).length > 1 && crons < 20; crons++) {
      const { meter } = await swept()
      expect(meter.statements).toBeLessThan(50)
      expect(meter.rowsRead).toBeLessThan(450_000)
    }
    expect(crons).toBeGreaterThan(2)
    expect(crons).toBeLessThan(10)
    expect([await keysOf('jobs'), await keysOf('job_problems', 'job_key')]).toEqual([[1200], []])
  })

  it('that stay are scanned a few at a time, in turn', async () => {
    const queues = 1000
    await homeDb.batch(Array.from({ length: queues }, (_, i) => endedJob(i + 1, i + 1, ago(90))))
    await homeDb.batch([endedJob(queues + 1, queues, ago(80))])
    for (let crons = 0; crons < 3; crons++) {
      const { meter } = await swept()
      expect(meter.rowsRead).toBeLessThan(1100)
    }
    const keys = await keysOf('jobs')
    expect([keys.length, keys.includes(queues)]).toEqual([queues, false])
  })
})

describe('runs', () => {
  it('are deleted but for the last successful and what came after it', async () => {
    await homeDb.batch([
      ...[endedRun(1, 31, ago(90)), endedRun(2, 31, ago(80), { state: 'failed' })],
      ...[endedRun(3, 31, ago(70)), endedRun(4, 31, ago(60), { state: 'failed' })],
      ...[endedRun(5, 32, ago(31)), endedRun(6, 32, ago(30)), endedRun(7, 32, ago(1))],
      run(8, 33),
    ])
    await sweepRuns(at())
    expect(await keysOf('recompute_runs')).toEqual([3, 4, 6, 7, 8])
  })

  it('of this week stay, so that it does not begin again', async () => {
    await homeDb.batch([
      definition(31),
      endedRun(1, 31, ago(2), { week: weekOf(now) }),
      endedRun(2, 31, ago(1.5)),
    ])
    const res = at({ JOBS_DAYS: 1 })
    await sweepRuns(res)
    await enqueueStalledRuns(res)
    expect(await keysOf('recompute_runs')).toEqual([1, 2])
  })
})
