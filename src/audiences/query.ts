import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { nextItems } from '../jobs/batch-size.ts'
import { stringifyJson } from '../json.ts'
import { compile, compiler, type ResolvedRule, type Compiled, type Names } from './compile.ts'
import { asIndex, firstMissing, referencesOf, refuseMissing, type Reference } from './references.ts'
import { ruleRefused, type Rule } from './rule.ts'

/** Users of a query's first statement; a rule may cost a thousand times as much as another. */
export const firstRangeSize = 2000

/** How many users of the workspace belong to an audience. Throws `rule-refused`. */
export async function countUsers(
  db: Db,
  workspace: number,
  { rule, names }: ResolvedRule,
): Promise<number> {
  return (await countEach(db, workspace, [rule], names)).all
}

/** How many users each of the rules holds for, and how many all of them. Throws `rule-refused`. */
export async function countEach(
  db: Db,
  workspace: number,
  rules: Rule[],
  names: Names,
): Promise<{ each: number[]; all: number }> {
  const references = rules.flatMap((rule) => referencesOf(rule, names))
  const constants: unknown[] = []
  const compileRule = compiler(names, constants)
  const conditions = rules.map((rule) => compileRule(rule, 'u.user_id'))
  const counts = { each: rules.map(() => 0), all: 0 }
  let size = firstRangeSize
  for (let after: string | undefined = ''; after !== undefined;) {
    const counting: SQL<Counts> = selectCounts(
      workspace,
      { conditions, constants, references },
      { after, size },
    )
    const [answer] = await together(db, [counting])
    const [row] = answer.rows
    if (row === undefined) throw new Error('a count gave no row')
    refuseMissing(references[row.missing ?? -1])
    counts.all += row.all
    counts.each = (JSON.parse(row.each) as number[]).map(
      (count, i) => count + (counts.each[i] ?? 0),
    )
    after = row.scanned < size ? undefined : row.last
    size = nextItems(size, answer.meta.duration)
  }
  return counts
}

/** A page of an audience's users in the order of ids; `next` is the `after` of the page behind. */
export async function listUsers(
  db: Db,
  workspace: number,
  resolved: ResolvedRule,
  { after, size }: { after: string; size: number },
): Promise<{ users: string[]; next: string | undefined }> {
  const query = compileQuery(resolved)
  const found: string[] = []
  let rangeSize = Math.max(firstRangeSize, 4 * size)
  for (let from: string | undefined = after; from !== undefined;) {
    // One more than the page holds shows that there is another page.
    const max = size + 1 - found.length
    const range = { after: from, size: rangeSize, max }
    const { users, last, ms } = await findMatching(db, workspace, query, range)
    found.push(...users)
    if (found.length > size || (found.length === size && last !== undefined))
      return { users: found.slice(0, size), next: found[size - 1] }
    from = last
    rangeSize = nextItems(rangeSize, ms)
  }
  return { users: found, next: undefined }
}

/** `size` users of the workspace in the order of ids. */
interface Range {
  after: string
  size: number
}

/**
 * The first `max` users of a range who belong; the `last` user of the range, undefined if no other
 * follows; and D1's milliseconds. Throws `rule-refused`.
 */
export async function findMatching(
  db: Db,
  workspace: number,
  query: Query,
  { max, ...range }: Range & { max?: number },
): Promise<{ users: string[]; last: string | undefined; ms: number }> {
  const [end, found] = await together(db, [
    selectEnd(workspace, query.references, range),
    selectMatching(workspace, query, { ...range, max: max ?? range.size }),
  ])
  const [{ scanned, last, missing } = { scanned: 0, last: '', missing: null }] = end.rows
  refuseMissing(query.references[missing ?? -1])
  return {
    users: found.rows.map(({ id }) => id),
    last: scanned < range.size ? undefined : last,
    ms: found.meta.duration,
  }
}

/** A compiled rule, and the references that each of its statements checks. */
export interface Query extends Compiled {
  references: Reference[]
}

/** Compiles a rule for the users of a table `u`. */
export const compileQuery = ({ rule, names }: ResolvedRule): Query => ({
  ...compile(rule, names, 'u.user_id'),
  references: referencesOf(rule, names),
})

/**
 * The tables of a compiled rule: `w`, the workspace, and `p`, each constant `v` by its number `k`.
 * Throws `rule-refused` where they are too large.
 */
export function parameters(workspace: number, constants: unknown[]): SQL {
  const json = stringifyJson(constants)
  if (Buffer.byteLength(json) > constantsBytesMax)
    throw ruleRefused('/rule', 'is too large: its values and patterns take more than 2 MB')
  return sql`w AS MATERIALIZED (SELECT ${workspace} AS w),
    p AS MATERIALIZED (SELECT key AS k, value AS v FROM json_each(${json}))`
}

/** D1 takes strings of up to 2 MB. */
const constantsBytesMax = 2_000_000

/** The users of a range, as a table `u`. */
const usersOf = (workspace: number, { after, size }: Range): SQL => sql`
  (SELECT user_id FROM users WHERE workspace_id = ${workspace} AND user_id > ${after}
  ORDER BY user_id LIMIT ${size}) AS u`

interface Counts {
  each: string
  all: number
  scanned: number
  last: string
  missing: number | null
}

/**
 * Counts a range: `each` per condition as JSON, and `all`; `scanned` users, the `last` one, and the
 * index of a `missing` reference.
 */
function selectCounts(
  workspace: number,
  {
    conditions,
    constants,
    references,
  }: { conditions: string[]; constants: unknown[]; references: Reference[] },
  range: Range,
): SQL<Counts> {
  const columns = conditions.map((condition, i) => `${condition} AS c${i}`)
  const sums = conditions.map((_, i) => `coalesce(sum(c${i}), 0)`)
  const all = conditions.map((_, i) => `c${i}`).join(' AND ')
  // The outer LIMIT keeps SQLite from merging the subquery, which would repeat each condition.
  return sql<Counts>`
  WITH ${parameters(workspace, constants)}
  SELECT json_array(${sql.raw(sums.join())}) AS each, coalesce(sum(${sql.raw(all)}), 0) AS "all",
    count(*) AS scanned, max(id) AS last, ${firstMissing(workspace, references, asIndex)} AS missing
  FROM (SELECT u.user_id AS id, ${sql.raw(columns.join())}
    FROM ${usersOf(workspace, range)} LIMIT ${range.size})`
}

/** The end of a range: `scanned` users, the `last` one, and the index of a `missing` reference. */
const selectEnd = (workspace: number, references: Reference[], range: Range) =>
  sql<Pick<Counts, 'scanned' | 'last' | 'missing'>>`
  SELECT count(*) AS scanned, max(u.user_id) AS last,
    ${firstMissing(workspace, references, asIndex)} AS missing
  FROM ${usersOf(workspace, range)}`

/** A query of `id`: users of a range who belong, in the order of ids. */
const selectMatching = (
  workspace: number,
  { condition, constants }: Compiled,
  { max, ...range }: Range & { max: number },
) => sql<{ id: string }>`
  WITH ${parameters(workspace, constants)}
  SELECT u.user_id AS id FROM ${usersOf(workspace, range)}
  WHERE ${sql.raw(condition)} ORDER BY u.user_id LIMIT ${max}`
