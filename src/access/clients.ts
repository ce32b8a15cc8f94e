import { and, asc, eq, gt } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { clients } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { hashOf, randomSecret, sameHash } from './secret.ts'
import type { Scope } from './scopes.ts'
import type { Caller } from './tokens.ts'

export type Client = Omit<typeof clients.$inferSelect, 'secretHash'>

const shown = {
  id: clients.id,
  workspace: clients.workspace,
  name: clients.name,
  scopes: clients.scopes,
  createdAt: clients.createdAt,
}

/** Registers a client. Its secret is told here and never again: only a hash of it is kept. */
export async function registerClient(
  db: Db,
  workspace: number,
  draft: { name: string; scopes: Scope[] },
  now: number,
): Promise<Client & { secret: string }> {
  const secret = randomSecret()
  const client = {
    id: crypto.randomUUID(),
    workspace,
    name: draft.name,
    scopes: [...new Set(draft.scopes)],
    createdAt: now,
  }
  await db.insert(clients).values({ ...client, secretHash: await hashOf(secret) })
  return { ...client, secret }
}

/** Clients in the order of their ids, from the one after `after`; of every workspace unless one is named. */
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

/** A deleted client gets no new tokens; those it has hold until they expire. */
export async function deleteClient(db: Db, id: string): Promise<void> {
  const { meta } = await db.delete(clients).where(eq(clients.id, id))
  if (meta.changes === 0) throw new Failure({ reason: 'not-found', what: 'client', id })
}

/** The client that id and secret name together. A wrong id and a wrong secret are refused alike, after the same work. */
export async function authenticate(db: Db, id: string, secret: string): Promise<Caller> {
  const [hash, [client]] = await Promise.all([
    hashOf(secret),
    db.select().from(clients).where(eq(clients.id, id)),
  ])
  // Where there is no client, the hash is compared with itself: to refuse takes the same work.
  const right = sameHash(hash, client?.secretHash ?? hash)
  if (client === undefined || !right) throw new Failure({ reason: 'bad-credentials' })
  return {
    client: client.id,
    name: client.name,
    workspace: client.workspace,
    scopes: client.scopes,
  }
}
