import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { listAudiences, type Audience } from './audiences.ts'
import { given, compileFor } from './questions.ts'
import { expand, type Rule } from './rule.ts'
import { namesIn } from './whole.ts'

/** The audiences that a user belongs to, oldest first: a statement for each, all in one round trip. */
export async function audiencesOf(db: Db, workspace: number, user: string): Promise<Audience[]> {
  const [audiences, names] = await Promise.all([
    listAudiences(db, workspace),
    namesIn(db, workspace),
  ])
  const rules = new Map(audiences.map(({ id, rule }) => [id, rule]))
  const asked = audiences.flatMap((audience) => {
    const rule = wholeOrNone(audience, rules)
    return rule === undefined ? [] : [{ audience, ...compileFor({ rule, names }) }]
  })
  if (asked.length === 0) return []
  const answers = await together(
    db,
    asked.map(
      ({ condition, constants }) => sql`
      WITH ${given(workspace, constants)} SELECT ${sql.raw(condition)} AS belongs FROM (SELECT ${user} AS user_id) AS u`,
    ),
  )
  // The column selected above.
  return asked.flatMap(({ audience }, i) =>
    (answers[i]?.results[0] as { belongs: number } | undefined)?.belongs === 1 ? [audience] : [],
  )
}

/** What others have become since may be more than a rule may be: nobody belongs to an audience that cannot be asked about. */
function wholeOrNone({ id, rule }: Audience, rules: ReadonlyMap<string, Rule>): Rule | undefined {
  try {
    return expand(rule, rules, id)
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}
