import { env } from 'cloudflare:workers'
import { afterAll, describe, expect, it } from 'vitest'
import { asAdmin, call, eventually, json, newClient, tokenOf } from '../support/api.ts'
import { eventDoors, groupDoors, knock, workspaceDoors, type NamedDoor } from '../support/doors.ts'
import { platformScopes } from '../support/identity.ts'
import { readied, settled } from '../support/settled.ts'

interface Written {
  type: string
  text: string
  client: string | null
  name: string
  transaction: string | null
  method: string | null
}

/** Whom and what no event may name; the digits also stand for a user of an SDK. */
const person = '777000777000123'
const value = 'value-zq7'

/** POST requests that only ask. */
const asking = /\/(memberships|preview|assignments|balance)$/

const csv = { init: { headers: { accept: 'text/csv' } } }
const exports = [...groupDoors.slice(0, groupDoors.length / 3), ...workspaceDoors]
  .filter(({ name }) =>
    /^GET .*(:groupId\/participants|:jobId\/changes|:audience_id\/users|:experiment_id\/(assignments|exposures))$/.test(
      name,
    ),
  )
  .map((door) => ({ ...door, ...csv }))

const changing = [
  ...groupDoors.slice(0, groupDoors.length / 3),
  ...workspaceDoors,
  ...eventDoors,
].filter(({ method, template }) => method !== 'GET' && !asking.test(template))

/** The same request about the person, and with the value. */
function withPerson({ init = {}, ...door }: NamedDoor): NamedDoor {
  if (typeof init.body !== 'string') return { ...door, init }
  const body = init.body
    .replaceAll(/\bann\b/g, person)
    .replace('"mpid":1', `"mpid":${person}`)
    .replace('\n1,true', `\n${person},${value}`)
    .replace('"has_dog":true', `"has_dog":"${value}"`)
    .replace('"value":true', `"value":"${value}"`)
    .replace('"user_attributes":{}', `"user_attributes":{"has_dog":"${value}"}`)
  return { ...door, init: { ...init, body } }
}

async function eventsOf(workspace: number): Promise<Written[]> {
  const { results } = await env.DB.prepare(
    `SELECT type, data || coalesce(change, '') || coalesce(object_id, '') || actor AS text,
       actor_id AS client, actor ->> 'name' AS name, actor ->> 'transaction' AS "transaction",
       actor ->> 'method' AS method
     FROM events WHERE workspace_id = ? ORDER BY key`,
  )
    .bind(workspace)
    .all<Written>()
  return results
}

const seen: number[] = []

/** A workspace with all that a request may name, and a client that makes one. */
async function stage(door: NamedDoor) {
  const { team, bank, ids } = await settled(door.template)
  seen.push(team.workspace)
  await team.user(person, { has_dog: value })
  await bank.apply(ids['groupId'] ?? '', 'ADD', `${person}\n`)
  await readied(door, team)
  const client = await newClient(platformScopes, team.workspace)
  const others = { user_id: person, person, participantId: person }
  // An audience is attached to another group than its own.
  const own = { ...ids, ...others, experience_group: ids['groupId'] ?? '' }
  return { client, ids: own, workspace: team.workspace }
}

describe.each([...changing, ...exports])('$name', (door) => {
  it('is an event of its caller, without people and values', async () => {
    const { client, ids, workspace } = await stage(door)
    const transaction = crypto.randomUUID()
    const authorization = door.template.startsWith('/v2')
      ? `Basic ${btoa(`${client.id}:${client.secret}`)}`
      : `Bearer ${await tokenOf(client)}`
    const headers = { authorization, transactionId: transaction }
    const answer = await knock(withPerson(door), headers, ids)
    expect([answer.status, answer.ok]).toEqual([door.status ?? 200, true])
    await answer.text()
    const own = await eventually(
      async () => (await eventsOf(workspace)).filter((event) => event.client === client.id),
      (own) => own.length > 0,
    )
    const by = { name: 'tester', transaction, method: door.method }
    for (const event of own) expect(event).toMatchObject(by)
  })
})

describe('an administrator', () => {
  it('is the actor of what becomes of clients', async () => {
    const { workspace } = await newClient()
    seen.push(workspace)
    const draft = { workspace_id: workspace, name: 'till', scopes: ['groups:read'] }
    const made = await call('/oauth/clients', asAdmin(json('POST', draft)))
    const path = `/oauth/clients/${(await made.json<{ client_id: string }>()).client_id}`
    for (const [method, at] of [
      ['POST', `${path}/rotate`],
      ['POST', `${path}/revoke`],
      ['DELETE', path],
    ] as const)
      expect((await call(at, asAdmin(json(method, {})))).ok).toBe(true)
    const events = await eventsOf(workspace)
    expect(events.map(({ type, client, name }) => [type, client, name])).toEqual(
      ['client.created', 'client.rotated', 'token.revoked', 'client.deleted'].map((type) => [
        type,
        null,
        'admin',
      ]),
    )
  })
})

afterAll(async () => {
  for (const workspace of seen)
    for (const { type, text } of await eventsOf(workspace)) {
      expect({ type, text }).not.toMatchObject({ text: expect.stringContaining(person) as string })
      expect({ type, text }).not.toMatchObject({ text: expect.stringContaining(value) as string })
    }
})
