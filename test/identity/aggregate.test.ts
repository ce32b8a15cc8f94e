import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonical } from '../../src/text.ts'
import type { Db } from '../../src/db/connect.ts'
import { functions, type SharedAttribute } from '../../src/db/schema.ts'
import { explain } from '../../src/identity/explain.ts'
import { readAttributes, type Value } from '../../src/identity/attributes.ts'
import { updateDefinition } from '../../src/identity/definitions.ts'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { beginWeek } from '../../src/identity/monday.ts'
import { deleteUser } from '../../src/identity/delete-user.ts'
import { getProfile, inheritedName, recordReports } from '../../src/identity/profiles.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import { listRuns } from '../../src/identity/runs.ts'
import { hazardous } from '../support/hazard.ts'
import { mondayIn } from '../support/identity.ts'
import {
  expectSame,
  groupsOf,
  record,
  inBytes,
  seatAll,
  type Groups,
  type Town,
} from '../support/town.ts'
import { defined, deliver, formed, momentOf, writeUsers } from '../support/weeks.ts'
import { runs } from '../support/property.ts'
import { newWorkspace } from '../support/workspaces.ts'

/** Spellings of numbers, and near misses. */
const numeric = [
  '5',
  ' 5 ',
  '\t5\n',
  '+5',
  '-5',
  '.5',
  '5.',
  '05',
  '1e3',
  '1E+2',
  '25e-2',
  '9007199254740993',
  '00.250',
  '-0',
  '1e21',
  '\u00a05',
  '5\u3000',
  '\u200b5\u2060',
]
const notNumeric = [
  '',
  ' ',
  '1e999',
  '-1e999',
  '0x10',
  'Infinity',
  'NaN',
  '1,000',
  '1_000',
  '5 5',
  '+',
  '.',
  'e5',
  '5e',
  '--5',
  '٥',
]
const words = [
  'true',
  'TRUE',
  'True',
  ' true ',
  '\u00a0TRUE\n',
  'falſe',
  'false',
  'yes',
  '1',
  '0',
  '["true"]',
  'null',
  "o'clock",
  '"',
  '😀',
  'é',
]

const moments = [
  '2024-02-29',
  ' 2024-02-29T00:00:00Z',
  '2024-02-29T01:00+02:00',
  '2023-02-29',
  '2024-02-28 23:59',
  'at 2024-02-29',
]

/** Of two, a hundred are shared. */
const many = Array.from({ length: 70 }, (_, i) => `item ${i}`)
const long = [...Array.from({ length: 70 }, (_, i) => `ITEM ${i}`), 'Ω'.repeat(512), 'it\'s "']

const own: fc.Arbitrary<Value | null> = fc.oneof(
  fc.constantFrom(...numeric),
  fc.constantFrom(...notNumeric),
  fc.constantFrom(...words),
  fc.constantFrom(0, -0, 1, -1, 5, 0.5, 0.1, -2.25, 1e21, 1e308, 5e-324, 9007199254740991),
  fc.integer({ min: -1000, max: 1000 }).map((n) => n / 8),
  fc.boolean(),
  fc.constantFrom<string[][]>([], ['true'], ['5'], ['a', 'b'], ['b', 'É', 'b'], many, long),
  fc.constantFrom(...moments),
  fc.constantFrom('Ann', 'ANN', ' ann', 'Zoë', 'zoe\u0308', 'É', 'e', 'É ', 'x'.repeat(513)),
  fc.constantFrom('9007199254740992', '9223372036854775807', '9223372036854775808', '5.0', '1e0'),
  fc.constantFrom('y'.repeat(64), 'y'.repeat(65), '😀'.repeat(64), '😀'.repeat(65), '\u0001"\\'),
  fc.constant(null),
)

