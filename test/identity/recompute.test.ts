import { createExecutionContext, createMessageBatch, getQueueResult } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { beginWeek } from '../../src/identity/monday.ts'
import { requestRecompute, runRecompute } from '../../src/identity/recompute.ts'
import { giveUpRun, listRuns } from '../../src/identity/runs.ts'
import worker from '../../src/index.ts'
import type { Message } from '../../src/messages.ts'
import { homeDb, sentAtHome } from '../support/databases.ts'
import { failures, hazardous, unlessCrash } from '../support/hazard.ts'
import { household, mondayIn, Team } from '../support/identity.ts'
import { expectSame, groupsOf, seatAll } from '../support/town.ts'
import { defined, deliver, formed, momentOf, writeUsers } from '../support/weeks.ts'
import {
  small,
  shared,
  movedTown,
  runsOf,
  stateOf,
  once,
  expectAsOnce,
  left,
} from './moved-town.ts'
import { newWorkspace } from '../support/workspaces.ts'
import { unmoved } from '../support/rows.ts'
import { everyCall } from '../support/property.ts'

describe('a run', () => {
  it('has several steps here, a street beyond one step, and movers everywhere', () => {
    expect(once.run).toMatchObject({ state: 'successful', seated: 18, overLimit: 7, groups: 6 })
    expect(once.calls).toBeGreaterThan(15)
    expect(once.state.definitions[0]?.groups.get('cedar')?.members).toEqual(['h', 'i', 'j'])
  })

  it('shares more attributes than one statement could compute', async () => {
    const workspace = newWorkspace()
    const { res, enqueued } = hazardous({ SHARED_ATTRIBUTES_MAX: 60 })
    const names = Array.from({ length: 60 }, (_, i) => `count-${i}`)
    await defined(
      res,
      workspace,
      'household',
      'street',
      names.map((id) => ({ id, type: 'sum' })),
    )
    const counts = Object.fromEntries(names.map((name, i) => [name, i]))
    await writeUsers(res, workspace, [
      ['ann', { street: 'ash', ...counts }],
      ['bob', { street: 'ash', ...counts }],
    ])
    await requestRecompute(res, workspace, 'household')
    await deliver(res, enqueued, workspace)
    const groups = await formed(res, workspace, 'household')
    expect(groups.get('ash')?.shared).toEqual(
      Object.fromEntries(names.map((name, i) => [name, 2 * i])),
    )
  })

  it('ends as the rules of seats and shares say in words', async () => {
    const { workspace } = await movedTown()
    const { town, definitions } = await momentOf(workspace)
    const rule = { source: 'street', matching: null, ignoreValues: null }
    const wanted = seatAll(town, definitions[0]?.seats ?? new Map(), rule, small.GROUP_USERS_MAX)
    expect(once.state.definitions[0]?.seats).toEqual(wanted.seats)
    expectSame(once.state.definitions[0]?.groups ?? new Map(), groupsOf(town, wanted.seats, shared))
    const { overLimit, withoutValue, largest } = wanted
    expect(once.run).toMatchObject({ overLimit, withoutValue, largest })
  })

  it('ends the same if the database fails before or after any call', async () => {
    for (const failure of failures(once.calls)) {
      const { workspace } = await movedTown()
      const { res, enqueued, fuse } = hazardous(small)
      const { key } = await requestRecompute(res, workspace, 'household')
      fuse(failure)
      await deliver(res, enqueued, workspace).catch(unlessCrash)
      fuse(undefined)
      await deliver(res, [...enqueued, { kind: 'recompute', workspace, run: key }], workspace)
      await expectAsOnce(workspace)
    }
  }, 60_000)

  it('ends the same if its message repeats, in turn or at once', async () => {
    for (const atOnce of [false, true]) {
      const { workspace } = await movedTown()
      const { res } = hazardous(small)
      const { key } = await requestRecompute(res, workspace, 'household')
      const invocation = () => runRecompute(res, { workspace, run: key })
      await (atOnce
        ? Promise.all([invocation(), invocation(), invocation()])
        : invocation().then(invocation))
      await expectAsOnce(workspace)
    }
  })

  it('ends the same if one invocation sleeps anywhere while another finishes', async () => {
    for (let at = 0; at < once.calls; at += everyCall) {
      const { workspace } = await movedTown()
      const { res, fuse } = hazardous(small)
      const { key } = await requestRecompute(res, workspace, 'household')
      const { promise, resolve } = Promise.withResolvers<void>()
      const asleep = new Promise<void>((fallen) => fuse({ at, until: promise, fallen }))
      const sleeper = runRecompute(res, { workspace, run: key })
      await Promise.race([asleep, sleeper])
      fuse(undefined)
      await runRecompute(res, { workspace, run: key })
      resolve()
      await sleeper
      await expectAsOnce(workspace)
    }
  }, 60_000)

  it('enqueues the rest before D1 has run 1,000 statements for one', async () => {
    const workspace = newWorkspace()
    const { res, enqueued } = hazardous({ ...small, USERS_PER_STEP: 1 })
    await defined(res, workspace, 'household', 'street', shared)
    await writeUsers(
      res,
      workspace,
      Array.from({ length: 200 }, (_, i) => [`${i}`, { street: `${i}` }]),
    )
    const { key } = await requestRecompute(res, workspace, 'household')
    let invocations = 0
    for (; enqueued.shift() !== undefined; invocations++) {
      const invocation = hazardous({ ...small, USERS_PER_STEP: 1 })
      await runRecompute(invocation.res, { workspace, run: key })
      expect(invocation.res.meter.statements).toBeLessThan(1000)
      enqueued.push(...invocation.enqueued)
    }
    expect(invocations).toBeGreaterThan(1)
    expect((await runsOf(workspace))[0]).toMatchObject({
      state: 'successful',
      seated: 200,
      groups: 200,
    })
  })
})

