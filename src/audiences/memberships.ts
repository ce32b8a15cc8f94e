import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { listAudiences, type Audience } from './audiences.ts'
import { given, compileFor } from './query.ts'
import type { ResolvedRule, Names } from './compile.ts'
import { complete, gone } from './missing.ts'
import { expand } from './expand.ts'
import type { Rule } from './rule.ts'
import { namesIn } from './resolve.ts'

/** The audiences that a user belongs to, oldest first: a statement for each, all in one round trip. */
export async function audiencesOf(db: Db, workspace: number, user: string): Promise<Audience[]> {
  const [audiences, names] = await Promise.all([
    listAudiences(db, workspace),
    namesIn(db, workspace),
  ])
  const rules = new Map(audiences.map(({ id, rule }) => [id, rule]))
  const asked = audiences.flatMap((audience) => {
    const asked = resolvedOrNone(audience, rules, names)
    return asked === undefined ? [] : [{ audience, ...compileFor(asked) }]
  })
  if (asked.length === 0) return []
  const answers = await together(
    db,
    asked.map(
      ({ condition, constants, needs }) => sql`
      WITH ${given(workspace, constants)} SELECT ${sql.raw(condition)} AND ${gone(workspace, needs)} IS NULL AS belongs FROM (SELECT ${user} AS user_id) AS u`,
    ),
  )
  // The column selected above.
  return asked.flatMap(({ audience }, i) =>
    (answers[i]?.results[0] as { belongs: number } | undefined)?.belongs === 1 ? [audience] : [],
  )
}

/** Nobody belongs to an audience that cannot be asked about: one that is more than a rule may be, or names what is no more. */
function resolvedOrNone(
  { id, rule }: Audience,
  rules: ReadonlyMap<string, Rule>,
  names: Names,
): ResolvedRule | undefined {
  try {
    return complete({ rule: expand(rule, rules, id), names })
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}
