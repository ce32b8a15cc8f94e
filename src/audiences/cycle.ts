import { sql, type SQL } from 'drizzle-orm'
import type { Audience } from './audiences.ts'
import { Failure } from '../failure.ts'
import { audiencesIn, groupsIn, type Rule } from './rule.ts'

/** A group on which the audience that fills it depends. */
interface Cycle {
  group: string
  audience: string
}

interface Dependencies {
  /** By audience. */
  rules: ReadonlyMap<string, Rule>
  /** The audiences that fill groups, by group. */
  fillers: ReadonlyMap<string, string>
}

/** Throws `cycle` if an audience, so changed, would depend on the group that it fills. */
export function checkCycle(
  audiences: Audience[],
  id: string,
  changed: { rule?: Rule; group?: string },
): void {
  const rules = new Map(audiences.map(({ id, rule }) => [id, rule]))
  const fillers = new Map(
    audiences.flatMap((audience): [string, string][] => {
      const group = audience.id === id ? (changed.group ?? audience.group) : audience.group
      return group === null ? [] : [[group, audience.id]]
    }),
  )
  const rule = changed.rule ?? rules.get(id)
  const cycle = rule && findCycle(id, rule, { rules, fillers })
  if (cycle !== undefined) throw new Failure({ reason: 'cycle', ...cycle })
}

/** A way from a rule back to its audience through a filled group; `expand` finds the others. */
function findCycle(id: string, rule: Rule, { rules, fillers }: Dependencies): Cycle | undefined {
  const visited = new Set<string>()
  const visit = (rule: Rule, through: Cycle | undefined): Cycle | undefined => {
    const steps = [
      ...audiencesIn(rule).map((audience) => ({ audience, through })),
      ...groupsIn(rule).flatMap((group) => {
        const audience = fillers.get(group)
        return audience === undefined ? [] : [{ audience, through: { group, audience } }]
      }),
    ]
    for (const { audience, through } of steps) {
      if (audience === id && through !== undefined) return through
      // An audience may be visited twice: through a group and not.
      const key = `${through === undefined ? '' : 'through '}${audience}`
      const next = rules.get(audience)
      if (next === undefined || visited.has(key)) continue
      visited.add(key)
      const found = visit(next, through)
      if (found !== undefined) return found
    }
    return undefined
  }
  return visit(rule, undefined)
}

/** A query of `id`: the given audiences and all that they depend on, directly or not. */
const dependencies = (workspace: number, ids: SQL): SQL => sql`
  WITH RECURSIVE dependencies (id) AS (${ids}
    UNION SELECT iif(named.kind = 'audience', named.name,
      (SELECT g.audience_id FROM experience_groups AS g
      WHERE g.workspace_id = ${workspace} AND g.id = named.name AND g.deleted_at IS NULL))
    FROM dependencies JOIN rule_names AS named
      ON named.workspace_id = ${workspace} AND named.audience_id = dependencies.id
    WHERE named.kind IN ('audience', 'group'))
  SELECT id FROM dependencies WHERE id IS NOT NULL`

/** SQL: whether the audience `id` would not depend on itself with this rule. */
export const avoidsCycle = (workspace: number, id: string, rule: Rule): SQL => sql`
  ${id} NOT IN (${dependencies(
    workspace,
    sql`SELECT value AS id FROM json_each(${JSON.stringify(audiencesIn(rule))})
    UNION SELECT g.audience_id FROM experience_groups AS g
    WHERE g.workspace_id = ${workspace} AND g.deleted_at IS NULL
      AND g.id IN (SELECT value FROM json_each(${JSON.stringify(groupsIn(rule))}))`,
  )})`

/** SQL: whether an audience does not depend on a group. */
export const isIndependent = (workspace: number, audience: string, group: string): SQL => sql`
  (SELECT 1 FROM rule_names
  WHERE workspace_id = ${workspace} AND kind = 'group' AND name = ${group}
    AND audience_id IN (${dependencies(workspace, sql`SELECT ${audience} AS id`)})
  LIMIT 1) IS NULL`
