import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { invalid } from '../failure.ts'
import { personHash } from '../person-hash.ts'
import { atReadClient, forgetClient, placeClient } from '../places/directory.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import type { Event } from '../webhooks/event.ts'
import { getClient, type Client } from './clients.ts'
import type { Caller } from './tokens.ts'

/** Somebody who may come by Cloudflare Access, and the client that they act as. */
export interface ConsolePerson {
  email: string
  client: string
  name: string
}

const emailMax = 254

/** As e-mails are compared. Throws `invalid` for what is none. */
export function readEmail(text: string): string {
  const email = text.trim().toLowerCase()
  if (email.length > emailMax || !/^[^\s@\p{C}]+@[^\s@\p{C}]+$/u.test(email))
    throw invalid('email', 'must be an e-mail address')
  return email
}

/** The people of a workspace's clients, by their e-mails. */
export const listPeople = (
  db: Db,
  workspace: number,
  { after, size }: { after: string; size: number },
): Promise<ConsolePerson[]> =>
  db.all(sql`
    SELECT p.email, c.id AS client, c.name
    FROM console_people AS p CROSS JOIN clients AS c ON c.id = p.client_id
    WHERE p.email > ${after} AND c.workspace_id = ${workspace}
    ORDER BY p.email LIMIT ${size}`)

/** The client that somebody acts as, if an admin has let them in; of the shard at hand. */
export async function findClientOf(
  { database }: Resources,
  email: string,
): Promise<Pick<Caller, 'client' | 'workspace'> | undefined> {
  const [person] = await database.all<Pick<Caller, 'client' | 'workspace'>>(sql`
    SELECT p.client_id AS client, c.workspace_id AS workspace
    FROM console_people AS p JOIN clients AS c ON c.id = p.client_id
    WHERE p.email = ${email.toLowerCase()}`)
  return person
}

/** The resources of the shard on which somebody may sign in. */
export const atPerson = (res: Resources, email: string): Promise<Resources> =>
  atReadClient(res, email.toLowerCase())

/** Lets somebody in as a client, and as no other. Throws `invalid`, `not-found` for the client. */
export async function letIn(res: Resources, text: string, id: string): Promise<void> {
  const email = readEmail(text)
  const own = await atReadClient(res, id)
  const client = await getClient(own, id)
  const former = await atPerson(res, email)
  // First, as nobody may come as two clients.
  if (former.shard !== own.shard)
    await former.database.run(sql`DELETE FROM console_people WHERE email = ${email}`)
  await placeClient(res, email, client.workspace)
  await write(
    own,
    client,
    sql`
    INSERT INTO console_people (email, client_id) VALUES (${email}, ${id})
    ON CONFLICT (email) DO UPDATE SET client_id = excluded.client_id
    WHERE client_id <> excluded.client_id`,
    eventOf(own, 'client.person.added', { client, email }),
  )
}

/** Lets somebody in no more; their sessions end. Throws `invalid` for who was not let in. */
export async function keepOut(res: Resources, text: string): Promise<void> {
  const email = readEmail(text)
  const own = await atPerson(res, email)
  const id = (await findClientOf(own, email))?.client
  if (id === undefined) throw invalid('email', 'is that of nobody who may sign in')
  const client = await getClient(own, id)
  const change = sql`DELETE FROM console_people WHERE email = ${email} AND client_id = ${id}`
  await write(own, client, change, eventOf(own, 'client.person.removed', { client, email }))
  await forgetClient(res, email)
}

/** The event of a person has no e-mail. */
const eventOf = (
  res: Resources,
  type: 'client.person.added' | 'client.person.removed',
  { client, email }: { client: Client; email: string },
): Event => {
  const person_hash = personHash(res, client.workspace, email)
  return { type, data: { client_id: client.id, name: client.name, person_hash } }
}

async function write(
  res: Resources,
  { workspace }: Client,
  change: ReturnType<typeof sql>,
  event: Event,
): Promise<void> {
  const results = await together(res.databaseOf(workspace), [
    change,
    ...announce(res, workspace, event),
  ])
  await enqueueAnnounced(res, workspace, results)
}
