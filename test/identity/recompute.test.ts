import { createExecutionContext, createMessageBatch, getQueueResult } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { functions, type SharedAttribute } from '../../src/db/schema.ts'
import type { Value } from '../../src/identity/attributes.ts'
import { deleteDefinition, updateDefinition } from '../../src/identity/definitions.ts'
import { wakeForgottenRuns } from '../../src/identity/forgotten.ts'
import { beginWeek } from '../../src/identity/monday.ts'
import { deleteUser } from '../../src/identity/profiles.ts'
import { requestRecompute, runRecompute } from '../../src/identity/recompute.ts'
import { giveUpRun, listRuns, type Run } from '../../src/identity/runs.ts'
import { weekOf } from '../../src/identity/week.ts'
import worker from '../../src/index.ts'
import type { Message } from '../../src/messages.ts'
import type { Resources } from '../../src/resources.ts'
import { hazardous, unlessCrash } from '../support/hazard.ts'
import { cron, household, mondayIn, Team } from '../support/identity.ts'
import { expectSame, groupsOf, seatAll } from '../support/town.ts'
import { defined, deliver, formed, momentOf, told } from '../support/weeks.ts'

let workspaces = 3_000_000
const seatsMax = 3
const small = { GROUP_USERS_MAX: seatsMax, USERS_PER_STEP: 7 }
const shared: SharedAttribute[] = [
  { id: 'dog', type: 'boolean_or' },
  { id: 'cars', type: 'sum' },
]

/** The town as it is said to be: who lives where, everyone else a tramp. A street may hold more than a step takes, and more than a group. */
const inhabitants = (streets: Record<string, string>) =>
  Object.entries(streets).flatMap(([street, people]) =>
    people.split('').map((one, i): [string, Record<string, Value>] => [one, { street, dog: i % 2 === 1, cars: one.charCodeAt(0) }]),
  )

/** A town that was recomputed once and has changed since: within its groups, from earlier to later ones, back, and in a circle. */
async function movedTown() {
  const workspace = ++workspaces
  const { res, rung } = hazardous({ ...small, USERS_PER_STEP: 20_000 })
  const { key } = await defined(res, workspace, 'household', 'street', shared)
  await told(res, workspace, inhabitants({ ash: 'abc', birch: 'def', cedar: 'ghijklm', fir: 'nop', oak: 'q', yew: 'rstuv' }))
  await requestRecompute(res, workspace, 'household')
  await deliver(res, rung, workspace)
  await told(res, workspace, inhabitants({ ash: 'bqx', birch: 'ag', cedar: 'hijklmnz', fir: 'eos', oak: 'vwp', yew: 'rctuf' }), 2)
  return { workspace, key }
}

const runsOf = (workspace: number) => listRuns(hazardous().res.databaseOf(workspace), workspace, 'household')

/** What a run tells of itself when nothing disturbs it. */
const counts = ({ state, seated, overLimit, groups, changed, looked, cursor, attributes }: Run) => {
  return { state, seated, overLimit, groups, changed, looked, cursor, attributes }
}

/** The state of the definitions, their keys aside. */
const stateOf = async (workspace: number) => {
  const { town, definitions } = await momentOf(workspace)
  return { town, definitions: definitions.map(({ id, seats, groups }) => ({ id, seats, groups })) }
}

/** Runs it undisturbed: what it comes to, and how many calls of the database it takes. */
async function undisturbed() {
  const { workspace } = await movedTown()
  const { res, rung, meanwhile } = hazardous(small)
  await requestRecompute(res, workspace, 'household')
  let calls = 0
  meanwhile(async () => void calls++)
  await deliver(res, rung, workspace)
  const [run] = await runsOf(workspace)
  if (run === undefined) throw new Error('no run')
  return { state: await stateOf(workspace), run: counts(run), calls }
}

const once = await undisturbed()

async function expectAsOnce(workspace: number) {
  const [run, ...others] = await runsOf(workspace)
  expect(run && counts(run)).toEqual(once.run)
  expect(others).toHaveLength(1)
  expect(await stateOf(workspace)).toEqual(once.state)
}

