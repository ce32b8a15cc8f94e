import type { Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { listAudiences, type Audience } from './audiences.ts'
import { costOf, costShown, type Budget } from './cost.ts'
import { expand } from './expand.ts'

/** An audience and its rule's cost; null where the rule is refused now. */
export type Priced = Audience & { cost: number | null }

/** Audiences of a workspace, with their costs. */
export async function priced(
  db: Db,
  workspace: number,
  audiences: Audience[],
  budget: Budget,
): Promise<Priced[]> {
  const all = audiences.some(({ uses }) => uses.length > 0)
    ? await listAudiences(db, workspace)
    : []
  const rules = new Map(all.map(({ id, rule }) => [id, rule]))
  return audiences.map((audience) => {
    try {
      const cost = costShown(costOf(expand(audience.rule, rules, audience.id), budget))
      return { ...audience, cost }
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      return { ...audience, cost: null }
    }
  })
}