/** Few, so that groups form; some are equal across types, others only look equal. */
const place: fc.Arbitrary<Value | null> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom<Value[]>('1 Main St', '1 main st', 'é', 'ﾝ', '\ue000', '😀'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Value[]>(
      '1 MAIN ST',
      '1  Main\tst',
      '\u200b1 Main St\u00a0',
      'e\u0301',
      'É',
      'E\u0301\ufeff',
      'ΟΔΟΣ',
      'οδος ',
      ' n/a\u2060',
      'n/a',
      'N/A',
      '(Null)',
      'none',
      'head office',
      'Head Office',
      '-',
      '?',
      ' 1 Main St\u00a0',
      '\u200b1 Main St',
      'e\u0301',
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Value[]>(
      5,
      '5',
      '5.0',
      ' 5',
      true,
      'true',
      -0,
      '0',
      1e21,
      '1e+21',
      'NaN',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Value[]>(
      '',
      ' ',
      '\t\n',
      '\u00a0\u3000',
      '\ufeff',
      '\u200b',
      [],
      ['1 Main St'],
      '["1 Main St"]',
    ),
  },
  { weight: 1, arbitrary: fc.constant(null) },
)

const person = fc
  .tuple(fc.constantFrom('', 'a', 'Z', 'é', '～', '\ue000', '😀', 'a😀', 'a～'), fc.nat(5))
  .map(([name, n]) => `${name}${n}`)

/** A moment: attaches are frequent. */
const at = fc.nat(5)
const event = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      what: fc.constant('said' as const),
      user: person,
      at,
      attributes: fc.record(
        { address: place, team: place, a: own, b: own, c: own },
        { requiredKeys: [] },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('gone' as const), user: person, at }) },
)

const attributes = fc.uniqueArray(
  fc.record({ id: fc.constantFrom('a', 'b', 'c', 'address'), type: fc.constantFrom(...functions) }),
  {
    maxLength: 4,
    selector: ({ id }) => id,
    size: 'max',
  },
)
const definition = fc.record({
  source: fc.constantFrom('address', 'address', 'team', 'a'),
  attributes,
  matching: fc.constantFrom(null, null, 'normalized' as const),
  ignoreValues: fc.constantFrom<(string[] | null)[]>(
    null,
    null,
    [],
    ['HEAD  office', '5'],
    ['-', 'É'],
  ),
})

const week = fc.record({
  events: fc.array(event, { maxLength: 60, size: 'max' }),
  change: fc.option(definition, { freq: 3 }),
  seatsMax: fc.constantFrom(3, 3, 2, 4, 1),
  usersPerStep: fc.constantFrom(20_000, 20_000, 11, 5, 2),
  definitions: fc.boolean(),
})

/** Of a household of several, what is said to count makes what is shared. */
async function expectExplained(
  of: { db: Db; workspace: number; definition: string; attributes: SharedAttribute[] },
  groups: Groups,
) {
  const group = [...groups.values()].find(({ members }) => members.length > 1)
  if (group === undefined) return
  const [user = ''] = group.members
  for (const { id, type } of of.attributes) {
    const result = group.shared[id]
    if (result === undefined) continue
    const name = inheritedName(of.definition, id)
    const { value, members } = await explain(of.db, of.workspace, user, name)
    expect(value).toEqual(result)
    expect(members.map(({ user }) => user)).toEqual(group.members)
    const counted = members.flatMap((one) => (one.counts && one.value !== null ? [one.value] : []))
    const items = counted.map((one) => (Array.isArray(one) ? one : [canonical(String(one))]))
    switch (type) {
      case 'latest':
      case 'earliest':
      case 'min':
      case 'max':
        expect(counted).toEqual([result])
        break
      case 'count':
        expect(counted).toHaveLength(Number(result))
        break
      case 'count_distinct':
        expect(new Set(items.flat()).size).toBe(result)
        break
      case 'most_frequent':
        for (const some of items) expect(some).toContain(String(result))
        break
      case 'unique_list':
        for (const item of result as string[]) expect(items.flat()).toContain(item) // a list
        break
      case 'boolean_or':
        expect(counted.length > 0).toBe(result)
        break
      case 'boolean_and':
        expect(items.every(([one = '']) => one.toLowerCase() === 'true')).toBe(
          result || counted.length === 0,
        )
    }
    for (const { excluded, value } of members) expect(excluded === 'missing').toBe(value === null)
  }
}