describe('the cron of a Monday', () => {
  it('opens one run of a week, however often it comes, also at once', async () => {
    const team = await Team.open()
    await team.define(household)
    await team.user('ann', { $address: '5 Oak Ave' })
    await Promise.all([cron('0 3 * * MON', mondayIn(1)), cron('0 3 * * MON', mondayIn(1)), cron('0 3 * * MON', mondayIn(1) + 60_000)])
    await cron('0 3 * * MON', mondayIn(1))
    const runs = await team.get<{ id: string; week: string }[]>('/groups/household/runs')
    expect(runs).toMatchObject([{ week: weekOf(mondayIn(1)) }])
    expect(await team.ended('household', runs[0]?.id ?? '')).toMatchObject({ status: 'SUCCESSFUL', users_seated: 1 })

    await team.monday(mondayIn(2))
    expect(await team.get('/groups/household/runs')).toHaveLength(2)
  })

  it('waits for a run that was asked for, and both end well', async () => {
    const { workspace } = await movedTown()
    const { res, rung } = hazardous(small)
    const { key: asked } = await requestRecompute(res, workspace, 'household')
    // It begins, and stands still.
    const half = hazardous(small)
    half.fuse({ at: 8, when: 'before' })
    await runRecompute(half.res, workspace, asked).catch(unlessCrash)
    await beginWeek(res, mondayIn(1))
    const [weekly] = await runsOf(workspace)
    if (weekly === undefined) throw new Error('no run')
    await runRecompute(res, workspace, weekly.key)
    expect(await runsOf(workspace)).toMatchObject([{ week: weekOf(mondayIn(1)), state: 'waiting' }, { state: 'running' }, {}])

    await deliver(res, [{ kind: 'recompute', workspace, run: asked }], workspace)
    await deliver(res, rung.splice(0), workspace)
    const [second, first] = await runsOf(workspace)
    expect(first && counts(first)).toEqual(once.run)
    expect(second).toMatchObject({ state: 'successful', seated: 18, overLimit: 7, groups: 6, changed: 0 })
    expect(await stateOf(workspace)).toEqual(once.state)
  })

  it('is not opened a second time by one who asks while it waits', async () => {
    const { workspace } = await movedTown()
    const { res } = hazardous(small)
    await beginWeek(res, mondayIn(1))
    const [weekly] = await runsOf(workspace)
    expect((await requestRecompute(res, workspace, 'household')).id).toBe(weekly?.id)
    expect(await runsOf(workspace)).toHaveLength(2)
  })
})

const left = async (definition: number) => {
  const tables = ['identity_members', 'group_attributes', 'recompute_runs']
  const counted = await env.DB.batch<{ n: number }>([
    ...tables.map((table) => env.DB.prepare(`SELECT count(*) AS n FROM ${table} WHERE definition_key = ?`).bind(definition)),
    env.DB.prepare('SELECT count(*) AS n FROM group_definitions WHERE key = ?').bind(definition),
  ])
  return counted.map(({ results }) => results[0]?.n)
}

