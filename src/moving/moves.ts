import { and, desc, eq, isNull, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { clients, moves, places, type CopyPlace } from '../db/schema.ts'
import { Failure, invalid } from '../failure.ts'
import { enqueue } from '../jobs/enqueue.ts'
import type { Message } from '../messages.ts'
import { lookAt } from '../places/look.ts'
import type { Resources } from '../resources.ts'
import { findStanding } from './copy.ts'
import { rangesFirst } from './key-range.ts'

export type Move = typeof moves.$inferSelect

/** A move as it is shown, with how far its copy is while there is one. */
export interface ShownMove extends Move {
  copy: CopyPlace | undefined
}

export const messageOf = ({ workspace, key }: Pick<Move, 'workspace' | 'key'>): Message => ({
  kind: 'move',
  workspace,
  move: key,
  scheduled: true,
})

/**
 * Begins to move a workspace to another shard; gives the move that is under way to there. Throws
 * `invalid` for its own shard, one that there is not and one that is not ready, `not-found` for a
 * workspace without clients, `move-state` where another move has not ended.
 */
export async function openMove(
  res: Resources,
  workspace: number,
  target: number,
): Promise<ShownMove> {
  const db = res.directory
  if (target >= res.shards) throw invalid('to', 'must be a database of this installation')
  const before = await findUnended(db, workspace)
  if (before !== undefined) return withCopy(res, unlessAnother(before, target))
  const [place] = await db.select().from(places).where(eq(places.workspace, workspace))
  const source = place?.shard ?? 0
  const [client] = await res
    .reach(source)
    .database.select({ id: clients.id })
    .from(clients)
    .where(eq(clients.workspace, workspace))
    .limit(1)
  if (client === undefined)
    throw new Failure({ reason: 'not-found', what: 'workspace', id: String(workspace) })
  if (source === target) throw invalid('to', 'is where the workspace is')
  const { status } = await lookAt(res, target)
  if (status !== 'ok') throw invalid('to', 'is not ready: see /ready, and npm run migrate')
  await together(db, [
    insertMove(workspace, { source, target, now: res.now() }),
    sql`
    INSERT INTO places (workspace_id, shard, state, target, changed_at)
    SELECT workspace_id, source, 'copying', target, created_at FROM moves
    WHERE workspace_id = ${workspace} AND state = 'preparing' AND ended_at IS NULL
    ON CONFLICT (workspace_id) DO UPDATE SET
      state = excluded.state, target = excluded.target, changed_at = excluded.changed_at`,
  ])
  const opened = await findUnended(db, workspace)
  if (opened === undefined) throw new Error('the workspace has been moved meanwhile')
  await enqueue(res, messageOf(opened))
  return withCopy(res, unlessAnother(opened, target))
}

/** Unless there is one, or the workspace has been moved since it was read where it is. */
const insertMove = (
  workspace: number,
  { source, target, now }: { source: number; target: number; now: number },
): SQL => sql`
  INSERT INTO moves (workspace_id, source, target, state, key_range, created_at, updated_at)
  SELECT ${workspace}, ${source}, ${target}, 'preparing',
    (SELECT max(${rangesFirst}, 1 + coalesce(max(key_range), 0)) FROM moves), ${now}, ${now}
  WHERE coalesce((SELECT shard FROM places WHERE workspace_id = ${workspace}), 0) = ${source}
  ON CONFLICT (workspace_id) WHERE ended_at IS NULL DO NOTHING`

function unlessAnother(move: Move, target: number): Move {
  if (move.target === target && isUnderWay(move)) return move
  throw new Failure({ reason: 'move-state', id: String(move.key), is: stateOf(move) })
}

const isUnderWay = ({ state }: Move): boolean => ['preparing', 'copying', 'closing'].includes(state)

const stateOf = ({ state }: Move) =>
  state === 'complete' || state === 'cancelled'
    ? 'over'
    : state === 'returning' || state === 'moved' || state === 'sweeping' || state === 'switched'
      ? 'to-be-swept'
      : 'under-way'

async function findUnended(db: Db, workspace: number): Promise<Move | undefined> {
  const [move] = await db
    .select()
    .from(moves)
    .where(and(eq(moves.workspace, workspace), isNull(moves.endedAt)))
  return move
}

/**
 * Whether a workspace still leaves the target by an earlier move. Its rows would come by the keys of
 * this one's range to where an earlier range is: two databases would number rows alike.
 */
export async function waitsForEarlier(db: Db, { key, target }: Move): Promise<boolean> {
  const found = await db.all(sql`
    SELECT 1 FROM moves WHERE ended_at IS NULL AND key < ${key} AND source = ${target}
      AND state IN ('preparing', 'copying', 'closing') LIMIT 1`)
  return found.length > 0
}

export async function findMove(db: Db, key: number): Promise<Move | undefined> {
  const [move] = await db.select().from(moves).where(eq(moves.key, key))
  return move
}

/** Throws `not-found`. */
export async function getMove(db: Db, key: number): Promise<Move> {
  const move = await findMove(db, key)
  if (move === undefined) throw new Failure({ reason: 'not-found', what: 'move', id: String(key) })
  return move
}

/** The moves of a workspace, the newest first. */
export async function listMoves(
  res: Resources,
  workspace: number,
  size: number,
): Promise<ShownMove[]> {
  const found = await res.directory
    .select()
    .from(moves)
    .where(eq(moves.workspace, workspace))
    .orderBy(desc(moves.key))
    .limit(size)
  return Promise.all(found.map((move) => withCopy(res, move)))
}

/** With how far the copy is, which the target says until the workspace has moved. */
async function withCopy(res: Resources, move: Move): Promise<ShownMove> {
  if (move.endedAt !== null) return { ...move, copy: undefined }
  const { database: target } = res.reach(move.target)
  const standing = await findStanding({ workspace: move.workspace, target })
  return { ...move, copy: standing?.place }
}

/** Has a move go back. Throws `not-found`, `move-state` once the workspace has moved. */
export async function goBack(res: Resources, key: number): Promise<ShownMove> {
  const went = await claimState(res, key, {
    from: ['preparing', 'copying', 'closing'],
    to: 'returning',
  })
  const move = await getMove(res.directory, key)
  if (!went && move.state !== 'returning' && move.state !== 'cancelled')
    throw new Failure({ reason: 'move-state', id: String(key), is: stateOf(move) })
  await enqueue(res, messageOf(move))
  return withCopy(res, move)
}

/** A change of a move's state, where it is in one of `from`, and at `step` where that is named. */
export interface Transition {
  from: readonly Move['state'][]
  step?: number
  to: Move['state']
  set?: SQL
}

/** Changes the state, and with it what `also` gives for the condition of both. Gives whether it did. */
export async function claimState(
  res: Resources,
  key: number,
  { from, step, to, set = sql`` }: Transition,
  also?: (holds: SQL) => SQL,
): Promise<boolean> {
  const list = JSON.stringify(from)
  const holds = (move: SQL) => sql`${move}state IN (SELECT value FROM json_each(${list}))
    ${step === undefined ? sql`` : sql`AND ${move}step = ${step}`}`
  const results = await together(res.directory, [
    ...(also === undefined
      ? []
      : [also(sql`(SELECT 1 FROM moves AS m WHERE m.key = ${key} AND ${holds(sql`m.`)}) = 1`)]),
    sql`
    UPDATE moves SET state = ${to}, updated_at = ${res.now()} ${set}
    WHERE key = ${key} AND ${holds(sql``)}`,
  ])
  return results.at(-1)?.changes === 1
}
