import type { SharedAttribute } from '../db/schema.ts'
import { numberIn } from '../identity/aggregate.ts'
import { isOverMembers, type Condition, type OverMembers, type Rule, type Scalar } from './rule.ts'

/** What the names in a rule stand for in its workspace. */
export interface Names {
  /** Definitions by id: their key, and what they share by which function. */
  definitions: ReadonlyMap<string, { key: number; attributes: readonly SharedAttribute[] }>
}

/** A whole rule (see `expand`), and what the names in it stand for. */
export interface Asked {
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
  const listed = (values: unknown[]) => `(SELECT value FROM p,json_each(c->${keep(values)}))`

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

  /** The values of an attribute, a list's one by one: rows of `t`, the text in small letters, and `n`, the number that it is if it is one. */
  const valuesOf = (attribute: string, user: string): string => {
    const shared = sharedBy(names, attribute)
    return shared === undefined
      ? `own_values WHERE workspace_id=(SELECT w FROM p) AND user_id=${user} AND name=${constant(attribute)}`
      : `shared_values WHERE definition_key=${shared.definition} AND user_id=${user} AND name=${constant(shared.name)} AND function='${shared.function}'`
  }

  const comparison = (rule: Extract<Condition, { value: unknown }>): string => {
    switch (rule.operator) {
      case 'equals':
      case 'not_equals':
        return among([rule.value])
      case 'in':
      case 'not_in':
        return among(rule.value)
      case 'less_than':
        return ordered('<', rule.value)
      case 'less_than_equal':
        return ordered('<=', rule.value)
      case 'greater_than':
        return ordered('>', rule.value)
      case 'greater_than_equal':
        return ordered('>=', rule.value)
      case 'contains':
      case 'not_contains':
        return `instr(t,${constant(textOf(rule.value))})>0`
      case 'starts_with':
        return `substr(t,1,${lengthOf(rule.value)})=${constant(textOf(rule.value))}`
      case 'ends_with':
        return `substr(t,length(t)+1-${lengthOf(rule.value)})=${constant(textOf(rule.value))}`
      case 'matches':
        return matching(textOf(rule.value))
    }
  }

  const among = (values: Scalar[]): string => {
    const numbers = values.map(numberOf).filter((number) => number !== undefined)
    const texts = `t IN ${listed(values.map(textOf))}`
    return numbers.length === 0 ? texts : `${texts} OR n IN ${listed(numbers)}`
  }

  const ordered = (sign: '<' | '<=' | '>' | '>=', value: Scalar): string => {
    const number = numberOf(value)
    const text = `t${sign}${constant(textOf(value))}`
    return number === undefined ? text : `iif(n IS NULL,${text},n${sign}${constant(number)})`
  }

  /**
   * LIKE and GLOB take patterns of 50 bytes on D1. Here what stands before the first star and after the last is compared in its place, part by
   * part, and the pieces between them are found one after the other, each as far to the left as it can be.
   */
  const matching = (pattern: string): string => {
    // No value has one, and GLOB would read no further.
    if (pattern.includes('\0')) return '0'
    const [head = '', ...rest] = pattern.split(/\*+/)
    const tail = rest.pop()
    if (tail === undefined)
      return `length(t)=${lengthOf(head)} AND ${standing('t', '1', constant(partsOf(head)))}`
    const ends = [...partsOf(head).map(from(1)), ...partsOf(tail).map(from(-lengthOf(tail)))]
    const conditions = [
      `length(t)>=${[head, ...rest, tail].reduce((sum, piece) => sum + lengthOf(piece), 0)}`,
    ]
    if (ends.length > 0) conditions.push(standing('t', '0', constant(ends)))
    const between = `substr(t,${lengthOf(head) + 1},length(t)-${lengthOf(head) + lengthOf(tail)})`
    const [only] = rest
    if (only !== undefined && rest.length === 1 && !only.includes('?'))
      conditions.push(`instr(${between},${constant(only)})>0`)
    else if (only !== undefined)
      conditions.push(
        `(SELECT ${rest.length}=${piecesFound('x', rest)} FROM (SELECT ${between} AS x))`,
      )
    return conditions.join(' AND ')
  }

  /** How many of the pieces are found: `i` of them are, before the place `b`. One without question marks takes a step, others one for each place. */
  const piecesFound = (text: string, pieces: string[]): string => {
    const listed = constant(
      pieces.map((piece) => [
        lengthOf(piece),
        ...(piece.includes('?') ? [null, partsOf(piece)] : [piece]),
      ]),
    )
    const found = `iif(s.value->>1 IS NULL,${standing(text, 'b', 's.value->2')},instr(substr(${text},b),s.value->>1))`
    return `(WITH RECURSIVE f(i,b) AS (SELECT 0,1 UNION ALL SELECT i+(h.value>0),b+iif(h.value>0,h.value-1+(s.value->>0),1)
FROM f,json_each(${listed}) AS s,json_each(json_array(${found})) AS h
WHERE s.key=i AND b+(s.value->>0)<=length(${text})+1 AND (h.value>0 OR s.value->>1 IS NULL)) SELECT max(i) FROM f)`
  }

  const ofMembers = ({ operator, group, expression }: OverMembers, user: string): string => {
    const key = names.definitions.get(group)?.key
    // Who is in no group has no members: none of them is, and not all of them are.
    if (key === undefined) return operator === 'no_member' ? '1' : '0'
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

/** In pairs of pairs, as SQLite takes expressions of a depth of a hundred and a chain is as deep as it is long. */
function joined(conditions: string[], by: ' AND ' | ' OR '): string {
  const half = Math.ceil(conditions.length / 2)
  return conditions.length === 1
    ? (conditions[0] ?? '')
    : `(${joined(conditions.slice(0, half), by)}${by}${joined(conditions.slice(half), by)})`
}

/** A value as text compares: A to Z are as a to z, as in SQLite. */
const textOf = (value: Scalar): string =>
  String(value).replace(/[A-Z]/g, (letter) => letter.toLowerCase())

const lengthOf = (value: Scalar) => [...String(value)].length

/** The number that a value is, or says; undefined for others. */
const numberOf = (value: Scalar): number | undefined =>
  typeof value === 'boolean' ? undefined : numberIn(String(value))

/** A part of a piece of a pattern: where it begins, its length in characters, and itself as a pattern of GLOB. */
type Part = [at: number, length: number, glob: string]

/** Whether parts, as JSON, stand where they should if they begin at a place of a text; from its end where that is negative. */
const standing = (text: string, place: string, parts: string) =>
  `NOT EXISTS(SELECT 1 FROM json_each(${parts}) WHERE NOT substr(${text},${place}+(value->>0),value->>1) GLOB value->>2)`

const globMax = 50

/** A piece without stars in parts that GLOB takes, each question mark for one character. */
function partsOf(piece: string): Part[] {
  const parts: Part[] = []
  let room = 0
  for (const [at, sign] of [...piece].entries()) {
    const glob = sign === '[' ? '[[]' : sign
    const bytes = Buffer.byteLength(glob)
    const last = parts.at(-1)
    if (last === undefined || bytes > room) {
      parts.push([at, 1, glob])
      room = globMax - bytes
    } else {
      last[1]++
      last[2] += glob
      room -= bytes
    }
  }
  return parts
}

const from =
  (place: number) =>
  ([at, length, glob]: Part): Part => [place + at, length, glob]
