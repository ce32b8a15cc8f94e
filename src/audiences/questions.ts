import type { Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { queryAudience } from './cached-rule.ts'
import type { ResolvedRule } from './compile.ts'
import { readToken, tokenOf } from './continue.ts'
import { checkCost, costOf, costShown, type Budget } from './cost.ts'
import { explainUser, type Explained } from './explain.ts'
import type { Allowed } from './pace.ts'
import {
  countEach,
  goOnCounting,
  listUsers,
  nobody,
  questionOf,
  usersIn,
  type Counted,
} from './query.ts'
import { resolveAudience, resolveRule } from './resolve.ts'
import { conditionsMax, leafCount, readRule } from './rule.ts'

/** Who asks: a database to read, a workspace, and what a question may take. */
export interface Asker {
  db: Db
  workspace: number
  limits: Budget & Allowed
}

/** A count of a rule's users, and its cost. */
export interface Count extends Counted {
  cost: number
  /** Of one that goes on: its token, and the users of the workspace if their number is known. */
  next?: { token: string; users: number | undefined }
}

const sampleSize = 10

/**
 * Counts the users for whom a client's rule holds, and gives the first ten, or goes on from a token.
 * Throws `rule-refused`, `invalid`, `out-of-time`.
 */
export async function previewRule(
  { db, workspace, limits }: Asker,
  given: unknown,
  token: string | undefined,
): Promise<Count> {
  const resolved = await resolveRule(db, workspace, readRule(given))
  return count({ db, workspace, limits }, resolved, { token, sampleSize })
}

/** Counts an audience's users, or goes on. Throws as `previewRule` does, and `not-found`. */
export const countAudience = (
  { workspace, db, limits }: Asker,
  id: string,
  token: string | undefined,
): Promise<Count> =>
  queryAudience(db, workspace, id, (db, resolved) =>
    count({ db, workspace, limits }, resolved, { token, sampleSize: 0 }),
  )

async function count(
  { db, workspace, limits }: Asker,
  { rule, names }: ResolvedRule,
  { token, sampleSize }: { token: string | undefined; sampleSize: number },
): Promise<Count> {
  checkCost(rule, limits)
  const from = token === undefined ? nobody([rule]) : await readToken(workspace, rule, token)
  const question = questionOf(workspace, [rule], names, limits)
  const counted = await goOnCounting(db, question, from, sampleSize)
  const cost = costShown(costOf(rule, limits))
  if (counted.after === undefined) return { ...counted, cost }
  const users = await usersIn(db, workspace)
  const next = {
    token: await tokenOf(workspace, rule, counted),
    users: users < counted.scanned ? undefined : users,
  }
  return { ...counted, cost, next }
}

/** A page of an audience's users. Throws `not-found`, `rule-refused`. */
export const listAudience = (
  { workspace, db, limits }: Asker,
  id: string,
  page: { after: string; size: number },
): Promise<{ users: string[]; next: string | undefined }> =>
  queryAudience(db, workspace, id, (db, resolved) => {
    checkCost(resolved.rule, limits)
    return listUsers(db, workspace, resolved, { ...page, allowed: limits })
  })

/** Throws `not-found` for the audience or the user, `rule-refused`, `out-of-time`. */
export const explainAudience = (
  { workspace, db, limits }: Asker,
  id: string,
  user: string,
): Promise<Explained> =>
  queryAudience(db, workspace, id, (db, resolved) => {
    checkCost(resolved.rule, limits)
    return explainUser(db, workspace, resolved, { user, allowed: limits })
  })

/**
 * How many users two audiences have, and how many belong to both. Throws `not-found`,
 * `rule-refused`, `out-of-time`, and `invalid` if they are too much together.
 */
export async function overlap(
  { db, workspace, limits }: Asker,
  a: string,
  b: string,
): Promise<{ a: number; b: number; both: number }> {
  const [first, second] = await Promise.all([
    resolveAudience(db, workspace, a),
    resolveAudience(db, workspace, b),
  ])
  const rules = [first.rule, second.rule]
  for (const rule of rules) checkCost(rule, limits)
  const together = (problem: string) =>
    new Failure({ reason: 'invalid', field: 'b', problem: `${problem}` })
  if (leafCount(first.rule) + leafCount(second.rule) > conditionsMax)
    throw together(`has, together with a, more than ${conditionsMax} conditions`)
  if (costShown(costOf({ operator: 'and', expressions: rules }, limits)) > limits.ruleCostMax)
    throw together(`costs, together with a, more than ${limits.ruleCostMax}`)
  const { each, all } = await countEach(db, questionOf(workspace, rules, first.names, limits))
  return { a: each[0] ?? 0, b: each[1] ?? 0, both: all }
}
