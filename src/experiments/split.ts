import type { ExperimentStatus, StoredVariant } from '../db/schema.ts'
import { isWithin, shardOf, shards, type Shards } from './shard.ts'

export type Variant = StoredVariant

/** What a variant gives: JSON of one type in all variants of an experiment. */
export type VariantValue = Variant['value']

/** What of an experiment decides who has which variant. */
export interface Split {
  id: string
  status: ExperimentStatus
  version: number
  variants: Variant[]
  /** The id of the variant whose value those get who take no part. */
  control: string
  /** How many shards take part, from the first on. */
  traffic: number
  layer: (Shards & { id: string }) | null
  /** `share`: how many shards take no part, from the first on. */
  holdout: { id: string; share: number } | null
}

/** What is known of a participant at one moment. */
export interface Candidate {
  /** The id of the variant that it is forced into. */
  forced: string | null
  /** Whether it is in the experiment's group; true where there is none. */
  member: boolean
  /** What is hashed: its id, or the value of its household; null for one that has none. */
  key: string | null
}

export const reasons = [
  'SPLIT',
  'FORCED',
  'NOT_RUNNING',
  'NOT_IN_GROUP',
  'NO_UNIT',
  'HELD_OUT',
  'OTHER_LAYER',
  'NOT_IN_TRAFFIC',
] as const

type AssignmentReason = (typeof reasons)[number]

/** A variant, or why there is none. */
export interface Assigned {
  variant: Variant | undefined
  reason: AssignmentReason
}

/** One draw: a key whose shard is from `from` up to `to` goes on, any other has the reason `otherwise`. */
interface Draw extends Shards {
  check: 'holdout' | 'layer' | 'traffic'
  salt: string
  otherwise: AssignmentReason
}

/** The result of a draw for a key. */
export interface DrawResult extends Draw {
  shard: number
  passed: boolean
}

/** The draws before that of the variant, in their order. */
function drawsOf({ id, version, traffic, layer, holdout }: Split): Draw[] {
  const draws: Draw[] = []
  if (holdout !== null)
    draws.push({
      check: 'holdout',
      salt: `holdout-${holdout.id}`,
      from: holdout.share,
      to: shards,
      otherwise: 'HELD_OUT',
    })
  if (layer !== null)
    draws.push({
      check: 'layer',
      salt: `layer-${layer.id}`,
      from: layer.from,
      to: layer.to,
      otherwise: 'OTHER_LAYER',
    })
  draws.push({
    check: 'traffic',
    salt: `traffic-${id}-v${version}`,
    from: 0,
    to: traffic,
    otherwise: 'NOT_IN_TRAFFIC',
  })
  return draws
}

/** The salt by which the variant is drawn: with each version another, so that all are drawn anew. */
export const splitSalt = ({ id, version }: Pick<Split, 'id' | 'version'>): string =>
  `split-${id}-v${version}`

const isAll = ({ from, to }: Shards): boolean => from === 0 && to === shards

/** A function that assigns variants of an experiment: to the same candidate always the same. */
export function assigning(split: Split): (candidate: Candidate) => Assigned {
  const none = (reason: AssignmentReason): Assigned => ({ variant: undefined, reason })
  if (split.status !== 'running') return () => none('NOT_RUNNING')
  const variants = new Map(split.variants.map((variant) => [variant.id, variant]))
  const draws = drawsOf(split).filter((draw) => !isAll(draw))
  const salt = splitSalt(split)
  return ({ forced, member, key }) => {
    const forcedInto = forced === null ? undefined : variants.get(forced)
    if (forcedInto !== undefined) return { variant: forcedInto, reason: 'FORCED' }
    if (!member) return none('NOT_IN_GROUP')
    if (key === null) return none('NO_UNIT')
    const failed = draws.find((draw) => !isWithin(shardOf(draw.salt, key), draw))
    if (failed !== undefined) return none(failed.otherwise)
    return { variant: variantOf(split.variants, shardOf(salt, key)), reason: 'SPLIT' }
  }
}

/** The results of all draws before that of the variant, also after one that decides. */
export const drawResultsOf = (split: Split, key: string): DrawResult[] =>
  drawsOf(split).map((draw) => {
    const shard = shardOf(draw.salt, key)
    return { ...draw, shard, passed: isWithin(shard, draw) }
  })

/** Found for each shard, as the ranges of variants cover all of them. */
const variantOf = (variants: Variant[], shard: number): Variant | undefined =>
  variants.find((variant) => isWithin(shard, variant))

/** The value of an assignment: that of the control where there is no variant. */
export const valueOf = ({ control, variants }: Split, { variant }: Assigned): VariantValue =>
  variant?.value ?? variants.find(({ id }) => id === control)?.value ?? ''
