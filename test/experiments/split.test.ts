import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assigning, type Assigned, type Split } from '../../src/experiments/split.ts'
import { runs } from '../support/property.ts'

/** Variants of these weights. */
function experiment(id: string, weights: number[], more: Partial<Split> = {}): Split {
  let to = 0
  const variants = weights.map((weight, i) => {
    const from = to
    to += weight
    return { id: `arm-${i}`, from, to, value: i }
  })
  const nobody = { layer: null, holdout: null }
  const started = { status: 'running' as const, version: 1, traffic: 10_000 }
  return { id, variants, control: 'arm-0', ...started, ...nobody, ...more }
}

/** Random ids, the same in each run, so that what is improbable does not happen one day. */
function* randomIds(count: number): Generator<string> {
  let state = 20_261_128
  const random = () => {
    // xorshift32 (Marsaglia, "Xorshift RNGs")
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
  for (let i = 0; i < count; i++) yield `${random().toString(36)}-${random().toString(36)}`
}

const armsOf = (split: Split): ((key: string) => Assigned) => {
  const assign = assigning(split)
  return (key) => assign({ forced: null, member: true, key })
}

const placeOf = ({ variant }: Assigned): number => Number(variant?.value ?? -1)

/** How many of so many trials come out, at the outside: four standard deviations from the mean. */
function expectBinomial(observed: number, trials: number, share: number): void {
  const deviation = Math.sqrt(trials * share * (1 - share))
  expect(Math.abs(observed - trials * share) / deviation).toBeLessThan(4)
}

/** Rows and columns of a table are independent: χ² is within four of its standard deviations. */
function expectIndependent(table: number[][]): void {
  const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0)
  const rows = table.map(sum)
  const columns = (table[0] ?? []).map((_, i) => sum(table.map((row) => row[i] ?? 0)))
  const all = sum(rows)
  const terms = table.flatMap((row, i) =>
    row.map((count, j) => {
      const expected = ((rows[i] ?? 0) * (columns[j] ?? 0)) / all
      return (count - expected) ** 2 / expected
    }),
  )
  const freedom = (rows.length - 1) * (columns.length - 1)
  expect(Math.abs(sum(terms) - freedom) / Math.sqrt(2 * freedom)).toBeLessThan(4)
}

const million = 1_000_000

describe('a million random ids', () => {
  const few = [5000, 3000, 1999, 1]
  const many = Array.from({ length: 100 }, () => 100)

  it('fall into variants by their weights, in one experiment whatever in another', () => {
    const inFew = armsOf(experiment('checkout', few))
    const inMany = armsOf(experiment('check-out', many))
    const table = few.map(() => many.map(() => 0))
    for (const id of randomIds(million)) {
      const row = table[placeOf(inFew(id))] ?? []
      const column = placeOf(inMany(id))
      row[column] = (row[column] ?? 0) + 1
    }
    for (const [i, weight] of few.entries()) {
      const observed = table[i]?.reduce((total, count) => total + count, 0) ?? 0
      expectBinomial(observed, million, weight / 10_000)
    }
    for (const [i, weight] of many.entries()) {
      const observed = table.reduce((total, row) => total + (row[i] ?? 0), 0)
      expectBinomial(observed, million, weight / 10_000)
    }
    // The smallest variant has one of each cell, which χ² is not for.
    expectIndependent(table.slice(0, 3))
  })
})

describe('random ids', () => {
  it('are in one experiment of a layer, and in none of a holdout', () => {
    const count = 100_000
    const holdout = { id: 'q4', share: 500 }
    const halves = [5000, 5000]
    const layered = [
      experiment('first', halves, { holdout, layer: { id: 'cart', from: 0, to: 3000 } }),
      experiment('second', halves, { holdout, layer: { id: 'cart', from: 3000, to: 9000 } }),
      experiment('third', halves, { holdout, layer: { id: 'cart', from: 9000, to: 10_000 } }),
    ].map(armsOf)
    const free = armsOf(experiment('apart', halves, { holdout }))
    const takes = [0, 0, 0]
    let heldOut = 0
    const wrong: string[] = []
    for (const id of randomIds(count)) {
      const reasons = layered.map((arms) => arms(id).reason)
      const place = reasons.indexOf('SPLIT')
      const [inside, outside] = place === -1 ? ['HELD_OUT', 'HELD_OUT'] : ['SPLIT', 'OTHER_LAYER']
      const fit = reasons.every((reason, i) => reason === (i === place ? inside : outside))
      if (!fit || free(id).reason !== inside) wrong.push(id)
      if (place === -1) heldOut++
      else takes[place] = (takes[place] ?? 0) + 1
    }
    expect(wrong).toEqual([])
    expectBinomial(heldOut, count, 0.05)
    for (const [i, share] of [0.3, 0.6, 0.1].entries())
      expectBinomial(takes[i] ?? 0, count, 0.95 * share)
  })

  it('are drawn anew for each version: whether they take part, and into which variant', () => {
    const weights = [2000, 3000, 5000]
    const versions = [1, 2].map((version) =>
      armsOf(experiment('checkout', weights, { version, traffic: 6000 })),
    )
    const states = weights.length + 1
    const table = Array.from({ length: states }, () => Array.from({ length: states }, () => 0))
    for (const id of randomIds(100_000)) {
      const [before, after] = versions.map((arms) => placeOf(arms(id)) + 1)
      const row = table[before ?? 0] ?? []
      row[after ?? 0] = (row[after ?? 0] ?? 0) + 1
    }
    expectIndependent(table)
  })
})

describe('the traffic of an experiment', () => {
  const traffics = fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 2, maxLength: 12 })
  const people = [...randomIds(500)]

  it('moves nobody to another variant, and takes the newest away first', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(traffics, fc.integer({ min: 1, max: 9 }), (steps, version) => {
        const armOnce = new Map<string, number>()
        const moved: string[] = []
        /** At which step each has joined who takes part now. */
        const joined = new Map<string, number>()
        for (const [step, traffic] of steps.entries()) {
          const arms = armsOf(experiment('growing', [1000, 4000, 5000], { traffic, version }))
          const left: number[] = []
          for (const id of people) {
            const arm = placeOf(arms(id))
            const since = joined.get(id)
            if (arm === -1) {
              if (since !== undefined) left.push(since)
              joined.delete(id)
              continue
            }
            if ((armOnce.get(id) ?? arm) !== arm) moved.push(id)
            armOnce.set(id, arm)
            joined.set(id, since ?? step)
          }
          const before = steps[step - 1] ?? 0
          if (traffic >= before) expect(left).toEqual([])
          const stayed = [...joined.values()]
          if (left.length > 0) {
            expect(Math.max(0, ...stayed)).toBeLessThanOrEqual(Math.min(...left))
            seen.add(stayed.length > 0 ? 'narrower' : 'none')
          } else if (traffic > before && step > 0) seen.add('wider')
        }
        expect(moved).toEqual([])
      }),
      runs(60),
    )
    expect(seen).toContain('narrower')
    expect(seen).toContain('wider')
  })
})
