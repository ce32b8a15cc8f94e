import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { compile, compiler, type ResolvedRule, type Compiled, type Names } from './compile.ts'
import { costsOf, sumOf, type LeafCost } from './cost.ts'
import { holdsFor } from './explain.ts'
import { Pace, usual, type Allowed } from './pace.ts'
import { parameters } from './parameters.ts'
import { areListed, listsOf, listsTable, selectRange, type MaybeList, type Range } from './range.ts'
import { asIndex, firstMissing, referencesOf, refuseMissing, type Reference } from './references.ts'
import type { Rule } from './rule.ts'

/** A compiled rule, and the references that each of its statements checks. */
export interface Query extends Compiled {
  references: Reference[]
}

/** Compiles a rule for the users of a table `u`. */
export const compileQuery = ({ rule, names }: ResolvedRule): Query => ({
  ...compile(rule, names, 'u.user_id'),
  references: referencesOf(rule, names),
})

/** Rules that are asked about the same users, and how fast. */
export interface Question {
  workspace: number
  rules: Rule[]
  conditions: string[]
  constants: unknown[]
  references: Reference[]
  lists: MaybeList[]
  /** Whether users are weighed by their lists: once there are some. */
  weighed: boolean
  pace: Pace
  /** Each rule as it is asked about a user who takes statements of their own. */
  byLeaves: { resolved: ResolvedRule; costs: LeafCost[] }[]
}

export function questionOf(
  workspace: number,
  rules: Rule[],
  names: Names,
  allowed: Allowed,
): Question {
  const constants: unknown[] = []
  const compileRule = compiler(names, constants)
  const all: ResolvedRule = { rule: { operator: 'and', expressions: rules }, names }
  const byLeaves = rules.map((rule) => {
    return { resolved: { rule, names }, costs: costsOf(rule, allowed) }
  })
  const costs = byLeaves.flatMap(({ costs }) => costs)
  const pace = new Pace(sumOf(costs), allowed.questionSeconds)
  const isWhole = pace.most > 0
  return {
    workspace,
    rules,
    // Of a rule that is asked in parts, a range only finds the user.
    conditions: rules.map((rule) => (isWhole ? compileRule(rule, 'u.user_id') : '0')),
    constants,
    references: referencesOf(all.rule, names),
    lists: isWhole ? listsOf(all, costs) : [],
    weighed: false,
    pace,
    byLeaves,
  }
}

/** The users of a range for whom rules hold. */
export interface Found {
  /** How many each rule holds for, and how many all of them. */
  each: number[]
  all: number
  /** For whom all of them hold, if asked for. */
  users: string[]
  scanned: number
  /** The last user of the range; undefined if no other follows. */
  last: string | undefined
}

/** Asks about the next users after one, as many as the pace allows. Throws `rule-refused`. */
export async function findNext(
  db: Db,
  question: Question,
  { after, size, listed }: { after: string; size?: number; listed: boolean },
): Promise<Found> {
  const { workspace, pace, references } = question
  const range = { after, size: Math.min(size ?? pace.size, pace.size) }
  await pace.turn()
  const [answer] = await together(db, [selectFound(question, range, listed)])
  const [row] = answer.rows
  if (row === undefined) throw new Error('a range gave no row')
  refuseMissing(references[row.missing ?? -1])
  pace.took(answer.meta.duration, range.size)
  if (row.listed === 1 && !question.weighed) {
    question.weighed = true
    return findNext(db, question, { after, listed, ...(size !== undefined && { size }) })
  }
  const found: Found = {
    each: JSON.parse(row.each) as number[], // a number for each rule
    all: row.all,
    users: JSON.parse(row.users) as string[], // ids
    scanned: row.scanned,
    last: row.more === 1 ? row.last : undefined,
  }
  if (row.heavy === null) return found
  const each: number[] = []
  for (const { resolved, costs } of question.byLeaves)
    each.push(Number(await holdsFor(db, workspace, resolved, { user: row.heavy, pace, costs })))
  const all = each.every((one) => one === 1)
  return { ...found, each, all: Number(all), users: all && listed ? [row.heavy] : [] }
}

interface Row {
  each: string
  all: number
  users: string
  scanned: number
  last: string
  /** Whether another user follows. */
  more: number
  /** A user who takes statements of their own: for long lists, or a dear rule. */
  heavy: string | null
  /** Whether users are to be weighed. */
  listed: number
  /** The index of a reference. */
  missing: number | null
}

