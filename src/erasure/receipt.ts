import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { forgetDeletions } from '../identity/forget.ts'
import { enqueue } from '../jobs/enqueue.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { commitErasure, peopleOf, unmoved, type Erasing } from './erasures.ts'

/**
 * Ends an erasure once look-ups cached before it have expired: its ids go, and an event says what
 * was removed.
 */
export async function complete(res: Resources, erasing: Erasing): Promise<boolean> {
  const { workspace, key, place, actor, updatedAt } = erasing
  const now = res.now()
  const { lookupCacheSeconds } = res.limits
  if (now < updatedAt + 1000 * lookupCacheSeconds) {
    await enqueue(res, { kind: 'erase-people', workspace, erasure: key }, lookupCacheSeconds)
    return false
  }
  const removed = await allRemoved(res, erasing)
  const guard = unmoved(erasing)
  const forgotten = { workspace, users: peopleOf(sql`${key}`), guard }
  const data = receiptOf({ ...erasing, removed }, now)
  const { moved, results } = await commitErasure(
    res,
    erasing,
    [
      forgetDeletions(forgotten, place.forgottenAt),
      sql`DELETE FROM erasure_people WHERE erasure_key = ${key} AND ${guard}`,
      ...announce(
        res,
        workspace,
        { type: 'person.erased', data, actor: actor ?? res.actor },
        guard,
      ),
    ],
    { state: 'complete', place: null, removed, endedAt: now },
  )
  await enqueueAnnounced(res, workspace, results)
  return moved
}

/** What the erasure has removed, with the memberships that its jobs have. */
async function allRemoved(res: Resources, { workspace, key, removed }: Erasing) {
  const { memberships } = await res.databaseOf(workspace).get<{ memberships: number }>(sql`
    SELECT coalesce(sum(removed), 0) AS memberships FROM jobs WHERE erasure_key = ${key}`)
  return { ...removed, memberships }
}

/** The receipt; `digest` is the SHA-256 of all else as JSON, in hexadecimal digits. */
function receiptOf({ id, people, personHash, removed, createdAt }: Erasing, now: number) {
  const facts = {
    erasure_id: id,
    people,
    person_hash: personHash,
    removed: Object.fromEntries(Object.entries(removed).sort(([a], [b]) => (a < b ? -1 : 1))),
    requested_on: new Date(createdAt).toISOString(),
    completed_on: new Date(now).toISOString(),
  }
  return { ...facts, digest: createHash('sha256').update(JSON.stringify(facts)).digest('hex') }
}
