import {
  EppoClient,
  MemoryOnlyConfigurationStore,
  VariationType,
  type Flag,
} from '@eppo/js-client-sdk-common'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checksOf } from '../../src/experiments/explain.ts'
import { assigning, type Split } from '../../src/experiments/split.ts'
import { runs } from '../support/property.ts'

/** An experiment as a flag of Eppo's: each variant is a split of one allocation. */
const flagOf = ({ id, version, variants, traffic, layer, holdout, status }: Split): Flag => ({
  key: id,
  enabled: status === 'running',
  variationType: VariationType.STRING,
  variations: Object.fromEntries(variants.map((arm) => [arm.id, { key: arm.id, value: arm.id }])),
  totalShards: 10_000,
  allocations: [
    {
      key: 'everybody',
      doLog: false,
      splits: variants.map((arm) => ({
        variationKey: arm.id,
        shards: [
          ...(holdout === null
            ? []
            : [{ salt: `holdout-${holdout.id}`, ranges: [{ start: holdout.share, end: 10_000 }] }]),
          ...(layer === null
            ? []
            : [{ salt: `layer-${layer.id}`, ranges: [{ start: layer.from, end: layer.to }] }]),
          { salt: `traffic-${id}-v${version}`, ranges: [{ start: 0, end: traffic }] },
          { salt: `split-${id}-v${version}`, ranges: [{ start: arm.from, end: arm.to }] },
        ],
      })),
    },
  ],
})

async function theirs(split: Split): Promise<(subject: string) => string> {
  const store = new MemoryOnlyConfigurationStore<Flag>()
  await store.setEntries({ [split.id]: flagOf(split) })
  const client = new EppoClient({ flagConfigurationStore: store })
  return (subject) => client.getStringAssignment(split.id, subject, {}, 'none')
}

const id = fc.stringMatching(/^[a-z0-9_.-]{3,64}$/)
const share = fc.integer({ min: 0, max: 10_000 })

/** Variants between distinct shards, one of which may have none. */
const variants = fc.uniqueArray(share, { maxLength: 98 }).map((cuts) => {
  const all = [0, ...cuts.sort((a, b) => a - b), 10_000]
  return all.slice(1).map((to, i) => ({ id: `arm-${i}`, value: i, from: all[i] ?? 0, to }))
})

const split: fc.Arbitrary<Split> = fc.record({
  id,
  status: fc.constantFrom('running' as const, 'running' as const, 'paused' as const),
  version: fc.integer({ min: 1, max: 99 }),
  variants,
  control: fc.constant('arm-0'),
  traffic: fc.oneof(share, fc.constant(10_000)),
  layer: fc.option(fc.record({ id, from: share, to: share })),
  holdout: fc.option(fc.record({ id, share })),
})

/** Ids as people have them, beyond ASCII too; Eppo's client refuses blank ones and lone surrogates. */
const subjects = fc.uniqueArray(
  fc
    .oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 64 }),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 64 }),
      fc.constantFrom('josé', '李雷', '😀', 'constructor', '__proto__'),
    )
    .filter((text) => text.trim() !== '' && text.isWellFormed()),
  { minLength: 1, maxLength: 60 },
)

const free = { forced: null, member: true }

describe("Eppo's client", () => {
  it('assigns the same variants', async () => {
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(split, subjects, async (experiment, keys) => {
        const assign = assigning(experiment)
        const oracle = await theirs(experiment)
        for (const key of keys) {
          const { variant, reason } = assign({ ...free, key })
          expect([key, variant?.id ?? 'none']).toEqual([key, oracle(key)])
          seen.add(reason)
        }
      }),
      runs(200),
    )
    expect([...seen].sort()).toEqual([
      ...['HELD_OUT', 'NOT_IN_TRAFFIC', 'NOT_RUNNING', 'OTHER_LAYER', 'SPLIT'],
    ])
  })
})

describe('an explanation', () => {
  const reasons = {
    running: 'NOT_RUNNING',
    forced: 'FORCED',
    group: 'NOT_IN_GROUP',
    unit: 'NO_UNIT',
    holdout: 'HELD_OUT',
    layer: 'OTHER_LAYER',
    traffic: 'NOT_IN_TRAFFIC',
    split: 'SPLIT',
  }

  it('has the reason at the first check that is not passed', () => {
    const candidate = fc.record({
      forced: fc.option(fc.constantFrom('arm-0', 'gone')),
      member: fc.boolean(),
      key: fc.option(fc.string({ minLength: 1 }), { freq: 9 }),
    })
    fc.assert(
      fc.property(split, candidate, (experiment, one) => {
        const { variant, reason } = assigning(experiment)(one)
        const checks = checksOf({ ...experiment, group: null, unit: null }, one)
        const failed = checks.find(({ passed }) => !passed) ?? checks.at(-1)
        expect(reason).toBe(failed && reasons[failed.check])
        if (failed?.check !== 'split') return
        const held = failed.variants.find(
          ({ from, to }) => from <= failed.shard && failed.shard < to,
        )
        expect(variant).toBe(held)
      }),
      runs(300),
    )
  })
})
