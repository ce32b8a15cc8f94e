import { beforeAll, describe, expect, it } from 'vitest'
import { said } from '../support/answers.ts'
import { asAdmin, call, json, newClient, tokenOf, type Client } from '../support/api.ts'
import {
  eventDoors,
  groupDoors,
  knock,
  ofrepDoors,
  workspaceDoors,
  type NamedDoor,
} from '../support/doors.ts'
import { platformScopes } from '../support/identity.ts'

/** Clients of one workspace who could do everything, and their tokens. */
let out: Record<'deleted' | 'revoked by itself' | 'revoked by the administrator' | 'expired', Held>
let again: Held
let ids: Record<string, string>

interface Held {
  client: Client
  token: string
}

beforeAll(async () => {
  const { workspace } = await newClient()
  const held = async (more = {}): Promise<Held> => {
    const client = await newClient(platformScopes, workspace, more)
    return { client, token: await tokenOf(client) }
  }
  const end = Date.now() + 3000
  const expired = await held({ expires_on: new Date(end).toISOString() })
  const [deleted, revoked, revokedForIt] = [await held(), await held(), await held()]
  const at = (client: Client) => `/oauth/clients/${client.id}`
  await call(at(deleted.client), asAdmin({ method: 'DELETE' }))
  const { id, secret } = revoked.client
  const body = { client_id: id, client_secret: secret, token: revoked.token }
  await call('/oauth/revoke', json('POST', body))
  await call(`${at(revokedForIt.client)}/revoke`, asAdmin({ method: 'POST' }))
  again = { client: revoked.client, token: await tokenOf(revoked.client) }
  ids = {
    ...{ workspace_id: String(workspace), groupId: crypto.randomUUID(), key: 'owls' },
    ...{ org_id: '10', account_id: '20', mpid: '1' },
  }
  await scheduler.wait(end - Date.now())
  out = {
    deleted,
    expired,
    'revoked by itself': revoked,
    'revoked by the administrator': revokedForIt,
  }
})

const asBearer = ({ token }: Held) => ({
  authorization: `Bearer ${token}`,
  transactionId: crypto.randomUUID(),
})
const asBasic = ({ client: { id, secret } }: Held) => ({
  authorization: `Basic ${btoa(`${id}:${secret}`)}`,
})

const refusalOf = (door: NamedDoor, headers: Record<string, string>) =>
  said(knock(door, headers, ids))

describe.each([...groupDoors, ...workspaceDoors, ...ofrepDoors])('$name', (door) => {
  it('stays shut to whoever is out', async () => {
    const unknown = await refusalOf(door, asBearer({ ...again, token: 'x' }))
    expect(unknown).toMatchObject({ status: 401 })
    for (const [who, held] of Object.entries(out))
      expect([who, await refusalOf(door, asBearer(held))]).toEqual([who, unknown])
  })

  it('lets a token in that was issued after the revocation', async () => {
    expect((await knock(door, asBearer(again), ids)).status).not.toBe(401)
  })
})

describe.each(eventDoors)('$name', (door) => {
  it('stays shut to whoever is out', async () => {
    for (const who of ['deleted', 'expired'] as const)
      expect([who, await refusalOf(door, asBasic(out[who]))]).toMatchObject([who, { status: 401 }])
    expect((await knock(door, asBasic(again), ids)).status).toBe(202)
  })
})
