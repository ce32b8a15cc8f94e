import { env } from 'cloudflare:workers'
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { deepJson, jsonText, said } from '../support/answers.ts'
import { asAdmin, call, json, newClient, tokenOf, type Client, type Json } from '../support/api.ts'

const listed = async (query = '') =>
  (await call(`/oauth/clients${query}`, asAdmin())).json<{ clients: Json[]; next: string | null }>()
const tokenRequest = ({ id, secret }: Client) =>
  json('POST', { grant_type: 'client_credentials', client_id: id, client_secret: secret })

describe('POST /oauth/clients', () => {
  const draft = { workspace_id: 900, name: 'rollouts', scopes: ['groups:read', 'users:write'] }
  const create = (body: unknown) => call('/oauth/clients', asAdmin(json('POST', body)))

  it('registers a client and shows its secret this once', async () => {
    const answer = await create(draft)
    expect(answer.status).toBe(201)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const { client_id, client_secret, created_on, ...rest } = await answer.json<Json>()
    expect(rest).toEqual(draft)
    expect(Math.abs(Date.now() - Date.parse(String(created_on)))).toBeLessThan(60_000)
    expect(String(client_secret).length).toBeGreaterThanOrEqual(43)

    const text = await (await call('/oauth/clients?workspace_id=900', asAdmin())).text()
    expect(text).toContain(String(client_id))
    expect(text).not.toContain(String(client_secret))
    expect(text).not.toMatch(/secret|hash/i)
  })

  it('gives each client its own id and secret, also under one name', async () => {
    const [one, two] = await Promise.all(
      [create(draft), create(draft)].map(async (answer) => (await answer).json<Json>()),
    )
    expect(one?.['client_id']).not.toBe(two?.['client_id'])
    expect(one?.['client_secret']).not.toBe(two?.['client_secret'])
  })

  it.each<[string, Json, string]>([
    ['no workspace', { workspace_id: undefined }, 'workspace_id is required'],
    ['a workspace in quotes', { workspace_id: '1' }, 'workspace_id'],
    ['workspace 0', { workspace_id: 0 }, 'workspace_id'],
    ['half a workspace', { workspace_id: 1.5 }, 'workspace_id'],
    ['a workspace beyond 2^53', { workspace_id: 2 ** 53 }, 'workspace_id'],
    ['no name', { name: undefined }, 'name is required'],
    ['a blank name', { name: ' ' }, 'name is required'],
    ['a name that is no text', { name: ['x'] }, 'name'],
    ['a name of two lines', { name: 'a\nb' }, 'name must have something visible and no control'],
    ['half a character', { name: 'a\ud800' }, 'name must have something visible and no control'],
    ['a name of 101 characters', { name: 'x'.repeat(101) }, 'name must be 1 to 100 characters'],
    ['nothing visible', { name: '\u200b' }, 'name must have something visible'],
    ['the invisible within', { name: 'a\u200bb' }, 'name cannot have invisible characters within'],
    ['an id for a name', { name: crypto.randomUUID() }, 'name cannot have the form of a UUID'],
    ['no scopes', { scopes: undefined }, 'scopes is required'],
    ['an empty list of scopes', { scopes: [] }, 'scopes'],
    ['scopes in one text', { scopes: 'groups:read' }, 'scopes'],
    ['an unknown scope', { scopes: ['groups:read', 'admin'] }, 'scopes.1'],
    ['a scope that is a prototype member', { scopes: ['__proto__'] }, 'scopes.0'],
    [
      'tokens of under five minutes',
      { token_lifetime: 299 },
      'token_lifetime must be 300 to 28800',
    ],
    ['tokens of over eight hours', { token_lifetime: 28_801 }, 'token_lifetime must be'],
    ['tokens of half a second', { token_lifetime: 300.5 }, 'token_lifetime'],
    ['tokens of a text', { token_lifetime: '300' }, 'token_lifetime'],
    [
      'an end in the past',
      { expires_on: '2020-01-01T00:00:00Z' },
      'expires_on must be in the future',
    ],
    [
      'an end without a time zone',
      { expires_on: '2999-01-01T00:00:00' },
      'expires_on must be a time',
    ],
    ['an end that is a day', { expires_on: '2999-01-01' }, 'expires_on must be a time'],
    ['an end that is no text', { expires_on: 32_503_680_000 }, 'expires_on'],
  ])('refuses %s, naming the field', async (_, change, sentence) => {
    const answer = await said(create({ ...draft, workspace_id: 901, ...change }))
    expect(answer).toMatchObject({ status: 400, error: 'invalid_request' })
    expect(String(answer['error_description']).startsWith(sentence)).toBe(true)
    expect((await listed('?workspace_id=901')).clients).toEqual([])
  })

  it('refuses what is not a JSON object, however deep or long', async () => {
    for (const body of ['', '{', 'null', '[]', '"x"', deepJson(), `{"name":${deepJson()}}`])
      expect(
        await said(call('/oauth/clients', asAdmin(jsonText(body)))),
        body.slice(0, 20),
      ).toMatchObject({
        status: 400,
        error: 'invalid_request',
      })
    const long = JSON.stringify({ ...draft, more: 'x'.repeat(300_000) })
    expect(await said(call('/oauth/clients', asAdmin(jsonText(long))))).toMatchObject({
      status: 400,
      error: 'invalid_request',
    })
  })
})

