import { describe, expect, it } from 'vitest'
import { eventTypes } from '../../src/webhooks/event.ts'
import { declined, isEmpty, jsonText, said, time, uuid } from '../support/answers.ts'
import { json, newClient, tokenOf, type Json } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { elapse, hook, hookScopes, openedHooks, tried, tryOut, verified } from '../support/hooks.ts'
import { Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')
const url = 'https://hooks.example.com/in?a=b'
const secretShape = /^whsec_[\w+/]{43}=$/
const types = eventTypes.join(', ')

const all = (team: Team) => team.get<Json[]>('/webhooks')
const create = async (team: Team, body: Json = { url }): Promise<Json> => {
  const { status, secret: _, ...webhook } = await said(team.send('POST', '/webhooks', body))
  expect(status).toBe(201)
  return webhook
}
const at = ({ id }: { id?: unknown }, rest = '') => `/webhooks/${String(id)}${rest}`

const badBodies: [string, unknown, string][] = [
  ['a list', [], 'body must be an object'],
  ['null', null, 'body must be an object'],
  ['nothing', {}, 'url is required'],
  ['a number for a URL', { url: 7 }, 'url must be a URL'],
  ['null for a URL', { url: null }, 'url must be a URL'],
  ['no URL', { url: 'x' }, 'url must be a URL'],
  ['a private address', { url: 'https://10.0.0.1/' }, 'url must name a public host'],
  ['a word for types', { url, event_types: 'group.created' }, 'event_types must be of type array'],
  ['no type', { url, event_types: [] }, 'event_types must name at least one'],
  [
    'an unknown type',
    { url, event_types: ['group.created', 'group.renamed'] },
    `event_types.1 must be one of ${types}`,
  ],
  [
    'a type in capitals',
    { url, event_types: ['GROUP.CREATED'] },
    `event_types.0 must be one of ${types}`,
  ],
  ['a star', { url, event_types: ['*'] }, `event_types.0 must be one of ${types}`],
  ['a prototype', { url, event_types: ['__proto__'] }, `event_types.0 must be one of ${types}`],
  ['a number among the types', { url, event_types: [7] }, `event_types.0 must be one of ${types}`],
  ['a number for a description', { url, description: 7 }, 'description must be of type string'],
  [
    '256 characters of description',
    { url, description: 'x'.repeat(256) },
    'description cannot exceed 255 characters',
  ],
  [
    'a description that rings',
    { url, description: 'a\u0007b' },
    'description must be text without control characters, but for tabs and line breaks',
  ],
  [
    'half a character of description',
    { url, description: 'a\ud800' },
    'description must be text without control characters, but for tabs and line breaks',
  ],
  [
    '256 emoji of description',
    { url, description: '🎉'.repeat(256) },
    'description cannot exceed 255 characters',
  ],
]

/** What has no good JSON in it, and what it is answered. */
const unread: [string, RequestInit, Json][] = [
  ['cut short', jsonText('{"url":'), declined(400, 'The request body is not valid JSON')],
  [
    'a form',
    { method: 'POST', body: new URLSearchParams({ url }) },
    declined(400, 'Content-Type must be application/json'),
  ],
  [
    'too long',
    jsonText(`{"url":"${'x'.repeat(300_000)}"}`),
    declined(400, 'The request body cannot exceed 262144 bytes'),
  ],
]

describe('POST /webhooks', () => {
  it('keeps a webhook, shows it as it is kept, and its secret', async () => {
    const team = await Team.open(hookScopes)
    const given = { url, event_types: ['group.created', 'job.failed'], description: 'é🎉' }
    const answer = await team.send('POST', '/webhooks', {
      ...given,
      more: 1,
      secret: 'mine',
      enabled: false,
    })
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const { status, secret, ...webhook } = await said(answer)
    expect(status).toBe(201)
    expect(secret).toMatch(secretShape)
    expect(webhook).toEqual({
      ...given,
      id: expect.stringMatching(uuid),
      enabled: true,
      disabled_because: null,
      failing_since: null,
      former_secret_until: null,
      created_on: expect.stringMatching(time),
      created_by: 'tester',
      last_modified_on: webhook['created_on'],
      last_modified_by: 'tester',
    })
    expect(Math.abs(Date.now() - Date.parse(String(webhook['created_on'])))).toBeLessThan(60_000)
    expect(await team.get(at(webhook))).toEqual(webhook)
  })

  it('makes up what may be left out: all types, no description', async () => {
    const team = await Team.open(hookScopes)
    for (const more of [{}, { event_types: null, description: null }])
      expect(await create(team, { url, ...more })).toMatchObject({
        url,
        event_types: null,
        description: '',
      })
    expect(await create(team, { url, description: 'é'.repeat(255) })).toMatchObject({
      description: 'é'.repeat(255),
    })
    expect(await create(team, { url, event_types: eventTypes })).toMatchObject({
      event_types: eventTypes,
    })
    expect(await create(team, { url, event_types: ['job.failed', 'job.failed'] })).toMatchObject({
      event_types: ['job.failed'],
    })
  })

  it('gives each its own id and secret, also for the same URL', async () => {
    const team = await Team.open(hookScopes)
    const answers = await Promise.all(
      [1, 2, 3].map(() => said(team.send('POST', '/webhooks', { url }))),
    )
    for (const what of ['id', 'secret'])
      expect(new Set(answers.map((answer) => answer[what])).size).toBe(3)
  })

  it.each(badBodies)('refuses %s, and keeps nothing', async (_, body, message) => {
    const team = await Team.open(hookScopes)
    expect(await said(team.send('POST', '/webhooks', body))).toEqual(declined(422, message))
    expect(await all(team)).toEqual([])
  })

  it.each(unread)('refuses a body that is %s', async (_, init, refusal) => {
    const team = await Team.open(hookScopes)
    expect(await said(team.call('POST', '/webhooks', init))).toEqual(refusal)
    expect(await all(team)).toEqual([])
  })

  it('keeps as many as the limit, even at once; deleting frees one', async () => {
    const [team, other] = [await Team.open(hookScopes), await Team.open(hookScopes)]
    await create(other)
    const request = (): Promise<Response> => {
      const init = json('POST', { url })
      const headers = {
        ...(init.headers as Record<string, string>),
        authorization: `Bearer ${team.token}`,
      } // as `json` writes them
      return callWith({ WEBHOOKS_MAX: 3 }, `/platform/workspaces/${team.workspace}/webhooks`, {
        ...init,
        headers,
      })
    }
    const answers = await Promise.all([1, 2, 3, 4, 5].map(request))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 201, 422, 422])
    const full = declined(422, 'The number of webhooks in a workspace is limited to 3')
    expect(await said(request())).toEqual(full)
    await team.call('POST', at((await all(team))[0] ?? {}, '/disable'))
    expect(await said(request())).toEqual(full)
    await isEmpty(team.call('DELETE', at((await all(team))[1] ?? {})), 204)
    expect((await request()).status).toBe(201)
  })

  it('has room for twenty', async () => {
    const team = await Team.open(hookScopes)
    for (let i = 0; i < 20; i++) await create(team)
    expect(await said(team.send('POST', '/webhooks', { url }))).toEqual(
      declined(422, 'The number of webhooks in a workspace is limited to 20'),
    )
    expect(await all(team)).toHaveLength(20)
  })
})