describe('Monday after Monday', () => {
  it('seats and shares as the oracle does, whatever is written of users', async () => {
    let rows = 0
    await fc.assert(
      fc.asyncProperty(
        definition,
        definition,
        fc.array(week, { minLength: 2, maxLength: 4, size: 'max' }),
        async (first, second, weeks) => {
          const workspace = newWorkspace()
          const opening = hazardous({ DEFINITIONS_MAX: 5 }).res
          const definitions = new Map([
            ['household', first],
            ['team', second],
          ])
          for (const [id, { source, attributes, ...more }] of definitions)
            await defined(opening, workspace, id, source, attributes, more)
          const town: Town = new Map()
          const gone = new Map<string, number>()
          const sitting = new Map<string, ReadonlyMap<string, string>>()

          for (const [
            i,
            { events, change, seatsMax, usersPerStep, definitions: onDemand },
          ] of weeks.entries()) {
            const { res, enqueued } = hazardous({
              DEFINITIONS_MAX: 5,
              GROUP_USERS_MAX: seatsMax,
              USERS_PER_STEP: usersPerStep,
            })
            const db = res.databaseOf(workspace)
            if (change !== null && i > 0) {
              definitions.set('household', change)
              await updateDefinition(res, workspace, 'household', { change, by: 'tester' })
            }
            for (const next of inRuns(events)) {
              if (Array.isArray(next)) {
                for (const { user, at, attributes } of next)
                  if (at > (gone.get(user) ?? -1)) record(town, user, at, attributes)
                const reports = next.map(({ user, at, attributes }) => ({
                  user,
                  at,
                  changes: readAttributes(attributes),
                }))
                await recordReports(res, workspace, reports)
                rows += reports.flatMap(({ changes }) => changes).length
              } else if (town.delete(next.user)) {
                await deleteUser({ ...res, now: () => next.at }, workspace, next.user)
                gone.set(next.user, Math.max(next.at, gone.get(next.user) ?? -1))
                for (const seats of sitting.values())
                  (seats as Map<string, string>).delete(next.user)
              }
            }

            if (onDemand)
              for (const id of definitions.keys()) await requestRecompute(res, workspace, id)
            else await beginWeek(res, mondayIn(i + 1))
            await deliver(res, enqueued, workspace)

            const groups = new Map<string, string[]>()
            const inherited = new Map<string, Record<string, Value>>()
            for (const [id, rule] of definitions) {
              const { seats, overLimit, withoutValue, largest } = seatAll(
                town,
                sitting.get(id) ?? new Map(),
                rule,
                seatsMax,
              )
              sitting.set(id, seats)
              const expected = groupsOf(town, seats, rule.attributes)
              const actual = await formed(res, workspace, id)
              expectSame(actual, expected)
              await expectExplained(
                { db, workspace, definition: id, attributes: rule.attributes },
                actual,
              )
              const [run] = await listRuns(db, workspace, id)
              expect(run).toMatchObject({
                state: 'successful',
                seated: seats.size,
                overLimit,
                scanned: seats.size + overLimit,
                groups: expected.size,
                withoutValue,
                largest,
              })
              for (const [value, { members, shared }] of actual)
                for (const user of members) {
                  groups.set(user, [...(groups.get(user) ?? []), `${id}=${value}`])
                  const names = Object.entries(shared).map(([name, result]) => [
                    inheritedName(id, name),
                    result,
                  ])
                  inherited.set(user, { ...inherited.get(user), ...Object.fromEntries(names) })
                }
            }

            for (const [user, known] of [...town].slice(0, 6)) {
              const profile = await getProfile(db, workspace, user)
              const ofTheirOwn = [...known].flatMap(([name, { value }]) =>
                value === null ? [] : [[name, value] as const],
              )
              expect(Object.fromEntries(profile.attributes)).toEqual({
                ...Object.fromEntries(ofTheirOwn),
                ...inherited.get(user),
              })
              expect(
                profile.groups.map(({ definition, value }) => `${definition}=${value}`),
              ).toEqual(groups.get(user) ?? [])
            }

            // Again, in one step.
            const before = await momentOf(workspace)
            res.limits.usersPerStep = 20_000
            for (const id of definitions.keys()) await requestRecompute(res, workspace, id)
            await deliver(res, enqueued, workspace)
            expect(await momentOf(workspace)).toEqual(before)
            for (const id of definitions.keys())
              expect((await listRuns(db, workspace, id))[0]).toMatchObject({
                state: 'successful',
                changed: 0,
              })
          }

          // Or the Mondays of the workspaces to come would be theirs too.
          const { res, enqueued } = hazardous()
          for (const id of definitions.keys()) await deleteDefinition(res, workspace, id)
          await deliver(res, enqueued, workspace)
        },
      ),
      runs(8),
    )
    expect(rows).toBeGreaterThan(900)
  }, 240_000)
})

