import type { SharedAttribute } from '../db/schema.ts'
import { comparing, joined } from './compare.ts'
import { isOverMembers, type Condition, type OverMembers, type Rule } from './rule.ts'

/** What the names in a rule stand for in its workspace. */
export interface Names {
  /** Definitions by id: their key, and what they share by which function. */
  definitions: ReadonlyMap<string, { key: number; attributes: readonly SharedAttribute[] }>
  /** Experience groups that are there, of those that are named. */
  groups: ReadonlySet<string>
}

/** A whole rule (see `expand`), and what the names in it stand for. */
export interface ResolvedRule {
  rule: Rule
  names: Names
}

/**
 * A rule as an SQL condition that is 1 or 0, never NULL. Its text is of our own words alone: the strings and numbers of a rule are
 * `constants`, which the statement has as JSON in the column `c` of a table `p`, beside the workspace in `w`.
 */
export interface Compiled {
  condition: string
  constants: unknown[]
}

/** Compiles a whole rule (see `expand`) for the user that the SQL expression `user` names. */
export function compile(rule: Rule, names: Names, user: string): Compiled {
  const constants: unknown[] = []
  return { condition: compiler(names, constants)(rule, user), constants }
}

/** Compiles leaves one by one, for statements of several conditions; their constants all go into `constants`. */
export function compiler(names: Names, constants: unknown[]): (rule: Rule, user: string) => string {
  const keep = (value: unknown) => constants.push(value) - 1
  const constant = (value: unknown) => `(SELECT c->>${keep(value)} FROM p)`
  const listed = (values: unknown[]) => `p,json_each(c->${keep(values)})`
  const comparison = comparing({ constant, listed })

  const visit = (rule: Rule, user: string): string => {
    if ('attribute' in rule) return ofCondition(rule, user)
    if (isOverMembers(rule)) return ofMembers(rule, user)
    switch (rule.operator) {
      case 'and':
      case 'or':
        return joined(
          rule.expressions.map((one) => visit(one, user)),
          rule.operator === 'and' ? ' AND ' : ' OR ',
        )
      case 'not':
        return `NOT ${visit(rule.expression, user)}`
      case 'in_group':
        return `EXISTS(SELECT 1 FROM live_members WHERE workspace_id=(SELECT w FROM p) AND participant_id=${user} AND group_id=${constant(rule.group)})`
      case 'in_audience':
        if (rule.expression === undefined)
          throw new Error(`the audience ${rule.audience} was not looked up`)
        return visit(rule.expression, user)
    }
  }

  const ofCondition = (rule: Condition, user: string): string => {
    const negative = rule.operator.startsWith('not_')
    const test = 'value' in rule ? ` AND (${comparison(rule)})` : ''
    return `${negative ? 'NOT ' : ''}EXISTS(SELECT 1 FROM ${valuesOf(rule.attribute, user)}${test})`
  }

  /** The values of an attribute, a list's one by one: rows of what compare.ts compares. */
  const valuesOf = (attribute: string, user: string): string => {
    const shared = sharedBy(names, attribute)
    return shared === undefined
      ? `own_readings WHERE workspace_id=(SELECT w FROM p) AND user_id=${user} AND name=${constant(attribute)}`
      : `shared_readings WHERE definition_key=${shared.definition} AND user_id=${user} AND name=${constant(shared.name)} AND function='${shared.function}'`
  }

  const ofMembers = ({ operator, group, expression }: OverMembers, user: string): string => {
    const key = names.definitions.get(group)?.key
    if (key === undefined) throw new Error(`there is no group definition ${group}`)
    const inner = visit(expression, 'm.member_id')
    const those = `FROM group_peers AS m WHERE definition_key=${key} AND m.user_id=${user}`
    if (operator === 'all_members') return `(SELECT min(${inner}) ${those}) IS 1`
    return `${operator === 'no_member' ? 'NOT ' : ''}EXISTS(SELECT 1 ${those} AND ${inner})`
  }

  return visit
}

/** What a definition shares under a name: `household:has_dog`. Other names, and those of what is shared no more, are users' own. */
export function sharedBy(
  { definitions }: Names,
  attribute: string,
): { definition: number; name: string; function: SharedAttribute['type'] } | undefined {
  // The id of a definition has no colon, that of an attribute may.
  const colon = attribute.indexOf(':')
  const definition = definitions.get(attribute.slice(0, Math.max(0, colon)))
  const name = attribute.slice(colon + 1)
  const shared = definition?.attributes.find(({ id }) => id === name)
  return definition === undefined || shared === undefined
    ? undefined
    : { definition: definition.key, name, function: shared.type }
}
