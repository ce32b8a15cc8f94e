import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { erasePerson } from '../../src/erasure/request.ts'
import { exportExposures } from '../../src/experiments/export-exposures.ts'
import { getExposed } from '../../src/experiments/exposure-counts.ts'
import { takeExposures, writeExposures } from '../../src/experiments/exposures.ts'
import type { Exposure } from '../../src/experiments/resolve-exposures.ts'
import type { ExposuresMessage, SentExposure } from '../../src/messages.ts'
import { resources } from '../../src/resources.ts'
import { homeDb } from '../support/databases.ts'
import { faults } from '../support/deliveries.ts'
import { redrawn, staged, storedExposures, type StoredExposures } from '../support/exposures.ts'
import { failures, hazardous, insisting, unlessCrash, type Fault } from '../support/hazard.ts'
import { logged } from '../support/log.ts'
import { overloaded } from '../support/outage.ts'
import { planOf, watched } from '../support/plans.ts'
import { runs } from '../support/property.ts'
import { everyRow } from '../support/store.ts'
import { newWorkspace } from '../support/workspaces.ts'

const log = logged()

const tester = 'tess'
const people = ['ann', 'é', '漢', tester]
const hour = 3_600_000

type Deed =
  | {
      what: 'reports'
      exposures: { to: number; who: string; arm: number; ago: number }[]
      fault: Fault | null
    }
  | { what: 'delivers'; picks: number[]; also: number[] | null; fault: Fault | null }
  | { what: 'draws anew'; which: number }
  | { what: 'erases'; who: string }

const what = <What extends string>(name: What) => fc.constant(name)
const fault = fc.option(faults(fc.nat(4)), { freq: 2 })
const picks = fc.array(fc.nat(20), { minLength: 1, maxLength: 6 })
const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      what: what('reports'),
      exposures: fc.array(
        fc.record({
          to: fc.nat(1),
          who: fc.constantFrom(...people),
          arm: fc.nat(1),
          ago: fc.constantFrom(0, 1, hour, 30 * hour),
        }),
        { minLength: 1, maxLength: 5 },
      ),
      fault,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ what: what('delivers'), picks, also: fc.option(picks), fault }),
  },
  { weight: 1, arbitrary: fc.record({ what: what('draws anew'), which: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ what: what('erases'), who: fc.constantFrom(...people) }) },
)

const ids = ['colours', 'constructor']
const arms = ['control', '__proto__']

type Row = SentExposure

/** Who is exposed to what, as it must be. */
class Model {
  rows = new Map<string, Row>()
  erased = new Map<string, number>()
  testers = new Set([tester])

  /** One batch after the other: in each, the earliest of a participant and version. */
  after(batches: Row[][]): Map<string, Row> {
    const rows = new Map(this.rows)
    for (const batch of batches)
      for (const one of batch.toSorted((a, b) => a.at - b.at)) {
        const key = `${one.experiment} ${one.version} ${one.participant}`
        const isErased = one.at <= (this.erased.get(one.participant) ?? -1)
        if (!isErased && !this.testers.has(one.participant) && !rows.has(key)) rows.set(key, one)
      }
    return rows
  }

  erase(who: string, at: number) {
    this.erased.set(who, at)
    this.testers.delete(who)
    for (const [key, { participant }] of this.rows) if (participant === who) this.rows.delete(key)
  }
}

/** Rows of the model as they are stored. */
function storedAs(rows: Map<string, Row>, names: Map<number, string>): StoredExposures {
  const listed = [...rows.values()].map(({ experiment, version, participant, variant, at }) => ({
    ...{ id: names.get(experiment), version, who: participant, variant, at },
  }))
  const days = Map.groupBy(listed, ({ id, version, at, variant }) =>
    JSON.stringify([id, version, new Date(at).toISOString().slice(0, 10), variant]),
  )
  const counts = [...days].map(([key, { length }]) => {
    const [id, version, day, variant] = JSON.parse(key) as unknown[]
    return { id, version, day, variant, participants: length }
  })
  return sorted({ rows: listed, counts })
}

const sorted = ({ rows, counts }: StoredExposures): StoredExposures => ({
  rows: rows.toSorted(byText),
  counts: counts.toSorted(byText),
})
const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)

