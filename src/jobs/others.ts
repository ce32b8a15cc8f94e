import { sql, type SQL } from 'drizzle-orm'
import type { Message } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { enqueue } from './enqueue.ts'
import { heldBefore, isScheduled } from './turn.ts'

/** Milliseconds for which waiting work goes first: after that, its message may be lost. */
const recently = 30_000

/** Rows of work, the newest, that are looked at. */
const rowsMost = 100

/** Seconds after which a message that has let others go first comes again. */
const pause = 1

/** Whether a job of a workspace is under way, in SQL. */
const isUnderWay = (workspace: SQL) => sql`(
  SELECT count(*) FROM (SELECT 1 FROM jobs AS u INDEXED BY jobs_unended_by_workspace
  WHERE u.workspace_id = ${workspace} AND u.ended_at IS NULL AND (u.state = 'waiting') = 0
    AND u.state <> 'held' LIMIT 1)) > 0`

/** A query of the workspaces with work that was requested lately and has not begun. */
const waitingWork = (since: number) => sql`
  SELECT workspace_id AS workspace FROM (
    SELECT j.workspace_id, j.state, ${isScheduled(sql`j`)} AS scheduled,
      ${heldBefore(sql`j`)} AS held_before
    FROM jobs AS j INDEXED BY jobs_unended
    WHERE j.ended_at IS NULL AND j.updated_at > ${since}
    ORDER BY j.updated_at DESC LIMIT ${rowsMost})
  WHERE state = 'waiting' AND NOT scheduled AND held_before IS NULL
  UNION ALL SELECT workspace_id FROM (
    SELECT r.workspace_id, r.state, r.week
    FROM recompute_runs AS r INDEXED BY recompute_runs_unended
    WHERE r.ended_at IS NULL AND r.updated_at > ${since}
    ORDER BY r.updated_at DESC LIMIT ${rowsMost})
  WHERE state = 'waiting' AND week IS NULL`

/** Whether another workspace, of which nothing is under way, waits; false unless `condition` holds. */
export async function othersWait(
  { databaseOf, now }: Pick<Resources, 'databaseOf' | 'now'>,
  workspace: number,
  condition: SQL = sql`true`,
): Promise<boolean> {
  const found = await databaseOf(workspace).all(sql`
    SELECT 1 FROM (${waitingWork(now() - recently)}) AS o
    WHERE ${condition} AND o.workspace <> ${workspace} AND NOT (${isUnderWay(sql`o.workspace`)}) LIMIT 1`)
  return found.length > 0
}

/**
 * Where another workspace waits, and this one has work under way already, sends the message again
 * in a second, once; a balance also where nothing else is. Gives whether it did: then the message is
 * dealt with.
 */
export async function letsOthersGo(res: Resources, message: Message): Promise<boolean> {
  const { workspace, scheduled = false, hasLetOthersGo = false } = message
  if (scheduled || hasLetOthersGo || message.kind === 'deliver') return false
  const condition = message.kind === 'balance' ? sql`true` : isUnderWay(sql`${workspace}`)
  if (!(await othersWait(res, workspace, condition))) return false
  await enqueue(res, { ...message, hasLetOthersGo: true }, pause)
  return true
}
