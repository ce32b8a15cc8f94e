import { md5Head } from './md5.ts'

/** How many shards a salt has: each is a hundredth of a percent. */
export const shards = 10_000

/**
 * The shard of a key under a salt, the same for ever: `md5-shard-v1` (Eppo's "Universal Flag
 * Configuration", shards).
 */
export const shardOf = (salt: string, key: string): number => md5Head(`${salt}-${key}`) % shards

/** Shards from `from` up to `to`, which is not among them. */
export interface Shards {
  from: number
  to: number
}

export const isWithin = (shard: number, { from, to }: Shards): boolean =>
  from <= shard && shard < to
