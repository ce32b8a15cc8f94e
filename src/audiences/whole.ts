import { and, eq, isNull, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { experienceGroups, type SharedAttribute } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { parseJson } from '../json.ts'
import type { Asked, Names } from './compile.ts'
import { expand, isOverMembers, nodesOf, refused, usedBy, type Rule } from './rule.ts'

/** The rows that a query gave. */
export type Rows = Pick<D1Result, 'results'>

/**
 * A rule with those of the audiences that it uses, and what the names in it stand for, all as they are now. Throws `rule-refused` where the
 * whole is more than a rule may be.
 */
export async function wholeRule(
  db: Db,
  workspace: number,
  rule: Rule,
  own?: string,
): Promise<Asked> {
  const [definitions, used] = await together(db, [
    defined(workspace),
    rulesOf(workspace, reached(workspace, rule)),
  ])
  return { rule: expand(rule, rulesIn(used), own), names: namesOf(definitions) }
}

/** The same of an audience. Throws `not-found` too. */
export async function wholeAudience(db: Db, workspace: number, id: string): Promise<Asked> {
  return askedIn(await together(db, lookUps(workspace, id)), id)
}

/** Queries of all that an audience's whole rule is made of, for `askedIn`. */
export const lookUps = (workspace: number, id: string): SQL[] => [
  defined(workspace),
  rulesOf(workspace, reachedFrom(workspace, sql`SELECT ${id} AS id`)),
]

/** An audience's whole rule, by the answers to `lookUps`. Throws `not-found`, and `rule-refused` where it is more than a rule may be. */
export function askedIn([definitions, used]: Rows[], id: string): Asked {
  const rules = rulesIn(used)
  const rule = rules.get(id)
  if (rule === undefined) throw new Failure({ reason: 'not-found', what: 'audience', id })
  return { rule: expand(rule, rules, id), names: namesOf(definitions) }
}

/** What names in rules stand for in the workspace, as it is now. */
export async function namesIn(db: Db, workspace: number): Promise<Names> {
  const [definitions] = await together(db, [defined(workspace)])
  return namesOf(definitions)
}

/** A query of the definitions of a workspace, for `namesOf`. */
export const defined = (workspace: number): SQL =>
  sql`SELECT id, key, attributes FROM group_definitions WHERE workspace_id = ${workspace} AND deleted_at IS NULL`

/** What names stand for, by the answer to `defined`. */
export function namesOf(definitions: Rows | undefined): Names {
  const found = (definitions?.results ?? []) as { id: string; key: number; attributes: string }[] // the columns of `defined`
  return {
    // A definition keeps a list of them alone.
    definitions: new Map(
      found.map(({ id, key, attributes }) => [
        id,
        { key, attributes: JSON.parse(attributes) as SharedAttribute[] },
      ]),
    ),
  }
}

const rulesOf = (workspace: number, ids: SQL): SQL =>
  sql`SELECT a.id, a.rule FROM (${ids}) AS r JOIN audiences AS a ON a.workspace_id = ${workspace} AND a.id = r.id`

function rulesIn(used: Rows | undefined): Map<string, Rule> {
  const found = (used?.results ?? []) as { id: string; rule: string }[] // the columns of `rulesOf`
  return new Map(found.map(({ id, rule }) => [id, parseJson(rule) as Rule])) // only rules are written
}

/** The same for a rule that is told just now: throws `rule-refused` also where it names a definition or an experience group that is not there. */
export async function checkRule(
  db: Db,
  workspace: number,
  rule: Rule,
  own?: string,
): Promise<Asked> {
  const whole = await wholeRule(db, workspace, rule, own)
  const { definitions } = whole.names
  const nodes = [...nodesOf(rule)]
  for (const { rule, at } of nodes)
    if (isOverMembers(rule) && !definitions.has(rule.group))
      throw refused(`${at}/group`, `names no group definition: ${rule.group}`)
  const asked = nodes.flatMap(({ rule, at }) =>
    rule.operator === 'in_group' ? [{ id: rule.group, at }] : [],
  )
  if (asked.length === 0) return whole
  const there = await db
    .select({ id: experienceGroups.id })
    .from(experienceGroups)
    .where(
      and(
        eq(experienceGroups.workspace, workspace),
        isNull(experienceGroups.deletedAt),
        sql`id IN (SELECT value FROM json_each(${JSON.stringify(asked.map(({ id }) => id))}))`,
      ),
    )
  const missing = asked.find(({ id }) => !there.some((group) => group.id === id))
  if (missing !== undefined)
    throw refused(`${missing.at}/group`, `names no experience group: ${missing.id}`)
  return whole
}

/** The audiences that a rule uses, itself or through others: a query of `id`. */
export const reached = (workspace: number, rule: Rule): SQL =>
  reachedFrom(workspace, sql`SELECT value AS id FROM json_each(${JSON.stringify(usedBy(rule))})`)

/** Audiences, and those that they use, themselves or through others. */
const reachedFrom = (workspace: number, ids: SQL): SQL => sql`
  WITH RECURSIVE reached (id) AS (${ids}
    UNION SELECT used.value FROM reached JOIN audiences AS a ON a.workspace_id = ${workspace} AND a.id = reached.id JOIN json_each(a.uses) AS used)
  SELECT id FROM reached`

/** Whether all the audiences are there that a rule itself uses. */
export const allThere = (workspace: number, rule: Rule): SQL => {
  const used = usedBy(rule)
  return sql`(SELECT count(*) FROM audiences AS used
    WHERE used.workspace_id = ${workspace} AND used.id IN (SELECT value FROM json_each(${JSON.stringify(used)}))) = ${used.length}`
}
