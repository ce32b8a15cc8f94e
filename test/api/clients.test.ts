import { describe, expect, it } from 'vitest'
import { deepJson, jsonText, said } from '../support/answers.ts'
import { asAdmin, call, json, newClient, type Client, type Json } from '../support/api.ts'

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