describe('exposures that are taken', () => {
  it('are counted once, whatever order, repetition or fault they meet', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(deed, { minLength: 4, maxLength: 14 }), async (deeds) => {
        const [workspace, other] = [newWorkspace(), newWorkspace()]
        let time = Date.UTC(2026, 2, 1, 12)
        const hazard = hazardous({}, { now: () => time })
        const { res, reportsEnqueued, fuse } = hazard
        const names = new Map<number, string>()
        for (const id of ids) {
          names.set(await staged(res, workspace, id, { arms, forced: [tester] }), id)
          await staged(res, other, id, { arms })
        }
        const all = people.map((participant) => ({
          experiment: 'colours',
          participant,
          variant: 'control',
        }))
        await takeExposures(res, other, all)
        await writeExposures(res, reportsEnqueued.splice(0) as ExposuresMessage[]) // nothing else is sent there
        const theirs = await storedExposures(other)

        const model = new Model()
        const written = new Set<ExposuresMessage>()
        const messages = () => reportsEnqueued as ExposuresMessage[] // nothing else is sent there
        const settle = async (possible: Map<string, Row>[]) => {
          const now = sorted(await storedExposures(workspace))
          const found = possible.find(
            (rows) => JSON.stringify(storedAs(rows, names)) === JSON.stringify(now),
          )
          expect([now]).toEqual([storedAs(found ?? possible[0] ?? new Map<string, Row>(), names)])
          if (found !== undefined) model.rows = found
        }
        const deliver = async (groups: ExposuresMessage[][], fault: Fault | null) => {
          fuse(fault === null ? undefined : { ...fault })
          await Promise.all(
            groups.map(async (group) => {
              const failed = await writeExposures(res, group)
              for (const message of group) if (!failed.has(message)) written.add(message)
            }),
          )
          fuse(undefined)
          const batches = groups.map((group) => group.flatMap(({ exposures }) => exposures))
          // After a fault each message is tried by itself; one batch that is lost comes again.
          const singles = groups.flat().map(({ exposures }) => exposures)
          const orders = [batches, batches.toReversed()]
          const afterFault = [
            ...[[...singles], [...singles.toReversed()], []],
            ...orders.flatMap((order) => [order.slice(0, 1), order.slice(1)]),
            ...groups.map((group, i) => [
              ...group.map(({ exposures }) => exposures),
              ...batches.toSpliced(i, 1),
            ]),
            ...groups.map((group, i) => [
              ...batches.toSpliced(i, 1),
              ...group.map(({ exposures }) => exposures),
            ]),
          ]
          await settle(
            [...orders, ...(fault === null ? [] : afterFault)].map((order) => model.after(order)),
          )
        }

        for (const one of deeds) {
          time += 10
          if (one.what === 'reports') {
            const exposures = one.exposures.map(({ to, who, arm, ago }): Exposure => ({
              ...{ experiment: ids[to] ?? '', participant: who, variant: arms[arm] ?? '' },
              at: time - ago,
            }))
            await insisting(hazard, one.fault, async () => {
              await takeExposures(res, workspace, exposures)
              return true
            })
          } else if (one.what === 'delivers') {
            const chosen = (from: number[]) => [
              ...new Set(from.flatMap((pick) => messages()[pick % messages().length] ?? [])),
            ]
            const groups = [chosen(one.picks), ...(one.also === null ? [] : [chosen(one.also)])]
            await deliver(groups, one.fault)
          } else if (one.what === 'draws anew') await redrawn(res, workspace, ids[one.which] ?? '')
          else {
            await erasePerson(res, workspace, one.who, 'tester')
            model.erase(one.who, time)
            await settle([model.after([])])
          }
        }
        await deliver(
          [
            messages()
              .filter((message) => !written.has(message))
              .reverse(),
          ],
          null,
        )
        await deliver([messages()], null)
        expect(await storedExposures(other)).toEqual(theirs)
        for (const id of ids) {
          const { version, variants } = await getExposed(res.databaseOf(workspace), workspace, id)
          const own = [...model.rows.values()].filter(
            (row) => names.get(row.experiment) === id && row.version === version,
          )
          for (const one of variants)
            expect(one.observed).toBe(own.filter(({ variant }) => variant === one.id).length)
        }
      }),
      runs(25),
    )
  }, 120_000)
})

/** A running experiment, and messages of exposures to it. */
async function scene(...hands: Parameters<typeof hazardous>) {
  const workspace = newWorkspace()
  const hazard = hazardous(...hands)
  const key = await staged(hazard.res, workspace, 'colours', { arms })
  const message = (
    who: string[],
    variant: string,
    at = Date.UTC(2026, 2, 1),
  ): ExposuresMessage => ({
    ...{ kind: 'exposures', workspace, taken: at, by: { name: 'tester' } },
    exposures: who.map((participant) => ({
      ...{ experiment: key, version: 1, participant, variant, at },
    })),
  })
  const listed = async () => (await storedExposures(workspace)).rows.map(({ who }) => who)
  const events = async (type: string) => {
    const { results } = await homeDb
      .prepare('SELECT data FROM events WHERE workspace_id = ? AND type = ?')
      .bind(workspace, type)
      .all<{ data: string }>()
    return results.map(({ data }) => JSON.parse(data) as Record<string, unknown>)
  }
  return { ...hazard, workspace, key, message, listed, events }
}

