import { describe, expect, it } from 'vitest'
import { updateDefinition } from '../../src/identity/definitions.ts'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { requestRecompute, runRecompute } from '../../src/identity/recompute.ts'
import { giveUpRun } from '../../src/identity/runs.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous, unlessCrash } from '../support/hazard.ts'
import { defined, deliver, formed, writeUsers } from '../support/weeks.ts'
import { counts, inhabitants, left, runsOf, shared, small, stateOf } from './moved-town.ts'
import { newWorkspace } from '../support/workspaces.ts'
import { everyCall } from '../support/property.ts'

const normalized = { matching: 'normalized' as const }

/** Values of the definition, as they are written down. */
const written = async (definition: number) => {
  const { results } = await homeDb
    .prepare(
      'SELECT normalized, value FROM normalized_values WHERE definition_key = ? ORDER BY value',
    )
    .bind(definition)
    .all<{ normalized: string; value: string }>()
  return Object.fromEntries(results.map(({ normalized, value }) => [value, normalized]))
}

async function recomputed(workspace: number, vars: Parameters<typeof hazardous>[0] = small) {
  const { res, enqueued } = hazardous(vars)
  await requestRecompute(res, workspace, 'household')
  await deliver(res, enqueued, workspace)
  const [run] = await runsOf(workspace)
  if (run === undefined) throw new Error('no run')
  return { run, read: res.meter.rowsRead, written: res.meter.rowsWritten }
}

/** A town that was recomputed once, in which some have moved to other spellings since. */
async function respelled() {
  const workspace = newWorkspace()
  const { res } = hazardous(small)
  const { key } = await defined(res, workspace, 'household', 'street', shared, normalized)
  const before = { Ash: 'ab', ASH: 'c', Birch: 'defghijk', 'oak  st': 'lm', yew: 'no', Gone: 'x' }
  await writeUsers(res, workspace, inhabitants(before))
  await recomputed(workspace, { ...small, USERS_PER_STEP: 20_000 })
  const after = { ash: 'ad', 'OAK\tst': 'le', 'N/A': 'pqrs', YEW: 'nx', 'n/a': 't', '': 'u' }
  await writeUsers(res, workspace, inhabitants(after), 2)
  return { workspace, key }
}

const once = await (async () => {
  const { workspace, key } = await respelled()
  let calls = 0
  const { res, enqueued, meanwhile } = hazardous(small)
  await requestRecompute(res, workspace, 'household')
  meanwhile(async () => void calls++)
  await deliver(res, enqueued, workspace)
  const [run] = await runsOf(workspace)
  if (run === undefined) throw new Error('no run')
  return { run: counts(run), state: await stateOf(workspace), values: await written(key), calls }
})()

async function expectAsOnce(workspace: number, key: number) {
  const [run] = await runsOf(workspace)
  expect(run && counts(run)).toEqual(once.run)
  expect(await stateOf(workspace)).toEqual(once.state)
  expect(await written(key)).toEqual(once.values)
}

describe('a run that compares values normalized', () => {
  it('seats the spellings of a value together, and deletes unused values', async () => {
    const { workspace } = await respelled()
    const { run } = await recomputed(workspace)
    expect(run).toMatchObject({
      state: 'successful',
      withoutValue: 6,
      largest: [
        { value: 'birch', users: 6 },
        { value: 'ash', users: 4 },
      ],
    })
    const groups = await formed(hazardous(small).res, workspace, 'household')
    expect([...groups].map(([value, { members }]) => [value, members.join('')])).toEqual([
      ['ash', 'abc'],
      ['birch', 'fgh'],
      ['oak st', 'elm'],
      ['yew', 'nox'],
    ])
    expect(once.values).toEqual({
      ...{ ASH: 'ash', Ash: 'ash', ash: 'ash', Birch: 'birch' },
      ...{ 'OAK\tst': 'oak st', 'oak  st': 'oak st', YEW: 'yew', yew: 'yew' },
      ...{ 'N/A': 'n/a', 'n/a': 'n/a' },
    })
  })

  it('ends the same if the database fails before or after any call', async () => {
    for (let at = 0; at < once.calls; at += everyCall) {
      const { workspace, key } = await respelled()
      const { res, enqueued, fuse } = hazardous(small)
      const run = await requestRecompute(res, workspace, 'household')
      // The one and the other in turn: recompute.test.ts has both for each.
      fuse({ at, when: at % 2 === 0 ? 'before' : 'after' })
      await deliver(res, enqueued, workspace).catch(unlessCrash)
      fuse(undefined)
      await deliver(res, [...enqueued, { kind: 'recompute', workspace, run: run.key }], workspace)
      await expectAsOnce(workspace, key)
    }
  }, 120_000)

  it('ends the same if its message comes thrice at once', async () => {
    const { workspace, key } = await respelled()
    const { res } = hazardous(small)
    const run = await requestRecompute(res, workspace, 'household')
    await Promise.all([1, 2, 3].map(() => runRecompute(res, { workspace, run: run.key })))
    await expectAsOnce(workspace, key)
  })

  it('writes nothing but itself where nothing has changed', async () => {
    const { workspace } = await respelled()
    await recomputed(workspace)
    const { run, written } = await recomputed(workspace, { ...small, USERS_PER_STEP: 20_000 })
    expect(run.changed).toBe(0)
    expect(written).toBeLessThan(18 + 3 * run.step)
  })

  it('leaves a clean checkpoint when it is given up while normalizing', async () => {
    const { workspace } = await respelled()
    const { res } = hazardous(small)
    const { key } = await requestRecompute(res, workspace, 'household')
    await homeDb
      .prepare("UPDATE recompute_runs SET state = 'normalizing', cursor = 'zzz' WHERE key = ?")
      .bind(key)
      .run()
    await giveUpRun(res, workspace, key)
    expect((await runsOf(workspace))[0]).toMatchObject({ state: 'failed', cursor: '' })
  })

  it('seats nobody among strangers who says something new meanwhile', async () => {
    for (let at = 0; at < once.calls; at += everyCall) {
      const { workspace } = await respelled()
      const { res, enqueued, meanwhile } = hazardous(small)
      const hand = hazardous(small).res
      await requestRecompute(res, workspace, 'household')
      let calls = 0
      meanwhile(async () => {
        if (calls++ === at) await writeUsers(hand, workspace, [['a', { street: 'Cedar' }]], 3)
      })
      await deliver(res, enqueued, workspace)
      const groups = await formed(hand, workspace, 'household')
      const mine = [...groups].filter(([, { members }]) => members.includes('a'))
      expect(['', 'ash', 'cedar']).toContain(mine.map(([value]) => value).join())
      await recomputed(workspace)
      const next = await formed(hand, workspace, 'household')
      expect(next.get('cedar')?.members).toEqual(['a'])
    }
  }, 60_000)
})

