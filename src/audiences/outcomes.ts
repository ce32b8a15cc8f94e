import { sql, type SQL } from 'drizzle-orm'
import { costOf as spent, together, type Db } from '../db/connect.ts'
import { stringifyJson } from '../json.ts'
import { compiler, sharedBy, type Names, type ResolvedRule } from './compile.ts'
import { costShown, sumOf, type LeafCost } from './cost.ts'
import { firstPart, statementTime, type Pace } from './pace.ts'
import { parameters } from './parameters.ts'
import { areListed, listsOf, listsTable, weightOfList, type MaybeList } from './range.ts'
import { asIndex, firstMissing, referencesOf, refuseMissing } from './references.ts'
import { isLeaf, nodesOf, type Leaf } from './rule.ts'

/** A leaf, and the attribute that it is on: shared by `definition`, or the user's own. */
interface LeafQuery {
  leaf: Leaf
  /** The definition whose members it is a condition on; null: the user alone. */
  membersOf: number | null
  definition?: number
  name: string | null
  function?: string
}

/** The leaves of a rule, in the order of `nodesOf`. */
const leafQueries = ({ rule, names }: ResolvedRule): LeafQuery[] =>
  [...nodesOf(rule)].flatMap(({ rule, membersOf }) => {
    if (!isLeaf(rule)) return []
    const attribute = 'attribute' in rule ? rule.attribute : null
    const shared = attribute === null ? undefined : sharedBy(names, attribute)
    const key = membersOf === undefined ? null : definitionKey(membersOf, names)
    return [{ leaf: rule, membersOf: key, ...(shared ?? { name: attribute }) }]
  })

export const definitionKey = (definition: string, { definitions }: Names): number =>
  definitions.get(definition)?.key ?? -1

/** The result of a leaf, by its index, for the user or for a member. */
export interface OutcomeRow {
  leaf: number
  membersOf: number | null
  user: string
  result: number
  /** Its text and type, as JSON. */
  saw: string | null
}

interface Asked {
  user: string
  /** Whether values are asked for, too. */
  seen: boolean
  pace: Pace
  /** Of the rule. */
  costs: LeafCost[]
}

/** Leaves of a statement at most, once lists are long. */
const leavesAtOnce = 10

/**
 * The outcomes of a rule's leaves for a user, and for each member. It takes one statement, or more
 * where the rule is dear or lists are long, each as of its own moment. Throws `rule-refused`;
 * `out-of-time` where lists are so long that there is no time for all of them.
 */
export async function readOutcomes(
  db: Db,
  workspace: number,
  resolved: ResolvedRule,
  { user, seen, pace, costs }: Asked,
): Promise<OutcomeRow[] | 'unknown' | 'out-of-time'> {
  const leaves = leafQueries(resolved)
  const cost = sumOf(costs)
  const lists = listsOf(resolved, costs)
  const references = referencesOf(resolved.rule, resolved.names)
  const rows: OutcomeRow[] = []
  let place: Place = { leaf: 0, user: '' }
  let areLong = false
  while (place.leaf < leaves.length) {
    if (areLong && pace.isOver()) return 'out-of-time'
    await pace.turn()
    const left = costs.slice(place.leaf, areLong ? place.leaf + leavesAtOnce : leaves.length)
    const end = place.leaf + firstPart(left, cost).length
    const part = { from: place.leaf, end, after: place.user, user, seen }
    const [known, found] = await together(db, [
      sql<{ missing: number | null }>`
      SELECT ${firstMissing(workspace, references, asIndex)} AS missing FROM users
      WHERE workspace_id = ${workspace} AND user_id = ${user}`,
      selectOutcomes(workspace, { names: resolved.names, leaves, costs, lists }, part),
    ])
    if (known.rows[0] === undefined) return 'unknown'
    refuseMissing(references[known.rows[0].missing ?? -1])
    pace.took(spent([known, found]).ms, 0, 2)
    rows.push(...found.rows)
    const last = found.rows.at(-1)
    const wasCut = last !== undefined && last.rows !== null && last.rows !== found.rows.length
    place = wasCut ? { leaf: last.leaf, user: last.user } : { leaf: end, user: '' }
    areLong ||= wasCut
  }
  return rows
}

/** Where the statement before has ended: behind a user, of a leaf. */
interface Place {
  leaf: number
  user: string
}

interface Leaves {
  names: Names
  leaves: LeafQuery[]
  costs: LeafCost[]
  lists: MaybeList[]
}

