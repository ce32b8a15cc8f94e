import { sql } from 'drizzle-orm'
import { costOf as spent, together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { firstUpTo } from '../jobs/batch-size.ts'
import { listAudiences, type Audience } from './audiences.ts'
import type { ResolvedRule, Names } from './compile.ts'
import { checkCost, costShown, costsOf, sumOf, type Budget, type LeafCost } from './cost.ts'
import { holdsFor } from './explain.ts'
import { Pace, statementTime, usersMost, type Allowed } from './pace.ts'
import { parameters } from './parameters.ts'
import { compileQuery } from './query.ts'
import { listsOf, listsTable, weightOf } from './range.ts'
import { checkReferences, firstMissing } from './references.ts'
import { expand } from './expand.ts'
import type { Rule } from './rule.ts'
import { namesIn } from './resolve.ts'

interface Asked {
  audience: Audience
  resolved: ResolvedRule
  costs: LeafCost[]
}

/**
 * The audiences that a user belongs to, oldest first: a statement for each, in one round trip or
 * more where they are dear. Throws `out-of-time`.
 */
export async function audiencesOf(
  db: Db,
  workspace: number,
  user: string,
  limits: Budget & Allowed,
): Promise<Audience[]> {
  const [audiences, names] = await Promise.all([
    listAudiences(db, workspace),
    namesIn(db, workspace),
  ])
  const rules = new Map(audiences.map(({ id, rule }) => [id, rule]))
  let left = audiences.flatMap((audience): Asked[] => {
    const resolved = tryResolve(audience, { rules, names, limits })
    return resolved === undefined
      ? []
      : [{ audience, resolved, costs: costsOf(resolved.rule, limits) }]
  })
  const pace = new Pace({ statement: 0, user: 1 }, limits.questionSeconds)
  const found: Audience[] = []
  for (let scanned = 0; left.length > 0;) {
    if (scanned > 0 && pace.isOver()) throw new Failure({ reason: 'out-of-time', scanned: 0 })
    await pace.turn()
    const some = firstUpTo(left, ({ costs }) => costShown(sumOf(costs)), 1000 * statementTime)
    const answers = await together(
      db,
      some.map((one) => selectBelongs(workspace, user, one)),
    )
    pace.took(spent(answers).ms, 0)
    for (const [i, { audience, resolved, costs }] of some.entries()) {
      const belongs = answers[i]?.rows[0]?.belongs ?? null
      // Null: the rule, or lists, take statements of their own.
      if (belongs === 1) found.push(audience)
      else if (belongs === null && (await holdsFor(db, workspace, resolved, { user, pace, costs })))
        found.push(audience)
    }
    scanned += some.length
    left = left.slice(some.length)
  }
  return found
}

function selectBelongs(workspace: number, user: string, { resolved, costs }: Asked) {
  const most = usersMost(sumOf(costs))
  if (most === 0) return sql<{ belongs: number | null }>`SELECT NULL AS belongs`
  const { condition, constants, references } = compileQuery(resolved)
  const lists = listsOf(resolved, costs)
  return sql<{ belongs: number | null }>`
    WITH ${parameters(workspace, constants)}, ${listsTable(workspace, lists)}
    SELECT CASE WHEN u.weight > ${most} THEN NULL
      ELSE ${sql.raw(condition)} AND ${firstMissing(workspace, references)} IS NULL END AS belongs
    FROM (SELECT u.user_id, ${weightOf(workspace, lists)} AS weight
      FROM (SELECT ${user} AS user_id) AS u LIMIT 1) AS u`
}

/** Undefined for a rule that is refused now: nobody belongs to its audience. */
function tryResolve(
  { id, rule }: Audience,
  { rules, names, limits }: { rules: ReadonlyMap<string, Rule>; names: Names; limits: Budget },
): ResolvedRule | undefined {
  try {
    const resolved = checkReferences({ rule: expand(rule, rules, id), names })
    checkCost(resolved.rule, limits)
    return resolved
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}
