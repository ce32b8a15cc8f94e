import { sql, type SQL } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { connect, type Db, type Meter } from '../../src/db/connect.ts'
import { functions, type SharedAttribute } from '../../src/db/schema.ts'
import { getProfile } from '../../src/identity/profiles.ts'
import { requestRecompute, runRecompute } from '../../src/identity/recompute.ts'
import { deleteUnused, endOfValues, writeNormalized } from '../../src/identity/normalize.ts'
import { listRuns, type Run } from '../../src/identity/runs.ts'
import { recomputeRuns } from '../../src/db/schema.ts'
import { noValues } from '../../src/identity/no-value.ts'
import * as seats from '../../src/identity/seat.ts'
import * as shares from '../../src/identity/share.ts'
import { countPiece } from '../../src/identity/crowded.ts'
import { scanRange, rangeAfter } from '../../src/identity/ranges.ts'
import type { Seating } from '../../src/identity/user-rows.ts'
import { guardOf } from '../../src/jobs/checkpoint.ts'
import { crowd, people as peopleOf } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { statementOf, planOf } from '../support/plans.ts'
import { defined, deliver, writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

const attributes: SharedAttribute[] = [
  { id: 'has_dog', type: 'boolean_or' },
  { id: 'spent', type: 'sum' },
  { id: 'visits', type: 'average' },
  { id: 'plan', type: 'latest' },
]

/** Users, four of an address, each with an attribute of every function. */
const person = (n: number): [string, Record<string, string | number | boolean>] => [
  `user-${String(n).padStart(6, '0')}`,
  {
    $address: `${Math.floor(n / 4)} Main St`,
    has_dog: n % 7 === 0,
    spent: n,
    visits: n % 5,
    plan: n % 3 === 0 ? 'gold' : 'free',
  },
]

async function cityOf(people: number, usersPerStep = 20_000) {
  const workspace = newWorkspace()
  const { res } = hazardous()
  await defined(res, workspace, 'household', '$address', attributes)
  for (let from = 0; from < people; from += 2500)
    await writeUsers(
      res,
      workspace,
      Array.from({ length: Math.min(2500, people - from) }, (_, i) => person(from + i)),
    )
  const monday = async () => {
    const invocation = hazardous({ USERS_PER_STEP: usersPerStep }).res
    const { key } = await requestRecompute(invocation, workspace, 'household')
    const before = { ...invocation.meter }
    await runRecompute(invocation, { workspace, run: key })
    const [run] = await listRuns(res.databaseOf(workspace), workspace, 'household')
    if (run?.state !== 'successful') throw new Error(`the run is ${run?.state}`)
    return {
      read: invocation.meter.rowsRead - before.rowsRead,
      // Without the run's own row, which each step writes with two entries of indexes.
      written: invocation.meter.rowsWritten - before.rowsWritten - 3 * run.step,
      run,
    }
  }
  return { workspace, res, monday }
}

/** The run's own row before its steps, and their counts. */
const bookkeeping = 27

describe('what a Monday costs', () => {
  it('is nothing written if nothing changed, and reads by number of users', async () => {
    const perUser: number[] = []
    for (const people of [2500, 10_000]) {
      const { monday } = await cityOf(people)
      const first = await monday()
      expect(first.run).toMatchObject({
        seated: people,
        groups: people / 4,
        changed: people + attributes.length * (people / 4),
      })
      // A member is a row and an index entry, a shared attribute one row.
      const rows = 2 * people + attributes.length * (people / 4)
      expect(first.written).toBeGreaterThanOrEqual(rows)
      expect(first.written).toBeLessThan(rows + bookkeeping)
      const again = await monday()
      expect(again.run).toMatchObject({ seated: people, changed: 0 })
      expect(again.written).toBeLessThan(bookkeeping)
      perUser.push(again.read / people)
      console.log(
        `first Monday, a user: ${first.read / people} read, ${first.written / people} written`,
      )
      console.log(
        `unchanged Monday of ${people}, a user: ${again.read / people} read, ${again.written} written in all`,
      )
    }
    const [few = 0, many = 0] = perUser
    expect(many).toBeLessThan(readPerUser)
    expect(many / few).toBeLessThan(1.05)
  })

  it('grows with its number of steps only by their own rows', async () => {
    const { monday } = await cityOf(5000, 500)
    await monday()
    const { read, written, run } = await monday()
    expect(run.changed).toBe(0)
    expect(read / 5000).toBeLessThan(readPerUser + 2)
    expect(written).toBeLessThanOrEqual(bookkeeping)
    console.log(
      `unchanged Monday of 5000 by 500, a user: ${read / 5000} read, ${written} written in all`,
    )
  })

  it.each([1, 10, 100])(
    'is rows written in proportion to the %s changed users of 5,000',
    async (changed) => {
      const { workspace, res, monday } = await cityOf(5000)
      await monday()
      const some = Array.from({ length: changed }, (_, i) => person(i * 41))

      // Another plan is one attribute of one group.
      await writeUsers(
        res,
        workspace,
        some.map(([user]) => [user, { plan: 'platinum' }]),
        2,
      )
      const shared = await monday()
      expect(shared.run.changed).toBe(changed)
      expect(shared.written).toBeLessThanOrEqual(changed + bookkeeping)

      // A move is a seat left and one taken, two rows each, and two groups' attributes.
      await writeUsers(
        res,
        workspace,
        some.map(([user], i) => [user, { $address: `${1249 - i} Main St` }]),
        2,
      )
      const moved = await monday()
      expect(moved.run.changed).toBeGreaterThanOrEqual(2 * changed)
      expect(moved.written).toBeLessThanOrEqual((4 + 2 * attributes.length) * changed + bookkeeping)
      console.log(
        `${changed} of 5000: attribute ${shared.written} written, moved ${moved.written} written, ` +
          `${moved.read / 5000} read a user`,
      )
      expect(moved.read / 5000).toBeLessThan(3 * readPerUser)

      expect((await monday()).run.changed).toBe(0)
    },
  )

  it('is no more for a street beyond one step than for homes', async () => {
    const workspace = newWorkspace()
    const { res } = hazardous()
    await defined(res, workspace, 'household', '$address', attributes)
    const people = 8000
    await writeUsers(
      res,
      workspace,
      Array.from({ length: people }, (_, n) => [person(n)[0], { $address: '1 Main St', spent: n }]),
    )
    for (const written of [2 * 10 + attributes.length + bookkeeping, bookkeeping]) {
      const invocation = hazardous({ USERS_PER_STEP: 500 }).res
      const { key } = await requestRecompute(invocation, workspace, 'household')
      await runRecompute(invocation, { workspace, run: key })
      const [run] = await listRuns(res.databaseOf(workspace), workspace, 'household')
      expect(run).toMatchObject({ state: 'successful', seated: 10, overLimit: people - 10 })
      expect(invocation.meter.rowsWritten).toBeLessThanOrEqual(written)
      expect(invocation.meter.rowsRead / people).toBeLessThan(readPerUser)
      console.log(`a street of ${people}, a user: ${invocation.meter.rowsRead / people} read`)
    }
  })

  it.each([null, 'normalized'] as const)(
    'of a value that 100,000 share is counted once, in pieces (matching %s)',
    async (matching) => {
      const workspace = newWorkspace()
      const { res } = hazardous()
      await defined(res, workspace, 'country', 'country', [], { matching })
      const people = 100_000
      await crowd(workspace, peopleOf('us', people), 'country', 'US')
      await crowd(workspace, peopleOf('se', 3), 'country', 'SE')
      await crowd(workspace, peopleOf('none', 25_000), 'country', '')
      const { key } = await requestRecompute(res, workspace, 'country')
      const reads: number[] = []
      const db = connect(homeDb, res.meter, ({ rows_read: read }) => reads.push(read))
      await runRecompute({ ...res, databaseOf: () => db }, { workspace, run: key })
      const [run] = await listRuns(db, workspace, 'country')
      expect(run).toMatchObject({
        state: 'successful',
        seated: 13,
        withoutValue: 25_000,
        overLimit: people - 10,
        largest: [{ value: matching === null ? 'US' : 'us', users: people }],
      })
      const [most, ...others] = reads.sort((a, b) => b - a)
      console.log(`a value of ${people}, rows of statements: ${reads.slice(0, 20).join(' ')}`)
      // All are counted once, for the progress, of up to half a million.
      expect(most).toBeLessThan(people + 100)
      expect(others[0]).toBeLessThan(80_000)
      expect(reads.reduce((sum, read) => sum + read)).toBeLessThan(7 * people)
    },
  )
})

/** A user with an attribute of each function, on an unchanged Monday. */
const readPerUser = 35

describe('what a profile costs', () => {
  /** The database, and how often it was called. */
  function counted(): { db: Db; meter: Meter; calls: () => number } {
    let calls = 0
    const count = <T>(made: T): T => {
      calls++
      return made
    }
    const d1 = {
      prepare: (query: string) => homeDb.prepare(query),
      batch: (all: D1PreparedStatement[]) => count(homeDb.batch(all)),
    }
    const meter = { statements: 0, rowsRead: 0, rowsWritten: 0 }
    return { db: connect(d1 as D1Database, meter), meter, calls: () => calls } // what `together` calls is there
  }

  it('is one round trip and what it shows, however many users exist', async () => {
    const { workspace, res, monday } = await cityOf(4000)
    await monday()
    const [user] = person(2000)
    const readOf = async () => {
      const { db, meter, calls } = counted()
      const { attributes, groups } = await getProfile(db, workspace, user)
      expect(calls()).toBe(1)
      expect(meter.rowsWritten).toBe(0)
      return {
        read: meter.rowsRead,
        own: attributes.filter(([name]) => !name.startsWith('household:')).length,
        groups: groups.length,
      }
    }
    const few = await readOf()
    console.log('profile', JSON.stringify(few))
    expect(few).toMatchObject({ own: 5, groups: 1 })
    expect(few.read).toBeLessThanOrEqual(1 + 5 + 3 + 3 * attributes.length)

    await writeUsers(res, workspace, [
      [user, Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`attribute-${i}`, i]))],
    ])
    const many = await readOf()
    console.log('profile', JSON.stringify(many))
    expect(many).toMatchObject({ own: 95, groups: 1 })
    expect(many.read - few.read).toBe(90)
  })

  it('grows by the attributes that a group shares, three rows for each', async () => {
    const { res, enqueued } = hazardous({ SHARED_ATTRIBUTES_MAX: 40 })
    const reads: number[] = []
    for (const many of [10, 20, 40]) {
      const workspace = newWorkspace()
      const all = Array.from({ length: many }, (_, i): SharedAttribute => ({
        id: `a-${i}`,
        type: 'boolean_or',
      }))
      await defined(res, workspace, 'household', 'street', all)
      await writeUsers(res, workspace, [['ann', { street: 'ash' }]])
      await requestRecompute(res, workspace, 'household')
      await deliver(res, enqueued, workspace)
      const { db, meter } = counted()
      expect((await getProfile(db, workspace, 'ann')).attributes).toHaveLength(1 + many)
      reads.push(meter.rowsRead)
    }
    const [ten = 0, ...more] = reads
    expect(more.map((read) => read - ten)).toEqual([30, 90])
  })

  it('shows lists of more attributes than a statement takes', async () => {
    const { res, enqueued } = hazardous({ SHARED_ATTRIBUTES_MAX: 40 })
    const workspace = newWorkspace()
    const all = Array.from({ length: 40 }, (_, i): SharedAttribute => ({
      id: `a-${i}`,
      type: 'unique_list',
    }))
    await defined(res, workspace, 'household', 'street', all)
    const likes = Object.fromEntries(all.map(({ id }) => [id, id]))
    await writeUsers(res, workspace, [
      ['ann', { street: 'ash', ...likes }],
      ['bob', { street: 'ash', 'a-39': ['b', 'a-39'] }],
    ])
    await requestRecompute(res, workspace, 'household')
    await deliver(res, enqueued, workspace)
    const { attributes } = await getProfile(res.databaseOf(workspace), workspace, 'ann')
    expect(attributes).toHaveLength(1 + 40 + 40)
    expect(Object.fromEntries(attributes)).toMatchObject({
      'household:a-0': ['a-0'],
      'household:a-39': ['a-39', 'b'],
    })
  })

  it('grows by the groups that a user is in', async () => {
    const workspace = newWorkspace()
    const { res, enqueued } = hazardous({ DEFINITIONS_MAX: 20 })
    const reads: number[] = []
    await writeUsers(res, workspace, [
      ['ann', { street: 'ash', spent: 1, plan: 'gold', visits: 1, has_dog: true }],
    ])
    for (let n = 0; n < 20; n++) {
      await defined(res, workspace, `definition-${n}`, 'street', attributes)
      await requestRecompute(res, workspace, `definition-${n}`)
      await deliver(res, enqueued, workspace)
      const { db, meter } = counted()
      expect((await getProfile(db, workspace, 'ann')).groups).toHaveLength(n + 1)
      reads.push(meter.rowsRead)
    }
    const steps = reads.slice(1).map((read, i) => read - (reads[i] ?? 0))
    console.log('profile rows a group', steps.join(' '))
    expect(new Set(steps).size).toBe(1)
    expect(steps[0]).toBeLessThanOrEqual(2 + 3 * attributes.length)
  })
})

