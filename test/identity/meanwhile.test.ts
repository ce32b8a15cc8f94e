import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { functions, type SharedAttribute } from '../../src/db/schema.ts'
import { updateDefinition } from '../../src/identity/definitions.ts'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { listHouseholds } from '../../src/identity/households.ts'
import { beginWeek } from '../../src/identity/monday.ts'
import { deleteUser } from '../../src/identity/delete-user.ts'
import { requestRecompute, runRecompute } from '../../src/identity/recompute.ts'
import { giveUpRun } from '../../src/identity/runs.ts'
import type { Resources } from '../../src/resources.ts'
import { homeDb } from '../support/databases.ts'
import { faults } from '../support/deliveries.ts'
import { hazardous, unlessCrash, type Fault } from '../support/hazard.ts'
import { mondayIn } from '../support/identity.ts'
import { expectSame, groupsOf, seatAll } from '../support/town.ts'
import { defined, deliver, formed, momentOf, writeUsers } from '../support/weeks.ts'
import { seatsMax, small, shared, inhabitants, runsOf, left } from './moved-town.ts'
import { everyCall, runs } from '../support/property.ts'
import { newWorkspace } from '../support/workspaces.ts'

interface Tolerance {
  lasting?: SharedAttribute[]
  changed?: Set<string>
}

const asks = (attributes: SharedAttribute[], { id, type }: SharedAttribute) =>
  attributes.some((one) => one.id === id && one.type === type)

/**
 * No group has too many members, and each shares what its members' values make, except for users
 * `changed` since. Functions that did not last (`lasting`) may be missing until the next run.
 */
async function expectWhole(
  workspace: number,
  { lasting = shared, changed = new Set<string>() }: Tolerance = {},
) {
  const { town, definitions } = await momentOf(workspace)
  for (const { attributes, seats, groups } of definitions) {
    const expected = groupsOf(town, seats, attributes)
    for (const [value, { members, shared }] of groups) {
      expect({ value, members, tooMany: members.length > seatsMax }).toEqual({
        value,
        members,
        tooMany: false,
      })
      for (const user of members)
        expect({ user, known: town.has(user) }).toEqual({ user, known: true })
      const wanted = expected.get(value)?.shared ?? {}
      for (const { id, type } of attributes) {
        if (members.some((user) => changed.has(`${user} ${id}`))) continue
        if (!asks(lasting, { id, type }) && shared[id] === undefined) continue
        expect({ value, members, [id]: shared[id] }).toEqual({ value, members, [id]: wanted[id] })
      }
    }
  }
}

/**
 * Recomputes a town, changes it, and acts after call `at` of the next run; says whether that came.
 */
async function disturbed(
  at: number,
  {
    streets,
    then,
    usersPerStep,
  }: {
    streets: Record<string, string>
    usersPerStep: number
    then: (hand: Resources, workspace: number) => Promise<unknown>
  },
  deed: (hand: Resources, workspace: number) => Promise<unknown>,
) {
  const workspace = newWorkspace()
  const { res, enqueued, meanwhile } = hazardous({ ...small, USERS_PER_STEP: 20 })
  const hand = hazardous(small).res
  await defined(res, workspace, 'household', 'street', shared)
  await writeUsers(res, workspace, inhabitants(streets))
  await requestRecompute(res, workspace, 'household')
  await deliver(res, enqueued, workspace)
  await then(hand, workspace)
  let calls = 0
  res.limits.usersPerStep = usersPerStep
  await requestRecompute(res, workspace, 'household')
  meanwhile(async () => {
    if (calls++ === at) await deed(hand, workspace)
    await expectWhole(workspace, { lasting: shared.slice(0, 1) })
  })
  await deliver(res, enqueued, workspace)
  return calls > at
}

const redefine = (hand: Resources, workspace: number, attributes: SharedAttribute[]) =>
  updateDefinition(hand, workspace, 'household', { change: { attributes }, by: 'tester' })

