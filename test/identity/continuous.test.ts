import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SharedAttribute } from '../../src/db/schema.ts'
import { Failure } from '../../src/failure.ts'
import { correct, takeBack } from '../../src/identity/correct.ts'
import { isUnshown, type Correction } from '../../src/identity/corrections.ts'
import { updateDefinition } from '../../src/identity/definitions.ts'
import { deleteUser } from '../../src/identity/delete-user.ts'
import { mergeGroups, splitGroup } from '../../src/identity/merge.ts'
import { mergeUser, replaceUser } from '../../src/identity/profiles.ts'
import { requestRecompute, runRecompute } from '../../src/identity/recompute.ts'
import { refreshGroups } from '../../src/identity/refresh.ts'
import { listRuns } from '../../src/identity/runs.ts'
import { readAttributes, type Value } from '../../src/identity/attributes.ts'
import type { Message } from '../../src/messages.ts'
import { hazardous, unlessCrash } from '../support/hazard.ts'
import { runs } from '../support/property.ts'
import { expectSame, groupsOf, seatAll, type Town } from '../support/town.ts'
import { defined, momentOf, writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

/** Each has a bit, so that the sum of a group says of whom it was computed. */
const people = [...'abcdefgh']
const bitOf = (user: string) => 2 ** people.indexOf(user)
const shared: SharedAttribute[] = [
  { id: 'bit', type: 'sum' },
  { id: 'dog', type: 'boolean_or' },
  { id: 'plan', type: 'latest' },
]

const person = fc.constantFrom(...people)
const street = fc.constantFrom<Value[]>('Oak', 'oak', ' OAK', 'Elm', 'Fir', 'É', 'n/a', 5, '5')
const place: fc.Arbitrary<Value | null> = fc.oneof(
  { weight: 6, arbitrary: street },
  { weight: 1, arbitrary: fc.constantFrom<(Value | null)[]>(null, ['Oak'], '') },
)
const attributes = fc.record(
  { street: place, dog: fc.boolean(), plan: fc.constantFrom('red', 'blue') },
  { requiredKeys: [] },
)
const correction: fc.Arbitrary<Correction> = fc.oneof(
  person.map((other) => ({ with: other })),
  fc.constantFrom('Oak', 'Elm', 'Ash').map((value) => ({ value })),
  fc.constant({ alone: true as const }),
)

/** What happens; `at` is the call of the database that fails, if one does. */
const step = fc.record({
  what: fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        is: fc.constant('said' as const),
        users: fc.array(fc.tuple(person, attributes), { minLength: 1, maxLength: 6 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ is: fc.constant('put' as const), user: person, attributes }),
    },
    { weight: 1, arbitrary: fc.record({ is: fc.constant('gone' as const), user: person }) },
    {
      weight: 3,
      arbitrary: fc.record({ is: fc.constant('corrected' as const), user: person, correction }),
    },
    { weight: 1, arbitrary: fc.record({ is: fc.constant('back' as const), user: person }) },
    {
      weight: 1,
      arbitrary: fc.record({
        is: fc.constantFrom('merged' as const, 'split' as const),
        value: fc.constantFrom('Oak', 'Elm'),
        into: fc.constantFrom('Fir', 'Ash'),
        users: fc.uniqueArray(person, { minLength: 1, maxLength: 2 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ is: fc.constant('monday' as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        is: fc.constant('changed' as const),
        matching: fc.constantFrom(null, 'normalized' as const),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ is: fc.constant('delivered' as const), twice: fc.boolean() }),
    },
  ),
  fault: fc.option(
    fc.record({ at: fc.nat(6), when: fc.constantFrom('before' as const, 'after' as const) }),
    { freq: 4 },
  ),
})

const history = fc.record({
  refresh: fc.constantFrom('continuous' as const, 'continuous' as const, null),
  matching: fc.constantFrom(null, 'normalized' as const),
  seatsMax: fc.constantFrom(10, 3, 2, 1),
  steps: fc.array(step, { minLength: 5, maxLength: 30, size: 'max' }),
})

type Step = typeof step extends fc.Arbitrary<infer One> ? One : never
type Hand = ReturnType<typeof hazardous>

/** Whether each group shares the sum of the bits of those who are its members beside it. */
async function expectOfMembers(definition: number): Promise<void> {
  const { results } = await env.DB.prepare(
    `SELECT value, sum(1 << (unicode(user_id) - unicode('a'))) AS bits, (
      SELECT result FROM group_attributes AS a WHERE a.definition_key = m.definition_key
        AND a.value = m.value AND a.name = 'bit') AS shared
    FROM identity_members AS m WHERE definition_key = ? GROUP BY value HAVING bits IS NOT shared`,
  )
    .bind(definition)
    .all()
  expect(results).toEqual([])
}

async function handle({ res }: Hand, message: Message): Promise<void> {
  if (message.kind === 'refresh-groups') await refreshGroups(res, message)
  if (message.kind === 'recompute') await runRecompute(res, message)
}

/** Delivers the messages of a workspace; one that fails comes again. */
async function deliver(hand: Hand, workspace: number, twice = false): Promise<void> {
  const { enqueued } = hand
  for (let message = enqueued.shift(); message !== undefined; message = enqueued.shift()) {
    if (message.workspace !== workspace) continue
    const one = message
    const all = twice ? [handle(hand, one), handle(hand, one)] : [handle(hand, one)]
    for (const { status, reason } of await Promise.allSettled(all).then((ended) =>
      ended.map((end) => ({
        status: end.status,
        reason: 'reason' in end ? end.reason : undefined,
      })),
    ))
      if (status === 'rejected') {
        unlessCrash(reason)
        enqueued.push(one)
      }
  }
}

/** What a request does that is refused is nothing, and what dies is repeated by nobody. */
const unlessRefused = (error: unknown): void => {
  if (!(error instanceof Failure)) unlessCrash(error)
}

const withBit = (user: string, attributes: Record<string, Value | null>) => ({
  ...attributes,
  bit: bitOf(user),
})

async function take(hand: Hand, workspace: number, { what }: Step, at: number): Promise<unknown> {
  const { res } = hand
  const timed = { ...res, now: () => at }
  switch (what.is) {
    case 'said':
      return writeUsers(
        res,
        workspace,
        what.users.map(([user, attributes]) => [user, withBit(user, attributes)]),
        at,
      )
    case 'put': {
      const changes = readAttributes(withBit(what.user, what.attributes))
      return (at % 2 === 0 ? replaceUser : mergeUser)(timed, workspace, what.user, changes)
    }
    case 'gone':
      return deleteUser(timed, workspace, what.user)
    case 'corrected':
      return correct(res, workspace, 'household', { ...what, reason: null })
    case 'back':
      return takeBack(res, workspace, 'household', what.user)
    case 'merged':
      return mergeGroups(res, workspace, 'household', { ...what, reason: null })
    case 'split':
      return splitGroup(res, workspace, 'household', { ...what, reason: null })
    case 'monday':
      return requestRecompute(res, workspace, 'household')
    case 'changed':
      return updateDefinition(res, workspace, 'household', {
        change: { matching: what.matching },
        by: 'tester',
      })
    case 'delivered':
      return deliver(hand, workspace, what.twice)
  }
}

interface Corrected {
  user: string
  kind: 'with' | 'value' | 'alone'
  other: string | null
  text: string | null
}

/** The town as corrections have it: who is alone has a street of their own. */
async function correctedTown(workspace: number): Promise<Town> {
  const { town } = await momentOf(workspace)
  const { results } = await env.DB.prepare(
    `SELECT c.user_id AS user, c.kind, c.other_user_id AS other, c.text
    FROM group_corrections AS c JOIN group_definitions AS d ON d.key = c.definition_key
    WHERE d.workspace_id = ?`,
  )
    .bind(workspace)
    .all<Corrected>()
  const byUser = new Map(results.map((row) => [row.user, row]))
  const own = (user: string): Value | null => {
    const row = byUser.get(user)
    if (row?.kind === 'value') return row.text
    return town.get(user)?.get('street')?.value ?? null
  }
  const streetOf = (user: string): Value | null => {
    const row = byUser.get(user)
    if (row?.kind === 'alone') return `alone-${user}`
    return own(row?.kind === 'with' ? (row.other ?? '') : user)
  }
  const streets = new Map([...town.keys()].map((user) => [user, streetOf(user)]))
  for (const [user, known] of town) known.set('street', { value: streets.get(user) ?? null, at: 0 })
  return town
}

/** The seats, with the names of `correctedTown` for the groups of those who are alone. */
const namedSeats = (seats: ReadonlyMap<string, string>) =>
  new Map([...seats].map(([user, value]) => [user, isUnshown(value) ? `alone-${user}` : value]))

describe('groups that follow each change', () => {
  it('are what a Monday makes of them, whatever fails, repeats or meets', async () => {
    await fc.assert(
      fc.asyncProperty(history, async ({ refresh, matching, seatsMax, steps }) => {
        const workspace = newWorkspace()
        const hand = hazardous({ GROUP_USERS_MAX: seatsMax, USERS_PER_STEP: 3 })
        const { res, enqueued, fuse, meanwhile } = hand
        const more = { refresh, matching }
        const { key } = await defined(res, workspace, 'household', 'street', shared, more)
        meanwhile(() => expectOfMembers(key))
        for (const [i, one] of steps.entries()) {
          fuse(one.fault === null ? undefined : { ...one.fault })
          await take(hand, workspace, one, i + 10).catch(unlessRefused)
          fuse(undefined)
          await expectOfMembers(key)
        }
        // The cron's message, as one may be lost.
        enqueued.push({ kind: 'refresh-groups', workspace, definition: key })
        for (const { key: run } of (
          await listRuns(res.databaseOf(workspace), workspace, 'household')
        ).toReversed())
          enqueued.push({ kind: 'recompute', workspace, run })
        await deliver(hand, workspace)
        if (refresh === null || steps.some(({ what }) => what.is === 'changed')) {
          await requestRecompute(res, workspace, 'household')
          await deliver(hand, workspace)
        }

        const { definitions } = await momentOf(workspace)
        const [definition] = definitions
        if (definition === undefined) throw new Error('no definition')
        const town = await correctedTown(workspace)
        const seats = namedSeats(definition.seats)
        const rule = { source: 'street', matching: definition.matching }
        const wanted = seatAll(town, seats, rule, seatsMax)
        expect(seats).toEqual(wanted.seats)
        const groups = new Map(
          [...definition.groups].map(([value, group]) => [
            isUnshown(value) ? `alone-${group.members[0] ?? ''}` : value,
            group,
          ]),
        )
        const expected = groupsOf(town, seats, shared)
        expectSame(
          new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1))),
          new Map([...expected].sort(([a], [b]) => (a < b ? -1 : 1))),
        )

        await requestRecompute(res, workspace, 'household')
        await deliver(hand, workspace)
        const [run] = await listRuns(res.databaseOf(workspace), workspace, 'household')
        expect(run).toMatchObject({
          state: 'successful',
          changed: 0,
          seated: seats.size,
          overLimit: wanted.overLimit,
          withoutValue: wanted.withoutValue,
          largest: wanted.largest,
        })
        const marks = await env.DB.prepare(
          'SELECT count(*) AS n FROM group_marks WHERE definition_key = ?',
        )
          .bind(key)
          .first<{ n: number }>()
        expect(marks?.n).toBe(0)
      }),
      runs(5),
    )
  }, 60_000)
})
