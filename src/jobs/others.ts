import { sql, type SQL } from 'drizzle-orm'
import type { Message } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { enqueue } from './enqueue.ts'
import { isScheduled } from './turn.ts'

/** Milliseconds for which work that waits is let go first: its message may be lost. */
const recently = 30_000

/** Of work that was opened last, so much is looked at. */
const lookedAt = 100

/** Seconds after which work that let others go first comes again. */
const pause = 1

/** Whether a job of a workspace is under way, in SQL. */
const isUnderWay = (workspace: SQL) => sql`(
  SELECT count(*) FROM (SELECT 1 FROM jobs AS u INDEXED BY jobs_unended_by_workspace
  WHERE u.workspace_id = ${workspace} AND u.ended_at IS NULL AND (u.state = 'waiting') = 0 LIMIT 1)) > 0`

/** Work that somebody requested lately and that has not begun, as rows of `workspace`. */
const opened = (since: number) => sql`
  SELECT workspace_id AS workspace FROM (
    SELECT j.workspace_id, j.state, ${isScheduled(sql`j`)} AS scheduled
    FROM jobs AS j INDEXED BY jobs_unended
    WHERE j.ended_at IS NULL AND j.updated_at > ${since}
    ORDER BY j.updated_at DESC LIMIT ${lookedAt})
  WHERE state = 'waiting' AND NOT scheduled
  UNION ALL SELECT workspace_id FROM (
    SELECT r.workspace_id, r.state, r.week
    FROM recompute_runs AS r INDEXED BY recompute_runs_unended
    WHERE r.ended_at IS NULL AND r.updated_at > ${since}
    ORDER BY r.updated_at DESC LIMIT ${lookedAt})
  WHERE state = 'waiting' AND week IS NULL`

/** Whether another workspace, of which nothing is under way, waits for its turn. */
export async function othersWait(
  { databaseOf, now }: Pick<Resources, 'databaseOf' | 'now'>,
  workspace: number,
  provided: SQL = sql`true`,
): Promise<boolean> {
  const found = await databaseOf(workspace).all(sql`
    SELECT 1 FROM (${opened(now() - recently)}) AS o
    WHERE ${provided} AND o.workspace <> ${workspace} AND NOT (${isUnderWay(sql`o.workspace`)}) LIMIT 1`)
  return found.length > 0
}

/**
 * Lets another workspace have its turn before a further one of this, once: then the message comes
 * again. Gives whether it did.
 */
export async function letsOthersGo(res: Resources, message: Message): Promise<boolean> {
  const { workspace, scheduled = false, hasLetOthersGo = false } = message
  if (scheduled || hasLetOthersGo || message.kind === 'deliver') return false
  if (!(await othersWait(res, workspace, isUnderWay(sql`${workspace}`)))) return false
  await enqueue(res, { ...message, hasLetOthersGo: true }, pause)
  return true
}
