import { sql, type SQL } from 'drizzle-orm'
import { sharedBy, type ResolvedRule, type Names } from './compile.ts'
import {
  isMembersRule,
  mapConditions,
  nodesOf,
  pointerIn,
  ruleRefused,
  type Condition,
  type Node,
  type Rule,
} from './rule.ts'

/** What a rule names and depends on. */
interface Target {
  what: 'experience group' | 'group definition' | 'shared attribute' | 'audience'
  name: string
  exists: boolean
  /** The key of a definition that exists. */
  definition?: number | undefined
  /** The attribute's name in its definition. */
  shared?: string
}

export interface Reference extends Target {
  /** A JSON pointer to the name; in the rule of a used audience, to the node that uses it. */
  pointer: string
  /** The used audience whose rule has the name. */
  via: string | undefined
}

/** All that a rule depends on, in the order of its nodes. */
export const referencesOf = (rule: Rule, names: Names): Reference[] =>
  [...nodesOf(rule)].flatMap((node) => referenceOf(node, names) ?? [])

function referenceOf(node: Node, names: Names): Reference | undefined {
  const { rule, pointer, via } = node
  if ('attribute' in rule) {
    const target = sharedAttribute(rule, names)
    return target && { ...target, pointer: pointerIn(node, 'attribute'), via }
  }
  if (rule.operator === 'in_group') {
    const target = { what: 'experience group', name: rule.group } as const
    return {
      ...target,
      exists: names.groups.has(rule.group),
      pointer: pointerIn(node, 'group'),
      via,
    }
  }
  if (isMembersRule(rule)) {
    const definition = names.definitions.get(rule.group)?.key
    const target = { what: 'group definition', name: rule.group, definition } as const
    return { ...target, exists: definition !== undefined, pointer: pointerIn(node, 'group'), via }
  }
  // Only of a rule that is not expanded; `firstMissing` checks it.
  if (rule.operator === 'in_audience' && rule.expression === undefined)
    return { what: 'audience', name: rule.audience, exists: true, pointer, via }
  return undefined
}

/** The shared attribute that a condition is on; undefined for a user's own attribute. */
function sharedAttribute({ attribute, shared }: Condition, names: Names): Target | undefined {
  const target = { what: 'shared attribute', name: attribute } as const
  const found = sharedBy(names, attribute)
  if (found !== undefined)
    return { ...target, exists: true, definition: found.definition, shared: found.name }
  const colon = attribute.indexOf(':')
  const definition = names.definitions.get(attribute.slice(0, Math.max(0, colon)))?.key
  // Rules saved by earlier versions lack `shared`.
  const wasShared = shared ?? definition !== undefined
  return wasShared
    ? { ...target, exists: false, definition, shared: attribute.slice(colon + 1) }
    : undefined
}

/** The rule with `shared` set on its conditions, as definitions are now. */
export const withShared = (rule: Rule, names: Names): Rule =>
  mapConditions(rule, (condition) =>
    condition.attribute.includes(':')
      ? { ...condition, shared: sharedBy(names, condition.attribute) !== undefined }
      : condition,
  )

/** The rule as the client gave it. */
export const withoutShared = (rule: Rule): Rule =>
  mapConditions(rule, ({ shared: _, ...condition }) => condition)

/** Gives the rule back if all that it depends on exists; throws `rule-refused` otherwise. */
export function checkReferences(resolved: ResolvedRule): ResolvedRule {
  refuseMissing(referencesOf(resolved.rule, resolved.names).find(({ exists }) => !exists))
  return resolved
}

/** Throws `rule-refused` if given a reference. */
export function refuseMissing(missing: Reference | undefined): void {
  if (missing === undefined) return
  const { pointer, via, what, name } = missing
  const problem = `names no ${what}: ${name}`
  throw ruleRefused(
    pointer,
    via === undefined ? problem : `uses the audience ${via}, which ${problem}`,
  )
}

/** A missing reference as a job's problem shows it. */
const asProblem = sql`substr((named.value ->> 'what') || ' ' || (named.value ->> 'name'), 1, 64)`

/** Its index among the references. */
export const asIndex = sql`named.key`

/** SQL: the first reference whose target does not exist or no longer exists; NULL if all do. */
export const firstMissing = (
  workspace: number,
  references: Reference[],
  column = asProblem,
): SQL => sql`
  (SELECT ${column} FROM json_each(${JSON.stringify(references)}) AS named
  WHERE NOT named.value ->> 'exists' OR CASE named.value ->> 'what'
    WHEN 'experience group' THEN NOT EXISTS (SELECT 1 FROM experience_groups AS g
      WHERE g.workspace_id = ${workspace} AND g.id = named.value ->> 'name'
        AND g.deleted_at IS NULL)
    WHEN 'audience' THEN NOT EXISTS (SELECT 1 FROM audiences AS a
      WHERE a.workspace_id = ${workspace} AND a.id = named.value ->> 'name')
    WHEN 'group definition' THEN NOT EXISTS (SELECT 1 FROM group_definitions AS d
      WHERE d.key = named.value ->> 'definition' AND d.deleted_at IS NULL)
    ELSE NOT EXISTS (SELECT 1
      FROM group_definitions AS d, json_each(d.attributes) AS attribute
      WHERE d.key = named.value ->> 'definition' AND d.deleted_at IS NULL
        AND attribute.value ->> 'id' = named.value ->> 'shared')
  END LIMIT 1)`
