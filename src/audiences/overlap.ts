import type { Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { countEach } from './query.ts'
import { conditionsMax, leafCount } from './rule.ts'
import { resolveAudience } from './resolve.ts'

/**
 * How many users two audiences have, and how many belong to both. Throws `not-found`,
 * `rule-refused`, and `invalid` if they have too many conditions together.
 */
export async function overlap(
  db: Db,
  workspace: number,
  a: string,
  b: string,
): Promise<{ a: number; b: number; both: number }> {
  const [first, second] = await Promise.all([
    resolveAudience(db, workspace, a),
    resolveAudience(db, workspace, b),
  ])
  if (leafCount(first.rule) + leafCount(second.rule) > conditionsMax)
    throw new Failure({
      reason: 'invalid',
      field: 'b',
      problem: `has, together with a, more than ${conditionsMax} conditions`,
    })
  const { each, all } = await countEach(db, workspace, [first.rule, second.rule], first.names)
  return { a: each[0] ?? 0, b: each[1] ?? 0, both: all }
}