const some = (count: number, word = 'p') => Array.from({ length: count }, (_, i) => `${word}-${i}`)

describe('a batch of exposures', () => {
  it('writes a row for each that is new, none for others, and a few more', async () => {
    const { message } = await scene()
    const { res } = hazardous()
    const messages = [message(some(500, 'a'), 'control'), message(some(500, 'b'), '__proto__')]
    expect(await writeExposures(res, messages)).toEqual(new Map())
    // Two counts of a day, two of all, one of all versions, and four of one event.
    expect([res.meter.statements, res.meter.rowsWritten]).toEqual([7, 1009])
    // A row of the list and its experiment, twice; whether it is there, and forced, is no row.
    expect(res.meter.rowsRead).toBeLessThan(6_200)
    await writeExposures(res, messages)
    expect([res.meter.statements, res.meter.rowsWritten]).toEqual([14, 1009 + 4])
  })

  it('reads few rows, however many days came before', async () => {
    const { res, message, workspace } = await scene()
    const { exposures, ...rest } = message(some(2000), 'control')
    const spread = exposures.map((one, i) => ({
      ...{ ...one, at: one.at - i * 24 * hour },
      variant: arms[i % 2] ?? '',
    }))
    await writeExposures(res, [{ ...rest, exposures: spread }])
    res.meter.rowsRead = 0
    await writeExposures(res, [message(['one-more'], 'control')])
    expect(res.meter.rowsRead).toBeLessThan(60)
    const exposed = await getExposed(res.databaseOf(workspace), workspace, 'colours')
    expect(exposed.variants.map(({ observed }) => observed)).toEqual([1001, 1000])
  })

  it('is one event of its sender, and writes nothing else', async () => {
    const { res, message, events } = await scene()
    await writeExposures(res, [message(['ann'], 'control'), message(['bob', 'ann'], 'control')])
    expect(await events('exposures.reported')).toEqual([{ exposures: 3 }])
  })

  it.each<[string, object]>([
    ['of another version', { exposures: 'none' }],
    ['that the database refuses', { exposures: [{ version: 1, participant: 'x', at: 1 }] }],
  ])('is written but for the one %s', async (_, bad) => {
    const { res, key, message, listed } = await scene()
    const messages = some(20).map((who) => message([who], 'control'))
    const { exposures } = bad as { exposures: object[] | string }
    const keyed =
      typeof exposures === 'string'
        ? exposures
        : exposures.map((one) => ({ experiment: key, ...one }))
    const broken = { ...messages[7], exposures: keyed } as ExposuresMessage // as another version sends it
    messages[7] = broken
    const failed = await writeExposures(res, messages)
    expect([...failed.keys()]).toEqual([broken])
    expect(await listed()).toHaveLength(19)
  })

  it('waits as a whole where the database is out, and is written once', async () => {
    const { res, message, listed } = await scene()
    const out = {
      prepare: (query: string) => homeDb.prepare(query),
      batch: () => Promise.reject(new Error(overloaded)),
    }
    const DB = out as unknown as D1Database // what `connect` calls
    const messages = [message(['ann'], 'control'), message(['bob'], 'control')]
    expect((await writeExposures(resources({ ...env, DB }), messages)).size).toBe(2)
    expect(await writeExposures(res, messages)).toEqual(new Map())
    expect(await listed()).toEqual(['ann', 'bob'])
  })

  it('leaves out experiments that are deleted, of which nothing stays', async () => {
    const { res, key, message, workspace } = await scene()
    await homeDb.prepare('UPDATE experiments SET deleted_at = 1 WHERE key = ?').bind(key).run()
    expect(await writeExposures(res, [message(['ann'], 'control')])).toEqual(new Map())
    const kept = [...(await everyRow())].filter((row) => /^exposure/.test(row))
    expect(kept.filter((row) => row.includes(`"experiment_key":${key},`))).toEqual([])
    expect(await storedExposures(workspace)).toEqual({ rows: [], counts: [] })
  })

  it('leaves out people of the moment of their erasure, and not of later', async () => {
    const now = Date.UTC(2026, 2, 1)
    const { res, message, workspace, listed } = await scene({}, { now: () => now })
    await erasePerson(res, workspace, 'ann', 'tester')
    await writeExposures(res, [message(['ann', 'bob'], 'control', now)])
    expect(await listed()).toEqual(['bob'])
    await writeExposures(res, [message(['ann'], 'control', now + 1)])
    expect(await listed()).toEqual(['ann', 'bob'])
  })

  it("leaves out another workspace's experiment", async () => {
    const [mine, theirs] = [await scene(), await scene()]
    const stray = { ...theirs.message(['ann'], 'control'), workspace: mine.workspace }
    await writeExposures(mine.res, [stray])
    expect(await theirs.listed()).toEqual([])
  })

  it('logs what it has written, and nobody', async () => {
    const { res, message, workspace } = await scene()
    await writeExposures(res, [message(['somebody'], 'control')])
    expect(log.events('exposures')).toMatchObject([{ workspace, messages: 1, exposures: 1 }])
    expect(log.lines().join()).not.toContain('somebody')
  })
})

