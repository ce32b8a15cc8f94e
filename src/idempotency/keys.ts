import { and, eq, sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { deleteSome } from '../db/delete-some.ts'
import { idempotencyKeys } from '../db/schema.ts'
import { livesHere } from '../db/fenced.ts'
import type { RequestKey, Resources } from '../resources.ts'
import { day } from '../time.ts'

/** Milliseconds for which a key stands for its first request. */
export const keptFor = day

/** A key that was taken, with what its request has made and was answered. */
export type TakenKey = typeof idempotencyKeys.$inferSelect

const hasKey = ({ workspace, client, hash }: RequestKey) =>
  and(
    eq(idempotencyKeys.workspace, workspace),
    eq(idempotencyKeys.client, client),
    eq(idempotencyKeys.keyHash, hash),
  )

/** The key where it is taken; one that has expired is free from now on. */
export async function findKey(res: Resources, key: RequestKey): Promise<TakenKey | undefined> {
  const db = res.databaseOf(key.workspace)
  const [found] = await db.select().from(idempotencyKeys).where(hasKey(key))
  if (found === undefined || found.at > res.now() - keptFor) return found
  await db.delete(idempotencyKeys).where(and(hasKey(key), eq(idempotencyKeys.at, found.at)))
  return undefined
}

/**
 * The statement that takes the key of the request, where the event of its batch is written. It fails
 * where another request has taken it, and with it the batch: see `isTaken`.
 */
export function takeKey({ key, now }: Resources, workspace: number, event: string): SQL[] {
  if (key === undefined) return []
  return [
    sql`
    INSERT INTO idempotency_keys
      (workspace_id, client_id, key_hash, request, fingerprint, at, made)
    SELECT ${key.workspace}, ${key.client}, ${key.hash}, ${key.request}, ${key.fingerprint()},
      ${now()}, json_set(e.data, '$.event', e.id)
    FROM events AS e WHERE e.workspace_id = ${workspace} AND e.id = ${event}
    ON CONFLICT (workspace_id, client_id, key_hash) DO UPDATE
    SET request = iif(request = excluded.request, request, NULL)`,
  ]
}

/** Whether a batch has failed because another request has taken the key. */
export const isTaken = (error: unknown): boolean =>
  error instanceof Error &&
  error.message.includes('NOT NULL constraint failed: idempotency_keys.request')

/** Keeps the answer to a request, sealed. The first that is kept stays. */
export async function keepAnswer(res: Resources, key: RequestKey, answer: string): Promise<void> {
  await res.databaseOf(key.workspace).run(sql`
    INSERT INTO idempotency_keys
      (workspace_id, client_id, key_hash, request, fingerprint, at, answer)
    VALUES (${key.workspace}, ${key.client}, ${key.hash}, ${key.request}, ${key.fingerprint()},
      ${res.now()}, ${answer})
    ON CONFLICT (workspace_id, client_id, key_hash) DO UPDATE SET answer = excluded.answer
    WHERE answer IS NULL AND fingerprint = excluded.fingerprint`)
}

/** The end of a SELECT of the keys of a workspace whose answers are kept since before a moment. */
const answeredIn = (workspace: number, until: number): SQL => sql`
  FROM idempotency_keys INDEXED BY idempotency_keys_answered
  WHERE workspace_id = ${workspace} AND answer IS NOT NULL AND at <= ${until}`

/** Whether a workspace keeps answers to requests of before a moment. */
export async function hasAnswers(db: Db, workspace: number, until: number): Promise<boolean> {
  const found = await db.all(sql`SELECT 1 ${answeredIn(workspace, until)} LIMIT 1`)
  return found.length > 0
}

/**
 * The statement that drops up to `most` of them. A key that has made nothing has only its answer,
 * and stands for no request from then on.
 */
export const dropAnswers = (workspace: number, until: number, most: number, guard: SQL): SQL => sql`
  UPDATE idempotency_keys SET answer = NULL, at = iif(made IS NULL, 0, at)
  WHERE ${guard} AND (workspace_id, client_id, key_hash) IN (
    SELECT workspace_id, client_id, key_hash ${answeredIn(workspace, until)} LIMIT ${most})`

const keysPerSweep = 1000
const sweepsMost = 20

/** Deletes keys that have expired, in bounded steps. */
export async function sweepKeys({ database, now }: Resources): Promise<void> {
  const [table, key] = [sql`idempotency_keys`, sql`workspace_id, client_id, key_hash`]
  for (let sweeps = 0; sweeps < sweepsMost; sweeps++) {
    const sweep = deleteSome(
      table,
      key,
      sql`at <= ${now() - keptFor} AND ${livesHere()}`,
      keysPerSweep,
    )
    const { meta } = await database.run(sweep)
    if (meta.changes < keysPerSweep) return
  }
}
