import type { Experiment } from './experiments.ts'
import { shards } from './shard.ts'

/** How many of so many participants a layer and a holdout let take part, about. */
export function eligibleOf(
  { layer, holdout }: Pick<Experiment, 'layer' | 'holdout'>,
  participants: number,
): number {
  const inLayer = layer === null ? 1 : (layer.to - layer.from) / shards
  const notHeldOut = holdout === null ? 1 : 1 - holdout.share / shards
  return participants * inLayer * notHeldOut
}
