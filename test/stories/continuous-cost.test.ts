import { sql, type SQL } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import type { SharedAttribute } from '../../src/db/schema.ts'
import { markChanged, markGroups, placesOf } from '../../src/identity/marks.ts'
import { noValues } from '../../src/identity/no-value.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import { listRuns } from '../../src/identity/runs.ts'
import * as seats from '../../src/identity/seat.ts'
import * as shares from '../../src/identity/share.ts'
import type { Seating } from '../../src/identity/user-rows.ts'
import { hazardous } from '../support/hazard.ts'
import { planOf, statementOf } from '../support/plans.ts'
import { defined, deliver, formed, writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

const shared: SharedAttribute[] = [{ id: 'has_dog', type: 'boolean_or' }]

/** A household of two among others, and what a change of it writes beside the attribute. */
async function householdOfTwo(refresh: 'continuous' | null) {
  const workspace = newWorkspace()
  const { res, enqueued } = hazardous()
  await defined(res, workspace, 'household', '$address', shared, { refresh })
  await writeUsers(
    res,
    workspace,
    Array.from({ length: 2000 }, (_, i) => [`u${i}`, { $address: `${i >> 1} Main St` }]),
  )
  await writeUsers(res, workspace, [
    ['jane', { $address: '1 Oak', has_dog: true }],
    ['john', { $address: '1 Oak' }],
  ])
  await requestRecompute(res, workspace, 'household')
  await deliver(res, enqueued, workspace)
  let at = 2
  return {
    workspace,
    res,
    enqueued,
    written: async (attributes: Parameters<typeof writeUsers>[2]) => {
      const { meter } = res
      const before = { ...meter }
      await writeUsers(res, workspace, attributes, at++)
      await deliver(res, enqueued, workspace)
      return {
        written: meter.rowsWritten - before.rowsWritten,
        read: meter.rowsRead - before.rowsRead,
      }
    },
  }
}

describe('what a continuous change costs', () => {
  it('is at most six rows beside the attribute in a household of two', async () => {
    const weekly = await householdOfTwo(null)
    const continuous = await householdOfTwo('continuous')
    // The first of a minute notes that an event is to tell of it.
    await continuous.written([['u0', { has_dog: true }]])
    await weekly.written([['u0', { has_dog: true }]])
    for (const attributes of [
      { has_dog: false },
      { has_dog: true },
      { $address: '2 Elm' },
      { $address: '1 Oak' },
    ]) {
      const own = await weekly.written([['jane', attributes]])
      const all = await continuous.written([['jane', attributes]])
      console.log(JSON.stringify(attributes), all.written - own.written, all.read - own.read)
      expect(all.written - own.written).toBeLessThanOrEqual(6)
      expect(all.read - own.read).toBeLessThan(300)
    }
    const { workspace, res, enqueued } = continuous
    expect((await formed(res, workspace, 'household')).get('1 Oak')).toEqual({
      members: ['jane', 'john'],
      shared: { has_dog: true },
    })
    // What nobody shares costs nothing.
    const own = await weekly.written([['jane', { shoes: 40 }]])
    expect((await continuous.written([['jane', { shoes: 40 }]])).written).toBe(own.written)
    // Monday finds nothing to change.
    await requestRecompute(res, workspace, 'household')
    await deliver(res, enqueued, workspace)
    expect((await listRuns(res.databaseOf(workspace), workspace, 'household'))[0]).toMatchObject({
      state: 'successful',
      changed: 0,
    })
  })

  it('grows by the groups that change, in steps, and not by others', async () => {
    const { written } = await householdOfTwo('continuous')
    const move = (from: number, count: number) =>
      written(
        Array.from({ length: count }, (_, i) => [
          `u${from + 2 * i}`,
          { $address: `new ${from + 2 * i}` },
        ]),
      )
    const few = await move(0, 10)
    const many = await move(100, 800)
    console.log(
      `a move: ${few.written / 10}, ${many.written / 800} written, ${many.read / 800} read`,
    )
    expect(many.written / 800).toBeLessThanOrEqual(7)
    expect(many.read / 800).toBeLessThan(300)
  })
})

describe('the plan of', () => {
  const exact: Seating = {
    workspace: 1,
    definitionKey: 1,
    source: '$address',
    matching: null,
    noValues: noValues(null, false),
    seatsMax: 10,
    attributes: shared,
    hasCorrections: false,
  }
  const kinds: Record<string, Seating> = {
    'as they are': exact,
    normalized: { ...exact, matching: 'normalized' },
    corrected: { ...exact, hasCorrections: true },
    'corrected and normalized': { ...exact, matching: 'normalized', hasCorrections: true },
  }
  const listed = { values: '["a","b"]', wanted: '["a"]' }
  const guard = sql`true`
  const users = sql`SELECT value AS user_id, 1 AS at FROM json_each('["ann"]')`
  const statements: [string, SQL][] = [
    ...Object.entries(kinds).flatMap(([kind, at]): [string, SQL][] => [
      [`moving seats, ${kind}`, seats.moveSeats(at, listed, 1, guard)],
      [`filling seats, ${kind}`, seats.fillSeats(at, listed, 1, guard)],
      [`removing who does not match, ${kind}`, seats.removeUnmatched(at, listed, guard)],
      [`removing beyond the seats, ${kind}`, seats.removeBeyondSeats(at, listed, guard)],
      [`deleting what is not shared, ${kind}`, shares.deleteUnshared(at, listed, guard)],
    ]),
    ...shares.computeShared(exact, listed, guard).map((one): [string, SQL] => ['sharing', one]),
    ...markChanged(1, users, 1).map((one, i): [string, SQL] => [`marking changes (${i + 1})`, one]),
    [
      'marking places',
      markGroups(placesOf(sql`SELECT 1 AS key, 'ann' AS user_id, 1 AS always`), 1),
    ],
  ]

  it.each(statements)('%s seeks in indexes and never scans a table', async (_, statement) => {
    const details = await planOf(statementOf(statement))
    for (const detail of details) {
      const scanned = /^SCAN (\w+)/.exec(detail)?.[1]
      const own = details.some(
        (other) => /^(MATERIALIZE|CO-ROUTINE) /.test(other) && other.endsWith(` ${scanned}`),
      )
      if (scanned !== undefined && !own && !/VIRTUAL TABLE|^SCAN \(|CONSTANT ROW/.test(detail))
        throw new Error(details.join('\n'))
      expect(detail).not.toMatch(/\(definition_key=\?\)$/)
    }
  })
})
