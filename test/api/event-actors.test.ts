import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { receiveUpload } from '../../src/experience/upload.ts'
import {
  Bank,
  call,
  eventually,
  hasEnded,
  json,
  newClient,
  tokenOf,
  type Json,
} from '../support/api.ts'
import { hazardous, parts } from '../support/hazard.ts'
import { household, Team } from '../support/identity.ts'
import { answerAll } from '../support/stale.ts'

interface Shown extends Json {
  type: string
  actor: { client_id: string | null; name: string }
  transaction_id: string
  object: { kind: string; id: string }
}

const scopes = ['groups', 'users', 'audiences', 'webhooks'].flatMap((what) => [
  `${what}:read`,
  `${what}:write`,
])

/** A client whose requests come from an address, with a transactionId of their own. */
async function caller(address = '192.0.2.7') {
  const client = await newClient(scopes)
  const authorization = `Bearer ${await tokenOf(client)}`
  const transactionId = crypto.randomUUID()
  const headers = { authorization, transactionId, 'cf-connecting-ip': address }
  const at =
    (face: string) =>
    async (method: string, path: string, body?: unknown): Promise<Json> => {
      const init = body === undefined ? { method } : json(method, body)
      const all = { ...(init.headers as Record<string, string>), ...headers }
      const answer = await call(face + path, { ...init, headers: all })
      expect(answer.ok).toBe(true)
      return answer.status === 204 ? {} : answer.json<Json>()
    }
  const platform = at(`/platform/workspaces/${client.workspace}`)
  const events = async () => (await platform('GET', '/events'))['events'] as Shown[]
  return { client, headers, transactionId, bank: at('/groups/v3'), platform, events }
}

describe('an event', () => {
  it('names the client, its request and what it is about', async () => {
    const { client, transactionId, bank, platform, events } = await caller()
    const { groupId } = await bank('POST', '/groups', { groupName: 'owls' })
    await platform('POST', '/groups', household)
    const by = {
      actor: { client_id: client.id, name: 'tester' },
      transaction_id: transactionId,
      address_family: 'IPv4',
      method: 'POST',
    }
    expect(await events()).toMatchObject([
      { ...by, type: 'group.created', object: { kind: 'group', id: groupId } },
      { ...by, type: 'definition.created', object: { kind: 'definition', id: 'household' } },
    ])
  })

  it('names the family of an address of IPv6, and never the address', async () => {
    const { bank, events } = await caller('2001:db8::7')
    await bank('POST', '/groups', { groupName: 'owls' })
    const [event] = await events()
    expect(event).toMatchObject({ address_family: 'IPv6' })
    expect(JSON.stringify(event)).not.toContain('db8')
  })

  it('has a transaction id of its own where the request names none', async () => {
    const team = await Team.open(scopes)
    await team.define(household)
    const { events } = await team.get<{ events: Shown[] }>('/events')
    expect(events).toMatchObject([
      { transaction_id: expect.stringMatching(/^[\da-f-]{36}$/) as string, address_family: null },
    ])
  })
})

describe('the event at the end of work', () => {
  it('names who has requested it', async () => {
    const { client, headers, transactionId, bank, platform, events } = await caller()
    const { groupId } = await bank('POST', '/groups', { groupName: 'owls' })
    const sent = await call(`/groups/v3/groups/${String(groupId)}/participants?type=ADD`, {
      method: 'PUT',
      body: 'ann\n',
      headers: { ...headers, 'content-type': 'text/csv' },
    })
    const { jobId } = await sent.json<Json>()
    await eventually(() => bank('GET', `/jobs/${String(jobId)}`), hasEnded)
    await platform('POST', '/groups', household)
    const { id } = await platform('POST', '/groups/household/recompute')
    await eventually(() => platform('GET', `/groups/household/runs/${String(id)}`), hasEnded)
    const by = {
      actor: { client_id: client.id, name: 'tester' },
      transaction_id: transactionId,
      address_family: 'IPv4',
    }
    const ofWork = (await events()).filter(({ type }) => /changed|recomputed/.test(type))
    expect(ofWork).toMatchObject([
      { ...by, type: 'group.participants.changed', object: { kind: 'group' }, method: 'PUT' },
      { ...by, type: 'household.recomputed', object: { kind: 'definition' }, method: 'POST' },
    ])
  })

  it('names the creator of a job of before, without an id', async () => {
    const { bank, group } = await Bank.withGroup('owls', 'ann\n')
    const { res, enqueued } = hazardous()
    const { key } = await receiveUpload(res, bank.workspace, group, {
      createdBy: 'tester of before',
      parts: parts('ADD', 'bob\n'),
    })
    await env.DB.prepare('UPDATE jobs SET actor = NULL WHERE key = ?').bind(key).run()
    await answerAll(res, enqueued)
    const team = await Team.open(scopes, bank.workspace)
    const { events } = await team.get<{ events: Shown[] }>('/events')
    expect(events.at(-1)).toMatchObject({
      type: 'group.participants.changed',
      actor: { client_id: null, name: 'tester of before' },
    })
  })
})
