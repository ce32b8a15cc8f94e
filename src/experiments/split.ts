import type { ExperimentStatus } from '../db/schema.ts'
import { isWithin, shardOf, shards, type Shards } from './shard.ts'

/** What an arm gives: JSON of one type in all arms of an experiment. */
export type ArmValue = string | number | bigint | boolean | object

/** An arm, and which shards of the split are its own. */
export interface Variant extends Shards {
  id: string
  value: ArmValue
}

/** As much of an experiment as assigns its arms. */
export interface Split {
  id: string
  status: ExperimentStatus
  version: number
  variants: Variant[]
  /** The id of the arm whose value they get who take no part. */
  control: string
  /** Shards that take part, from the first. */
  traffic: number
  layer: (Shards & { id: string }) | null
  /** Shards that take no part, from the first. */
  holdout: { id: string; share: number } | null
}

/** What is known of a participant at one moment. */
export interface Candidate {
  /** The id of the arm that it is forced into. */
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

export type AssignmentReason = (typeof reasons)[number]

/** An arm, or why there is none. */
export interface Assigned {
  variant: Variant | undefined
  reason: AssignmentReason
}

/** A draw of a key: those within the shards go on. */
interface Draw extends Shards {
  check: 'holdout' | 'layer' | 'traffic'
  salt: string
  otherwise: AssignmentReason
}

/** A draw as it came out for a key. */
export interface Drawn extends Draw {
  shard: number
  passed: boolean
}

/** The draws of an experiment before that of its arm, in their order. */
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

/** The salt of the draw of an arm: another one for each version, so that all are drawn anew. */
export const splitSalt = ({ id, version }: Pick<Split, 'id' | 'version'>): string =>
  `split-${id}-v${version}`

const isAll = ({ from, to }: Shards): boolean => from === 0 && to === shards

/** Assigns arms of an experiment: of the same candidate, always the same. */
export function assigning(split: Split): (candidate: Candidate) => Assigned {
  const none = (reason: AssignmentReason): Assigned => ({ variant: undefined, reason })
  if (split.status !== 'running') return () => none('NOT_RUNNING')
  const arms = new Map(split.variants.map((variant) => [variant.id, variant]))
  const draws = drawsOf(split).filter((draw) => !isAll(draw))
  const salt = splitSalt(split)
  return ({ forced, member, key }) => {
    const forcedInto = forced === null ? undefined : arms.get(forced)
    if (forcedInto !== undefined) return { variant: forcedInto, reason: 'FORCED' }
    if (!member) return none('NOT_IN_GROUP')
    if (key === null) return none('NO_UNIT')
    const failed = draws.find((draw) => !isWithin(shardOf(draw.salt, key), draw))
    if (failed !== undefined) return none(failed.otherwise)
    return { variant: armOf(split.variants, shardOf(salt, key)), reason: 'SPLIT' }
  }
}

/** Each draw of a key before that of its arm, whether or not one before has decided. */
export const drawnOf = (split: Split, key: string): Drawn[] =>
  drawsOf(split).map((draw) => {
    const shard = shardOf(draw.salt, key)
    return { ...draw, shard, passed: isWithin(shard, draw) }
  })

/** Ranges of arms cover all shards, so that each has one. */
const armOf = (variants: Variant[], shard: number): Variant | undefined =>
  variants.find((variant) => isWithin(shard, variant))

/** The value of an assignment: that of the control where there is no arm. */
export const valueOf = ({ control, variants }: Split, { variant }: Assigned): ArmValue =>
  variant?.value ?? variants.find(({ id }) => id === control)?.value ?? ''
