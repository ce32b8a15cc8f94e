import { sql, type SQL } from 'drizzle-orm'
import { sharedBy, type ResolvedRule, type Names } from './compile.ts'
import { below, isOverMembers, refused, withConditions, type Condition, type Rule } from './rule.ts'

/** What a rule names and cannot be asked without. */
export interface Need {
  what: 'experience group' | 'group definition' | 'shared attribute' | 'audience'
  name: string
  there: boolean
  /** The key of a definition that is there. */
  definition?: number | undefined
  /** What the definition shares under that name. */
  shared?: string
  /** Where it is named; of what an audience names that is used, where that is used. */
  at: string
  via: string | undefined
}

/** All that a rule needs. A rule in which other audiences are not put in needs them to be there. */
export function needsOf(rule: Rule, names: Names): Need[] {
  const found: Need[] = []
  const visit = (rule: Rule, at: string, via: string | undefined): void => {
    const placed = (...keys: (string | number)[]) =>
      via === undefined ? keys.reduce<string>(below, at) : at
    if ('attribute' in rule) {
      const attribute = sharedNeed(rule, names)
      if (attribute !== undefined) found.push({ ...attribute, at: placed('attribute'), via })
    } else if ('expressions' in rule)
      rule.expressions.forEach((one, i) => visit(one, placed('expressions', i), via))
    else if (rule.operator === 'in_group')
      found.push({
        what: 'experience group',
        name: rule.group,
        there: names.groups.has(rule.group),
        at: placed('group'),
        via,
      })
    else if (rule.operator === 'in_audience') {
      const { audience, expression } = rule
      if (expression !== undefined) visit(expression, at, via ?? audience)
      else found.push({ what: 'audience', name: audience, there: true, at, via })
    } else {
      if (isOverMembers(rule)) {
        const definition = names.definitions.get(rule.group)?.key
        const there = definition !== undefined
        const at = placed('group')
        found.push({ what: 'group definition', name: rule.group, there, definition, at, via })
      }
      visit(rule.expression, placed('expression'), via)
    }
  }
  visit(rule, '/rule', undefined)
  return found
}

/** What a condition needs, unless its attribute is users' own. */
function sharedNeed(
  { attribute, shared }: Condition,
  names: Names,
): Omit<Need, 'at' | 'via'> | undefined {
  const need = { what: 'shared attribute', name: attribute } as const
  const found = sharedBy(names, attribute)
  if (found !== undefined)
    return { ...need, there: true, definition: found.definition, shared: found.name }
  const colon = attribute.indexOf(':')
  const definition = names.definitions.get(attribute.slice(0, Math.max(0, colon)))?.key
  // A rule from before this was kept does not say whether it meant what is shared no more.
  const wasShared = shared ?? definition !== undefined
  return wasShared
    ? { ...need, there: false, definition, shared: attribute.slice(colon + 1) }
    : undefined
}

/** A rule that says of its conditions whether they are on what is shared now. */
export const marked = (rule: Rule, names: Names): Rule =>
  withConditions(rule, (condition) =>
    condition.attribute.includes(':')
      ? { ...condition, shared: sharedBy(names, condition.attribute) !== undefined }
      : condition,
  )

/** The rule as it was given. */
export const unmarked = (rule: Rule): Rule =>
  withConditions(rule, ({ shared: _, ...condition }) => condition)

/** A whole rule, if all is there that it names. Throws `rule-refused` where something is no more, as no answer would be right. */
export function complete(asked: ResolvedRule): ResolvedRule {
  refuse(needsOf(asked.rule, asked.names).find(({ there }) => !there))
  return asked
}

/** Throws `rule-refused` where something is missing. */
export function refuse(missing: Need | undefined): void {
  if (missing === undefined) return
  const { at, via, what, name } = missing
  const names = `names no ${what}: ${name}`
  throw refused(at, via === undefined ? names : `uses the audience ${via}, which ${names}`)
}

/** The name of something as a job's problem tells it. */
const asText = sql`substr((one.value ->> 'what') || ' ' || (one.value ->> 'name'), 1, 64)`

/** Its place among the needs. */
export const asPlace = sql`one.key`

/** What is there no more of what was needed, or was not then, as SQL: the first of it, NULL where nothing is missing. */
export const gone = (workspace: number, needs: Need[], as = asText): SQL => sql`
  (SELECT ${as} FROM json_each(${JSON.stringify(needs)}) AS one
  WHERE NOT one.value ->> 'there' OR CASE one.value ->> 'what'
    WHEN 'experience group' THEN NOT EXISTS (SELECT 1 FROM experience_groups AS g
      WHERE g.workspace_id = ${workspace} AND g.id = one.value ->> 'name' AND g.deleted_at IS NULL)
    WHEN 'audience' THEN NOT EXISTS (SELECT 1 FROM audiences AS a
      WHERE a.workspace_id = ${workspace} AND a.id = one.value ->> 'name')
    WHEN 'group definition' THEN NOT EXISTS (SELECT 1 FROM group_definitions AS d
      WHERE d.key = one.value ->> 'definition' AND d.deleted_at IS NULL)
    ELSE NOT EXISTS (SELECT 1 FROM group_definitions AS d, json_each(d.attributes) AS shared
      WHERE d.key = one.value ->> 'definition' AND d.deleted_at IS NULL AND shared.value ->> 'id' = one.value ->> 'shared')
  END LIMIT 1)`
