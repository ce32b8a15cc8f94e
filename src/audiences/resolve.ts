import { sql, type SQL } from 'drizzle-orm'
import { together, type Db, type Results } from '../db/connect.ts'
import type { SharedAttribute } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { parseJson } from '../json.ts'
import type { ResolvedRule, Names } from './compile.ts'
import { checkCost, type Budget } from './cost.ts'
import { checkReferences, withShared } from './references.ts'
import { expand } from './expand.ts'
import { parameters } from './parameters.ts'
import { compileQuery } from './query.ts'
import { audiencesIn, groupsIn, type Rule } from './rule.ts'

interface DefinitionRow {
  id: string
  key: number
  attributes: string
}

interface RuleRow {
  id: string
  rule: string
  groups: string
}

/** The rows of `selectAudience`'s queries. */
export type AudienceRows = [definitions: DefinitionRow[], rules: RuleRow[]]

/**
 * Resolves a new rule of the audience `id`; `saved` is the rule to store. Throws `rule-refused` if
 * a name in it is unknown, as `expand` does, or where it is too large.
 */
export async function resolveRule(
  db: Db,
  workspace: number,
  rule: Rule,
  id?: string,
): Promise<ResolvedRule & { saved: Rule }> {
  const [definitions, used, groups] = await together(db, [
    selectDefinitions(workspace),
    selectRules(workspace, usedBy(workspace, rule)),
    selectGroups(workspace, sql`SELECT value FROM json_each(${JSON.stringify(groupsIn(rule))})`),
  ])
  const names = namesOf(definitions.rows, [...groupIds(groups.rows), ...groupsNamed(used.rows)])
  const saved = withShared(rule, names)
  const resolved = checkReferences({ rule: expand(saved, rulesById(used.rows), id), names })
  parameters(workspace, compileQuery(resolved).constants)
  return { ...resolved, saved }
}

/** Resolves an audience's rule. Throws `not-found`, and `rule-refused` as `resolveRule` does. */
export async function resolveAudience(
  db: Db,
  workspace: number,
  id: string,
): Promise<ResolvedRule> {
  return resolvedFrom(rowsOf(await together(db, selectAudience(workspace, id))), id)
}

/** Queries whose results `resolvedFrom` reads. */
export const selectAudience = (workspace: number, id: string) =>
  [
    selectDefinitions(workspace),
    selectRules(workspace, withUsed(workspace, sql`SELECT ${id} AS id`)),
  ] as const

export const rowsOf = ([definitions, rules]: Results<
  ReturnType<typeof selectAudience>
>): AudienceRows => [definitions.rows, rules.rows]

/** `resolveAudience` from the results of `selectAudience`. */
export function resolvedFrom([definitions, used]: AudienceRows, id: string): ResolvedRule {
  const rules = rulesById(used)
  const rule = rules.get(id)
  if (rule === undefined) throw new Failure({ reason: 'not-found', what: 'audience', id })
  const names = namesOf(definitions, groupsNamed(used))
  return checkReferences({ rule: expand(rule, rules, id), names })
}

/** Audiences of any workspaces at once, within the budget: why a rule is refused, in its place. */
export async function resolveMany(
  db: Db,
  audiences: { workspace: number; id: string }[],
  budget: Budget,
): Promise<(ResolvedRule | Failure)[]> {
  const list = JSON.stringify(audiences.map(({ workspace, id }) => [workspace, id]))
  const [definitions, rules] = await together(db, [
    sql<DefinitionRow & { workspace: number }>`
    SELECT workspace_id AS workspace, id, key, attributes FROM group_definitions
    WHERE workspace_id IN (SELECT value ->> 0 FROM json_each(${list})) AND deleted_at IS NULL`,
    sql<RuleRow & { workspace: number }>`
    WITH RECURSIVE reached (workspace, id) AS (
      SELECT value ->> 0, value ->> 1 FROM json_each(${list})
      UNION SELECT reached.workspace, used.value FROM reached
      CROSS JOIN audiences AS a ON a.workspace_id = reached.workspace AND a.id = reached.id
      CROSS JOIN json_each(a.uses) AS used)
    SELECT a.workspace_id AS workspace, a.id, a.rule, ${existingGroups} AS groups
    FROM reached AS r CROSS JOIN audiences AS a ON a.workspace_id = r.workspace AND a.id = r.id`,
  ])
  const definitionsOf = Map.groupBy(definitions.rows, ({ workspace }) => workspace)
  const rulesOf = Map.groupBy(rules.rows, ({ workspace }) => workspace)
  return audiences.map(({ workspace, id }) => {
    try {
      const rows = [definitionsOf.get(workspace) ?? [], rulesOf.get(workspace) ?? []] as const
      const resolved = resolvedFrom([...rows], id)
      checkCost(resolved.rule, budget)
      return resolved
    } catch (error) {
      if (error instanceof Failure) return error
      throw error
    }
  })
}

