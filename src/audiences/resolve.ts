import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import type { SharedAttribute } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { parseJson } from '../json.ts'
import type { ResolvedRule, Names } from './compile.ts'
import { complete, marked } from './missing.ts'
import { expand } from './expand.ts'
import { groupsIn, usedBy, type Rule } from './rule.ts'

/** The rows that a query gave. */
export type Rows = Pick<D1Result, 'results'>

/**
 * A rule that is given just now, as it is `kept`, with those of the audiences that it uses, and what the names in it stand for, all as
 * they are now. Throws `rule-refused` where the whole is more than a rule may be, or something is not there.
 */
export async function resolveRule(
  db: Db,
  workspace: number,
  rule: Rule,
  own?: string,
): Promise<ResolvedRule & { kept: Rule }> {
  const [definitions, used, groups] = await together(db, [
    defined(workspace),
    rulesOf(workspace, reached(workspace, rule)),
    liveGroups(workspace, sql`SELECT value FROM json_each(${JSON.stringify(groupsIn(rule))})`),
  ])
  const names = namesOf(definitions, [...groupsOf(groups), ...groupsNamed(used)])
  const kept = marked(rule, names)
  return { ...complete({ rule: expand(kept, rulesIn(used), own), names }), kept }
}

/** The same of an audience. Throws `not-found` too. */
export async function resolveAudience(
  db: Db,
  workspace: number,
  id: string,
): Promise<ResolvedRule> {
  return resolvedFrom(await together(db, lookUps(workspace, id)), id)
}

/** Queries of all that an audience's whole rule is made of, for `resolvedFrom`. */
export const lookUps = (workspace: number, id: string): SQL[] => [
  defined(workspace),
  rulesOf(workspace, reachedFrom(workspace, sql`SELECT ${id} AS id`)),
]

/** An audience's whole rule, by the answers to `lookUps`. Throws `not-found`, and `rule-refused` as `resolveRule` does. */
export function resolvedFrom([definitions, used]: Rows[], id: string): ResolvedRule {
  const rules = rulesIn(used)
  const rule = rules.get(id)
  if (rule === undefined) throw new Failure({ reason: 'not-found', what: 'audience', id })
  return complete({
    rule: expand(rule, rules, id),
    names: namesOf(definitions, groupsNamed(used)),
  })
}

/** What names in the audiences' rules stand for in the workspace, as it is now. */
export async function namesIn(db: Db, workspace: number): Promise<Names> {
  const [definitions, groups] = await together(db, [
    defined(workspace),
    liveGroups(
      workspace,
      sql`SELECT name FROM rule_names WHERE workspace_id = ${workspace} AND kind = 'group'`,
    ),
  ])
  return namesOf(definitions, groupsOf(groups))
}

/** A query of the definitions of a workspace, for `namesOf`. */
export const defined = (workspace: number): SQL =>
  sql`SELECT id, key, attributes FROM group_definitions WHERE workspace_id = ${workspace} AND deleted_at IS NULL`

/** A query of those of some experience groups that are there, for `groupsOf`. */
export const liveGroups = (workspace: number, ids: SQL): SQL =>
  sql`SELECT id FROM experience_groups WHERE workspace_id = ${workspace} AND id IN (${ids}) AND deleted_at IS NULL`

export const groupsOf = (found: Rows | undefined): string[] =>
  ((found?.results ?? []) as { id: string }[]).map(({ id }) => id) // the column of `liveGroups`

/** What names stand for, by the answer to `defined`, and the experience groups that are there. */
export function namesOf(definitions: Rows | undefined, groups: string[]): Names {
  const found = (definitions?.results ?? []) as { id: string; key: number; attributes: string }[] // the columns of `defined`
  return {
    // A definition keeps a list of them alone.
    definitions: new Map(
      found.map(({ id, key, attributes }) => [
        id,
        { key, attributes: JSON.parse(attributes) as SharedAttribute[] },
      ]),
    ),
    groups: new Set(groups),
  }
}

/** Audiences' rules, each with the experience groups that it names and that are there. */
const rulesOf = (workspace: number, ids: SQL): SQL => sql`
  SELECT a.id, a.rule, (SELECT json_group_array(named.atom) FROM json_tree(a.rule) AS named WHERE named.key = 'group'
    AND EXISTS (SELECT 1 FROM experience_groups AS g WHERE g.workspace_id = ${workspace} AND g.id = named.atom AND g.deleted_at IS NULL)) AS groups
  FROM (${ids}) AS r JOIN audiences AS a ON a.workspace_id = ${workspace} AND a.id = r.id`

// The columns of `rulesOf`.
const rulesFound = (used: Rows | undefined) =>
  (used?.results ?? []) as { id: string; rule: string; groups: string }[]

const rulesIn = (used: Rows | undefined): Map<string, Rule> =>
  new Map(rulesFound(used).map(({ id, rule }) => [id, parseJson(rule) as Rule])) // only rules are written

const groupsNamed = (used: Rows | undefined): string[] =>
  rulesFound(used).flatMap(({ groups }) => JSON.parse(groups) as string[]) // atoms of strings

/** The audiences that a rule uses, itself or through others: a query of `id`. */
const reached = (workspace: number, rule: Rule): SQL =>
  reachedFrom(workspace, sql`SELECT value AS id FROM json_each(${JSON.stringify(usedBy(rule))})`)

/** Audiences, and those that they use, themselves or through others. */
const reachedFrom = (workspace: number, ids: SQL): SQL => sql`
  WITH RECURSIVE reached (id) AS (${ids}
    UNION SELECT used.value FROM reached JOIN audiences AS a ON a.workspace_id = ${workspace} AND a.id = reached.id JOIN json_each(a.uses) AS used)
  SELECT id FROM reached`