describe('GET /oauth/clients', () => {
  it('lists the clients of a workspace, a page at a time', async () => {
    const ids = (await Promise.all([1, 2, 3].map(() => newClient(undefined, 910))))
      .map(({ id }) => id)
      .sort()
    await newClient(undefined, 911)
    const first = await listed('?workspace_id=910&size=2')
    const second = await listed(`?workspace_id=910&size=2&after=${first.next}`)
    expect([...first.clients, ...second.clients].map(({ client_id }) => client_id)).toEqual(ids)
    expect(second.next).toBeNull()
    expect(Object.keys(first.clients[0] ?? {}).sort()).toEqual([
      'client_id',
      'created_on',
      'name',
      'scopes',
      'workspace_id',
    ])
    expect((await listed()).clients.map(({ client_id }) => client_id)).toEqual(
      expect.arrayContaining(ids),
    )
  })

  it.each(['size=0', 'size=x', 'workspace_id=x'])('refuses ?%s', async (query) => {
    expect(await said(call(`/oauth/clients?${query}`, asAdmin()))).toMatchObject({
      status: 400,
      error: 'invalid_request',
    })
  })
})

describe('a client with a lifetime of tokens and an end', () => {
  const hour = 3_600_000
  const spanOf = async (client: Client) => {
    const answer = await (await call('/oauth/token', tokenRequest(client))).json<Json>()
    const { iat = 0, exp = 0 } = decodeJwt(String(answer['access_token']))
    expect(exp - iat).toBe(answer['expires_in'])
    return answer['expires_in']
  }

  it('shows both', async () => {
    const more = { token_lifetime: 300, expires_on: '2999-01-01T02:00:00+02:00' }
    const created = await said(
      call(
        '/oauth/clients',
        asAdmin(
          json('POST', { workspace_id: 930, name: 'x', scopes: ['flags:evaluate'], ...more }),
        ),
      ),
    )
    const shown = { token_lifetime: 300, expires_on: '2999-01-01T00:00:00.000Z' }
    expect(created).toMatchObject(shown)
    expect((await listed('?workspace_id=930')).clients).toMatchObject([shown])
  })

  it.each([300, 28_800])('gets tokens of %i seconds', async (token_lifetime) => {
    expect(await spanOf(await newClient(undefined, 931, { token_lifetime }))).toBe(token_lifetime)
  })

  it('gets tokens that do not outlive it', async () => {
    const expires_on = new Date(Date.now() + hour).toISOString()
    const seconds = Number(await spanOf(await newClient(undefined, 932, { expires_on })))
    expect(seconds).toBeGreaterThan(3590)
    expect(seconds).toBeLessThanOrEqual(3600)
    const long = { token_lifetime: 300, expires_on }
    expect(await spanOf(await newClient(undefined, 932, long))).toBe(300)
  })

  it('gets none once it has expired, and is told so by its secret alone', async () => {
    const end = Date.now() + 1000
    const more = { expires_on: new Date(end).toISOString() }
    const client = await newClient(undefined, 933, more)
    expect((await call('/oauth/token', tokenRequest(client))).status).toBe(200)
    await scheduler.wait(end - Date.now())
    const refusal = { status: 401, error: 'invalid_client' }
    expect(await said(call('/oauth/token', tokenRequest(client)))).toEqual({
      ...refusal,
      error_description: 'The client has expired',
    })
    const guess = tokenRequest({ ...client, secret: 'wrong' })
    expect(await said(call('/oauth/token', guess))).toEqual({
      ...refusal,
      error_description: 'Unknown client or wrong secret',
    })
  })
})

