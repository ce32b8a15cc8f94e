import { and, asc, eq, getTableColumns, gt, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { clients, consolePeople, revocations } from '../db/schema.ts'
import { livesHere } from '../db/fenced.ts'
import { Failure } from '../failure.ts'
import {
  atClient,
  atReadClient,
  atWorkspace,
  forgetClient,
  isKnown,
  placeClient,
} from '../places/directory.ts'
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
 * Registers a client, on the shard at hand, which must be that of its workspace. Its secret is shown
 * this once: only its hash is stored. Throws `invalid` for one that has expired.
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
  await placeClient(res, client.id, workspace)
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
  res: Resources,
  workspace: number | undefined,
  page: ClientPage,
): Promise<Client[]> {
  if (workspace !== undefined) {
    const { database } = await atWorkspace(res, workspace)
    return listOf(database, eq(clients.workspace, workspace), page)
  }
  const shards = [...Array(res.shards).keys()]
  const lists = await Promise.all(
    shards.map((shard) => listOf(res.reach(shard).database, undefined, page)),
  )
  return lists
    .flat()
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .slice(0, page.size)
}

/** So many clients after an id. */
interface ClientPage {
  after: string
  size: number
}

const listOf = (db: Db, which: SQL | undefined, { after, size }: ClientPage): Promise<Client[]> =>
  db
    .select(shown)
    .from(clients)
    .where(and(which, gt(clients.id, after)))
    .orderBy(asc(clients.id))
    .limit(size)

/** Of the shard at hand. Throws `not-found`. */
export async function getClient({ database }: Resources, id: string): Promise<Client> {
  const [client] = await database.select(shown).from(clients).where(eq(clients.id, id))
  if (client === undefined) throw new Failure({ reason: 'not-found', what: 'client', id })
  return client
}

/** It gets no new tokens, and those it has are revoked. Throws `not-found`. */
export async function deleteClient(res: Resources, id: string): Promise<void> {
  const client = await getClient(res, id)
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
  await forgetClient(res, id)
  await enqueueAnnounced(res, workspace, announced)
}

/** Gives a client a second secret; the one that it had is good for a day. Throws `not-found`. */
export async function rotateSecret(
  res: Resources,
  id: string,
): Promise<Client & { secret: string }> {
  const client = await getClient(res, id)
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
  const { workspace, name } = await getClient(res, id)
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
 * The client, and the resources of its shard. Throws `bad-credentials` for a wrong id and a wrong
 * secret alike, after the same work, and for a client that has expired.
 */
export async function authenticate(
  res: Resources,
  credentials: { id: string; secret: string },
  later: Later,
): Promise<{ client: Authenticated; res: Resources }> {
  const wasKnown = isKnown(credentials.id)
  const own = await atClient(res, credentials.id)
  const { why, client } = await check(own, credentials)
  if (why === undefined) return { client, res: own }
  // Where its place was known already: an answer's time tells nothing.
  if (wasKnown) await atReadClient(res, credentials.id)
  if (client !== undefined) announceRefusal(own, client, why === 'wrong' ? 'secret' : why, later)
  throw new Failure({ reason: 'bad-credentials', why })
}

type Checked =
  | { why?: undefined; client: Authenticated }
  | { why: 'wrong' | 'expired'; client: Caller | undefined }

async function check(
  res: Resources,
  { id, secret }: { id: string; secret: string },
): Promise<Checked> {
  const now = res.now()
  const [hash, [client]] = await Promise.all([
    hashOf(secret),
    res.database
      .select({ ...getTableColumns(clients), revokedUntil: revocations.until })
      .from(clients)
      .leftJoin(revocations, eq(revocations.client, clients.id))
      .where(eq(clients.id, id)),
  ])
  // The same work where there is no client: an answer's time tells nothing.
  const isCurrent = sameHash(hash, client?.secretHash ?? hash)
  const isFormer = sameHash(hash, client?.formerHash ?? hash) && now < (client?.formerUntil ?? 0)
  if (client === undefined) return { why: 'wrong', client }
  const { name, workspace, scopes } = client
  const caller = { client: id, name, workspace, scopes }
  if (!(isCurrent || isFormer)) return { why: 'wrong', client: caller }
  const expiresAt = client.expiresAt ?? Infinity
  if (now >= expiresAt) return { why: 'expired', client: caller }
  const tokenLifetime = client.tokenLifetime ?? longestLifetime
  return {
    client: { ...caller, tokenLifetime, expiresAt, revokedUntil: client.revokedUntil ?? 0 },
  }
}