describe('a group', () => {
  it('never has too many members, even if one moves before seating', async () => {
    const streets = { ash: 'abcd', birch: 'e' }
    const then = (hand: Resources, workspace: number) =>
      writeUsers(hand, workspace, inhabitants({ birch: 'ef' }), 2)
    const deed = (hand: Resources, workspace: number) =>
      writeUsers(hand, workspace, inhabitants({ yew: 'a' }), 3)
    for (
      let at = 0;
      await disturbed(at, { streets, then, usersPerStep: 20 }, deed);
      at += everyCall
    );
  })

  it('shows an attribute that comes back by its members of now only', async () => {
    const streets = { ash: 'ab', yew: 'cde' }
    const then = async (hand: Resources, workspace: number) => {
      await redefine(hand, workspace, shared.slice(0, 1))
      await writeUsers(hand, workspace, inhabitants({ ash: 'abc' }), 2)
    }
    const deed = (hand: Resources, workspace: number) => redefine(hand, workspace, shared)
    for (
      let at = 0;
      await disturbed(at, { streets, then, usersPerStep: 3 }, deed);
      at += everyCall
    );
  })

  it('shares by a new function once somebody leaves, though no result changes', async () => {
    const workspace = newWorkspace()
    const { res, enqueued } = hazardous(small)
    await defined(res, workspace, 'household', 'street', [{ id: 'n', type: 'sum' }])
    await writeUsers(res, workspace, [
      ['a', { street: 'ash', n: 5 }],
      ['b', { street: 'ash' }],
    ])
    await requestRecompute(res, workspace, 'household')
    await deliver(res, enqueued, workspace)
    await redefine(res, workspace, [{ id: 'n', type: 'average' }])
    await deleteUser(res, workspace, 'b')
    const query = { value: 'ash', groupUsersMax: res.limits.groupUsersMax }
    const db = res.databaseOf(workspace)
    const shown = await listHouseholds(db, workspace, 'household', query)
    expect(shown.households).toMatchObject([{ value: 'ash', shared: [['n', 5]] }])
  })

  it('shows nothing of a user deleted while the attribute was not shared', async () => {
    const workspace = newWorkspace()
    const { res, enqueued } = hazardous(small)
    await defined(res, workspace, 'household', 'street', shared)
    await writeUsers(res, workspace, inhabitants({ ash: 'ab' }))
    await requestRecompute(res, workspace, 'household')
    await deliver(res, enqueued, workspace)
    await redefine(res, workspace, shared.slice(0, 1))
    await deleteUser(res, workspace, 'b')
    await redefine(res, workspace, shared)
    await expectWhole(workspace, { lasting: shared.slice(0, 1) })
  })
})

/** What somebody does between two calls of a run. */
type Deed =
  | { what: 'nothing' }
  | { what: 'moves'; user: string; street: string | null }
  | { what: 'says'; user: string; dog: boolean; cars: number }
  | { what: 'goes'; user: string }
  | { what: 'redefines'; attributes: SharedAttribute[] }
  | { what: 'compares'; matching: 'normalized' | null; ignoreValues: string[] | null }

/** What becomes of the message of a run. */
type Delivery =
  | { what: 'delivered' }
  | { what: 'twice at once' }
  | { what: 'given up' }
  | { what: 'requested' }
  | { what: 'dies'; fault: Fault }
  | { what: 'sleeps'; at: number; dead: boolean }

const street = fc.constantFrom(
  'ash',
  'birch',
  'birch',
  'cedar',
  'cedar',
  'cedar',
  'fir',
  'oak',
  'yew',
  'Cedar',
  'N/A',
  'oak  ii',
  'OAK II',
  '',
  null,
)
const user = fc.nat(23).map((n) => String.fromCharCode(97 + n))
const what = <What extends string>(name: What) => fc.constant(name)
const sharing = fc.uniqueArray(
  fc.record({ id: fc.constantFrom('dog', 'cars', 'street'), type: fc.constantFrom(...functions) }),
  {
    maxLength: 3,
    selector: ({ id }) => id,
    size: 'max',
  },
)
const comparing = {
  matching: fc.constantFrom(null, 'normalized' as const),
  ignoreValues: fc.constantFrom<(string[] | null)[]>(null, null, ['Fir', 'oak ii'], []),
}
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ what: what('nothing') }) },
  { weight: 8, arbitrary: fc.record({ what: what('moves'), user, street }) },
  {
    weight: 1,
    arbitrary: fc.record({ what: what('says'), user, dog: fc.boolean(), cars: fc.nat(9) }),
  },
  { weight: 2, arbitrary: fc.record({ what: what('goes'), user }) },
  { weight: 1, arbitrary: fc.record({ what: what('redefines'), attributes: sharing }) },
  { weight: 1, arbitrary: fc.record({ what: what('compares'), ...comparing }) },
)
const delivery: fc.Arbitrary<Delivery> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: what('delivered') }) },
  { weight: 2, arbitrary: fc.record({ what: what('requested') }) },
  { weight: 2, arbitrary: fc.record({ what: what('twice at once') }) },
  { weight: 1, arbitrary: fc.record({ what: what('given up') }) },
  {
    weight: 3,
    arbitrary: fc.record({
      what: what('dies'),
      fault: faults(fc.nat(20)),
    }),
  },
  { weight: 3, arbitrary: fc.record({ what: what('sleeps'), at: fc.nat(20), dead: fc.boolean() }) },
)

