import type { ExperimentStatus } from '../db/schema.ts'
import { isWithin, shardOf } from './shard.ts'
import {
  drawResultsOf,
  splitSalt,
  type Candidate,
  type DrawResult,
  type Split,
  type Variant,
} from './split.ts'

/** `passed`: the candidate goes on to the next check. The first that it fails decides. */
export type Check =
  | { check: 'running'; passed: boolean; status: ExperimentStatus }
  /** Fails where a variant is forced. */
  | { check: 'forced'; passed: boolean; variant: string | null }
  | { check: 'group'; passed: boolean; group: string | null }
  | { check: 'unit'; passed: boolean; unit: string | null; key: string | null }
  | Omit<DrawResult, 'otherwise'>
  | { check: 'split'; passed: boolean; salt: string; shard: number; variants: Variant[] }

/** What of an experiment decides, with its group and unit to name them. */
type Explained = Split & { group: string | null; unit: string | null }

/** The checks in their order; draws only of a candidate who has a key. */
export function checksOf(of: Explained, { forced, member, key }: Candidate): Check[] {
  const forcedInto = of.variants.find(({ id }) => id === forced)?.id ?? null
  const checks: Check[] = [
    { check: 'running', passed: of.status === 'running', status: of.status },
    { check: 'forced', passed: forcedInto === null, variant: forcedInto },
    { check: 'group', passed: member, group: of.group },
    { check: 'unit', passed: key !== null, unit: of.unit, key },
  ]
  return key === null ? checks : [...checks, ...drawResultsOf(of, key), splitOf(of, key)]
}

function splitOf({ variants, ...of }: Explained, key: string): Check {
  const salt = splitSalt(of)
  const shard = shardOf(salt, key)
  const passed = variants.some((variant) => isWithin(shard, variant))
  return { check: 'split', passed, salt, shard, variants }
}
