import { Failure } from '../failure.ts'

/** Uploads of an isolate at once, each of which holds a part of its file in memory. */
export const uploadsMost = 8

/** Of these, uploads of a workspace: the rest is left to others. */
export const uploadsOfWorkspaceMost = 4

/** Milliseconds for which an upload waits for a place, and between two tries. */
const waitMost = 5000
const pause = 50

/** Milliseconds after which an upload that moved no more is taken for dead. */
const leaseTime = 180_000

/** The place of an upload; bytes last came at `movedAt` (milliseconds). */
export interface Place {
  workspace: number
  bytes: number
  movedAt: number
}

const taken = new Set<Place>()
const waiting = new Set<{ workspace: number }>()

const countOf = (places: Set<{ workspace: number }>, workspace: number) =>
  [...places].filter((place) => place.workspace === workspace).length

/** Whether a workspace may take a place: of those that wait, the one with the fewest goes first. */
function mayTake(workspace: number): boolean {
  const own = countOf(taken, workspace)
  const hasFewer = ({ workspace: other }: { workspace: number }) => countOf(taken, other) < own
  return taken.size < uploadsMost && own < uploadsOfWorkspaceMost && ![...waiting].some(hasFewer)
}

/**
 * Does the work of an upload once there is a place for it, and frees the place. Throws
 * `uploads-in-flight` where none gets free soon.
 */
export async function withPlace<Taken>(
  workspace: number,
  work: (place: Place) => Promise<Taken>,
): Promise<Taken> {
  const place = await take(workspace)
  try {
    return await work(place)
  } finally {
    taken.delete(place)
  }
}

/** Counts bytes of an upload, and gives those of all uploads of its workspace that go on. */
export function countBytes(place: Place, bytes: number): number {
  place.bytes += bytes
  place.movedAt = Date.now()
  return [...taken].reduce(
    (sum, { workspace, bytes }) => sum + (workspace === place.workspace ? bytes : 0),
    0,
  )
}

async function take(workspace: number): Promise<Place> {
  const waiter = { workspace }
  waiting.add(waiter)
  try {
    for (const until = performance.now() + waitMost; ; await scheduler.wait(pause)) {
      const now = Date.now()
      for (const place of taken) if (now - place.movedAt > leaseTime) taken.delete(place)
      if (mayTake(workspace)) {
        const place = { workspace, bytes: 0, movedAt: now }
        taken.add(place)
        return place
      }
      if (performance.now() > until)
        throw new Failure({ reason: 'uploads-in-flight', seconds: Math.ceil(waitMost / 1000) })
    }
  } finally {
    waiting.delete(waiter)
  }
}
