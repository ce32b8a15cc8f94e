import { and, desc, eq, lt, sql, type SQL, type SQLWrapper } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { erasures, type ErasurePlace } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { commit, guardOf, type Checkpoint } from '../jobs/checkpoint.ts'
import type { Resources } from '../resources.ts'

export type Erasure = typeof erasures.$inferSelect

/** An erasure that goes on, and the ids of its people. */
export interface Erasing extends Erasure {
  place: ErasurePlace
  ids: string[]
}

export async function findErasure(
  db: Db,
  workspace: number,
  key: number,
): Promise<Erasure | undefined> {
  const [found] = await db
    .select()
    .from(erasures)
    .where(and(eq(erasures.workspace, workspace), eq(erasures.key, key)))
  return found
}

/** Throws `not-found`, also for another workspace's. */
export async function getErasure(db: Db, workspace: number, id: string): Promise<Erasure> {
  const [found] = await db
    .select()
    .from(erasures)
    .where(and(eq(erasures.workspace, workspace), eq(erasures.id, id)))
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'erasure', id })
  return found
}

/** Up to `size` erasures before the id `after`, or the newest: newest first. */
export function listErasures(
  db: Db,
  workspace: number,
  { after, size }: { after: string; size: number },
): Promise<Erasure[]> {
  const before = after === '' ? undefined : lt(erasures.id, after)
  return db
    .select()
    .from(erasures)
    .where(and(eq(erasures.workspace, workspace), before))
    .orderBy(desc(erasures.id))
    .limit(size)
}

/** A UUID of version 7 (RFC 9562 §5.7), so that ids are in the order of time. */
export function newErasureId(now: number): string {
  const time = now.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`
}

/** A query of the ids of an erasure's people, as `user_id`. */
export const peopleOf = (erasure: SQL): SQL =>
  sql`SELECT person_id AS user_id FROM erasure_people WHERE erasure_key = ${erasure}`

/** Adds the rows that the statement before has changed to what is removed of a kind. */
export const countRemoved = (erasure: SQL, kind: string, guard = sql`true`): SQL => {
  const path = `$.${kind}`
  return sql`
    UPDATE erasures SET removed =
      json_set(removed, ${path}, coalesce(removed ->> ${path}, 0) + changes())
    WHERE key = ${erasure} AND ${guard}`
}

/** Columns of an erasure, and what they become. */
type Changes = Partial<Pick<Erasure, 'state' | 'place' | 'removed' | 'endedAt'>>

/** Goes on with another part of the erasure, from its beginning. */
export const beginPart = (
  { place: { jobs, forgottenAt } }: Erasing,
  state: Erasure['state'],
): Changes => ({ state, place: { jobs, forgottenAt } })

/** Goes on with this part after a row, or with the next part where no row is left. */
export const goOnAfter = (
  erasing: Erasing,
  after: ErasurePlace['after'],
  next: Erasure['state'],
): Changes =>
  after === undefined ? beginPart(erasing, next) : { place: { ...erasing.place, after } }

/** Runs a step of an erasure as one batch, whose last statement moves the erasure. */
export async function commitErasure(
  res: Resources,
  { key, step, id: erasureId, workspace, state }: Erasure,
  statements: SQLWrapper[],
  to: Changes,
) {
  const advance = res
    .databaseOf(workspace)
    .update(erasures)
    .set({ ...to, step: step + 1, updatedAt: res.now() })
    .where(and(eq(erasures.key, key), eq(erasures.step, step)))
  const facts = { event: 'erasure-step', work: 'erasure', workspace, erasureId, step }
  return commit(res, { ...facts, status: to.state ?? state }, [...statements, advance])
}

/** Whether an erasure still stands where it was read. */
export const unmoved = (erasure: Checkpoint): SQL => guardOf(erasures, erasure)
