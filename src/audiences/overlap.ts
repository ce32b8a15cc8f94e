import type { Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { countEach } from './query.ts'
import { conditionsMax, isLeaf, nodesOf, type Rule } from './rule.ts'
import { resolveAudience } from './resolve.ts'

/**
 * How many users two audiences have, and how many belong to both. Throws `not-found`, `rule-refused`, and `invalid` where the two have more
 * conditions than one statement takes.
 */
export async function overlap(
  db: Db,
  workspace: number,
  a: string,
  b: string,
): Promise<{ a: number; b: number; both: number }> {
  const [one, other] = await Promise.all([
    resolveAudience(db, workspace, a),
    resolveAudience(db, workspace, b),
  ])
  if (conditionsOf(one.rule) + conditionsOf(other.rule) > conditionsMax)
    throw new Failure({
      reason: 'invalid',
      field: 'b',
      problem: `has, together with a, more than ${conditionsMax} conditions`,
    })
  const { each, all } = await countEach(db, workspace, [one.rule, other.rule], one.names)
  return { a: each[0] ?? 0, b: each[1] ?? 0, both: all }
}

const conditionsOf = (rule: Rule) => [...nodesOf(rule)].filter(({ rule }) => isLeaf(rule)).length
