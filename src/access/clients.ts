import { and, asc, eq, getTableColumns, gt, sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { clients, consolePeople, revocations } from '../db/schema.ts'
import { livesHere } from '../db/fenced.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { day } from '../time.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { announceRefusal, type Later } from './refusals.ts'
import { cacheRevocations, insertRevocation, revokeIssued } from './revocations.ts'
import type { Scope } from './scopes.ts'
import { hashOf, randomSecret, sameHash } from './secret.ts'
import { longestLifetime, type Caller, type Validity } from './tokens.ts'

const shown = {
  id: clients.id,
  workspace: clients.workspace,
  name: clients.name,
  scopes: clients.scopes,
  createdAt: clients.createdAt,
  tokenLifetime: clients.tokenLifetime,
  expiresAt: clients.expiresAt,
  formerUntil: clients.formerUntil,
}

/** A client without its secrets. */
export type Client = Pick<typeof clients.$inferSelect, keyof typeof shown>

export interface ClientDraft {
  name: string
  scopes: Scope[]
  /** Of its tokens, in seconds; null: eight hours. */
  tokenLifetime: number | null
  /** Milliseconds; null: never. */
  expiresAt: number | null
}

/** The data of a client's events. */
const dataOf = ({ id, name }: Pick<Client, 'id' | 'name'>) => ({ client_id: id, name })

/**
 * Registers a client. Its secret is shown this once: only its hash is stored. Throws `invalid` for
 * one that has expired.
 */
export async function registerClient(
  res: Resources,
  workspace: number,
  draft: ClientDraft,
): Promise<Client & { secret: string }> {
  const createdAt = res.now()
  if (draft.expiresAt !== null && draft.expiresAt <= createdAt)
    throw new Failure({ reason: 'invalid', field: 'expires_on', problem: 'must be in the future' })
  const secret = randomSecret()
  const scopes = [...new Set(draft.scopes)]
  const client = { ...draft, id: crypto.randomUUID(), workspace, scopes, createdAt }
  const db = res.databaseOf(workspace)
  const results = await together(db, [
    db.insert(clients).values({ ...client, secretHash: await hashOf(secret) }),
    ...announce(res, workspace, { type: 'client.created', data: { ...dataOf(client), scopes } }),
  ])
  await enqueueAnnounced(res, workspace, results)
  return { ...client, formerUntil: null, secret }
}

/** Clients in the order of their ids; of every workspace where `workspace` is undefined. */
export async function listClients(
  db: Db,
  workspace: number | undefined,
  after: string,
  size: number,
): Promise<Client[]> {
  return db
    .select(shown)
    .from(clients)
    .where(
      and(
        workspace === undefined ? undefined : eq(clients.workspace, workspace),
        gt(clients.id, after),
      ),
    )
    .orderBy(asc(clients.id))
    .limit(size)
}

/** Throws `not-found`. */
export async function getClient(db: Db, id: string): Promise<Client> {
  const [client] = await db.select(shown).from(clients).where(eq(clients.id, id))
  if (client === undefined) throw new Failure({ reason: 'not-found', what: 'client', id })
  return client
}

/** It gets no new tokens, and those it has are revoked. Throws `not-found`. */
export async function deleteClient(res: Resources, id: string): Promise<void> {
  const client = await getClient(res.directory, id)
  const { workspace } = client
  const db = res.databaseOf(workspace)
  const [revoked, { changes }, ...announced] = await together(db, [
    insertRevocation(id, res.now()),
    db.delete(clients).where(eq(clients.id, id)),
    ...announce(res, workspace, { type: 'client.deleted', data: dataOf(client) }),
    db.delete(consolePeople).where(eq(consolePeople.client, id)),
  ])
  cacheRevocations(revoked.rows)
  if (changes === 0) throw new Failure({ reason: 'not-found', what: 'client', id })
  await enqueueAnnounced(res, workspace, announced)
}

/** Gives a client a second secret; the one that it had is good for a day. Throws `not-found`. */
export async function rotateSecret(
  res: Resources,
  id: string,
): Promise<Client & { secret: string }> {
  const client = await getClient(res.directory, id)
  const secret = randomSecret()
  const formerUntil = res.now() + day
  const { workspace } = client
  const db = res.databaseOf(workspace)
  const [{ changes }, ...announced] = await together(db, [
    db
      .update(clients)
      .set({
        formerHash: sql`${clients.secretHash}`,
        formerUntil,
        secretHash: await hashOf(secret),
      })
      .where(eq(clients.id, id)),
    ...announce(res, workspace, { type: 'client.rotated', data: dataOf(client) }),
  ])
  if (changes === 0) throw new Failure({ reason: 'not-found', what: 'client', id })
  await enqueueAnnounced(res, workspace, announced)
  return { ...client, formerUntil, secret }
}

/** Revokes all tokens that a client was issued. Throws `not-found`. */
export async function revokeTokens(res: Resources, id: string): Promise<void> {
  const { workspace, name } = await getClient(res.directory, id)
  await revokeIssued(res, { client: id, name, workspace })
}

const secretsPerInvocation = 1000

/** Clears former secrets of clients, which are no longer good. */
export async function sweepClientSecrets({ database, now }: Resources): Promise<void> {
  await database.run(sql`
    UPDATE clients SET former_secret_hash = NULL, former_until = NULL WHERE id IN (
      SELECT id FROM clients WHERE former_secret_hash IS NOT NULL AND former_until <= ${now()}
        AND ${livesHere()}
      LIMIT ${secretsPerInvocation})`)
}

/** A client whose secret was right, and what limits its next token. */
export type Authenticated = Caller & Validity

/**
 * Throws `bad-credentials` for a wrong id and a wrong secret alike, after the same work, and for a
 * client that has expired.
 */
export async function authenticate(
  res: Resources,
  { id, secret }: { id: string; secret: string },
  later: Later,
): Promise<Authenticated> {
  const now = res.now()
  const [hash, [client]] = await Promise.all([
    hashOf(secret),
    res.directory
      .select({ ...getTableColumns(clients), revokedUntil: revocations.until })
      .from(clients)
      .leftJoin(revocations, eq(revocations.client, clients.id))
      .where(eq(clients.id, id)),
  ])
  // The same work where there is no client: an answer's time tells nothing.
  const isCurrent = sameHash(hash, client?.secretHash ?? hash)
  const isFormer = sameHash(hash, client?.formerHash ?? hash) && now < (client?.formerUntil ?? 0)
  if (client === undefined) throw new Failure({ reason: 'bad-credentials', why: 'wrong' })
  const { name, workspace, scopes } = client
  const caller = { client: id, name, workspace, scopes }
  if (!(isCurrent || isFormer)) {
    announceRefusal(res, caller, 'secret', later)
    throw new Failure({ reason: 'bad-credentials', why: 'wrong' })
  }
  const expiresAt = client.expiresAt ?? Infinity
  if (now >= expiresAt) {
    announceRefusal(res, caller, 'expired', later)
    throw new Failure({ reason: 'bad-credentials', why: 'expired' })
  }
  return {
    ...caller,
    tokenLifetime: client.tokenLifetime ?? longestLifetime,
    expiresAt,
    revokedUntil: client.revokedUntil ?? 0,
  }
}