describe('GET /webhooks', () => {
  it('lists all, oldest first, each as it is shown alone', async () => {
    const team = await Team.open(hookScopes)
    expect(await all(team)).toEqual([])
    const webhooks: Json[] = []
    for (const description of ['b', 'a', 'c'])
      webhooks.push(await create(team, { url, description }))
    expect(await all(team)).toEqual(webhooks)
    for (const webhook of webhooks) expect(await team.get(at(webhook))).toEqual(webhook)
  })
})

describe('PUT /webhooks/{id}', () => {
  it('replaces URL, types and description, names the client, and drops omitted fields', async () => {
    const team = await Team.open(hookScopes)
    const before = await create(team, { url, event_types: ['job.failed'], description: 'old' })
    const client = await newClient(hookScopes, team.workspace)
    const headers = {
      authorization: `Bearer ${await tokenOf(client)}`,
      'content-type': 'application/json',
    }
    const change = {
      url: 'https://other.example.com/',
      event_types: ['group.deleted'],
      description: 'new',
    }
    await scheduler.wait(5)
    const after = await said(
      team.call('PUT', at(before), {
        headers,
        body: JSON.stringify({ ...change, id: 'mine', enabled: false }),
      }),
    )
    expect(after).toEqual({
      ...before,
      ...change,
      status: 200,
      last_modified_on: expect.stringMatching(time),
    })
    expect(String(after['last_modified_on']) > String(before['last_modified_on'])).toBe(true)
    const { status: _, ...kept } = after
    expect(await team.get(at(before))).toEqual(kept)
    expect(await said(team.send('PUT', at(before), { url }))).toMatchObject({
      status: 200,
      url,
      event_types: null,
      description: '',
    })
  })

  it('keeps the secret, and sends pending deliveries to the new URL', async () => {
    const { team } = await openedHooks()
    const [one, two] = [await hook(team), await hook(team)]
    await one.receiver.answers({ status: 500 })
    const event = await tryOut(team, one)
    await tried(team, one, 1)
    expect((await team.send('PUT', at(one), { url: two.receiver.url })).status).toBe(200)
    await elapse(one)
    const [arrived] = await two.receiver.until(1)
    if (arrived === undefined) throw new Error('nothing arrived')
    expect(arrived.headers['webhook-id']).toBe(event)
    verified(one.secret, arrived)
    expect(await one.receiver.arrived()).toHaveLength(1)
  })

  it.each(badBodies)('refuses %s, and changes nothing', async (_, body, message) => {
    const team = await Team.open(hookScopes)
    const before = await create(team, { url, event_types: ['job.failed'], description: 'old' })
    expect(await said(team.send('PUT', at(before), body))).toEqual(declined(422, message))
    expect(await team.get(at(before))).toEqual(before)
  })

  it.each(unread)('refuses a body that is %s', async (_, init, refusal) => {
    const team = await Team.open(hookScopes)
    const before = await create(team)
    expect(await said(team.call('PUT', at(before), init))).toEqual(refusal)
    expect(await team.get(at(before))).toEqual(before)
  })
})

describe('DELETE /webhooks/{id}', () => {
  it('deletes it alone, and it gets nothing more, not even pending deliveries', async () => {
    const { team, bank } = await openedHooks()
    const [one, two] = [await hook(team), await hook(team)]
    await one.receiver.answers({ status: 500 })
    await bank.group()
    await tried(team, one, 1)
    await isEmpty(team.call('DELETE', at(one)), 204)
    expect(await said(team.call('GET', at(one)))).toEqual(notFound)
    expect(await said(team.call('DELETE', at(one)))).toEqual(notFound)
    expect((await all(team)).map(({ id }) => id)).toEqual([two.id])
    await elapse(one)
    await bank.group()
    await tried(team, two, 2)
    expect(await one.receiver.arrived()).toHaveLength(1)
  })
})