describe('exposures that the weights do not explain', () => {
  it('are announced once by two invocations at once', async () => {
    const { res, message, events } = await scene()
    const messages = some(4, 'm').map((word) => [message(some(20, word), 'control')])
    await Promise.all(messages.map((group) => writeExposures(res, group)))
    expect(await events('experiment.imbalanced')).toHaveLength(1)
  })

  it('are announced once, wherever an invocation dies', async () => {
    for (const { at, when } of failures(4)) {
      const { res, message, events, fuse } = await scene()
      const messages = [message(some(20), 'control')]
      fuse({ at, when })
      await writeExposures(res, messages)
      fuse(undefined)
      await writeExposures(res, messages)
      expect({ at, when, told: (await events('experiment.imbalanced')).length }).toEqual({
        ...{ at, when, told: 1 },
      })
    }
  })

  it('are not announced of a version that has been replaced', async () => {
    const { res, message, events, workspace } = await scene()
    await redrawn(res, workspace, 'colours')
    await writeExposures(res, [message(some(40), 'control')])
    expect(await events('experiment.imbalanced')).toEqual([])
  })

  it('are not announced of a version that is replaced before they are', async () => {
    const { res, message, events, workspace, meanwhile } = await scene()
    const other = hazardous()
    meanwhile(async () => {
      meanwhile(undefined)
      await redrawn(other.res, workspace, 'colours')
    })
    await writeExposures(res, [message(some(40), 'control')])
    expect(await events('experiment.imbalanced')).toEqual([])
  })

  it('are announced of variants whose ids look like prototypes', async () => {
    const { res, message, events } = await scene()
    await writeExposures(res, [message(some(40), '__proto__')])
    const [told] = await events('experiment.imbalanced')
    expect(JSON.stringify(told?.['observed'])).toBe('{"control":0,"__proto__":40}')
  })
})

describe('exposures as a file', () => {
  it('are those of the current version, piece by piece', async () => {
    const { res, message, workspace } = await scene()
    await writeExposures(res, [message(some(20), 'control')])
    await redrawn(res, workspace, 'colours')
    const second = message(
      some(20).filter((_, i) => i % 7 === 3),
      '__proto__',
    )
    const exposures = second.exposures.map((one) => ({ ...one, version: 2 }))
    await writeExposures(res, [{ ...second, exposures }])
    const reading = { ...res, replicaOf: res.databaseOf }
    for (const piece of [1, 3, 23, 24]) {
      const file = await exportExposures(reading, workspace, 'colours', {
        ...{ after: '', fileFor: 'upload' },
        piece,
      })
      expect(await new Response(file).text()).toBe(
        'participant_id,variant,first_exposed_on\n' +
          ['p-10', 'p-17', 'p-3']
            .map((id) => `${id},__proto__,2026-03-01T00:00:00.000Z\n`)
            .join(''),
      )
    }
  })
})

it('asks by indexes alone', async () => {
  const { res, message, workspace } = await scene()
  const { db, statements } = watched()
  const seen = { ...res, databaseOf: () => db, replicaOf: () => db }
  await takeExposures(seen, workspace, [
    { experiment: 'colours', participant: 'ann', variant: 'control' },
  ])
  await writeExposures(seen, [message(some(20), 'control')])
  await getExposed(db, workspace, 'colours')
  await new Response(
    await exportExposures(seen, workspace, 'colours', { after: '', fileFor: 'upload' }),
  ).text()
  expect(statements.length).toBeGreaterThan(12)
  for (const one of statements) {
    const scans = (await planOf(one)).filter(
      (step) => /^SCAN/.test(step) && !/VIRTUAL TABLE|CONSTANT|^SCAN \(/.test(step),
    )
    expect({ query: one.query, scans }).toEqual({ query: one.query, scans: [] })
  }
})

it('keeps nothing of a request that dies', async () => {
  const { res, workspace, fuse, reportsEnqueued } = await scene()
  const one = [{ experiment: 'colours', participant: 'ann', variant: 'control' }]
  fuse({ of: 'queues', at: 0, when: 'before' })
  await expect(takeExposures(res, workspace, one).catch(unlessCrash)).resolves.toBeUndefined()
  expect(reportsEnqueued).toEqual([])
})