/** What the names in all rules of a workspace stand for. */
export async function namesIn(db: Db, workspace: number): Promise<Names> {
  const [definitions, groups] = await together(db, [
    selectDefinitions(workspace),
    selectGroups(
      workspace,
      sql`SELECT name FROM rule_names WHERE workspace_id = ${workspace} AND kind = 'group'`,
    ),
  ])
  return namesOf(definitions.rows, groupIds(groups.rows))
}

/** A query of a workspace's definitions, for `namesOf`. */
export const selectDefinitions = (workspace: number) => sql<DefinitionRow>`
  SELECT id, key, attributes FROM group_definitions
  WHERE workspace_id = ${workspace} AND deleted_at IS NULL`

/** A query of the experience groups among `ids` that exist, for `groupIds`. */
export const selectGroups = (workspace: number, ids: SQL) => sql<{ id: string }>`
  SELECT id FROM experience_groups
  WHERE workspace_id = ${workspace} AND id IN (${ids}) AND deleted_at IS NULL`

export const groupIds = (groups: { id: string }[]): string[] => groups.map(({ id }) => id)

/** Names from the rows of `selectDefinitions` and the experience groups that exist. */
export function namesOf(definitions: DefinitionRow[], groups: string[]): Names {
  return {
    definitions: new Map(
      definitions.map(({ id, key, attributes }) => [
        id,
        { key, attributes: JSON.parse(attributes) as SharedAttribute[] }, // as they are written
      ]),
    ),
    groups: new Set(groups),
  }
}

/** The existing experience groups in the rule of an audience `a`. */
const existingGroups = sql`(SELECT json_group_array(named.atom) FROM json_tree(a.rule) AS named
  WHERE named.key = 'group' AND EXISTS (SELECT 1 FROM experience_groups AS g
    WHERE g.workspace_id = a.workspace_id AND g.id = named.atom AND g.deleted_at IS NULL))`

/** A query of the audiences `ids`: `rule`, and `groups`, the existing experience groups in it. */
const selectRules = (workspace: number, ids: SQL) => sql<RuleRow>`
  SELECT a.id, a.rule, ${existingGroups} AS groups
  FROM (${ids}) AS r JOIN audiences AS a ON a.workspace_id = ${workspace} AND a.id = r.id`

const rulesById = (used: RuleRow[]): Map<string, Rule> =>
  // Only rules are written.
  new Map(used.map(({ id, rule }) => [id, parseJson(rule) as Rule]))

const groupsNamed = (used: RuleRow[]): string[] =>
  used.flatMap(({ groups }) => JSON.parse(groups) as string[]) // atoms of strings

/** A query of `id`: the audiences that a rule uses, directly or not. */
const usedBy = (workspace: number, rule: Rule): SQL =>
  withUsed(workspace, sql`SELECT value AS id FROM json_each(${JSON.stringify(audiencesIn(rule))})`)

/** A query of `id`: the given audiences and those that they use, directly or not. */
const withUsed = (workspace: number, ids: SQL): SQL => sql`
  WITH RECURSIVE reached (id) AS (${ids}
    UNION SELECT used.value FROM reached
    JOIN audiences AS a ON a.workspace_id = ${workspace} AND a.id = reached.id
    JOIN json_each(a.uses) AS used)
  SELECT id FROM reached`