describe('every five minutes', () => {
  it('a run is found whose message was lost, and not one that was moved just now', async () => {
    const { workspace } = await movedTown()
    const { res, rung } = hazardous(small)
    const { key } = await requestRecompute(res, workspace, 'household')
    const later = (ms: number) => ({ ...res, now: () => Date.now() + ms })
    const ofMine = () => rung.splice(0).filter((message) => message.workspace === workspace)
    ofMine()
    await wakeForgottenRuns(later(9 * 60_000))
    expect(ofMine()).not.toContainEqual({ kind: 'recompute', workspace, run: key })
    await wakeForgottenRuns(later(11 * 60_000))
    const found = ofMine()
    expect(found).toEqual([{ kind: 'recompute', workspace, run: key }])
    await deliver(res, found, workspace)
    await deliver(res, rung, workspace)
    expect((await runsOf(workspace)).every(({ state }) => state === 'successful')).toBe(true)
    expect(await stateOf(workspace)).toEqual(once.state)
  })

  it('a week is begun whose cron did not come, but not for a definition that was created since', async () => {
    const monday = mondayIn(1)
    const at = (now: number) => {
      const made = hazardous({ ...small, DEFINITIONS_MAX: 5 })
      return { ...made, res: { ...made.res, now: () => now } }
    }
    const workspace = ++workspaces
    await defined(at(monday - 1).res, workspace, 'household', 'street', shared)
    await told(at(monday - 1).res, workspace, inhabitants({ ash: 'abc' }))
    await defined(at(monday + 1).res, workspace, 'since', 'street', shared)
    const weeks = async (id: string) => {
      const { res } = hazardous()
      return (await listRuns(res.databaseOf(workspace), workspace, id)).map(({ week, state }) => `${week} ${state}`)
    }

    // Before that Monday's three o'clock, the week before is looked after, in which there was no such definition.
    await wakeForgottenRuns(at(monday - 1).res)
    expect(await weeks('household')).toEqual([])
    for (const now of [monday, monday + 3_600_000, mondayIn(2) - 1]) {
      const { res, rung } = at(now)
      await wakeForgottenRuns(res)
      await deliver(res, rung, workspace)
      expect(await weeks('household')).toEqual([`${weekOf(monday)} successful`])
      expect(await weeks('since')).toEqual([])
    }
    const { res, rung } = at(mondayIn(2) + 300_000)
    await wakeForgottenRuns(res)
    await deliver(res, rung, workspace)
    expect(await weeks('household')).toEqual([`${weekOf(mondayIn(2))} successful`, `${weekOf(monday)} successful`])
    expect(await weeks('since')).toEqual([`${weekOf(mondayIn(2))} successful`])
  })

  it('a deleted definition is erased whose message was lost', async () => {
    const { workspace, key } = await movedTown()
    const { res, rung } = hazardous(small)
    await deleteDefinition(res, workspace, 'household')
    rung.length = 0
    await wakeForgottenRuns({ ...res, now: () => Date.now() + 11 * 60_000 })
    expect(rung).toContainEqual({ kind: 'erase-definition', workspace, definition: key })
    await deliver(res, rung, workspace)
    expect(await left(key)).toEqual([0, 0, 0, 0])
  })
})

describe('a run', () => {
  it('has in this file more steps than one, a street of more users than a step takes, and movers in every direction', () => {
    expect(once.run).toMatchObject({ state: 'successful', seated: 18, overLimit: 7, groups: 6 })
    expect(once.calls).toBeGreaterThan(15)
    expect(once.state.definitions[0]?.groups.get('cedar')?.members).toEqual(['h', 'i', 'j'])
  })

  it('ends the same if the database is lost before or after any of its calls', async () => {
    for (let at = 0; at < once.calls; at++)
      for (const when of ['before', 'after'] as const) {
        const { workspace } = await movedTown()
        const { res, rung, fuse } = hazardous(small)
        const { key } = await requestRecompute(res, workspace, 'household')
        fuse({ at, when })
        await deliver(res, rung, workspace).catch(unlessCrash)
        fuse(undefined)
        await deliver(res, [...rung, { kind: 'recompute', workspace, run: key }], workspace)
        await expectAsOnce(workspace)
      }
  }, 60_000)

  it('ends the same if its message comes twice, one after the other and at once', async () => {
    for (const atOnce of [false, true]) {
      const { workspace } = await movedTown()
      const { res } = hazardous(small)
      const { key } = await requestRecompute(res, workspace, 'household')
      const pass = () => runRecompute(res, workspace, key)
      await (atOnce ? Promise.all([pass(), pass(), pass()]) : pass().then(pass))
      await expectAsOnce(workspace)
    }
  })

  it('ends the same if one pass falls asleep before any of its calls and another brings the run to its end', async () => {
    for (let at = 0; at < once.calls; at++) {
      const { workspace } = await movedTown()
      const { res, fuse } = hazardous(small)
      const { key } = await requestRecompute(res, workspace, 'household')
      const { promise, resolve } = Promise.withResolvers<void>()
      const asleep = new Promise<void>((fallen) => fuse({ at, until: promise, fallen }))
      const sleeper = runRecompute(res, workspace, key)
      await Promise.race([asleep, sleeper])
      fuse(undefined)
      await runRecompute(res, workspace, key)
      resolve()
      await sleeper
      await expectAsOnce(workspace)
    }
  }, 60_000)

  it('hands over to another message before D1 has run 1,000 statements for one', async () => {
    const workspace = ++workspaces
    const { res, rung } = hazardous({ ...small, USERS_PER_STEP: 1 })
    await defined(res, workspace, 'household', 'street', shared)
    await told(
      res,
      workspace,
      Array.from({ length: 200 }, (_, i) => [`${i}`, { street: `${i}` }]),
    )
    const { key } = await requestRecompute(res, workspace, 'household')
    let passes = 0
    for (; rung.shift() !== undefined; passes++) {
      const pass = hazardous({ ...small, USERS_PER_STEP: 1 })
      await runRecompute(pass.res, workspace, key)
      expect(pass.res.meter.statements).toBeLessThan(1000)
      rung.push(...pass.rung)
    }
    expect(passes).toBeGreaterThan(1)
    expect((await runsOf(workspace))[0]).toMatchObject({ state: 'successful', seated: 200, groups: 200 })
  })
})