describe('POST /oauth/clients/{client_id}/rotate', () => {
  const rotated = async (client: Client): Promise<Client> => {
    const answer = await call(`/oauth/clients/${client.id}/rotate`, asAdmin({ method: 'POST' }))
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    return { ...client, secret: String((await answer.json<Json>())['client_secret']) }
  }
  const statusesOf = (secrets: Client[]) =>
    Promise.all(secrets.map(async (one) => (await call('/oauth/token', tokenRequest(one))).status))

  it('gives a second secret, beside which the first is good for a day', async () => {
    const first = await newClient(undefined, 940)
    const token = await tokenOf(first)
    const second = await rotated(first)
    expect(second.secret).not.toBe(first.secret)
    expect(await statusesOf([first, second, { ...first, secret: 'wrong' }])).toEqual([
      200, 200, 401,
    ])
    const [shown] = (await listed('?workspace_id=940')).clients
    const until = Date.parse(String(shown?.['former_secret_until']))
    expect(Math.abs(until - Date.now() - 86_400_000)).toBeLessThan(60_000)
    expect(JSON.stringify(shown)).not.toMatch(/client_secret|hash/)

    const headers = { authorization: `Bearer ${token}`, transactionId: crypto.randomUUID() }
    expect((await call('/groups/v3/groups', { headers })).status).toBe(200)
    await env.DB.prepare('UPDATE clients SET former_until = ? WHERE id = ?')
      .bind(Date.now(), first.id)
      .run()
    expect(await statusesOf([first, second])).toEqual([401, 200])
  })

  it('drops the older of three secrets', async () => {
    const first = await newClient(undefined, 941)
    const second = await rotated(first)
    const third = await rotated(second)
    expect(await statusesOf([first, second, third])).toEqual([401, 200, 200])
  })

  it('leaves both new secrets good when it comes twice at once', async () => {
    const first = await newClient(undefined, 942)
    const both = await Promise.all([rotated(first), rotated(first)])
    expect(await statusesOf([first, ...both])).toEqual([401, 200, 200])
  })

  it('counts for events too', async () => {
    const first = await newClient(['users:write'], 943)
    const second = await rotated(first)
    const statusOf = async ({ id, secret }: Client) => {
      const init = json('POST', { mpid: 1, environment: 'production' })
      const authorization = `Basic ${btoa(`${id}:${secret}`)}`
      return (await call('/v2/events', { ...init, headers: { authorization } })).status
    }
    expect([await statusOf(first), await statusOf(second)]).toEqual([202, 202])
  })

  it.each(['rotate', 'revoke'])('knows no other client, nor does %s', async (verb) => {
    const path = `/oauth/clients/${crypto.randomUUID()}/${verb}`
    const answer = await said(call(path, asAdmin({ method: 'POST' })))
    expect(answer).toMatchObject({ status: 404, error: 'not_found' })
  })
})

describe('DELETE /oauth/clients/{client_id}', () => {
  it('deletes one client, which gets no token from then on', async () => {
    const [gone, stays] = [await newClient(undefined, 920), await newClient(undefined, 920)]
    expect((await call(`/oauth/clients/${gone.id}`, asAdmin({ method: 'DELETE' }))).status).toBe(
      204,
    )
    expect(await said(call('/oauth/token', tokenRequest(gone)))).toMatchObject({
      status: 401,
      error: 'invalid_client',
    })
    expect((await call('/oauth/token', tokenRequest(stays))).status).toBe(200)
    expect((await listed('?workspace_id=920')).clients.map(({ client_id }) => client_id)).toEqual([
      stays.id,
    ])
    expect((await call(`/oauth/clients/${gone.id}`, asAdmin({ method: 'DELETE' }))).status).toBe(
      404,
    )
  })

  it.each(['__proto__', 'constructor', '%', "'%20OR%201=1--", '%F0%9F%8E%89'])(
    'knows no client %s',
    async (id) => {
      expect(await said(call(`/oauth/clients/${id}`, asAdmin({ method: 'DELETE' })))).toMatchObject(
        { status: 404, error: 'not_found' },
      )
    },
  )
})
