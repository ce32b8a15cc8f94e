import { eq, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { fences } from '../db/schema.ts'
import { forgetChanges, nextChanges, type Change } from './copy.ts'

/** After every other time. */
const forEver = 2 ** 52

/** The time of the database in milliseconds, which alone says whether a fence stands. */
const clock = sql`CAST(1000 * unixepoch('subsec') AS INTEGER)`

/** Fences a copy that is made of a workspace, unless a later move has. */
export const fenceCopy = (workspace: number, step: number, place: object): SQL => sql`
  INSERT INTO fences (workspace_id, state, until, step, place)
  VALUES (${workspace}, 'arriving', ${forEver}, ${step}, ${JSON.stringify(place)})
  ON CONFLICT (workspace_id) DO UPDATE SET state = excluded.state, until = excluded.until,
    step = excluded.step, place = excluded.place
  WHERE step < excluded.step`

/** Steps of a copy have numbers of its move alone, so that nothing of an older one fits. */
const stepsOfMove = 2 ** 24
export const firstStep = (move: number): number => move * stepsOfMove

/** The statement after which nobody writes a copy that is to be deleted, whatever is under way. */
export const endCopy = (workspace: number, step: number): SQL => sql`
  UPDATE fences SET step = ${step}, place = NULL
  WHERE workspace_id = ${workspace} AND state = 'arriving' AND step < ${step}`

/**
 * Has writers wait for `ms` at most, unless a later attempt has closed or opened the workspace; gives
 * the first changes that are not copied.
 */
export async function close(
  db: Db,
  workspace: number,
  { ms, attempt }: { ms: number; attempt: number },
): Promise<Change[]> {
  const [, { rows }] = await together(db, [
    sql`
    INSERT INTO fences (workspace_id, state, until, step)
    VALUES (${workspace}, 'closed', ${clock} + ${ms}, ${attempt})
    ON CONFLICT (workspace_id) DO UPDATE
    SET state = excluded.state, until = excluded.until, step = excluded.step
    WHERE step < excluded.step AND state IN ('closed', 'open')`,
    nextChanges(workspace),
  ])
  return rows
}

/**
 * Fences a workspace for good, where nobody could write since the attempt closed it and all changes
 * are copied; forgets `copied`. Gives whether it did, and what is not copied yet.
 */
export async function seal(
  db: Db,
  workspace: number,
  { attempt, copied }: { attempt: number; copied: readonly Change[] },
): Promise<{ sealed: boolean; left: Change[] }> {
  const [, sealed, { rows }] = await together(db, [
    forgetChanges(workspace, copied),
    sql`
    UPDATE fences SET until = ${forEver}, state = 'left'
    WHERE workspace_id = ${workspace} AND state = 'closed' AND step = ${attempt} AND until > ${clock}
      AND (SELECT 1 FROM move_changes WHERE workspace_id = ${workspace} LIMIT 1) IS NULL`,
    nextChanges(workspace),
  ])
  return { sealed: sealed.changes === 1, left: rows }
}

/** How an attempt has left the workspace. */
export async function findFence(db: Db, workspace: number) {
  const [fence] = await db
    .select({
      state: fences.state,
      attempt: fences.step,
      stands: sql<number>`${fences.until} > ${clock}`,
    })
    .from(fences)
    .where(eq(fences.workspace, workspace))
  return fence
}

/** The statement that lets writers go on, and keeps this and earlier attempts from closing again. */
export const open = (workspace: number, attempt: number): SQL => sql`
  INSERT INTO fences (workspace_id, state, until, step) VALUES (${workspace}, 'open', 0, ${attempt})
  ON CONFLICT (workspace_id) DO UPDATE
  SET state = excluded.state, until = excluded.until, step = excluded.step
  WHERE step <= excluded.step`

/** The statement after which crons find definitions that are older than where this Monday has come to. */
export const lookAgain = sql`DELETE FROM cron_places WHERE part = 'week'`