describe('a definition that is deleted', () => {
  it('ends its run quietly after any of its calls, and leaves nothing', async () => {
    for (let at = 0; at <= once.calls; at++) {
      const { workspace, key } = await movedTown()
      const { res, rung, meanwhile } = hazardous(small)
      await requestRecompute(res, workspace, 'household')
      const hand = hazardous(small)
      let calls = 0
      meanwhile(async () => {
        if (calls++ === at) await deleteDefinition(hand.res, workspace, 'household')
      })
      await deliver(res, rung, workspace)
      meanwhile(undefined)
      if (calls <= at) await deleteDefinition(hand.res, workspace, 'household')
      expect((await momentOf(workspace)).definitions).toEqual([])
      expect(hand.rung).toEqual([{ kind: 'erase-definition', workspace, definition: key }])
      await deliver(res, hand.rung, workspace)
      expect(await left(key)).toEqual([0, 0, 0, 0])
    }
  }, 60_000)

  it('leaves nothing if it is erased while one of its steps sleeps', async () => {
    for (let at = 0; at < once.calls; at++) {
      const { workspace, key } = await movedTown()
      const { res, rung, fuse } = hazardous(small)
      const run = await requestRecompute(res, workspace, 'household')
      const { promise, resolve } = Promise.withResolvers<void>()
      const asleep = new Promise<void>((fallen) => fuse({ at, until: promise, fallen }))
      const sleeper = runRecompute(res, workspace, run.key)
      await Promise.race([asleep, sleeper])
      fuse(undefined)
      await deleteDefinition(res, workspace, 'household')
      await deliver(res, rung, workspace)
      resolve()
      await sleeper
      expect(await left(key)).toEqual([0, 0, 0, 0])
    }
  }, 60_000)

  it('leaves nothing if it is deleted and erased while its week is opened', async () => {
    const { workspace, key } = await movedTown()
    const { res, rung, meanwhile } = hazardous(small)
    const hand = hazardous(small)
    meanwhile(async () => {
      meanwhile(undefined)
      await deleteDefinition(hand.res, workspace, 'household')
      await deliver(hand.res, hand.rung, workspace)
    })
    await beginWeek(res, mondayIn(1))
    await deliver(res, rung, workspace)
    expect(await left(key)).toEqual([0, 0, 0, 0])
  })
})

