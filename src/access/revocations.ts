import { gt, sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { revocations } from '../db/schema.ts'
import { livesHere } from '../db/fenced.ts'
import { Failure, faultOf, OutOfTime } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { announceRefusal, type Later } from './refusals.ts'
import { longestLifetime, verifyToken, type Caller, type Verified } from './tokens.ts'

/** Tokens of a client that were issued up to `until` (milliseconds) are refused. */
interface Revocation {
  client: string
  until: number
}

/** Longer than any token is valid, as clocks differ. */
const keptFor = 1000 * longestLifetime + 300_000

/**
 * The statement that revokes what a client was issued until now, and for a second more, as clocks
 * differ. A `token` of the client is revoked too; if it is already, nothing else is, as newer ones
 * may be good.
 */
export const insertRevocation = (client: string, now: number, token?: Verified) => {
  const until = 1000 * Math.max(Math.floor(now / 1000) + 1, token?.issuedAt ?? 0)
  const unlessRevoked =
    token === undefined ? sql`` : sql`WHERE not_before < ${1000 * token.issuedAt}`
  return sql<Revocation>`
    INSERT INTO revocations (client_id, workspace_id, not_before)
    SELECT id, workspace_id, max(${until}, 1000 * (unixepoch() + 1)) FROM clients WHERE id = ${client}
    ON CONFLICT (client_id) DO UPDATE SET not_before = max(excluded.not_before, not_before + 1000)
    ${unlessRevoked} RETURNING client_id AS client, not_before AS until`
}

/** Revokes a client's tokens, where `text` is one that is valid (RFC 7009 §2.1). */
export async function revokeToken(res: Resources, caller: Caller, text: string): Promise<void> {
  const token = await verifyToken(res.signing, text, res.now()).catch((error: unknown) => {
    if (error instanceof Failure) return undefined
    throw error
  })
  if (token?.caller.client === caller.client) await revokeIssued(res, caller, token)
}

/** Revokes what a client was issued until now, but nothing where `token` is revoked already. */
export async function revokeIssued(
  res: Resources,
  { client, name, workspace }: Omit<Caller, 'scopes'>,
  token?: Verified,
): Promise<void> {
  const data = { client_id: client, name }
  const [{ rows }, ...announced] = await together(res.databaseOf(workspace), [
    insertRevocation(client, res.now(), token),
    ...announce(res, workspace, { type: 'token.revoked', data }),
  ])
  cacheRevocations(rows)
  await enqueueAnnounced(res, workspace, announced)
}

const sweptMost = 1000

/** Removes revocations of tokens that have all expired. */
export async function sweepRevocations({ database, now }: Resources): Promise<void> {
  await database.run(sql`
    DELETE FROM revocations WHERE client_id IN (
      SELECT client_id FROM revocations WHERE not_before <= ${now() - keptFor} AND ${livesHere()}
      LIMIT ${sweptMost})`)
}

/** By client, of all shards: a workspace may have moved since its own was read. */
const untils = new Map<string, number>()

/** How this isolate has cached the revocations of a shard. */
interface Cached {
  readAt: number
  triedAt: number
  /** Whether they were read at all, from the primary or a replica. */
  everRead: boolean
  failing: boolean
  reading: Promise<void>
}

/** Each shard by itself: one that is out refuses nobody of another. */
const ofShards = new Map<number, Cached>()

function cachedOf({ shard }: Resources): Cached {
  const cached = ofShards.get(shard) ?? {
    readAt: -Infinity,
    triedAt: -Infinity,
    everRead: false,
    failing: false,
    reading: Promise.resolve(),
  }
  ofShards.set(shard, cached)
  return cached
}

/** Milliseconds: until when what a client was issued is revoked, as far as this isolate knows. */
export const revokedUntil = (client: string): number => untils.get(client) ?? 0

/** Adds revocations to those that this isolate has cached. */
export function cacheRevocations(rows: Revocation[]): void {
  for (const { client, until } of rows) untils.set(client, Math.max(until, revokedUntil(client)))
}

const pauseBetweenReads = 5000
const waitMost = 3000

/**
 * Throws `unauthenticated` for a revoked token. Cached revocations older than REVOCATIONS_SECONDS
 * are read again beside the request; the request waits for that once they are twice as old. While
 * the primary is out they go on to hold; throws `OutOfTime` where none were ever read.
 */
export async function refuseRevoked(
  res: Resources,
  { caller, issuedAt }: Verified,
  later: Later,
): Promise<void> {
  const cached = cachedOf(res)
  const now = res.now()
  const age = (now - cached.readAt) / 1000
  if (age >= res.revocationsSeconds && now - cached.triedAt >= pauseBetweenReads) {
    cached.triedAt = now
    cached.reading = read(res, cached, now)
    later(cached.reading.catch(() => undefined)) // thrown below
  }
  const isOld = age >= 2 * res.revocationsSeconds && !cached.failing
  if (!cached.everRead || isOld) await waitForReading(cached)
  if (1000 * issuedAt > revokedUntil(caller.client)) return
  announceRefusal(res, caller, 'revoked', later)
  throw new Failure({ reason: 'unauthenticated', why: 'invalid' })
}

/** Not for ever: the request that began to read may be gone. */
async function waitForReading(cached: Cached): Promise<void> {
  const over = await Promise.race([cached.reading, scheduler.wait(waitMost).then(() => 'over')])
  if (over !== undefined) cached.failing = true
  if (!cached.everRead) throw new OutOfTime('the revocations are not read yet')
}

async function read(res: Resources, cached: Cached, now: number): Promise<void> {
  const { primary, replica } = res.apart()
  try {
    cacheRevocations(await listRevocations(primary, now))
    cached.readAt = now
    cached.failing = false
  } catch (error) {
    cached.failing = true
    const { shard } = res
    console.error(JSON.stringify({ event: 'revocations-not-read', shard, ...faultOf(error) }))
    if (!cached.everRead) cacheRevocations(await listRevocations(replica, now))
  }
  cached.everRead = true
  for (const [client, until] of untils) if (until <= now - keptFor) untils.delete(client)
}

const listRevocations = (db: Db, now: number): Promise<Revocation[]> =>
  db
    .select({ client: revocations.client, until: revocations.until })
    .from(revocations)
    .where(gt(revocations.until, now - keptFor))
