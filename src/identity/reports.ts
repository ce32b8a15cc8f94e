import { sql } from 'drizzle-orm'
import type { Cost } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { sendersOf, writeMessages, type Sender } from '../jobs/write-messages.ts'
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
import { recordReports } from './profiles.ts'
import type { Report } from './write-reports.ts'
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
    await recordReports(res, workspace, reports, [{ actor, items: reports.length }])
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

/** Writes messages of reports, as `writeMessages` says. */
export const writeReports = (
  res: Resources,
  messages: ReportsMessage[],
): Promise<Map<ReportsMessage, unknown>> =>
  writeMessages(res, messages, {
    rowsOf: ({ reports }) => reports.reduce((rows, { changes }) => rows + 1 + changes.length, 0),
    write: async (res, workspace, messages) => {
      const reports = withoutOvertaken(messages.flatMap(reportsOf))
      const senders = sendersOf(res, messages, ({ reports }) => reports.length)
      const { cost, refused } = await recordWithinLimits(res, workspace, reports, senders)
      return { cost, counts: { reports: reports.length, refused } }
    },
  })

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
