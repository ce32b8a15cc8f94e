import { describe, expect, it } from 'vitest'
import { requestBalance } from '../../src/experiments/balance.ts'
import { beginWeek } from '../../src/identity/monday.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import { othersWait } from '../../src/jobs/others.ts'
import type { Message } from '../../src/messages.ts'
import type { Resources } from '../../src/resources.ts'
import { lines } from '../support/api.ts'
import { grouped, people } from '../support/audiences.ts'
import { consume, keeping } from '../support/bindings.ts'
import { homeDb, homeResources } from '../support/databases.ts'
import { parts } from '../support/hazard.ts'
import { mondayIn } from '../support/identity.ts'
import { plansOf } from '../support/plans.ts'
import { experiment } from '../support/rows.ts'
import { uploaded } from '../support/uploads.ts'
import { defined } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

const upload = async (res: Resources, workspace: number, ids = ['ann']) =>
  uploaded(res, workspace, (await grouped(res, workspace)).id, parts('ADD', lines(ids)))

const stateOf = (job: { key: number }) =>
  homeDb.prepare('SELECT state FROM jobs WHERE key = ?').bind(job.key).first<string>('state')

/** A workspace with a job under way and another that waits. */
async function busy() {
  await homeDb.prepare('DELETE FROM jobs').run()
  await homeDb.prepare('DELETE FROM recompute_runs').run()
  const { bound, work } = keeping({ SLICE_BYTES: 64 })
  const res = homeResources(bound)
  const workspace = newWorkspace()
  const [first, second] = [await upload(res, workspace), await upload(res, workspace)]
  await homeDb.prepare("UPDATE jobs SET state = 'writing' WHERE key = ?").bind(first.key).run()
  work.length = 0
  const message: Message = { kind: 'job', workspace, job: second.key }
  return { bound, work, res, workspace, first, second, message }
}

describe('a message of a busy workspace', () => {
  it('lets another workspace go first, once', async () => {
    const { bound, work, res, second, message } = await busy()
    await upload(res, newWorkspace())
    work.length = 0
    await consume('work', [message], bound)
    expect(await stateOf(second)).toBe('waiting')
    const again = { ...message, hasLetOthersGo: true }
    expect(work).toEqual([{ message: again, delaySeconds: 1 }])
    await consume('work', [again], bound)
    expect(await stateOf(second)).toBe('successful')
  })

  it('lets a recompute of another workspace go first', async () => {
    const { bound, res, second, message } = await busy()
    const other = newWorkspace()
    await defined(res, other, 'household', 'street', [])
    await requestRecompute(res, other, 'household')
    await consume('work', [message], bound)
    expect(await stateOf(second)).toBe('waiting')
  })

  it.each<[who: string, (at: Awaited<ReturnType<typeof busy>>) => Promise<unknown>]>([
    ['nobody else waits', async () => undefined],
    ['only its own wait', ({ res, workspace }) => upload(res, workspace)],
    [
      'work of the other goes on',
      async ({ res }) => {
        const other = newWorkspace()
        const { key } = await upload(res, other)
        await homeDb.prepare("UPDATE jobs SET state = 'writing' WHERE key = ?").bind(key).run()
        await upload(res, other)
      },
    ],
    [
      'the other has waited for long, as if its message were lost',
      async ({ res }) => {
        const { key } = await upload(res, newWorkspace())
        const sql = 'UPDATE jobs SET updated_at = updated_at - 60000 WHERE key = ?'
        await homeDb.prepare(sql).bind(key).run()
      },
    ],
    [
      'a cron opened what waits',
      async ({ res }) => {
        await defined(res, newWorkspace(), 'household', 'street', [])
        await beginWeek(res, mondayIn(1))
      },
    ],
  ])('goes on where %s', async (_, meanwhile) => {
    const at = await busy()
    await meanwhile(at)
    await consume('work', [at.message], at.bound)
    expect(await stateOf(at.second)).toBe('successful')
  })

  it('goes on where nothing else of its own is under way', async () => {
    const { bound, res, second, first, message } = await busy()
    await homeDb.prepare('UPDATE jobs SET ended_at = 1 WHERE key = ?').bind(first.key).run()
    await upload(res, newWorkspace())
    await consume('work', [message], bound)
    expect(await stateOf(second)).toBe('successful')
  })
})

describe('a message of a balance', () => {
  it('lets another workspace go first, though nothing else is under way', async () => {
    const { bound, work, res } = await busy()
    await homeDb.prepare('DELETE FROM jobs').run()
    const workspace = newWorkspace()
    const { id } = await grouped(res, workspace)
    await experiment(7, { workspace_id: workspace, group_id: id }).run()
    await requestBalance(res, workspace, 'experiment-7')
    const { key } = await upload(res, newWorkspace())
    const [message] = work.map(({ message }) => message)
    if (message === undefined) throw new Error('no balance was enqueued')
    work.length = 0
    const stateNow = () =>
      homeDb.prepare('SELECT state FROM experiment_balances').first<string>('state')
    await consume('work', [message], bound)
    const again = { ...message, hasLetOthersGo: true }
    expect([await stateNow(), work]).toEqual(['waiting', [{ message: again, delaySeconds: 1 }]])
    await homeDb.prepare('DELETE FROM jobs WHERE key = ?').bind(key).run()
    await consume('work', [again], bound)
    expect(await stateNow()).toBe('complete')
  })
})

describe('an invocation', () => {
  it('gives its place back where another workspace comes', async () => {
    const { bound, work, res, workspace } = await busy()
    await homeDb.prepare('UPDATE jobs SET ended_at = 1').run()
    const large = await upload(res, workspace, people('person', 1000))
    const message: Message = { kind: 'job', workspace, job: large.key }
    const running = consume('work', [message], bound)
    while ((await stateOf(large)) !== 'writing') await scheduler.wait(1)
    await upload(res, newWorkspace())
    work.length = 0
    await running
    expect(await stateOf(large)).toBe('writing')
    expect(work.map(({ message }) => message)).toEqual([message])
  })
})

describe('the look whether others wait', () => {
  it('reads a few rows of two indexes, however much is open', async () => {
    const { res, workspace } = await busy()
    await homeDb
      .prepare(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
       INSERT INTO recompute_runs (id, workspace_id, definition_key, week, state, created_at, updated_at)
       SELECT i, ?1, i, '2027-W01', 'waiting', ?2, ?2 FROM n`,
      )
      .bind(workspace, Date.now())
      .run()
    const before = res.meter.rowsRead
    expect(await othersWait(res, workspace)).toBe(false)
    expect(res.meter.rowsRead - before).toBeLessThan(400)
    const plans = await plansOf((db) => othersWait({ ...res, databaseOf: () => db }, workspace))
    const scans = plans.flatMap(({ plan }) => plan.filter((line) => /^SCAN [jr]\b/.test(line)))
    expect(scans).toEqual([])
  })
})
