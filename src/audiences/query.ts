import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { stringifyJson } from '../json.ts'
import { compile, compiler, type ResolvedRule, type Compiled, type Names } from './compile.ts'
import { asPlace, gone, needsOf, refuse, type Need } from './missing.ts'
import type { Rule } from './rule.ts'

/** Users of one statement: D1 ends one that takes longer than 30 seconds, and rules differ in what they cost by a factor of a thousand. */
export const usersFirst = 2000
const usersMost = 50_000

/** How many users the next statement looks at, after one that took so many milliseconds. */
export function nextRange(users: number, ms: number, most = usersMost): number {
  if (ms < 500) return Math.min(users * 4, most)
  return ms > 5000 ? Math.max(100, Math.floor(users / 4)) : users
}

/** How many users of the workspace belong to an audience. */
export async function countUsers(
  db: Db,
  workspace: number,
  { rule, names }: ResolvedRule,
): Promise<number> {
  return (await countEach(db, workspace, [rule], names)).all
}

/** How many users of the workspace each of some rules holds for, and how many all of them. */
export async function countEach(
  db: Db,
  workspace: number,
  rules: Rule[],
  names: Names,
): Promise<{ each: number[]; all: number }> {
  const needs = rules.flatMap((rule) => needsOf(rule, names))
  const constants: unknown[] = []
  const compileRule = compiler(names, constants)
  const conditions = rules.map((rule) => compileRule(rule, 'u.user_id'))
  const counts = { each: rules.map(() => 0), all: 0 }
  let users = usersFirst
  for (let after: string | undefined = ''; after !== undefined;) {
    const [answer] = await together(db, [
      counting(workspace, { conditions, constants, needs }, { after, users }),
    ])
    // The columns selected there.
    const [row] = (answer?.results ?? []) as {
      each: string
      all: number
      scanned: number
      reached: string
      missing: number | null
    }[]
    if (row === undefined) throw new Error('a count tells nothing')
    refuse(needs[row.missing ?? -1])
    counts.all += row.all
    counts.each = (JSON.parse(row.each) as number[]).map(
      (count, i) => count + (counts.each[i] ?? 0),
    )
    after = row.scanned < users ? undefined : row.reached
    users = nextRange(users, answer?.meta.duration ?? 0)
  }
  return counts
}

/** Users of an audience in the order of their ids: the first `size` after `after`, and the one to go on after if there may be more. */
export async function listUsers(
  db: Db,
  workspace: number,
  asked: ResolvedRule,
  { after, size }: { after: string; size: number },
): Promise<{ users: string[]; next: string | undefined }> {
  const compiled = compileFor(asked)
  const found: string[] = []
  let range = Math.max(usersFirst, 4 * size)
  for (let from: string | undefined = after; from !== undefined;) {
    // One more than fit the page tells that there is another.
    const { users, reached, ms } = await matchingIn(
      db,
      workspace,
      compiled,
      { after: from, users: range },
      size + 1 - found.length,
    )
    found.push(...users)
    if (found.length > size || (found.length === size && reached !== undefined))
      return { users: found.slice(0, size), next: found[size - 1] }
    from = reached
    range = nextRange(range, ms)
  }
  return { users: found, next: undefined }
}

/** Users in the order of their ids: so many after `after`, whether they belong to the audience or not. */
export interface Range {
  after: string
  users: number
}

/**
 * Those of a range who belong to an audience, or the first `most` of them; the last user of the range, undefined where none is left after
 * them; and the database's time in milliseconds. Throws `rule-refused` where something has gone that the rule names.
 */
export async function matchingIn(
  db: Db,
  workspace: number,
  compiled: Question,
  range: Range,
  most = range.users,
): Promise<{ users: string[]; reached: string | undefined; ms: number }> {
  const [end, found] = await together(db, [
    ending(workspace, range, compiled.needs),
    matching(workspace, compiled, range, most),
  ])
  // The columns selected there.
  const [{ scanned, reached, missing } = { scanned: 0, reached: '', missing: null }] =
    (end?.results ?? []) as { scanned: number; reached: string; missing: number | null }[]
  refuse(compiled.needs[missing ?? -1])
  return {
    users: ((found?.results ?? []) as { id: string }[]).map(({ id }) => id),
    reached: scanned < range.users ? undefined : reached,
    ms: found?.meta.duration ?? 0,
  }
}

/** A compiled rule, and what must be there for each statement that asks by it. */
export interface Question extends Compiled {
  needs: Need[]
}

export const compileFor = ({ rule, names }: ResolvedRule): Question => ({
  ...compile(rule, names, 'u.user_id'),
  needs: needsOf(rule, names),
})

/** The table `p` of a compiled rule (see compile.ts). */
export const given = (workspace: number, constants: unknown[]): SQL =>
  sql`p AS MATERIALIZED (SELECT ${workspace} AS w, ${stringifyJson(constants)} AS c)`

/** The users of a range, as a table `u`. */
const those = (workspace: number, { after, users }: Range): SQL =>
  sql`(SELECT user_id FROM users WHERE workspace_id = ${workspace} AND user_id > ${after} ORDER BY user_id LIMIT ${users}) AS u`

/**
 * A query of how many of a range each condition holds for, `each` as JSON, and `all` of them; `scanned`, how many the range has, and
 * `reached`, the last of it; and what is `missing` (see `gone`).
 */
function counting(
  workspace: number,
  { conditions, constants, needs }: { conditions: string[]; constants: unknown[]; needs: Need[] },
  range: Range,
): SQL {
  const columns = conditions.map((condition, i) => `${condition} AS c${i}`)
  const sums = conditions.map((_, i) => `coalesce(sum(c${i}), 0)`)
  const all = conditions.map((_, i) => `c${i}`).join(' AND ')
  // With a limit of its own, the subquery is not merged into the sums, each of which would ask every condition anew.
  return sql`
  WITH ${given(workspace, constants)}
  SELECT json_array(${sql.raw(sums.join())}) AS each, coalesce(sum(${sql.raw(all)}), 0) AS "all", count(*) AS scanned, max(id) AS reached,
    ${gone(workspace, needs, asPlace)} AS missing
  FROM (SELECT u.user_id AS id, ${sql.raw(columns.join())} FROM ${those(workspace, range)} LIMIT ${range.users})`
}

/** A query of `scanned`, how many users a range has, `reached`, the last of them, and what is `missing`. */
const ending = (workspace: number, range: Range, needs: Need[]): SQL => sql`
  SELECT count(*) AS scanned, max(u.user_id) AS reached, ${gone(workspace, needs, asPlace)} AS missing
  FROM ${those(workspace, range)}`

/** A query of `id`, those of a range who belong, in the order of their ids. */
const matching = (
  workspace: number,
  { condition, constants }: Compiled,
  range: Range,
  most: number,
): SQL => sql`
  WITH ${given(workspace, constants)}
  SELECT u.user_id AS id FROM ${those(workspace, range)} WHERE ${sql.raw(condition)} ORDER BY u.user_id LIMIT ${most}`
