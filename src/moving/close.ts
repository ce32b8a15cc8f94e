import { sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { enqueue } from '../jobs/enqueue.ts'
import type { Resources } from '../resources.ts'
import { copyChanges, findStanding, takeStep, type Moving, type Standing } from './copy.ts'
import { close, findFence, lookAgain, open, seal } from './fence.ts'
import { claimState, messageOf, type Move } from './moves.ts'

/** Milliseconds for which writers wait at most. */
const pauseMost = 1000

/** Seconds before a move that took longer than that tries to end again. */
const pauseBetween = 5

/**
 * Ends a move: writers wait while what has changed is copied, and the directory then names the
 * target. Where that takes too long they go on, and so does the move. Gives whether it is decided.
 */
export async function closeAndSwitch(
  res: Resources,
  move: Move,
  { moving, standing }: { moving: Moving; standing: Standing },
): Promise<boolean> {
  const { workspace, source } = moving
  let now = await takeStep(moving, standing)
  if (now === undefined) return true
  const attempt = now.step
  const set = sql`, step = ${attempt}`
  if (!(await claimState(res, move.key, { from: ['copying'], to: 'closing', set }))) return true
  const since = Date.now()
  let left = await close(source, workspace, { ms: pauseMost, attempt })
  while (now !== undefined && Date.now() - since < pauseMost) {
    if (left.length > 0 && !(await copyChanges(moving, now, left))) break
    const result = await seal(source, workspace, { attempt, copied: left })
    if (result.sealed) return switchOver(res, move, { moving, attempt, since })
    left = result.left
    if (left.length === 0) break
    now = await findStanding(moving)
  }
  await reopen(res, move, { moving, attempt })
  return false
}

/** From then on the workspace lives on the target. */
async function switchOver(
  res: Resources,
  { key, workspace, source, target }: Move,
  { moving, attempt, since }: { moving: Moving; attempt: number; since: number },
): Promise<boolean> {
  const place = (await findStanding(moving))?.place
  const set = sql`, paused = ${Date.now() - since}, rows = ${place?.rows ?? 0}, changes = ${place?.changes ?? 0}`
  const closing = { from: ['closing'], step: attempt, to: 'switched', set } as const
  return claimState(
    res,
    key,
    closing,
    (holds) => sql`
    UPDATE places SET shard = ${target}, target = NULL, former = ${source}, state = 'settled',
      changed_at = ${res.now()}
    WHERE workspace_id = ${workspace} AND ${holds}`,
  )
}

/** Has writers go on, and the move a little later. */
async function reopen(
  res: Resources,
  move: Move,
  { moving, attempt }: { moving: Moving; attempt: number },
): Promise<void> {
  const copying = { from: ['closing'], step: attempt, to: 'copying' } as const
  if (!(await claimState(res, move.key, copying))) return
  await together(moving.source, [open(moving.workspace, attempt), lookAgain])
  await enqueue(res, messageOf(move), pauseBetween)
}

/** Goes on where an invocation has died while writers waited; false: it may be alive. */
export async function goOnClosing(res: Resources, move: Move, moving: Moving): Promise<boolean> {
  const attempt = move.step
  const fence = await findFence(moving.source, moving.workspace)
  const isOfAttempt = fence?.attempt === attempt
  if (isOfAttempt && fence.state === 'left')
    return switchOver(res, move, { moving, attempt, since: move.updatedAt })
  if (isOfAttempt ? fence.stands === 1 : res.now() < move.updatedAt + pauseMost) {
    await enqueue(res, messageOf(move), 2)
    return false
  }
  await reopen(res, move, { moving, attempt })
  return false
}