type Event = typeof event extends fc.Arbitrary<infer One> ? One : never
type Said = Extract<Event, { what: 'said' }>
type Gone = Extract<Event, { what: 'gone' }>

/** What is said between two departures is written together. */
function inRuns(events: Event[]): (Said[] | Gone)[] {
  const runs: (Said[] | Gone)[] = []
  for (const event of events) {
    const last = runs.at(-1)
    if (event.what === 'gone') runs.push(event)
    else if (Array.isArray(last)) last.push(event)
    else runs.push([event])
  }
  return runs
}

describe('a definition of thirty attributes', () => {
  it('shares all of them, whichever their function is', async () => {
    const workspace = newWorkspace()
    const { res, enqueued } = hazardous({ SHARED_ATTRIBUTES_MAX: 30 })
    const ids = Array.from({ length: 30 }, (_, i) => `attribute ${i}`)
    await defined(res, workspace, 'household', 'address', [], { matching: 'normalized' })
    const own = Object.fromEntries(ids.map((id) => [id, '5']))
    await writeUsers(res, workspace, [['ann', { address: '1 Main St', ...own }]])
    for (const type of functions) {
      const change = { attributes: ids.map((id) => ({ id, type })) }
      await updateDefinition(res, workspace, 'household', { change, by: 'tester' })
      await requestRecompute(res, workspace, 'household')
      await deliver(res, enqueued, workspace)
      const [group] = [...(await formed(res, workspace, 'household')).values()]
      expect(Object.keys(group?.shared ?? {}).sort()).toEqual([...ids].sort())
    }
  })
})

describe('numbers at the end of all numbers', () => {
  it.each([
    ['twice', [1e308, 1e308], undefined, undefined],
    ['below zero', [-1e308, -1e308], undefined, undefined],
    ['of both signs', [1e308, -1e308], 0, 0],
    ['once', [1e308, '1'], 1e308, 5e307],
  ])('share what they come to, or nothing beyond it: %s', async (_, values, total, mean) => {
    const workspace = newWorkspace()
    const { res, enqueued } = hazardous({ DEFINITIONS_MAX: 5 })
    await defined(res, workspace, 'sums', 'street', [{ id: 'cars', type: 'sum' }])
    await defined(res, workspace, 'means', 'street', [{ id: 'cars', type: 'average' }])
    await writeUsers(
      res,
      workspace,
      values.map((cars, i) => [`user-${i}`, { street: 'ash', cars }]),
    )
    const shared: unknown[] = []
    for (const id of ['sums', 'means']) {
      await requestRecompute(res, workspace, id)
      await deliver(res, enqueued, workspace)
      shared.push((await formed(res, workspace, id)).get('ash')?.shared['cars'])
    }
    expect(shared).toEqual([total, mean])
  })
})

describe('the order of the oracle', () => {
  it('is that of bytes, where that of JavaScript is another', () => {
    const names = ['😀', '～', 'a', 'aa', '', 'é', '\ue000']
    expect(names.toSorted(inBytes)).toEqual(['', 'a', 'aa', 'é', '\ue000', '～', '😀'])
    expect(names.toSorted(inBytes)).not.toEqual(names.toSorted())
  })
})
