import { and, asc, eq, gt } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { clients } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { hashOf, randomSecret, sameHash } from './secret.ts'
import type { Scope } from './scopes.ts'
import type { Resources } from '../resources.ts'
import type { Caller } from './tokens.ts'

const shown = {
  id: clients.id,
  workspace: clients.workspace,
  name: clients.name,
  scopes: clients.scopes,
  createdAt: clients.createdAt,
}

/** A client without its secrets. */
export type Client = Pick<typeof clients.$inferSelect, keyof typeof shown>

/** Registers a client. Its secret is shown this once: only its hash is stored. */
export async function registerClient(
  res: Resources,
  workspace: number,
  draft: { name: string; scopes: Scope[] },
): Promise<Client & { secret: string }> {
  const secret = randomSecret()
  const client = {
    id: crypto.randomUUID(),
    workspace,
    name: draft.name,
    scopes: [...new Set(draft.scopes)],
    createdAt: res.now(),
  }
  await res.directory.insert(clients).values({ ...client, secretHash: await hashOf(secret) })
  return { ...client, secret }
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

/** Its tokens stay valid until they expire. Throws `not-found`. */
export async function deleteClient(res: Resources, id: string): Promise<void> {
  const { meta } = await res.directory.delete(clients).where(eq(clients.id, id))
  if (meta.changes === 0) throw new Failure({ reason: 'not-found', what: 'client', id })
}

/** Throws `bad-credentials` for a wrong id and a wrong secret alike, after the same work. */
export async function authenticate(db: Db, id: string, secret: string): Promise<Caller> {
  const [hash, [client]] = await Promise.all([
    hashOf(secret),
    db.select().from(clients).where(eq(clients.id, id)),
  ])
  // The same work where there is no client: an answer's time tells nothing.
  const right = sameHash(hash, client?.secretHash ?? hash)
  if (client === undefined || !right) throw new Failure({ reason: 'bad-credentials' })
  return {
    client: client.id,
    name: client.name,
    workspace: client.workspace,
    scopes: client.scopes,
  }
}