describe('what the values of a definition are', () => {
  it('is deleted in steps once values are compared as they are', async () => {
    const { workspace, key } = await respelled()
    const { res } = hazardous(small)
    await updateDefinition(res, workspace, 'household', {
      change: { matching: null },
      by: 'tester',
    })
    const { run } = await recomputed(workspace, { ...small, USERS_PER_STEP: 2 })
    expect(run.state).toBe('successful')
    expect(await written(key)).toEqual({})
    const groups = await formed(res, workspace, 'household')
    expect([...groups.keys()]).toEqual([
      ...['ASH', 'Ash', 'Birch', 'OAK\tst', 'YEW', 'ash', 'oak  st', 'yew'],
    ])
  })

  it('is that of the source that the run began with', async () => {
    const { workspace, key } = await respelled()
    const { res } = hazardous(small)
    await writeUsers(res, workspace, [['a', { team: 'Red' }]], 3)
    await updateDefinition(res, workspace, 'household', {
      change: { source: 'team' },
      by: 'tester',
    })
    await recomputed(workspace)
    expect(await written(key)).toEqual({ Red: 'red' })
  })

  it('goes with the definition', async () => {
    const { workspace, key } = await respelled()
    const { res, enqueued } = hazardous(small)
    await deleteDefinition(res, workspace, 'household')
    await deliver(res, enqueued, workspace)
    expect(await left(key)).toEqual([0, 0, 0, 0, 0])
  })

  it('is one thing of each, though letters were folded since', async () => {
    const workspace = newWorkspace()
    const { res } = hazardous(small)
    const { key } = await defined(res, workspace, 'household', 'street', shared, normalized)
    await writeUsers(res, workspace, inhabitants({ ZÜRICH: 'abc', zürich: 'd' }))
    const fold = (folded: string | null, where: string) =>
      homeDb
        .prepare(
          `UPDATE user_attributes SET folded = ? WHERE workspace_id = ? AND name = 'street' AND ${where}`,
        )
        .bind(folded, workspace)
        .run()
    await fold(null, 'true')
    await recomputed(workspace)
    expect(await written(key)).toEqual({ ZÜRICH: 'zÜrich', zürich: 'zürich' })
    await fold('zürich', "user_id = 'c'")
    const { run } = await recomputed(workspace)
    expect(run).toMatchObject({ state: 'successful', seated: 3, overLimit: 1, groups: 1 })
    expect(await written(key)).toEqual({ ZÜRICH: 'zürich', zürich: 'zürich' })
  })
})

describe('a normalized Monday', () => {
  it('costs rows read by the users, and none written if nothing changed', async () => {
    const perUser: number[] = []
    for (const people of [1000, 4000]) {
      const workspace = newWorkspace()
      const { res } = hazardous()
      await defined(res, workspace, 'household', 'street', shared, normalized)
      await writeUsers(
        res,
        workspace,
        Array.from({ length: people }, (_, n) => [
          `user-${n}`,
          { street: `${Math.floor(n / 4)} ${n % 2 === 0 ? 'Oak' : 'OAK'} St`, dog: true, cars: n },
        ]),
      )
      await recomputed(workspace, {})
      const { run, read, written } = await recomputed(workspace, {})
      expect(run).toMatchObject({ seated: people, groups: people / 4, changed: 0 })
      expect(written).toBeLessThan(18 + 3 * run.step)
      perUser.push(read / people)
    }
    const [few = 0, many = 0] = perUser
    console.log(`normalized, a user: ${many} read`)
    expect(many / few).toBeLessThan(1.05)
    expect(many).toBeLessThan(35)
  })
})
