import { sql } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { isFenced } from '../db/fenced.ts'
import { Failure } from '../failure.ts'
import { atWorkspace, named } from '../places/directory.ts'
import type { Resources } from '../resources.ts'
import { revokedUntil } from './revocations.ts'
import { hashOf, randomSecret } from './secret.ts'
import type { Caller } from './tokens.ts'

/** Milliseconds: as long as a token is valid. */
export const sessionTime = 8 * 3_600_000

/** Milliseconds for which a link signs in, once. */
const linkTime = 10 * 60_000

/** Somebody who is signed in to the console, and acts as a client. */
export interface Session {
  caller: Caller
  /** The e-mail of who came by Cloudflare Access. */
  person: string | null
  createdAt: number
  expiresAt: number
}

/** The resources of the shard that the secret of a session or a link names; older ones name none. */
export async function atSession(res: Resources, secret: string): Promise<Resources> {
  const [, shard, workspace] = /^(\d{1,4})\.(\d{1,16})\./.exec(secret) ?? []
  return shard === undefined ? res : atWorkspace(res, Number(workspace), Number(shard))
}

/** Begins a session of a client, or makes a link that begins one; gives its secret. */
export async function openSession(
  res: Resources,
  { client, workspace }: Pick<Caller, 'client' | 'workspace'>,
  { kind, person = null }: { kind: 'session' | 'link'; person?: string | null },
): Promise<string> {
  const shard = named(res)
  const where = shard === undefined ? '' : `${shard}.${workspace}.`
  const secret = `${where}${randomSecret()}`
  const now = res.now()
  const expires = now + (kind === 'link' ? linkTime : sessionTime)
  await res.database.run(sql`
    INSERT INTO console_sessions (hash, kind, client_id, person, created_at, expires_at)
    VALUES (${await hashOf(secret)}, ${kind}, ${client}, ${person}, ${now}, ${expires})`)
  return secret
}

/** Who came by Cloudflare Access may still come as this client. */
const isLetIn = sql`(s.person IS NULL OR EXISTS (SELECT 1 FROM console_people AS p
  WHERE p.email = s.person AND p.client_id = s.client_id))`

const notRevoked = sql`NOT EXISTS (SELECT 1 FROM revocations AS r
  WHERE r.client_id = c.id AND r.not_before >= s.created_at)`

/**
 * The session of a cookie; undefined where it is over: expired, signed out, or its client is gone,
 * has expired or is revoked since, or no longer lets this person in.
 */
async function readSession(db: Db, hash: string, now: number): Promise<Session | undefined> {
  const [found] = await db.all<{
    client: string
    name: string
    workspace: number
    scopes: string
    person: string | null
    createdAt: number
    expiresAt: number
  }>(sql`
    SELECT c.id AS client, c.name, c.workspace_id AS workspace, c.scopes, s.person,
      s.created_at AS createdAt, min(s.expires_at, coalesce(c.expires_at, 9e99)) AS expiresAt
    FROM console_sessions AS s CROSS JOIN clients AS c ON c.id = s.client_id
    WHERE s.hash = ${hash} AND s.kind = 'session' AND s.expires_at > ${now}
      AND coalesce(c.expires_at, 9e99) > ${now} AND ${isLetIn}
      AND ${notRevoked}`)
  if (found === undefined) return undefined
  const { person, createdAt, expiresAt, scopes, ...client } = found
  // As registering the client wrote them.
  const caller = { ...client, scopes: JSON.parse(scopes) as string[] }
  return { caller, person, createdAt, expiresAt }
}

/** Sessions that this isolate has read, by the hashes of their secrets. */
const cached = new Map<string, { session: Session; readAt: number }>()
const cachedMost = 1000

/**
 * As `readSession`, but what was read may be used for REVOCATIONS_SECONDS, as tokens are, unless
 * this isolate knows that the client is revoked: otherwise each page would wait for the session first.
 */
export async function findSession(res: Resources, secret: string): Promise<Session | undefined> {
  const now = res.now()
  const hash = await hashOf(secret)
  const known = cached.get(hash)
  if (known !== undefined && isGood(known, res)) return known.session
  cached.delete(hash)
  const session = await readSession(res.database, hash, now)
  const [oldest] = cached.keys()
  if (oldest !== undefined && cached.size >= cachedMost) cached.delete(oldest)
  if (session !== undefined) cached.set(hash, { session, readAt: now })
  return session
}

const isGood = ({ session, readAt }: { session: Session; readAt: number }, res: Resources) =>
  res.now() - readAt < 1000 * res.revocationsSeconds &&
  res.now() < session.expiresAt &&
  session.createdAt > revokedUntil(session.caller.client)

/** Reads all sessions again, as somebody is let in no more. */
export const forgetSessions = (): void => cached.clear()

/**
 * Begins the session of a link, which then signs in no more. Throws `bad-credentials`, also where its
 * client is gone, has expired or is revoked since.
 */
export async function useLink(res: Resources, link: string): Promise<string> {
  const own = await atSession(res, link)
  const now = res.now()
  const [used] = await own.database.all<{ client: string; workspace: number }>(sql`
    DELETE FROM console_sessions AS s
    WHERE s.hash = ${await hashOf(link)} AND s.kind = 'link' AND s.expires_at > ${now}
      AND EXISTS (SELECT 1 FROM clients AS c
        WHERE c.id = s.client_id AND coalesce(c.expires_at, 9e99) > ${now} AND ${notRevoked})
    RETURNING client_id AS client,
      (SELECT workspace_id FROM clients WHERE id = client_id) AS workspace`)
  if (used === undefined) throw new Failure({ reason: 'bad-credentials', why: 'expired' })
  return openSession(own, used, { kind: 'session' })
}

/** Signs out. */
export async function closeSession({ database }: Resources, secret: string): Promise<void> {
  const hash = await hashOf(secret)
  await database.run(sql`DELETE FROM console_sessions WHERE hash = ${hash}`)
  cached.delete(hash)
}

/** A session as others are shown it. */
export interface ShownSession {
  client: string
  name: string
  person: string | null
  createdAt: number
  expiresAt: number
}

/** Who is signed in to the console of a workspace, the last first. */
export const listSessions = (
  db: Db,
  workspace: number,
  { now, most }: { now: number; most: number },
): Promise<ShownSession[]> =>
  db.all(sql`
    SELECT c.id AS client, c.name, s.person, s.created_at AS createdAt, s.expires_at AS expiresAt
    FROM console_sessions AS s INDEXED BY console_sessions_by_expiry
      CROSS JOIN clients AS c ON c.id = s.client_id
    WHERE s.expires_at > ${now} AND s.kind = 'session' AND c.workspace_id = ${workspace}
      AND coalesce(c.expires_at, 9e99) > ${now} AND ${isLetIn} AND ${notRevoked}
    ORDER BY s.expires_at DESC LIMIT ${most}`)

const sweptMost = 1000

/** Removes sessions and links that are over. */
export async function sweepSessions({ database, now }: Resources): Promise<void> {
  await database.run(sql`
    DELETE FROM console_sessions WHERE hash IN (
      SELECT hash FROM console_sessions WHERE expires_at <= ${now()}
        AND client_id NOT IN (SELECT id FROM clients WHERE ${isFenced(sql`workspace_id`)}) LIMIT ${sweptMost})`)
}
