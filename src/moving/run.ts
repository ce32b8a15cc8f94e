import { sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { carryOnSteps } from '../jobs/carry-on.ts'
import { enqueue } from '../jobs/enqueue.ts'
import type { Invocation } from '../jobs/invocation.ts'
import type { MessageOf } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { day } from '../time.ts'
import { closeAndSwitch, goOnClosing } from './close.ts'
import {
  beginning,
  compareRange,
  copyChanges,
  copyRange,
  countChanges,
  findStanding,
  forgetChanges,
  nextChanges,
  type Moving,
  type Standing,
} from './copy.ts'
import { endCopy, fenceCopy, firstStep, lookAgain, open } from './fence.ts'
import { beginRange } from './key-range.ts'
import { claimState, findMove, messageOf, waitsForEarlier, type Move } from './moves.ts'
import { findColumns } from './rows.ts'
import { deleteAll } from './sweep.ts'
import { createTriggers, dropTriggers } from './triggers.ts'

/** Milliseconds for which the old copy stays: longer than any invocation that began before. */
export const keptFor = day

/** Carries a move on: by steps that may run twice, at once, or die anywhere. */
export async function runMove(res: Resources, message: MessageOf<'move'>): Promise<void> {
  let columns: Moving['columns'] | undefined
  await carryOnSteps(res, { kind: 'move', ...message }, async (invocation) => {
    const move = await findMove(res.directory, message.move)
    if (move === undefined || move.endedAt !== null) return false
    if (res.now() - move.updatedAt > aliveFor) await stayAlive(res, move)
    const source = res.reach(move.source).database
    columns ??= await findColumns(source)
    const { workspace } = move
    const moving = { workspace, source, target: res.reach(move.target).database, columns }
    return step(res, move, { moving, invocation })
  })
  const { workspace, move } = message
  console.info(JSON.stringify({ event: 'move', workspace, move, ...res.meter }))
}

/** Milliseconds after which a move says again that messages move it. */
const aliveFor = 60_000

/** It is not stalled. */
const stayAlive = ({ directory, now }: Resources, { key }: Move) =>
  directory.run(sql`
    UPDATE moves SET updated_at = ${now()}
    WHERE key = ${key} AND state IN ('preparing', 'copying', 'sweeping', 'returning')`)

/** Gives whether there is a next step now. */
async function step(
  res: Resources,
  move: Move,
  { moving, invocation }: { moving: Moving; invocation: Invocation },
): Promise<boolean> {
  switch (move.state) {
    case 'preparing':
      return prepare(res, move, moving)
    case 'copying':
      return copyOn(res, move, { moving, invocation })
    case 'closing':
      return goOnClosing(res, move, moving)
    case 'switched':
      return openCopy(res, move, moving)
    case 'moved':
      if (res.now() < move.updatedAt + keptFor) return false
      return claimState(res, move.key, { from: ['moved'], to: 'sweeping' })
    case 'sweeping':
      return sweepSource(res, move, { moving, invocation })
    case 'returning':
      return goBack(res, move, { moving, invocation })
    default:
      throw new Error(`there is no such state of a move: ${move.state}`)
  }
}

/** Fences the copy that is to come, and has what changes from then on kept. */
async function prepare(res: Resources, move: Move, moving: Moving): Promise<boolean> {
  const { workspace, source, target } = moving
  if (await waitsForEarlier(res.directory, move)) {
    await enqueue(res, messageOf(move), 10)
    return false
  }
  await beginRange(target, move.keyRange ?? 0)
  await together(target, [fenceCopy(workspace, firstStep(move.key), beginning)])
  await together(
    source,
    createTriggers(workspace).map((text) => sql.raw(text)),
  )
  if (await claimState(res, move.key, { from: ['preparing'], to: 'copying' })) return true
  const now = await findMove(res.directory, move.key)
  // It has gone back meanwhile, and dropped them before they were made.
  if (now === undefined || now.endedAt !== null)
    await together(
      source,
      dropTriggers(workspace).map((text) => sql.raw(text)),
    )
  return now?.endedAt === null
}

/** Changes that wait while rows are compared, and while a move waits for its end, at most. */
const changesMost = 1000
const fewChanges = 100

/** Ranges that may be unlike in a row: a change of that moment makes one so. */
const unlikeMost = 5

/** Ranges until it is asked again whether the move goes back. */
const rangesMost = 20

async function copyOn(
  res: Resources,
  move: Move,
  { moving, invocation }: { moving: Moving; invocation: Invocation },
): Promise<boolean> {
  const found = await findStanding(moving)
  if (found === undefined) throw new Error('the copy of a move is gone')
  let standing: Standing = found
  for (let ranges = 0; ranges < rangesMost && !invocation.isOutOfTime(); ranges++) {
    const { phase, unlike } = standing.place
    if (unlike > unlikeMost) return giveUp(res, move)
    if (ranges === 0 || phase !== 'copying') {
      const most = phase === 'following' || unlike > 0 ? fewChanges : changesMost
      const isDue = unlike > 0 || (await countChanges(moving, most)) >= most
      if (isDue && (await copyNext(moving, standing))) return true
    }
    if (phase === 'following') return end(res, move, { moving, standing })
    const range = phase === 'copying' ? copyRange : compareRange
    const next = await range(moving, standing, invocation)
    if (next === undefined) return true
    standing = next
  }
  return true
}

const giveUp = (res: Resources, { key }: Move) =>
  claimState(res, key, {
    from: ['copying'],
    to: 'returning',
    set: sql`, problem = 'the copy differs'`,
  })

/** Copies the first changes. False: there are none. */
async function copyNext(moving: Moving, standing: Standing): Promise<boolean> {
  const { workspace, source } = moving
  const changes = await source.all<{ seq: number; name: string; key: string }>(
    nextChanges(workspace),
  )
  if (changes.length === 0) return false
  if (await copyChanges(moving, standing, changes))
    await source.run(forgetChanges(workspace, changes))
  return true
}

/** Ends a move once everybody knows of it. */
async function end(
  res: Resources,
  move: Move,
  { moving, standing }: { moving: Moving; standing: Standing },
): Promise<boolean> {
  const known = move.createdAt + announcedFor(res)
  const wait = Math.ceil((known - res.now()) / 1000)
  if (wait <= 0) return closeAndSwitch(res, move, { moving, standing })
  await copyNext(moving, standing)
  await enqueue(res, messageOf(move), Math.min(wait, 10))
  return false
}

/** Milliseconds after which every isolate asks where the workspace is. */
const announcedFor = ({ revocationsSeconds }: Resources) => 2000 * revocationsSeconds + 2000

/** Has the crons of the target find the workspace: it lives there now. */
async function openCopy(
  res: Resources,
  move: Move,
  { workspace, target }: Moving,
): Promise<boolean> {
  await together(target, [
    sql`DELETE FROM fences WHERE workspace_id = ${workspace} AND state = 'arriving'
      AND step < ${firstStep(move.key + 1)}`,
    lookAgain,
  ])
  await claimState(res, move.key, { from: ['switched'], to: 'moved' })
  return false
}

/** Deletes what is left on the shard that the workspace was moved from. */
async function sweepSource(
  res: Resources,
  move: Move,
  { moving, invocation }: { moving: Moving; invocation: Invocation },
): Promise<boolean> {
  const { workspace, source } = moving
  if (!(await deleteAll(source, workspace, { state: 'left', invocation }))) return true
  await together(source, [
    ...dropTriggers(workspace).map((text) => sql.raw(text)),
    sql`DELETE FROM move_changes WHERE workspace_id = ${workspace}`,
    sql`DELETE FROM fences WHERE workspace_id = ${workspace} AND state = 'left'`,
  ])
  const set = sql`, ended_at = ${res.now()}`
  await claimState(res, move.key, { from: ['sweeping'], to: 'complete', set })
  return false
}

/** Has all be as before the move. */
async function goBack(
  res: Resources,
  move: Move,
  { moving, invocation }: { moving: Moving; invocation: Invocation },
): Promise<boolean> {
  const { workspace, source, target } = moving
  await together(source, [
    ...dropTriggers(workspace).map((text) => sql.raw(text)),
    open(workspace, firstStep(move.key + 1) - 1),
    lookAgain,
    sql`DELETE FROM move_changes WHERE workspace_id = ${workspace}`,
  ])
  await target.run(endCopy(workspace, firstStep(move.key + 1) - 1))
  if (!(await deleteAll(target, workspace, { state: 'arriving', invocation }))) return true
  await target.run(sql`
    DELETE FROM fences WHERE workspace_id = ${workspace} AND state = 'arriving'
      AND step < ${firstStep(move.key + 1)}`)
  const set = sql`, ended_at = ${res.now()}`
  await claimState(
    res,
    move.key,
    { from: ['returning'], to: 'cancelled', set },
    (holds) => sql`
    UPDATE places SET state = 'settled', target = NULL, changed_at = ${res.now()}
    WHERE workspace_id = ${workspace} AND ${holds}`,
  )
  return false
}