const plan = (statement: SQL) => planOf(statementOf(statement))

describe('the plan of', () => {
  const exact: Seating = {
    workspace: 1,
    definitionKey: 1,
    source: '$address',
    matching: null,
    noValues: noValues(null, false),
    seatsMax: 10,
    attributes: functions.map((type) => ({ id: `a-${type}`, type })),
    hasCorrections: false,
  }
  const guard = guardOf(recomputeRuns, { key: 1, step: 1 })
  const ranges = [
    { after: 'a', upTo: 'b', crowded: false },
    { after: 'a', upTo: 'b', crowded: true },
    { after: 'a', upTo: null, crowded: false },
  ]
  const run: Run = {
    ...{ key: 1, id: 'r', workspace: 1, definition: 1, week: null, state: 'normalizing', step: 1 },
    ...{ source: '$address', attributes: [], cursor: 'a', expected: 0, scanned: 0, seated: 0 },
    ...{
      overLimit: 0,
      groups: 0,
      changed: 0,
      withoutValue: 0,
      corrected: 0,
      largest: null,
      ignoreValues: null,
      actor: null,
    },
    ...{ matching: 'normalized', createdAt: 0, startedAt: 0, updatedAt: 0, endedAt: null },
  }
  const normalized: Seating = { ...exact, matching: 'normalized' }
  const ignoring: Seating = { ...exact, noValues: noValues(['Zürich'], false) }
  const corrected: Seating = { ...normalized, hasCorrections: true }
  const kinds = {
    'as they are': exact,
    normalized,
    'that ignores its own': ignoring,
    corrected,
  }
  const statementsOf = (kind: string, at: Seating) =>
    ranges.flatMap((range) => {
      const named: Record<string, SQL[]> = {
        'the scan': [scanRange(at, range)],
        'recording movers': [seats.recordMovers(at, range, guard)],
        'removing movers': seats.removeMembers(at, seats.selectMovers(at), guard),
        'deleting movers': [seats.deleteMovers(at, guard)],
        'removing who does not match': [seats.removeUnmatched(at, range, guard)],
        'removing beyond the seats': [seats.removeBeyondSeats(at, range, guard)],
        'filling seats': [seats.fillSeats(at, range, 1, guard)],
        'deleting what is not shared': [shares.deleteUnshared(at, range, guard)],
        'computing what is shared': shares.computeShared(at, range, guard),
        counting: [seats.countSeated(at, range)],
      }
      const name = range.crowded
        ? 'a crowded value'
        : range.upTo === null
          ? 'the last range'
          : 'a range'
      return Object.entries(named).flatMap(([what, all]) =>
        all.map((one, i) => [`${what} (${i + 1}) of ${name}, ${kind}`, one] as const),
      )
    })
  const at = exact
  const statements = Object.entries(kinds).flatMap(([kind, at]) => [
    [`the end of a range, ${kind}`, rangeAfter(at, 'a', 100)] as const,
    ...statementsOf(kind, at),
  ])

  it.each([
    ...statements,
    ['the end of a range to normalize', endOfValues(run, 100)] as const,
    [
      'deleting values',
      deleteUnused(run, { after: 'a', upTo: 'b', crowded: false }, guard),
    ] as const,
    [
      'forgetting all values',
      deleteUnused({ ...run, matching: null }, { after: 'a', upTo: 'b', crowded: false }, guard),
    ] as const,
    [
      'writing a crowded value',
      writeNormalized(run, { after: 'a', upTo: 'b', crowded: true }, guard),
    ] as const,
    [
      'counting the users of a value',
      countPiece(exact, 'b', { spelling: 'b', user: 'ann', first: '[]' }),
    ] as const,
    [
      'counting the users of a normalized value',
      countPiece(kinds.normalized, 'b', { spelling: 'b', user: 'ann', first: '[]' }),
    ] as const,
    [
      'writing values',
      writeNormalized(run, { after: 'a', upTo: 'b', crowded: false }, guard),
    ] as const,
    ...seats
      .removeMembers(at, sql`SELECT ${'ann'} AS user_id`, sql`true`)
      .map((one, i) => [`a user's departure (${i + 1})`, one] as const),
  ])('%s seeks in indexes and never scans a table', async (_, statement) => {
    const details = await plan(statement)
    const tables = [
      'user_attributes',
      'identity_members',
      'normalized_values',
      'nv',
      'group_attributes',
      'recompute_runs',
      'users',
      'u',
      'm',
      's',
      'a',
      'd',
    ]
    for (const detail of details) {
      const scanned = /^SCAN (\w+)/.exec(detail)?.[1]
      // A few rows that the same statement has sought.
      if (
        details.some(
          (other) => /^(MATERIALIZE|CO-ROUTINE) /.test(other) && other.endsWith(` ${scanned}`),
        )
      )
        continue
      if (scanned !== undefined && tables.includes(scanned)) throw new Error(details.join('\n'))
      // More than the workspace or the definition is known of what is sought; movers are all of the batch.
      if (!detail.startsWith('SEARCH identity_movers '))
        expect(detail).not.toMatch(/\((workspace_id|definition_key)=\?\)$/)
    }
  })

  it('a profile seeks in indexes alone', async () => {
    const queries: SQL[] = []
    const spy = {
      prepare: (query: string) => ({ bind: (...params: unknown[]) => ({ query, params }) }),
      batch: async (all: { query: string; params: unknown[] }[]) => {
        for (const { query, params } of all) {
          const pieces = query.split('?')
          queries.push(
            sql.join(
              pieces.flatMap((piece, i) =>
                i < params.length ? [sql.raw(piece), sql`${params[i]}`] : [sql.raw(piece)],
              ),
            ),
          )
        }
        return all.map(() => ({ results: [], meta: { rows_read: 0, rows_written: 0 } }))
      },
    }
    const meter = { statements: 0, rowsRead: 0, rowsWritten: 0 }
    // Only its statements matter, and D1 has no more than these methods here.
    const db = connect(spy as unknown as D1Database, meter)
    await getProfile(db, 1, 'ann').catch(() => undefined)
    expect(queries).toHaveLength(3)
    const details = (await Promise.all(queries.map(plan)))
      .flat()
      .filter((detail) => /^(SCAN|SEARCH) /.test(detail))
    expect(details).toEqual([
      'SEARCH users USING PRIMARY KEY (workspace_id=? AND user_id=?)',
      'SEARCH user_attributes USING PRIMARY KEY (workspace_id=? AND user_id=?)',
      'SEARCH d USING INDEX group_definitions_by_id (workspace_id=?)',
      'SEARCH s USING PRIMARY KEY (definition_key=? AND user_id=?)',
      'SEARCH c USING PRIMARY KEY (definition_key=? AND user_id=?) LEFT-JOIN',
      'SCAN f VIRTUAL TABLE INDEX 1: LEFT-JOIN', // the attributes that the definition lists
      'SEARCH a USING PRIMARY KEY (definition_key=? AND value=? AND name=?) LEFT-JOIN',
    ])
  })
})