describe('a definition that is deleted', () => {
  it('ends its run quietly after any of its calls, and leaves nothing', async () => {
    for (let at = 0; at <= once.calls; at += everyCall) {
      const { workspace, key } = await movedTown()
      const { res, enqueued, meanwhile } = hazardous(small)
      await requestRecompute(res, workspace, 'household')
      const hand = hazardous(small)
      let calls = 0
      meanwhile(async () => {
        if (calls++ === at) await deleteDefinition(hand.res, workspace, 'household')
      })
      await deliver(res, enqueued, workspace)
      meanwhile(undefined)
      if (calls <= at) await deleteDefinition(hand.res, workspace, 'household')
      expect((await momentOf(workspace)).definitions).toEqual([])
      expect(hand.enqueued).toEqual([
        sentAtHome({ kind: 'erase-definition', workspace, definition: key }),
      ])
      await deliver(res, hand.enqueued, workspace)
      expect(await left(key)).toEqual([0, 0, 0, 0, 0])
    }
  }, 60_000)

  it('leaves nothing if it is erased while one of its steps sleeps', async () => {
    for (let at = 0; at < once.calls; at += everyCall) {
      const { workspace, key } = await movedTown()
      const { res, enqueued, fuse } = hazardous(small)
      const run = await requestRecompute(res, workspace, 'household')
      const { promise, resolve } = Promise.withResolvers<void>()
      const asleep = new Promise<void>((fallen) => fuse({ at, until: promise, fallen }))
      const sleeper = runRecompute(res, { workspace, run: run.key })
      await Promise.race([asleep, sleeper])
      fuse(undefined)
      await deleteDefinition(res, workspace, 'household')
      await deliver(res, enqueued, workspace)
      resolve()
      await sleeper
      expect(await left(key)).toEqual([0, 0, 0, 0, 0])
    }
  }, 60_000)

  it('leaves nothing if it is deleted and erased while its run opens', async () => {
    const { workspace, key } = await movedTown()
    const { res, enqueued, meanwhile } = hazardous(small)
    const hand = hazardous(small)
    meanwhile(async () => {
      meanwhile(undefined)
      await deleteDefinition(hand.res, workspace, 'household')
      await deliver(hand.res, hand.enqueued, workspace)
    })
    await beginWeek(res, mondayIn(1))
    await deliver(res, enqueued, workspace)
    expect(await left(key)).toEqual([0, 0, 0, 0, 0])
  })
})

describe('a run that fails for good', () => {
  it('is FAILED where it stood, and the next begins and ends well', async () => {
    const { workspace } = await movedTown()
    const { res, enqueued, fuse } = hazardous(small)
    const { key } = await requestRecompute(res, workspace, 'household')
    fuse({ at: 11, when: 'before' })
    await runRecompute(res, { workspace, run: key }).catch(unlessCrash)
    const [before] = await runsOf(workspace)
    expect(before?.state).toBe('running')
    expect(before?.cursor).not.toBe('')
    await giveUpRun(res, workspace, key)
    const [failed] = await runsOf(workspace)
    expect(failed).toMatchObject({
      state: 'failed',
      cursor: before?.cursor,
      endedAt: expect.any(Number),
    })
    await giveUpRun({ ...res, now: () => res.now() + 1 }, workspace, key)
    await runRecompute(res, { workspace, run: key })
    expect((await runsOf(workspace))[0]).toEqual(failed)

    enqueued.length = 0
    await requestRecompute(res, workspace, 'household')
    await deliver(res, enqueued, workspace)
    const { changed: _, ...rest } = once.run
    expect((await runsOf(workspace))[0]).toMatchObject(rest)
    expect(await stateOf(workspace)).toEqual(once.state)
  })

  it('is failed by the dead-letter consumer, and the waiting one goes on', async () => {
    const team = await Team.open()
    await team.define(household)
    await team.user('ann', { $address: '5 Oak Ave' })
    const { res } = hazardous()
    const first = await requestRecompute(res, team.workspace, 'household')
    await beginWeek(res, mondayIn(1))
    await homeDb
      .prepare("UPDATE recompute_runs SET state = 'running' WHERE key = ?")
      .bind(first.key)
      .run()
    await beginWeek(res, mondayIn(2))

    await unmoved('recompute_runs', first.key)
    const body: Message = { kind: 'recompute', workspace: team.workspace, run: first.key }
    const batch = createMessageBatch<Message>('work-dead', [
      { id: 'dead', timestamp: new Date(), attempts: 1, body },
    ])
    await worker.queue(batch, env)
    expect((await getQueueResult(batch, createExecutionContext())).explicitAcks).toEqual(['dead'])

    const runs = await listRuns(res.databaseOf(team.workspace), team.workspace, 'household')
    for (const run of runs) await team.ended('household', run.id)
    const ended = await listRuns(res.databaseOf(team.workspace), team.workspace, 'household')
    expect(ended.map(({ state }) => state)).toEqual(['successful', 'successful', 'failed'])
  })
})