interface Part {
  from: number
  end: number
  after: string
  user: string
  seen: boolean
}

/** A query of the outcomes of some leaves, as many as a statement can of `rows`; null: all. */
function selectOutcomes(
  workspace: number,
  { names, leaves, costs, lists }: Leaves,
  { from, end, after, user, seen }: Part,
): SQL<OutcomeRow & { rows: number | null }> {
  const constants: unknown[] = []
  const compileLeaf = compiler(names, constants)
  const part = leaves.slice(from, end)
  const cases = part.map(({ leaf }, i) => `WHEN ${from + i} THEN ${compileLeaf(leaf, 's.user_id')}`)
  const listed = part.map(({ leaf: _, ...one }, i) => ({ ...one, look: costs[from + i]?.look }))
  const cost = costs.slice(from, end).reduce((sum, one) => sum + costShown(one), 0)
  const name = sql`s.value ->> 'name'`
  const own = sql`FROM user_attributes AS a
    WHERE a.workspace_id = ${workspace} AND a.user_id = s.user_id AND a.name = ${name}`
  const shared = sql`FROM identity_members AS m CROSS JOIN group_attributes AS a
      ON a.definition_key = m.definition_key AND a.value = m.value AND a.name = ${name}
    WHERE m.definition_key = s.value ->> 'definition' AND m.user_id = s.user_id
      AND a.function = s.value ->> 'function'`
  const either = (ofOwn: SQL, ofShared: SQL) => sql`CASE WHEN s.value ->> 'definition' IS NULL
      THEN (SELECT ${ofOwn} ${own} AND a.value IS NOT NULL)
      ELSE (SELECT ${ofShared} ${shared} AND a.result IS NOT NULL) END`
  const weight = (value: SQL) => sql`iif(a.type = 'list', ${weightOfList(value)}, 0)`
  const value = (value: SQL) => sql`json_array(${beginning(value)}, a.type)`
  const most = Math.max(1000 * statementTime - cost, 0)
  const people = selectPeople(user, { leaves: stringifyJson(listed), from, after })
  return sql`
    WITH ${parameters(workspace, constants)},
      ${listsTable(workspace, lists)}
    SELECT s.leaf, s.members_of AS membersOf, s.user_id AS user, s.rows,
      CASE s.leaf ${sql.raw(cases.join(' '))} END AS result,
      ${seen ? either(value(sql`coalesce(a.sent, a.value)`), value(sql`CAST(a.result AS TEXT)`)) : sql`NULL`} AS saw
    FROM (SELECT leaf, value, members_of, user_id, NULL AS rows
      FROM (${people}) WHERE NOT ${areListed}
      UNION ALL SELECT leaf, value, members_of, user_id, rows
      FROM (SELECT *, count(*) OVER () AS rows,
          sum(cost) OVER (ORDER BY leaf, user_id ROWS UNBOUNDED PRECEDING) AS upto
        FROM (SELECT *, (s.value ->> 'look')
            * ifnull(${either(weight(sql`a.value`), weight(sql`a.result`))}, 0) AS cost
          FROM (${people}) AS s WHERE ${areListed}))
      WHERE upto <= ${most} OR upto = cost) AS s`
}

/** A query of leaves and of the users that they are about, after a user of the first leaf. */
const selectPeople = (
  user: string,
  { leaves, from, after }: { leaves: string; from: number; after: string },
): SQL => sql`
  SELECT * FROM (
    SELECT leaf.key + ${from} AS leaf, leaf.value, leaf.value ->> 'membersOf' AS members_of,
      iif(leaf.value ->> 'membersOf' IS NULL, ${user}, m.user_id) AS user_id
    FROM json_each(${leaves}) AS leaf
      LEFT JOIN identity_members AS self
        ON self.definition_key = leaf.value ->> 'membersOf' AND self.user_id = ${user}
      LEFT JOIN identity_members AS m
        ON m.definition_key = self.definition_key AND m.value = self.value)
  WHERE user_id IS NOT NULL AND (leaf > ${from} OR user_id > ${after})`

const longList = 16_384

/** SQL: a value as it is shown: of a long list, the first ten. */
const beginning = (value: SQL): SQL => sql`
  iif(a.type = 'list' AND octet_length(${value}) > ${longList},
    (SELECT json_group_array(value) || '' FROM (SELECT value FROM json_each(${value}) LIMIT 10)),
    ${value})`
