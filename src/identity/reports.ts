import { sql } from 'drizzle-orm'
import type { Cost } from '../db/connect.ts'
import { Failure, isPassing, OutOfTime } from '../failure.ts'
import { firstUpTo } from '../jobs/batch-size.ts'
import { Invocation } from '../jobs/invocation.ts'
import type { ReportsMessage } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { columnsOf } from './attributes.ts'
import {
  bytesOf,
  countUsers,
  findRefused,
  isOverLimit,
  type AttributeChange,
  type UserChange,
} from './limits.ts'
import { recordReports, type Report, type Sender } from './profiles.ts'
import { messagesOf, reportsOf, withoutOvertaken } from './sent-report.ts'

/**
 * Takes the reports of a request, all or none, to be written soon. What does not fit into one call
 * of the queue is written at once, all or none too. Throws `limit`.
 */
export async function takeReports(
  res: Resources,
  workspace: number,
  reports: Report[],
): Promise<void> {
  await checkTakesUsers(res, workspace, reports)
  const messages = messagesOf(workspace, res.now(), withoutOvertaken(reports))
  const { actor } = res
  if (messages === undefined)
    await recordReports(res, workspace, reports, [{ actor, reports: reports.length }])
  else await res.events.sendBatch(messages.map((message) => ({ body: { ...message, by: actor } })))
}

/** Throws `limit` where a report is of somebody new, and the workspace takes no more users. */
async function checkTakesUsers(
  res: Resources,
  workspace: number,
  reports: Report[],
): Promise<void> {
  const { usersMax: max } = res.limits
  const users = JSON.stringify(reports.map(({ user }) => user))
  const found = await res.databaseOf(workspace).all(sql`
    SELECT 1 WHERE ${countUsers(workspace)} >= ${max} AND EXISTS (
      SELECT 1 FROM json_each(${users}) AS r WHERE NOT EXISTS (
        SELECT 1 FROM users WHERE workspace_id = ${workspace} AND user_id = r.value))`)
  if (found.length > 0) throw new Failure({ reason: 'limit', what: 'users', max })
}

/** Rows of an invocation's first batch, which take some forty milliseconds. */
const firstRows = 5000

/**
 * Writes messages, those of a workspace together, in batches that are short. Gives those that
 * failed, with why: one that fails by itself keeps no other from being written.
 */
export async function writeReports(
  res: Resources,
  messages: ReportsMessage[],
): Promise<Map<ReportsMessage, unknown>> {
  const failed = new Map<ReportsMessage, unknown>()
  const invocation = new Invocation(res)
  /** The error that stops the rest. */
  let halt: unknown
  const write = async (some: ReportsMessage[]): Promise<void> => {
    if (invocation.isOutOfTime()) halt ??= new OutOfTime('the invocation is out of time')
    const fault = halt ?? (await writeTogether(res, some, invocation).catch(errorOf))
    if (fault === undefined) return
    if (isPassing(fault)) halt = fault
    if (halt === undefined && some.length > 1) for (const one of some) await write([one])
    else for (const one of some) failed.set(one, fault)
  }
  for (const ofOne of smallestFirst(messages))
    for (let from = 0; from < ofOne.length;) {
      const some = firstUpTo(ofOne.slice(from), rowsOf, invocation.items(firstRows))
      await write(some)
      from += some.length
    }
  return failed
}

/** The messages of each workspace: one that sends much may take all the time of an invocation. */
const smallestFirst = (messages: ReportsMessage[]): ReportsMessage[][] =>
  [...Map.groupBy(messages, ({ workspace }) => workspace).values()].sort(
    (a, b) => rowsOfAll(a) - rowsOfAll(b),
  )

const errorOf = (error: unknown): unknown => error

/** Infinity for a message that cannot be read, so that it is written alone. */
function rowsOf({ reports }: ReportsMessage): number {
  try {
    return reports.reduce((rows, { changes }) => rows + 1 + changes.length, 0)
  } catch {
    return Infinity
  }
}

const rowsOfAll = (messages: ReportsMessage[]): number =>
  messages.reduce((rows, message) => rows + rowsOf(message), 0)

/** Writes messages of one workspace as one batch, and leaves the database to what waits for it. */
async function writeTogether(
  res: Resources,
  messages: ReportsMessage[],
  invocation: Invocation,
): Promise<void> {
  const [{ workspace } = { workspace: 0 }] = messages
  const reports = withoutOvertaken(messages.flatMap(reportsOf))
  const { cost, refused } = await recordWithinLimits(
    res,
    workspace,
    reports,
    sendersOf(res, messages),
  )
  const counts = { messages: messages.length, reports: reports.length, refused }
  const facts = { event: 'reports', workspace, ...counts }
  console.info(JSON.stringify({ ...facts, ...cost }))
  res.measure({ kind: 'step', work: 'reports', state: 'written', ...cost })
  await invocation.took(cost.ms, rowsOfAll(messages))
}

/** The clients of messages; of one with several requests, only what these have in common. */
function sendersOf({ actor }: Resources, messages: ReportsMessage[]): Sender[] {
  const clients = Map.groupBy(messages, ({ by = actor }) => by.client)
  return [...clients.values()].map((ofOne) => {
    const reports = ofOne.reduce((sum, { reports }) => sum + reports.length, 0)
    const [{ by = actor } = {}] = ofOne
    const { client, name, method } = by
    const common = {
      ...(client !== undefined && { client }),
      name,
      ...(method !== undefined && { method }),
    }
    return { actor: ofOne.length === 1 ? by : common, reports }
  })
}

/** Writes reports, but for those by which a user or the workspace would exceed a limit. */
async function recordWithinLimits(
  res: Resources,
  workspace: number,
  reports: Report[],
  senders: Sender[],
): Promise<{ cost: Cost; refused: number }> {
  try {
    return { cost: await recordReports(res, workspace, reports, senders), refused: 0 }
  } catch (error) {
    if (!isOverLimit(error)) throw error
    const changes = [...Map.groupBy(reports, ({ user }) => user)].map(changeOfReports)
    const over = await findRefused(res.databaseOf(workspace), workspace, changes, res.limits)
    const accepted = reports.filter(({ user }) => !over.has(user))
    // Nothing exceeds a limit any more: it comes again.
    if (accepted.length === reports.length) throw error
    const cost = await recordReports(res, workspace, accepted, senders)
    return { cost, refused: reports.length - accepted.length }
  }
}

/** What the reports of a user change together, of which none overtakes another. */
function changeOfReports([user, reports]: [user: string, reports: Report[]]): UserChange {
  const changes = reports.flatMap(({ at, changes }) =>
    changes.map(({ name, to }): AttributeChange => [
      name,
      to === null ? null : bytesOf(name, columnsOf(to).value),
      at,
    ]),
  )
  return { user, changes }
}
