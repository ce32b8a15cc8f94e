import { describe, expect, it } from 'vitest'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { beginMissedWeek, enqueueStalledRuns } from '../../src/identity/stalled.ts'
import { beginWeek } from '../../src/identity/monday.ts'
import { requestRecompute, runRecompute } from '../../src/identity/recompute.ts'
import { listRuns } from '../../src/identity/runs.ts'
import { weekOf } from '../../src/identity/week.ts'
import { hazardous, unlessCrash } from '../support/hazard.ts'
import { cron, household, mondayIn, Team } from '../support/identity.ts'
import { defined, deliver, writeUsers } from '../support/weeks.ts'
import {
  small,
  shared,
  inhabitants,
  movedTown,
  runsOf,
  counts,
  stateOf,
  once,
  left,
} from './moved-town.ts'
import { newWorkspace } from '../support/workspaces.ts'

describe('the cron of a Monday', () => {
  it('opens one run of a week, however often and simultaneously it comes', async () => {
    const team = await Team.open()
    await team.define(household)
    await team.user('ann', { $address: '5 Oak Ave' })
    await Promise.all([
      cron('0 3 * * MON', mondayIn(1)),
      cron('0 3 * * MON', mondayIn(1)),
      cron('0 3 * * MON', mondayIn(1) + 60_000),
    ])
    await cron('0 3 * * MON', mondayIn(1))
    const runs = await team.get<{ id: string; week: string }[]>('/groups/household/runs')
    expect(runs).toMatchObject([{ week: weekOf(mondayIn(1)) }])
    expect(await team.ended('household', runs[0]?.id ?? '')).toMatchObject({
      status: 'SUCCESSFUL',
      users_seated: 1,
    })

    await team.monday(mondayIn(2))
    expect(await team.get('/groups/household/runs')).toHaveLength(2)
  })

  it('waits for a run that was requested, and both end well', async () => {
    const { workspace } = await movedTown()
    const { res, enqueued } = hazardous(small)
    const { key: requested } = await requestRecompute(res, workspace, 'household')
    // It begins, and stands still.
    const half = hazardous(small)
    half.fuse({ at: 8, when: 'before' })
    await runRecompute(half.res, { workspace, run: requested }).catch(unlessCrash)
    await beginWeek(res, mondayIn(1))
    const [weekly] = await runsOf(workspace)
    if (weekly === undefined) throw new Error('no run')
    await runRecompute(res, { workspace, run: weekly.key })
    expect(await runsOf(workspace)).toMatchObject([
      { week: weekOf(mondayIn(1)), state: 'waiting' },
      { state: 'running' },
      {},
    ])

    await deliver(res, [{ kind: 'recompute', workspace, run: requested }], workspace)
    await deliver(res, enqueued.splice(0), workspace)
    const [second, first] = await runsOf(workspace)
    expect(first && counts(first)).toEqual(once.run)
    expect(second).toMatchObject({
      state: 'successful',
      seated: 18,
      overLimit: 7,
      groups: 6,
      changed: 0,
    })
    expect(await stateOf(workspace)).toEqual(once.state)
  })

  it('opens no second run for a request while the first waits', async () => {
    const { workspace } = await movedTown()
    const { res } = hazardous(small)
    await beginWeek(res, mondayIn(1))
    const [weekly] = await runsOf(workspace)
    expect((await requestRecompute(res, workspace, 'household')).id).toBe(weekly?.id)
    expect(await runsOf(workspace)).toHaveLength(2)
  })
})

describe('every five minutes', () => {
  it('a run whose message was lost is found, a recent one not', async () => {
    const { workspace } = await movedTown()
    const { res, enqueued } = hazardous(small)
    const { key } = await requestRecompute(res, workspace, 'household')
    const later = (ms: number) => ({ ...res, now: () => Date.now() + ms })
    const ofMine = () => enqueued.splice(0).filter((message) => message.workspace === workspace)
    ofMine()
    await enqueueStalledRuns(later(9 * 60_000))
    expect(ofMine()).toEqual([])
    await enqueueStalledRuns(later(11 * 60_000))
    const found = ofMine()
    expect(found).toEqual([{ kind: 'recompute', stalled: true, workspace, run: key }])
    await deliver(res, found, workspace)
    await deliver(res, enqueued, workspace)
    expect((await runsOf(workspace)).every(({ state }) => state === 'successful')).toBe(true)
    expect(await stateOf(workspace)).toEqual(once.state)
  })

  it('a week without its cron begins, except for newer definitions', async () => {
    const monday = mondayIn(1)
    const at = (now: number) => {
      const made = hazardous({ ...small, DEFINITIONS_MAX: 5 })
      return { ...made, res: { ...made.res, now: () => now } }
    }
    const workspace = newWorkspace()
    await defined(at(monday - 1).res, workspace, 'household', 'street', shared)
    await writeUsers(at(monday - 1).res, workspace, inhabitants({ ash: 'abc' }))
    await defined(at(monday + 1).res, workspace, 'since', 'street', shared)
    const weeks = async (id: string) => {
      const { res } = hazardous()
      return (await listRuns(res.databaseOf(workspace), workspace, id)).map(
        ({ week, state }) => `${week} ${state}`,
      )
    }

    // Before 03:00 of that Monday the week before is due, older than the definition.
    await beginMissedWeek(at(monday - 1).res)
    expect(await weeks('household')).toEqual([])
    for (const now of [monday, monday + 3_600_000, mondayIn(2) - 1]) {
      const { res, enqueued } = at(now)
      await beginMissedWeek(res)
      await deliver(res, enqueued, workspace)
      expect(await weeks('household')).toEqual([`${weekOf(monday)} successful`])
      expect(await weeks('since')).toEqual([])
    }
    const { res, enqueued } = at(mondayIn(2) + 300_000)
    await beginMissedWeek(res)
    await deliver(res, enqueued, workspace)
    expect(await weeks('household')).toEqual([
      `${weekOf(mondayIn(2))} successful`,
      `${weekOf(monday)} successful`,
    ])
    expect(await weeks('since')).toEqual([`${weekOf(mondayIn(2))} successful`])
  })

  it('a deleted definition is erased whose message was lost', async () => {
    const { workspace, key } = await movedTown()
    const { res, enqueued } = hazardous(small)
    await deleteDefinition(res, workspace, 'household')
    enqueued.length = 0
    await enqueueStalledRuns({ ...res, now: () => Date.now() + 11 * 60_000 })
    expect(enqueued).toContainEqual({
      kind: 'erase-definition',
      ...{ stalled: true, workspace, definition: key },
    })
    await deliver(res, enqueued, workspace)
    expect(await left(key)).toEqual([0, 0, 0, 0, 0])
  })
})
