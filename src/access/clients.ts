import { and, asc, eq, getTableColumns, gt, sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { clients, revocations } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { known, revoking } from './revocations.ts'
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
  /** Of its tokens, in seconds; eight hours where it is null. */
  tokenLifetime: number | null
  /** Milliseconds; it never expires where it is null. */
  expiresAt: number | null
}

const day = 86_400_000

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
  await together(db, [db.insert(clients).values({ ...client, secretHash: await hashOf(secret) })])
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
async function getClient(db: Db, id: string): Promise<Client> {
  const [client] = await db.select(shown).from(clients).where(eq(clients.id, id))
  if (client === undefined) throw new Failure({ reason: 'not-found', what: 'client', id })
  return client
}

/** It gets no new tokens, and those it has are revoked. Throws `not-found`. */
export async function deleteClient(res: Resources, id: string): Promise<void> {
  const { workspace } = await getClient(res.directory, id)
  const db = res.databaseOf(workspace)
  const [revoked, { changes }] = await together(db, [
    revoking(id, res.now()),
    db.delete(clients).where(eq(clients.id, id)),
  ])
  known(revoked.rows)
  if (changes === 0) throw new Failure({ reason: 'not-found', what: 'client', id })
}

/** Gives a client a second secret; the one that it had is good for a day. Throws `not-found`. */
export async function rotateSecret(
  res: Resources,
  id: string,
): Promise<Client & { secret: string }> {
  const client = await getClient(res.directory, id)
  const secret = randomSecret()
  const formerUntil = res.now() + day
  const db = res.databaseOf(client.workspace)
  const [{ changes }] = await together(db, [
    db
      .update(clients)
      .set({
        formerHash: sql`${clients.secretHash}`,
        formerUntil,
        secretHash: await hashOf(secret),
      })
      .where(eq(clients.id, id)),
  ])
  if (changes === 0) throw new Failure({ reason: 'not-found', what: 'client', id })
  return { ...client, formerUntil, secret }
}

/** Revokes all tokens that a client was issued. Throws `not-found`. */
export async function revokeTokens(res: Resources, id: string): Promise<void> {
  const { workspace } = await getClient(res.directory, id)
  const [{ rows }] = await together(res.databaseOf(workspace), [revoking(id, res.now())])
  known(rows)
}

const formerSecretsMost = 1000

/** Clears former secrets whose time is over. */
export async function sweepFormerSecrets({ directory, now }: Resources): Promise<void> {
  await directory.run(sql`
    UPDATE clients SET former_secret_hash = NULL, former_until = NULL WHERE id IN (
      SELECT id FROM clients WHERE former_secret_hash IS NOT NULL AND former_until <= ${now()}
      LIMIT ${formerSecretsMost})`)
}

/** A client that has shown its secret, and what its next token is like. */
export type Authenticated = Caller & Validity

/**
 * Throws `bad-credentials` for a wrong id and a wrong secret alike, after the same work, and for a
 * client that has expired.
 */
export async function authenticate(
  db: Db,
  { id, secret }: { id: string; secret: string },
  now: number,
): Promise<Authenticated> {
  const [hash, [client]] = await Promise.all([
    hashOf(secret),
    db
      .select({ ...getTableColumns(clients), revokedUntil: revocations.notBefore })
      .from(clients)
      .leftJoin(revocations, eq(revocations.client, clients.id))
      .where(eq(clients.id, id)),
  ])
  // The same work where there is no client: an answer's time tells nothing.
  const isCurrent = sameHash(hash, client?.secretHash ?? hash)
  const isFormer = sameHash(hash, client?.formerHash ?? hash) && now < (client?.formerUntil ?? 0)
  if (client === undefined || !(isCurrent || isFormer))
    throw new Failure({ reason: 'bad-credentials', why: 'wrong' })
  const expiresAt = client.expiresAt ?? Infinity
  if (now >= expiresAt) throw new Failure({ reason: 'bad-credentials', why: 'expired' })
  return {
    client: client.id,
    name: client.name,
    workspace: client.workspace,
    scopes: client.scopes,
    tokenLifetime: client.tokenLifetime ?? longestLifetime,
    expiresAt,
    revokedUntil: client.revokedUntil ?? 0,
  }
}
