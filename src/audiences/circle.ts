import { sql, type SQL } from 'drizzle-orm'
import type { Audience } from './audiences.ts'
import { Failure } from '../failure.ts'
import { groupsIn, usedBy, type Rule } from './rule.ts'

/** A group that an audience fills, and on which it depends. */
export interface Circle {
  group: string
  audience: string
}

/** Who fills which experience group: ids of audiences by those of groups. */
type Fillers = ReadonlyMap<string, string>

/** Throws `circle` where an audience would depend on a group that depends on it, were `rule` its rule or `group` its group. */
export function checkCircle(
  audiences: Audience[],
  id: string,
  { rule, group }: { rule?: Rule; group?: string },
): void {
  const rules = new Map(audiences.map(({ id, rule }) => [id, rule]))
  const fillers = new Map(
    audiences.flatMap((one): [string, string][] => {
      const filled = group !== undefined && one.id === id ? group : one.group
      return filled === null ? [] : [[filled, one.id]]
    }),
  )
  const own = rule ?? rules.get(id)
  const circle = own && circleOf(id, own, rules, fillers)
  if (circle !== undefined) throw new Failure({ reason: 'circle', ...circle })
}

/**
 * Where a rule leads back to the audience `own` whose it is to be, through a group that an audience fills; undefined where it does not.
 * Audiences that use each other are `expand`'s to find.
 */
export function circleOf(
  own: string,
  rule: Rule,
  rules: ReadonlyMap<string, Rule>,
  fillers: Fillers,
): Circle | undefined {
  const seen = new Set<string>()
  const visit = (rule: Rule, through: Circle | undefined): Circle | undefined => {
    const steps = [
      ...usedBy(rule).map((audience) => ({ audience, through })),
      ...groupsIn(rule).flatMap((group) => {
        const audience = fillers.get(group)
        return audience === undefined ? [] : [{ audience, through: { group, audience } }]
      }),
    ]
    for (const { audience, through } of steps) {
      if (audience === own && through !== undefined) return through
      // Once by a way that has gone through a group, and once by one that has not.
      const key = `${through === undefined ? '' : 'through '}${audience}`
      const next = rules.get(audience)
      if (next === undefined || seen.has(key)) continue
      seen.add(key)
      const found = visit(next, through)
      if (found !== undefined) return found
    }
    return undefined
  }
  return visit(rule, undefined)
}

/** The audiences on which some depend, and those themselves: what they use, and what fills the groups that they name. A query of `id`. */
const leading = (workspace: number, ids: SQL): SQL => sql`
  WITH RECURSIVE leading (id) AS (${ids}
    UNION SELECT iif(named.kind = 'audience', named.name, (SELECT g.audience_id FROM experience_groups AS g
      WHERE g.workspace_id = ${workspace} AND g.id = named.name AND g.deleted_at IS NULL))
    FROM leading JOIN rule_names AS named ON named.workspace_id = ${workspace} AND named.audience_id = leading.id
    WHERE named.kind IN ('audience', 'group'))
  SELECT id FROM leading WHERE id IS NOT NULL`

/** Whether a rule does not lead back to the audience whose it is to be. */
export const leadsElsewhere = (workspace: number, own: string, rule: Rule): SQL => sql`
  ${own} NOT IN (${leading(
    workspace,
    sql`SELECT value AS id FROM json_each(${JSON.stringify(usedBy(rule))})
    UNION SELECT g.audience_id FROM experience_groups AS g WHERE g.workspace_id = ${workspace} AND g.deleted_at IS NULL
      AND g.id IN (SELECT value FROM json_each(${JSON.stringify(groupsIn(rule))}))`,
  )})`

/** Whether an audience does not depend on a group. */
export const independent = (workspace: number, audience: string, group: string): SQL => sql`
  (SELECT 1 FROM rule_names WHERE workspace_id = ${workspace} AND kind = 'group' AND name = ${group}
    AND audience_id IN (${leading(workspace, sql`SELECT ${audience} AS id`)}) LIMIT 1) IS NULL`