function selectFound(
  { workspace, conditions, constants, references, lists, weighed, pace }: Question,
  range: Range,
  listed: boolean,
): SQL<Row> {
  const columns = conditions.map(
    (condition, i) => `iif(u.weight>${pace.most},0,${condition}) AS c${i}`,
  )
  const sums = conditions.map((_, i) => `coalesce(sum(c${i}), 0)`)
  const all = sql.raw(conditions.map((_, i) => `c${i}`).join(' AND '))
  const users = listed ? sql`json_group_array(id) FILTER (WHERE ${all})` : sql`'[]'`
  // The inner LIMIT keeps SQLite from merging the subquery, which would repeat each condition; as a
  // parameter, it would make SQLite compile the statement twice.
  return sql<Row>`
  WITH ${parameters(workspace, constants)}, ${listsTable(workspace, lists)}
  SELECT *, ${areListed} AS listed, EXISTS (SELECT 1 FROM users AS next
      WHERE next.workspace_id = ${workspace} AND next.user_id > last) AS more,
    ${firstMissing(workspace, references, asIndex)} AS missing
  FROM (SELECT json_array(${sql.raw(sums.join())}) AS each, coalesce(sum(${all}), 0) AS "all",
      ${users} AS users, count(*) AS scanned, max(id) AS last,
      max(iif(weight > ${pace.most}, id, NULL)) AS heavy
    FROM (SELECT u.user_id AS id, u.weight, ${sql.raw(columns.join())}
      FROM (${selectRange(workspace, lists, range, weighed)}) AS u LIMIT ${sql.raw(`${range.size}`)}))`
}

/** How many users of the workspace belong to an audience. Throws as `countEach` does. */
export async function countUsers(
  db: Db,
  workspace: number,
  { rule, names }: ResolvedRule,
  allowed = usual,
): Promise<number> {
  const question = questionOf(workspace, [rule], names, allowed)
  return (await countEach(db, question)).all
}

/** How many users were looked at, and for how many of them each rule holds, and all of them. */
export interface Counted {
  scanned: number
  each: number[]
  all: number
  /** The first of them, as many as were asked for. */
  sample: string[]
  /** The last user, while others follow. */
  after: string | undefined
}

export const nobody = (rules: Rule[]): Counted => ({
  scanned: 0,
  each: rules.map(() => 0),
  all: 0,
  sample: [],
  after: '',
})

/** Goes on with a count until its end, or that of its time. Throws `rule-refused`. */
export async function goOnCounting(
  db: Db,
  question: Question,
  counted: Counted,
  sampleSize = 0,
): Promise<Counted> {
  let { after } = counted
  const total = { ...counted }
  do {
    if (after === undefined) break
    const listed = total.sample.length < sampleSize
    const found: Found = await findNext(db, question, { after, listed })
    total.scanned += found.scanned
    total.each = total.each.map((count, i) => count + (found.each[i] ?? 0))
    total.all += found.all
    total.sample = [...total.sample, ...found.users].slice(0, sampleSize)
    after = found.last
  } while (!question.pace.isOver())
  return { ...total, after }
}

/** Counts to the end. Throws `out-of-time`, and `rule-refused`. */
export async function countEach(db: Db, question: Question): Promise<Counted> {
  const counted = await goOnCounting(db, question, nobody(question.rules))
  if (counted.after !== undefined) throw await outOfTime(db, question.workspace, counted.scanned)
  return counted
}

/** The failure of a question that came so far, of all users where their number is known. */
export async function outOfTime(db: Db, workspace: number, scanned: number): Promise<Failure> {
  const users = await usersIn(db, workspace)
  return new Failure({ reason: 'out-of-time', scanned, ...(users >= scanned && { users }) })
}

/** The users that the workspace counts; 0 if none are counted. */
export async function usersIn(db: Db, workspace: number): Promise<number> {
  const [row] = await db.all<{ users: number }>(
    sql`SELECT users FROM workspaces WHERE workspace_id = ${workspace}`,
  )
  return row?.users ?? 0
}

/**
 * A page of an audience's users in the order of ids; `next` is the `after` of the page behind. It
 * has fewer where there was no more time. Throws `rule-refused`.
 */
export async function listUsers(
  db: Db,
  workspace: number,
  { rule, names }: ResolvedRule,
  { after, size, allowed = usual }: { after: string; size: number; allowed?: Allowed },
): Promise<{ users: string[]; next: string | undefined }> {
  const question = questionOf(workspace, [rule], names, allowed)
  const users: string[] = []
  let from: string | undefined = after
  let range: { size?: number } = { size: Math.max(4 * size, 100) }
  do {
    const found: Found = await findNext(db, question, { after: from, listed: true, ...range })
    range = {}
    users.push(...found.users)
    if (users.length > size || (users.length === size && found.last !== undefined))
      return { users: users.slice(0, size), next: users[size - 1] }
    from = found.last
  } while (from !== undefined && !question.pace.isOver())
  return { users, next: from }
}