describe('a run that fails for good', () => {
  it('is FAILED where it stood, and the next begins anew and ends right', async () => {
    const { workspace } = await movedTown()
    const { res, rung, fuse } = hazardous(small)
    const { key } = await requestRecompute(res, workspace, 'household')
    fuse({ at: 11, when: 'before' })
    await runRecompute(res, workspace, key).catch(unlessCrash)
    const [before] = await runsOf(workspace)
    expect(before?.state).toBe('running')
    expect(before?.cursor).not.toBe('')
    await giveUpRun(res.databaseOf(workspace), workspace, key, res.now())
    const [failed] = await runsOf(workspace)
    expect(failed).toMatchObject({ state: 'failed', cursor: before?.cursor, endedAt: expect.any(Number) })
    await giveUpRun(res.databaseOf(workspace), workspace, key, res.now() + 1)
    await runRecompute(res, workspace, key)
    expect((await runsOf(workspace))[0]).toEqual(failed)

    rung.length = 0
    await requestRecompute(res, workspace, 'household')
    await deliver(res, rung, workspace)
    const { changed: _, ...rest } = once.run
    expect((await runsOf(workspace))[0]).toMatchObject(rest)
    expect(await stateOf(workspace)).toEqual(once.state)
  })

  it('is marked by the consumer of the dead-letter queue, and the one that waits behind it goes on', async () => {
    const team = await Team.open()
    await team.define(household)
    await team.user('ann', { $address: '5 Oak Ave' })
    const { res } = hazardous()
    const first = await requestRecompute(res, team.workspace, 'household')
    await beginWeek(res, mondayIn(1))
    await env.DB.prepare("UPDATE recompute_runs SET state = 'running' WHERE key = ?").bind(first.key).run()
    await beginWeek(res, mondayIn(2))

    const body: Message = { kind: 'recompute', workspace: team.workspace, run: first.key }
    const batch = createMessageBatch<Message>('work-dead', [{ id: 'dead', timestamp: new Date(), attempts: 1, body }])
    await worker.queue(batch, env)
    expect((await getQueueResult(batch, createExecutionContext())).explicitAcks).toEqual(['dead'])

    const runs = await listRuns(res.databaseOf(team.workspace), team.workspace, 'household')
    for (const run of runs) await team.ended('household', run.id)
    const ended = await listRuns(res.databaseOf(team.workspace), team.workspace, 'household')
    expect(ended.map(({ state }) => state)).toEqual(['successful', 'successful', 'failed'])
  })
})

/**
 * At this moment no group has more members than seats, and each shares what those who sit in it make, where they have not said something
 * else since (`changed`: user and attribute); of a definition that was redefined since, it may share less.
 */
async function expectWhole(workspace: number, { redefined = false, changed = new Set<string>() } = {}) {
  const { town, definitions } = await momentOf(workspace)
  for (const { attributes, seats, groups } of definitions) {
    const expected = groupsOf(town, seats, attributes)
    for (const [value, { members, shared }] of groups) {
      expect({ value, members, tooMany: members.length > seatsMax }).toEqual({ value, members, tooMany: false })
      for (const user of members) expect({ user, known: town.has(user) }).toEqual({ user, known: true })
      const wanted = expected.get(value)?.shared ?? {}
      for (const { id } of attributes) {
        if (members.some((user) => changed.has(`${user} ${id}`))) continue
        if (redefined && shared[id] === undefined) continue
        expect({ value, members, [id]: shared[id] }).toEqual({ value, members, [id]: wanted[id] })
      }
    }
  }
}

/** Recomputes a town, lets things change, and has something done after the `at`-th call of the run that follows. Tells whether it came to that. */
async function disturbed(
  at: number,
  {
    streets,
    then,
    usersPerStep,
  }: { streets: Record<string, string>; usersPerStep: number; then: (hand: Resources, workspace: number) => Promise<unknown> },
  deed: (hand: Resources, workspace: number) => Promise<unknown>,
) {
  const workspace = ++workspaces
  const { res, rung, meanwhile } = hazardous({ ...small, USERS_PER_STEP: 20 })
  const hand = hazardous(small).res
  await defined(res, workspace, 'household', 'street', shared)
  await told(res, workspace, inhabitants(streets))
  await requestRecompute(res, workspace, 'household')
  await deliver(res, rung, workspace)
  await then(hand, workspace)
  let calls = 0
  res.limits.usersPerStep = usersPerStep
  await requestRecompute(res, workspace, 'household')
  meanwhile(async () => {
    if (calls++ === at) await deed(hand, workspace)
    await expectWhole(workspace, { redefined: true })
  })
  await deliver(res, rung, workspace)
  return calls > at
}

const redefine = (hand: Resources, workspace: number, attributes: SharedAttribute[]) =>
  updateDefinition(hand, workspace, 'household', { attributes }, 'tester')

