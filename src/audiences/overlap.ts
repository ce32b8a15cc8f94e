import type { Db } from '../db/connect.ts'
import { getAudience } from './audiences.ts'
import { countEach } from './questions.ts'
import { wholeRule } from './whole.ts'

/**
 * How many users two audiences have, and how many belong to both. Throws `not-found`, and `rule-refused` where the two together are more
 * than a rule may be.
 */
export async function overlap(db: Db, workspace: number, a: string, b: string): Promise<{ a: number; b: number; both: number }> {
  await Promise.all([getAudience(db, workspace, a), getAudience(db, workspace, b)])
  const expressions = [a, b].map((audience) => ({ operator: 'in_audience', audience }) as const)
  const { rule, names } = await wholeRule(db, workspace, { operator: 'and', expressions })
  const rules = 'expressions' in rule ? rule.expressions : []
  const { each, all } = await countEach(db, workspace, rules, names)
  return { a: each[0] ?? 0, b: each[1] ?? 0, both: all }
}
