import type { SharedAttribute } from '../db/schema.ts'
import { comparisonCompiler, joined } from './compare.ts'
import { isMembersRule, type Condition, type MembersRule, type Rule } from './rule.ts'

/** What the names in a rule stand for in its workspace. */
export interface Names {
  /** Definitions by id. */
  definitions: ReadonlyMap<string, { key: number; attributes: readonly SharedAttribute[] }>
  /** The experience groups that exist among those named. */
  groups: ReadonlySet<string>
}

/** An expanded rule (see `expand`), and what the names in it stand for. */
export interface ResolvedRule {
  rule: Rule
  names: Names
}

/**
 * A rule as an SQL condition that is 1 or 0, never NULL. The rule's values are not in its text but
 * in tables `w` and `p` (see `parameters`).
 */
export interface Compiled {
  condition: string
  constants: unknown[]
}

/** Compiles an expanded rule for the user whose id is the SQL expression `user`. */
export function compile(rule: Rule, names: Names, user: string): Compiled {
  const constants: unknown[] = []
  return { condition: compiler(names, constants)(rule, user), constants }
}

/** Compiles several rules or leaves of one statement; all append to `constants`. */
export function compiler(names: Names, constants: unknown[]): (rule: Rule, user: string) => string {
  const add = (value: unknown) => constants.push(value) - 1
  const constant = (value: unknown) => `(SELECT v FROM p WHERE k=${add(value)})`
  const listed = (values: unknown[]) => `json_each(${constant(values)})`
  const compileComparison = comparisonCompiler({ constant, listed })

  const visit = (rule: Rule, user: string): string => {
    if ('attribute' in rule) return ofCondition(rule, user)
    if (isMembersRule(rule)) return ofMembers(rule, user)
    switch (rule.operator) {
      case 'and':
      case 'or':
        return joined(
          rule.expressions.map((inner) => visit(inner, user)),
          rule.operator === 'and' ? ' AND ' : ' OR ',
        )
      case 'not':
        return `NOT ${visit(rule.expression, user)}`
      case 'in_group':
        return `EXISTS(SELECT 1 FROM live_members
WHERE workspace_id=(SELECT w FROM w) AND participant_id=${user} AND group_id=${constant(rule.group)})`
      case 'in_audience':
        if (rule.expression === undefined)
          throw new Error(`the audience ${rule.audience} is not expanded`)
        return visit(rule.expression, user)
    }
  }

  const ofCondition = (rule: Condition, user: string): string => {
    const negative = rule.operator.startsWith('not_')
    const test = 'value' in rule ? ` AND (${compileComparison(rule)})` : ''
    return `${negative ? 'NOT ' : ''}EXISTS(SELECT 1 FROM ${valuesOf(rule.attribute, user)}${test})`
  }

  /** Rows of an attribute's values, one per item of a list: FROM and WHERE. */
  const valuesOf = (attribute: string, user: string): string => {
    const shared = sharedBy(names, attribute)
    return shared === undefined
      ? `own_readings
WHERE workspace_id=(SELECT w FROM w) AND user_id=${user} AND name=${constant(attribute)}`
      : `shared_readings
WHERE definition_key=${shared.definition} AND user_id=${user}
AND name=${constant(shared.name)} AND function='${shared.function}'`
  }

  const ofMembers = ({ operator, group, expression }: MembersRule, user: string): string => {
    const key = names.definitions.get(group)?.key
    if (key === undefined) throw new Error(`the group definition ${group} does not exist`)
    const inner = visit(expression, 'm.member_id')
    const members = `FROM group_peers AS m WHERE definition_key=${key} AND m.user_id=${user}`
    if (operator === 'all_members') return `(SELECT min(${inner}) ${members}) IS 1`
    return `${operator === 'no_member' ? 'NOT ' : ''}EXISTS(SELECT 1 ${members} AND ${inner})`
  }

  return visit
}

/** The shared attribute of a name such as `household:has_dog`; undefined: it is a user's own. */
export function sharedBy(
  { definitions }: Names,
  attribute: string,
): { definition: number; name: string; function: SharedAttribute['type'] } | undefined {
  // Ids of attributes may contain colons, those of definitions cannot.
  const colon = attribute.indexOf(':')
  const definition = definitions.get(attribute.slice(0, Math.max(0, colon)))
  const name = attribute.slice(colon + 1)
  const shared = definition?.attributes.find(({ id }) => id === name)
  return definition === undefined || shared === undefined
    ? undefined
    : { definition: definition.key, name, function: shared.type }
}