describe('a group', () => {
  it('never has more members than seats, even if one moves away between the look at a stretch and its seating', async () => {
    const streets = { ash: 'abcd', birch: 'e' }
    const then = (hand: Resources, workspace: number) => told(hand, workspace, inhabitants({ birch: 'ef' }), 2)
    const deed = (hand: Resources, workspace: number) => told(hand, workspace, inhabitants({ yew: 'a' }), 3)
    for (let at = 0; await disturbed(at, { streets, then, usersPerStep: 20 }, deed); at++);
  })

  it('shows an attribute that was taken out and comes back only as its members of now make it', async () => {
    const streets = { ash: 'ab', yew: 'cde' }
    const then = async (hand: Resources, workspace: number) => {
      await redefine(hand, workspace, shared.slice(0, 1))
      await told(hand, workspace, inhabitants({ ash: 'abc' }), 2)
    }
    const deed = (hand: Resources, workspace: number) => redefine(hand, workspace, shared)
    for (let at = 0; await disturbed(at, { streets, then, usersPerStep: 3 }, deed); at++);
  })

  it('shows nothing of a user who was deleted while the attribute was taken out', async () => {
    const workspace = ++workspaces
    const { res, rung } = hazardous(small)
    await defined(res, workspace, 'household', 'street', shared)
    await told(res, workspace, inhabitants({ ash: 'ab' }))
    await requestRecompute(res, workspace, 'household')
    await deliver(res, rung, workspace)
    await redefine(res, workspace, shared.slice(0, 1))
    await deleteUser(res.databaseOf(workspace), workspace, 'b')
    await redefine(res, workspace, shared)
    await expectWhole(workspace, { redefined: true })
  })
})

/** What somebody does between two calls of a run. */
type Deed =
  | { what: 'nothing' }
  | { what: 'moves'; user: string; street: string | null }
  | { what: 'says'; user: string; dog: boolean; cars: number }
  | { what: 'goes'; user: string }
  | { what: 'redefines'; attributes: SharedAttribute[] }

/** What becomes of the message of a run. */
type Delivery =
  | { what: 'delivered' }
  | { what: 'twice at once' }
  | { what: 'given up' }
  | { what: 'asked for' }
  | { what: 'dies'; at: number; when: 'before' | 'after' }
  | { what: 'sleeps'; at: number; dead: boolean }

const street = fc.constantFrom('ash', 'birch', 'birch', 'cedar', 'cedar', 'cedar', 'fir', 'oak', 'yew', null)
const user = fc.nat(23).map((n) => String.fromCharCode(97 + n))
const what = <What extends string>(name: What) => fc.constant(name)
const sharing = fc.uniqueArray(fc.record({ id: fc.constantFrom('dog', 'cars', 'street'), type: fc.constantFrom(...functions) }), {
  maxLength: 3,
  selector: ({ id }) => id,
  size: 'max',
})
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ what: what('nothing') }) },
  { weight: 8, arbitrary: fc.record({ what: what('moves'), user, street }) },
  { weight: 1, arbitrary: fc.record({ what: what('says'), user, dog: fc.boolean(), cars: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ what: what('goes'), user }) },
  { weight: 1, arbitrary: fc.record({ what: what('redefines'), attributes: sharing }) },
)
const delivery: fc.Arbitrary<Delivery> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: what('delivered') }) },
  { weight: 2, arbitrary: fc.record({ what: what('asked for') }) },
  { weight: 2, arbitrary: fc.record({ what: what('twice at once') }) },
  { weight: 1, arbitrary: fc.record({ what: what('given up') }) },
  { weight: 3, arbitrary: fc.record({ what: what('dies'), at: fc.nat(20), when: fc.constantFrom('before' as const, 'after' as const) }) },
  { weight: 3, arbitrary: fc.record({ what: what('sleeps'), at: fc.nat(20), dead: fc.boolean() }) },
)