describe('users who are written, moved and deleted while a run goes', () => {
  it("never share another household's values, and the next run is right", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(user, street), { minLength: 10, maxLength: 40, size: 'max' }),
        sharing,
        fc.array(deed, { minLength: 10, maxLength: 60, size: 'max' }),
        fc.array(delivery, { minLength: 1, maxLength: 6, size: 'max' }),
        fc.constantFrom(2, 3, 5, 20_000),
        fc.record(comparing),
        async (people, attributes, deeds, deliveries, usersPerStep, more) => {
          const workspace = newWorkspace()
          const vars = { GROUP_USERS_MAX: seatsMax, USERS_PER_STEP: usersPerStep }
          const { res, enqueued, fuse, meanwhile } = hazardous(vars)
          const hand = hazardous(vars).res
          const { key } = await defined(hand, workspace, 'household', 'street', attributes, more)
          await writeUsers(
            hand,
            workspace,
            people.map(([user, street], i) => [user, { street, dog: i % 3 === 0, cars: i }]),
          )
          await requestRecompute(res, workspace, 'household')
          await deliver(res, enqueued, workspace)

          let lasting = attributes
          const changed = new Set<string>()
          let time = 10
          const atTime = (now: number) => ({ ...hand, now: () => now })
          const does = async (deed: Deed) => {
            if (deed.what === 'moves')
              await writeUsers(hand, workspace, [[deed.user, { street: deed.street }]], ++time)
            if (deed.what === 'moves') changed.add(`${deed.user} street`)
            if (deed.what === 'goes')
              await deleteUser(atTime(++time), workspace, deed.user).catch(() => undefined)
            if (deed.what === 'says') {
              changed.add(`${deed.user} dog`).add(`${deed.user} cars`)
              await writeUsers(
                hand,
                workspace,
                [[deed.user, { dog: deed.dog, cars: deed.cars }]],
                ++time,
              )
            }
            if (deed.what === 'compares') {
              const { matching, ignoreValues } = deed
              const change = { matching, ignoreValues }
              await updateDefinition(hand, workspace, 'household', { change, by: 'tester' })
            }
            if (deed.what === 'redefines') {
              lasting = lasting.filter((one) => asks(deed.attributes, one))
              await updateDefinition(hand, workspace, 'household', {
                change: { attributes: deed.attributes },
                by: 'tester',
              })
            }
          }

          const check = () => expectWhole(workspace, { lasting, changed })
          meanwhile(async () => {
            await check()
            const deed = deeds.shift()
            if (deed === undefined || deed.what === 'nothing') return
            await does(deed)
            await check()
          })
          const lastKey = async () => {
            const { results } = await homeDb
              .prepare(
                'SELECT key FROM recompute_runs WHERE definition_key = ? ORDER BY key DESC LIMIT 1',
              )
              .bind(key)
              .all<{ key: number }>()
            return results[0]?.key ?? 0
          }
          const invoke = async () => {
            res.meter.statements = 0
            await runRecompute(res, { workspace, run: await lastKey() })
          }
          await beginWeek(hand, mondayIn(1))
          for (const next of deliveries) {
            if (next.what === 'delivered') await invoke()
            else if (next.what === 'twice at once') await Promise.all([invoke(), invoke()])
            else if (next.what === 'given up') await giveUpRun(hand, workspace, await lastKey())
            else if (next.what === 'requested') await requestRecompute(hand, workspace, 'household')
            else if (next.what === 'dies') {
              fuse({ ...next.fault })
              await invoke().catch(unlessCrash)
              fuse(undefined)
            } else {
              const { promise, resolve } = Promise.withResolvers<void>()
              const asleep = new Promise<void>((fallen) =>
                fuse({ at: next.at, until: promise, fallen }),
              )
              const sleeper = invoke()
              await Promise.race([asleep, sleeper])
              fuse(undefined)
              if (next.dead) await giveUpRun(hand, workspace, await lastKey())
              await invoke()
              resolve()
              await sleeper
            }
            await check()
          }
          meanwhile(undefined)
          for (const { key } of (await runsOf(workspace)).toReversed())
            await deliver(res, [{ kind: 'recompute', workspace, run: key }], workspace)
          enqueued.length = 0
          await check()

          const before = await momentOf(workspace)
          await requestRecompute(res, workspace, 'household')
          await deliver(res, enqueued, workspace)
          for (const { attributes, seats, ...rule } of before.definitions) {
            const wanted = seatAll(before.town, seats, rule, seatsMax)
            expectSame(
              await formed(res, workspace, 'household'),
              groupsOf(before.town, wanted.seats, attributes),
            )
            const [last, ...earlier] = await runsOf(workspace)
            expect(last).toMatchObject({
              state: 'successful',
              seated: wanted.seats.size,
              overLimit: wanted.overLimit,
              withoutValue: wanted.withoutValue,
              largest: wanted.largest,
            })
            for (const { state } of earlier) expect(['successful', 'failed']).toContain(state)
          }
          await deleteDefinition(res, workspace, 'household')
          await deliver(res, enqueued, workspace)
          expect(await left(key)).toEqual([0, 0, 0, 0, 0])
        },
      ),
      runs(8),
    )
  }, 120_000)
})
