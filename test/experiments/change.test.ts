import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  blank,
  changed,
  eventChangeOf,
  type ExperimentChange,
  type Settings,
} from '../../src/experiments/change.ts'
import { assigning, type Variant } from '../../src/experiments/split.ts'
import { Failure } from '../../src/failure.ts'
import { runs } from '../support/property.ts'

const idMax = 32
const people = Array.from({ length: 300 }, (_, i) => `person-${i}-é`)

/** Weights of so many variants that sum to 10,000: the gaps between random cuts. */
const weights = fc.integer({ min: 2, max: 100 }).chain((arms) =>
  fc
    .array(fc.integer({ min: 0, max: 10_000 }), { minLength: arms - 1, maxLength: arms - 1 })
    .map((cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), 10_000]
      return at.slice(1).map((cut, i) => cut - (at[i] ?? 0))
    }),
)

const armsOf = (of: number[]) => of.map((weight, i) => ({ id: `arm-${i}`, weight }))

const share = fc.integer({ min: 0, max: 10_000 })
const layer = fc
  .tuple(fc.constantFrom('page', 'basket'), share, share)
  .map(([id, a, b]) => ({ id, from: Math.min(a, b), to: Math.max(a, b) + 1 }))

/** What a client may ask for; variants are those of the experiment, in some order and with some weights. */
const eventChangeOfArms = (
  arms: { id: string; weight: number }[],
): fc.Arbitrary<ExperimentChange> =>
  fc.oneof(
    fc.record({ traffic: share }),
    fc.record({ traffic: share, layer }),
    fc.record({ layer: fc.option(layer) }),
    fc.record({ holdout: fc.option(fc.record({ id: fc.constantFrom('h1', 'h2'), share })) }),
    fc.record({ unit: fc.option(fc.constant('household')) }),
    fc.record({ group: fc.option(fc.constantFrom('owls', 'larks')) }),
    fc.record({ variants: fc.shuffledSubarray(arms, { minLength: arms.length }) }),
    fc.record({ variants: fc.shuffledSubarray(arms), traffic: share }),
    fc.record({ variants: weights.map(armsOf), control: fc.constantFrom('arm-0', 'arm-1') }),
  )

const history = weights.chain((of) =>
  fc.record({
    of: fc.constant(of),
    begin: layer,
    changes: fc.array(eventChangeOfArms(armsOf(of)), { maxLength: 12 }),
  }),
)

const started = (
  variants: ExperimentChange['variants'],
  more: ExperimentChange = {},
): Settings => ({
  ...changed(blank('x'), { variants, ...more }, idMax),
  status: 'running',
})

/** The experiment after a change, or as it was where that is refused. */
function after(before: Settings, change: ExperimentChange): Settings {
  try {
    return changed(before, change, idMax)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return before
  }
}

/** The variants that people have, who need not be members. */
function drawnBy(settings: Settings): Map<string, string> {
  const assign = assigning(settings)
  const arms = new Map<string, string>()
  for (const key of people) {
    const { variant } = assign({ forced: null, member: true, key })
    if (variant !== undefined) arms.set(key, variant.id)
  }
  return arms
}

/** Whether shards follow each other without gap or overlap, by the order of their beginnings. */
function covers(variants: readonly Variant[]): boolean {
  let end = 0
  for (const { from, to } of [...variants].sort((a, b) => a.from - b.from || a.to - b.to)) {
    if (from !== end || to < from) return false
    end = to
  }
  return end === 10_000
}

describe('a change of a running experiment', () => {
  it('moves nobody to another variant, whatever is asked for', () => {
    let moves = 0
    fc.assert(
      fc.property(history, ({ of, begin, changes }) => {
        let now = started(armsOf(of), { layer: begin, traffic: 5000 })
        const first = drawnBy(now)
        for (const change of changes) {
          const next = after(now, change)
          if (next !== now) moves++
          now = next
          for (const [person, arm] of drawnBy(now)) {
            expect(first.get(person) ?? arm).toBe(arm)
            first.set(person, arm)
          }
          expect(covers(now.variants)).toBe(true)
          expect(now.version).toBe(1)
        }
      }),
      runs(60),
    )
    expect(moves).toBeGreaterThan(50)
  })

  it('brings people in as traffic widens, and takes the newest out', () => {
    fc.assert(
      fc.property(weights, fc.array(share, { minLength: 2, maxLength: 6 }), (of, traffics) => {
        const before = started(armsOf(of))
        const widening = traffics
          .sort((a, b) => a - b)
          .map((traffic) => drawnBy(changed(before, { traffic }, idMax)))
        widening.reduce((fewer, more) => {
          for (const [person, arm] of fewer) expect(more.get(person)).toBe(arm)
          return more
        })
      }),
      runs(40),
    )
  })

  it('draws all anew with a new version', () => {
    const variants = armsOf([2500, 2500, 2500, 2500])
    const before = started(variants)
    const anew = changed(before, { newVersion: true }, idMax)
    expect(anew).toEqual({ ...before, version: 2 })
    const [old, now] = [drawnBy(before), drawnBy(anew)]
    const same = people.filter((person) => old.get(person) === now.get(person))
    // A quarter by chance: 75 of 300, with a standard deviation of 7.5.
    expect(Math.abs(same.length - 75)).toBeLessThan(4 * 7.5)
    const wider = changed(before, { newVersion: true, variants: armsOf([1, 9999]) }, idMax)
    expect(wider.variants.map(({ from, to }) => [from, to])).toEqual([
      [0, 1],
      [1, 10_000],
    ])
  })
})

describe('the ranges of variants', () => {
  it('cover all shards in the order given, without overlap', () => {
    fc.assert(
      fc.property(weights, (of) => {
        const { variants } = changed(blank('x'), { variants: armsOf(of) }, idMax)
        expect(variants.map(({ id, from, to }) => ({ id, weight: to - from }))).toEqual(armsOf(of))
        expect(covers(variants)).toBe(true)
      }),
      runs(200),
    )
  })
})

describe('what an event says of a change', () => {
  it('has no value and no id of a person', () => {
    const forced = ['ann-7', 'bob-7']
    const [one, two] = [
      { id: 'a', weight: 5000, value: 'secret-1', forced },
      { id: 'b', weight: 5000, value: 'secret-2' },
    ]
    const before = changed(blank('x'), { variants: [one, two] }, idMax)
    const cases: [ExperimentChange, object][] = [
      [{ traffic: 1 }, { traffic: 1, values_changed: false, forced_changed: false }],
      [
        { variants: [{ ...one, forced: ['ann-7'] }, two] },
        { values_changed: false, forced_changed: true },
      ],
      [
        { variants: [{ ...one, forced: ['bob-7', 'ann-7'], value: 'secret-3' }, two] },
        { values_changed: true, forced_changed: false },
      ],
    ]
    for (const [change, expected] of cases) {
      const said = eventChangeOf(before, changed(before, change, idMax))
      expect(said.after).toMatchObject(expected)
      expect(JSON.stringify(said)).not.toMatch(/secret|-7/)
    }
  })
})