describe('users who are written, moved and deleted while a run goes', () => {
  it('never share what others than those beside them made, and the next run seats everyone by the book', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(user, street), { minLength: 10, maxLength: 40, size: 'max' }),
        sharing,
        fc.array(deed, { minLength: 10, maxLength: 60, size: 'max' }),
        fc.array(delivery, { minLength: 1, maxLength: 6, size: 'max' }),
        fc.constantFrom(2, 3, 5, 20_000),
        async (people, attributes, deeds, deliveries, usersPerStep) => {
          const workspace = ++workspaces
          const vars = { GROUP_USERS_MAX: seatsMax, USERS_PER_STEP: usersPerStep }
          const { res, rung, fuse, meanwhile } = hazardous(vars)
          const hand = hazardous(vars).res
          const db = hand.databaseOf(workspace)
          const { key } = await defined(hand, workspace, 'household', 'street', attributes)
          await told(
            hand,
            workspace,
            people.map(([user, street], i) => [user, { street, dog: i % 3 === 0, cars: i }]),
          )
          await requestRecompute(res, workspace, 'household')
          await deliver(res, rung, workspace)

          let redefined = false
          const changed = new Set<string>()
          let time = 10
          const does = async (deed: Deed) => {
            if (deed.what === 'moves') await told(hand, workspace, [[deed.user, { street: deed.street }]], ++time)
            if (deed.what === 'moves') changed.add(`${deed.user} street`)
            if (deed.what === 'goes') await deleteUser(db, workspace, deed.user).catch(() => undefined)
            if (deed.what === 'says') {
              changed.add(`${deed.user} dog`).add(`${deed.user} cars`)
              await told(hand, workspace, [[deed.user, { dog: deed.dog, cars: deed.cars }]], ++time)
            }
            if (deed.what === 'redefines') {
              redefined = true
              await updateDefinition(hand, workspace, 'household', { attributes: deed.attributes }, 'tester')
            }
          }

          const check = () => expectWhole(workspace, { redefined, changed })
          meanwhile(async () => {
            await check()
            const deed = deeds.shift()
            if (deed === undefined || deed.what === 'nothing') return
            await does(deed)
            await check()
          })
          const lastKey = async () => {
            const { results } = await env.DB.prepare('SELECT key FROM recompute_runs WHERE definition_key = ? ORDER BY key DESC LIMIT 1')
              .bind(key)
              .all<{ key: number }>()
            return results[0]?.key ?? 0
          }
          const pass = async () => {
            res.meter.statements = 0
            await runRecompute(res, workspace, await lastKey())
          }
          await beginWeek(hand, mondayIn(1))
          for (const next of deliveries) {
            if (next.what === 'delivered') await pass()
            else if (next.what === 'twice at once') await Promise.all([pass(), pass()])
            else if (next.what === 'given up') await giveUpRun(db, workspace, await lastKey(), hand.now())
            else if (next.what === 'asked for') await requestRecompute(hand, workspace, 'household')
            else if (next.what === 'dies') {
              fuse({ at: next.at, when: next.when })
              await pass().catch(unlessCrash)
              fuse(undefined)
            } else {
              const { promise, resolve } = Promise.withResolvers<void>()
              const asleep = new Promise<void>((fallen) => fuse({ at: next.at, until: promise, fallen }))
              const sleeper = pass()
              await Promise.race([asleep, sleeper])
              fuse(undefined)
              if (next.dead) await giveUpRun(db, workspace, await lastKey(), hand.now())
              await pass()
              resolve()
              await sleeper
            }
            await check()
          }
          meanwhile(undefined)
          for (const { key } of (await runsOf(workspace)).toReversed())
            await deliver(res, [{ kind: 'recompute', workspace, run: key }], workspace)
          rung.length = 0
          await check()

          const before = await momentOf(workspace)
          await requestRecompute(res, workspace, 'household')
          await deliver(res, rung, workspace)
          for (const { source, attributes, seats } of before.definitions) {
            const wanted = seatAll(before.town, seats, source, seatsMax)
            expectSame(await formed(res, workspace, 'household'), groupsOf(before.town, wanted.seats, attributes))
            const [last, ...earlier] = await runsOf(workspace)
            expect(last).toMatchObject({ state: 'successful', seated: wanted.seats.size, overLimit: wanted.overLimit })
            for (const { state } of earlier) expect(['successful', 'failed']).toContain(state)
          }
          await deleteDefinition(res, workspace, 'household')
          await deliver(res, rung, workspace)
          expect(await left(key)).toEqual([0, 0, 0, 0])
        },
      ),
      { numRuns: 25 },
    )
  }, 120_000)
})
