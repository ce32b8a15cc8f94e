import { beforeEach, describe, expect, it } from 'vitest'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import { measureState } from '../../src/jobs/state.ts'
import type { Message } from '../../src/messages.ts'
import { Bank, json, lines } from '../support/api.ts'
import { ask, consume, keeping, tickEverywhere } from '../support/bindings.ts'
import { atHome, homeDb, homeResources } from '../support/databases.ts'
import { fileParts, parts } from '../support/hazard.ts'
import { hook, hookScopes } from '../support/hooks.ts'
import { household, Team } from '../support/identity.ts'
import { logged } from '../support/log.ts'
import { outAfter } from '../support/outage.ts'
import { recorder } from '../support/points.ts'
import { job, run } from '../support/rows.ts'
import { uploaded } from '../support/uploads.ts'

logged()

const any: unknown = expect.any(Number)

/** A workspace, and bindings that keep points. */
async function opened() {
  const team = await Team.open(hookScopes)
  const { vars, ...points } = recorder()
  const kept = keeping(vars)
  return { team, workspace: team.workspace, ...kept, ...points, res: homeResources(kept.bound) }
}

describe('a step', () => {
  it('of each kind of work is a point', async () => {
    const { team, workspace, bound, of, res } = await opened()
    const bank = await Bank.open(undefined, workspace)
    const group = await bank.group()
    const { key } = await uploaded(res, workspace, group, parts('ADD', lines(['ann', 'bob'])))
    const users = fileParts('user_id,$address\nann,here\n')
    const file = await receiveUsers(res, workspace, 'tester', users)
    await team.define(household)
    const { key: run } = await requestRecompute(res, workspace, household.id)
    const bodies: Message[] = [
      { kind: 'job', workspace, job: key },
      { kind: 'import', workspace, job: file.key },
      { kind: 'recompute', workspace, run },
      {
        ...{ kind: 'reports', workspace, taken: 1 },
        reports: [{ user: 'eve', at: 1, changes: [['a', 1]] }],
      },
    ]
    for (const body of bodies) await consume('work', [body], bound)
    const steps = of('step')
    const cost = { ms: any, rowsRead: any, rowsWritten: any }
    for (const [work, state] of [
      ['participants-file', 'successful'],
      ['users-file', 'successful'],
      ['recompute', 'successful'],
      ['reports', 'written'],
    ])
      expect(steps).toContainEqual({ work, state, ...cost })
    // A participant takes two rows, a user one, one in the count, and two for an
    // attribute; the event that it was reported takes four.
    const rows = (of: string) =>
      steps
        .filter(({ work }) => work === of)
        .reduce((sum, { rowsWritten }) => sum + Number(rowsWritten), 0)
    expect(rows('participants-file')).toBeGreaterThanOrEqual(4)
    expect(rows('reports')).toBe(8)
  })
})

it('what is sent to a webhook is a point', async () => {
  const { team, workspace, bound, deliveries, of } = await opened()
  const bank = await Bank.open(undefined, workspace)
  const { receiver } = await hook(team)
  const headers = { ...bank.headers(), 'content-type': 'application/json' }
  for (const groupName of ['owls', 'larks'])
    await ask('/groups/v3/groups', { ...json('POST', { groupName }), headers }, bound)
  await receiver.answers({ status: 500 }, { status: 200 })
  const [first] = deliveries
  if (first === undefined) throw new Error('no delivery is enqueued')
  await consume('deliveries', [first.message], bound)
  expect(of('deliveries')).toEqual([{ attempts: 2, delivered: 1 }])
})

describe('a message', () => {
  const work = (workspace: number): Message => ({ kind: 'job', workspace, job: 0 })
  const broken = (workspace: number): Message => ({
    ...{ kind: 'reports', workspace, taken: 1 },
    reports: [{ user: 'eve', at: null as unknown as number, changes: [['a', 1]] }],
  })

  it('that waits, fails, or is lost is a point', async () => {
    const { workspace, bound, of } = await opened()
    await consume('work', [work(workspace)], { ...bound, ...atHome(outAfter(0).db) }, 2)
    await consume('work', [work(workspace)], { ...bound, ...atHome(outAfter(0, 'a bug').db) })
    await consume('events', [broken(workspace)], bound, 3)
    await consume('events-dead', [broken(workspace)], bound, 101)
    expect(of('message')).toEqual([
      { work: 'job', outcome: 'waits', attempts: 2 },
      { work: 'job', outcome: 'failed', attempts: 1 },
      { work: 'reports', outcome: 'failed', attempts: 3 },
      { work: 'reports', outcome: 'lost', attempts: 101 },
    ])
  })

  it('that comes as a dead letter is a point, once', async () => {
    const { workspace, bound, of } = await opened()
    await consume('coterie-work-dead', [work(workspace)], bound)
    await consume('coterie-work-dead', [work(workspace)], bound, 2)
    await consume('coterie-events-dead', [broken(workspace)], bound)
    const dead = of('message').filter(({ outcome }) => outcome === 'dead')
    expect(dead).toEqual([
      { work: 'job', outcome: 'dead', attempts: 1 },
      { work: 'reports', outcome: 'dead', attempts: 1 },
    ])
  })
})

describe('every five minutes', () => {
  const minute = 60_000
  beforeEach(async () => {
    await homeDb.batch(
      ['jobs', 'recompute_runs'].map((table) => homeDb.prepare(`DELETE FROM ${table}`)),
    )
  })

  const stateAt = async (cron = '*/5 * * * *') => {
    const { bound, of } = await opened()
    await tickEverywhere(cron, bound)
    return of('state')
  }

  it('the state is a point: open work, since when, and bytes', async () => {
    const now = Date.now()
    const ago = (minutes: number) => ({ created_at: now - minutes * minute, updated_at: now })
    await homeDb.batch([
      job(901, 1, { ...ago(90), ended_at: now }),
      job(902, 2, ago(60)),
      job(903, 3, { ...ago(30), updated_at: now - 20 * minute }),
      run(904, 1, ago(45)),
    ])
    const [state, ...others] = await stateAt()
    expect(others).toEqual([])
    expect(state).toEqual({
      shard: '0',
      oldestJob: any,
      jobs: 2,
      oldestRun: any,
      runs: 1,
      bytes: any,
    })
    expect(Number(state?.['oldestJob'])).toBeCloseTo(3600, -2)
    expect(Number(state?.['oldestRun'])).toBeCloseTo(2700, -2)
    expect(Number(state?.['bytes'])).toBeGreaterThan(100_000)
  })

  it('the state of nothing is a point too', async () => {
    expect(await stateAt()).toMatchObject([{ oldestJob: 0, jobs: 0, oldestRun: 0, runs: 0 }])
  })

  it('the state reads ten thousand jobs at most', async () => {
    const rows = Array.from({ length: 10_500 }, (_, i) =>
      job(10_000 + i, 10_000 + i, { updated_at: i }),
    )
    for (let from = 0; from < rows.length; from += 500)
      await homeDb.batch(rows.slice(from, from + 500))
    const { res, of } = await opened()
    await measureState(res)
    expect(of('state')).toMatchObject([{ jobs: 10_000 }])
    expect(res.meter.rowsRead).toBeLessThan(10_100)
  })

  it.each(['* * * * *', '0 4 * * *', '0 3 * * MON'])('and not by the cron %s', async (cron) => {
    expect(await stateAt(cron)).toEqual([])
  })
})
