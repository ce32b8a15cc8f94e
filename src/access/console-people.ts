import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { invalid } from '../failure.ts'
import { personHash } from '../person-hash.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import type { Event } from '../webhooks/event.ts'
import { getClient, type Client } from './clients.ts'
import { forgetSessions } from './console-sessions.ts'

/** Somebody who may come by Cloudflare Access, and the client that they act as. */
export interface ConsolePerson {
  email: string
  client: string
  name: string
}

const emailMax = 254

/** As e-mails are compared. Throws `invalid` for what is none. */
function readEmail(text: string): string {
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

/** The client that somebody acts as, if an admin has let them in. */
export async function findClientOf(db: Db, email: string): Promise<string | undefined> {
  const [person] = await db.all<{ client: string }>(
    sql`SELECT client_id AS client FROM console_people WHERE email = ${email.toLowerCase()}`,
  )
  return person?.client
}

/** Lets somebody in as a client, and as no other. Throws `invalid`, `not-found` for the client. */
export async function letIn(res: Resources, text: string, id: string): Promise<void> {
  const email = readEmail(text)
  const client = await getClient(res.directory, id)
  await write(
    res,
    client,
    sql`
    INSERT INTO console_people (email, client_id) VALUES (${email}, ${id})
    ON CONFLICT (email) DO UPDATE SET client_id = excluded.client_id
    WHERE client_id <> excluded.client_id`,
    eventOf(res, 'client.person.added', { client, email }),
  )
}

/** Lets somebody in no more; their sessions end. Throws `invalid` for who was not let in. */
export async function keepOut(res: Resources, text: string): Promise<void> {
  const email = readEmail(text)
  const id = await findClientOf(res.directory, email)
  if (id === undefined) throw invalid('email', 'is that of nobody who may sign in')
  const client = await getClient(res.directory, id)
  const change = sql`DELETE FROM console_people WHERE email = ${email} AND client_id = ${id}`
  await write(res, client, change, eventOf(res, 'client.person.removed', { client, email }))
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
  forgetSessions()
  await enqueueAnnounced(res, workspace, results)
}
