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

/** The cached revocations, by client. */
const revokedUntil = new Map<string, number>()
let readAt = -Infinity
let triedAt = -Infinity
/** Whether they were read at all, from the primary or a replica. */
let everRead = false
let failing = false
let reading = Promise.resolve()

/** Adds revocations to those that this isolate has cached. */
export function cacheRevocations(rows: Revocation[]): void {
  for (const { client, until } of rows)
    revokedUntil.set(client, Math.max(until, revokedUntil.get(client) ?? 0))
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
  const now = res.now()
  const age = (now - readAt) / 1000
  if (age >= res.revocationsSeconds && now - triedAt >= pauseBetweenReads) {
    triedAt = now
    reading = read(res, now)
    later(reading.catch(() => undefined)) // thrown below
  }
  if (!everRead || (age >= 2 * res.revocationsSeconds && !failing)) await waitForReading()
  if (1000 * issuedAt > (revokedUntil.get(caller.client) ?? 0)) return
  announceRefusal(res, caller, 'revoked', later)
  throw new Failure({ reason: 'unauthenticated', why: 'invalid' })
}

/** Not for ever: the request that began to read may be gone. */
async function waitForReading(): Promise<void> {
  const over = await Promise.race([reading, scheduler.wait(waitMost).then(() => 'over')])
  if (over !== undefined) failing = true
  if (!everRead) throw new OutOfTime('the revocations are not read yet')
}

async function read({ apart }: Resources, now: number): Promise<void> {
  const { primary, replica } = apart()
  try {
    cacheRevocations(await listRevocations(primary, now))
    readAt = now
    failing = false
  } catch (error) {
    failing = true
    console.error(JSON.stringify({ event: 'revocations-not-read', ...faultOf(error) }))
    if (!everRead) cacheRevocations(await listRevocations(replica, now))
  }
  everRead = true
  for (const [client, until] of revokedUntil)
    if (until <= now - keptFor) revokedUntil.delete(client)
}

const listRevocations = (db: Db, now: number): Promise<Revocation[]> =>
  db
    .select({ client: revocations.client, until: revocations.until })
    .from(revocations)
    .where(gt(revocations.until, now - keptFor))
