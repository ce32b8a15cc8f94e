import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { listAudiences, type Audience } from './audiences.ts'
import { compileQuery, parameters } from './query.ts'
import type { ResolvedRule, Names } from './compile.ts'
import { checkReferences, firstMissing } from './references.ts'
import { expand } from './expand.ts'
import type { Rule } from './rule.ts'
import { namesIn } from './resolve.ts'

/** The audiences that a user belongs to, oldest first: a statement for each, in one round trip. */
export async function audiencesOf(db: Db, workspace: number, user: string): Promise<Audience[]> {
  const [audiences, names] = await Promise.all([
    listAudiences(db, workspace),
    namesIn(db, workspace),
  ])
  const rules = new Map(audiences.map(({ id, rule }) => [id, rule]))
  const queries = audiences.flatMap((audience) => {
    const resolved = tryResolve(audience, rules, names)
    return resolved === undefined ? [] : [{ audience, ...compileQuery(resolved) }]
  })
  if (queries.length === 0) return []
  const answers = await together(
    db,
    queries.map(
      ({ condition, constants, references }) => sql<{ belongs: number }>`
      WITH ${parameters(workspace, constants)}
      SELECT ${sql.raw(condition)} AND ${firstMissing(workspace, references)} IS NULL AS belongs
      FROM (SELECT ${user} AS user_id) AS u`,
    ),
  )
  return queries.flatMap(({ audience }, i) =>
    answers[i]?.rows[0]?.belongs === 1 ? [audience] : [],
  )
}

/** Undefined for a rule that is refused now: nobody belongs to its audience. */
function tryResolve(
  { id, rule }: Audience,
  rules: ReadonlyMap<string, Rule>,
  names: Names,
): ResolvedRule | undefined {
  try {
    return checkReferences({ rule: expand(rule, rules, id), names })
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}
