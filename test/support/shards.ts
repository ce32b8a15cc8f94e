import { createHash } from 'node:crypto'

/** The shard of a key, as anybody may compute it. */
export const shard = (salt: string, key: string): number =>
  createHash('md5').update(`${salt}-${key}`).digest().readUInt32BE() % 10_000

/** Which of two equal variants, `control` and `treatment`, a key falls into. */
export const halfOf = (experiment: string, key: string, version = 1): string =>
  shard(`split-${experiment}-v${version}`, key) < 5000 ? 'control' : 'treatment'

/** Names of people, of whom such a one falls where it is to be found. */
export function someone(fits: (person: string) => boolean): string {
  for (let i = 0; i < 100_000; i++) if (fits(`person-${i}`)) return `person-${i}`
  throw new Error('nobody falls there')
}
