import { createLocalJWKSet, decodeJwt, jwtVerify, type JSONWebKeySet } from 'jose'
import { describe, expect, it } from 'vitest'
import { deepJson, inPieces, jsonText, said } from '../support/answers.ts'
import { Bank, call, json, newClient, tokenOf, type Client } from '../support/api.ts'

const grant_type = 'client_credentials'

const form = (
  fields: Record<string, string> | [string, string][],
  headers: Record<string, string> = {},
): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  body: new URLSearchParams(fields).toString(),
})
const basic = (id: string, secret: string) => ({
  authorization: `Basic ${btoa(`${id}:${secret}`)}`,
})
const inBody = ({ id, secret }: Client) => ({ grant_type, client_id: id, client_secret: secret })
const token = (init: RequestInit) => call('/oauth/token', init)
const published = async () => (await call('/.well-known/jwks.json')).json<JSONWebKeySet>()

describe('POST /oauth/token', () => {
  it('takes the client from form, HTTP Basic or JSON, at both addresses', async () => {
    const client = await newClient()
    const requests = [
      json('POST', inBody(client)),
      form(inBody(client)),
      form({ grant_type }, basic(client.id, client.secret)),
    ]
    for (const path of ['/oauth/token', '/oauth2/v1/token'])
      for (const init of requests) {
        const answer = await call(path, init)
        expect(answer.headers.get('cache-control')).toBe('no-store')
        const { access_token, ...rest } = await said(answer)
        expect(rest).toEqual({
          status: 200,
          expires_in: 28_800,
          token_type: 'Bearer',
          scope: 'groups:read groups:write',
        })
        expect(decodeJwt(String(access_token)).sub).toBe(client.id)
      }
  })

  it('takes HTTP Basic in any case, id and secret form-encoded', async () => {
    const { id, secret } = await newClient()
    const encoded = basic(id.replaceAll('-', '%2D'), secret).authorization.replace('Basic', 'basic')
    expect((await token(form({ grant_type }, { authorization: encoded }))).status).toBe(200)
  })

  it('signs a token with all of its claims, under a published key', async () => {
    const client = await newClient(['users:read', 'groups:read'])
    const before = Math.floor(Date.now() / 1000)
    const [one, two] = [await tokenOf(client), await tokenOf(client)]
    const { payload, protectedHeader } = await jwtVerify(one, createLocalJWKSet(await published()))
    const { iat = 0, exp = 0, jti, ...claims } = payload
    expect(protectedHeader.alg).toBe('EdDSA')
    expect(claims).toMatchObject({
      iss: 'https://coterie.test',
      aud: 'https://api.mparticle.com',
      sub: client.id,
      workspace: client.workspace,
      scope: 'users:read groups:read',
    })
    expect(iat - before).toBeLessThan(60)
    expect(iat).toBeGreaterThanOrEqual(before)
    expect(exp - iat).toBe(28_800)
    expect(decodeJwt(two).jti).not.toBe(jti)
    expect(JSON.stringify(payload)).not.toContain(client.secret)
  })

  it('narrows the token to the requested scopes', async () => {
    const client = await newClient()
    const answer = await said(token(form({ ...inBody(client), scope: 'groups:read' })))
    expect(answer).toMatchObject({ status: 200, scope: 'groups:read' })
    expect(decodeJwt(String(answer['access_token']))['scope']).toBe('groups:read')
  })

  it.each(['users:read', 'groups:read users:read', 'groups', '__proto__'])(
    'grants no scope that the client does not hold: %s',
    async (scope) => {
      const client = await newClient()
      for (const init of [
        form({ ...inBody(client), scope }),
        json('POST', { ...inBody(client), scope }),
      ])
        expect(await said(token(init))).toMatchObject({
          status: 400,
          error: 'invalid_scope',
          error_description: expect.any(String),
        })
    },
  )

  it('takes a configured audience and no other', async () => {
    const client = await newClient()
    expect(await tokenOf(client, { audience: 'https://api.mparticle.com' })).toMatch(/\./)
    for (const audience of ['https://elsewhere.test', 'https://api.mparticle.com/'])
      expect(await said(token(json('POST', { ...inBody(client), audience })))).toMatchObject({
        status: 400,
        error: 'invalid_request',
      })
  })

  it('answers a wrong id and a wrong secret alike', async () => {
    const { id, secret } = await newClient()
    const other = await newClient()
    const pairs: [string, string][] = [
      [id, 'wrong'],
      [id, other.secret],
      [id, `${secret}x`],
      [id, secret.toUpperCase()],
      [crypto.randomUUID(), secret],
      ['__proto__', secret],
      ['constructor', 'constructor'],
      ["' OR '1'='1", secret],
      ['🎉', secret],
    ]
    for (const [client_id, client_secret] of pairs) {
      for (const init of [
        form({ grant_type, client_id, client_secret }),
        json('POST', { grant_type, client_id, client_secret }),
      ]) {
        const answer = await token(init)
        expect(answer.headers.get('www-authenticate')).toBeNull()
        expect(answer.headers.get('cache-control')).toBe('no-store')
        expect(await said(answer)).toEqual({
          status: 401,
          error: 'invalid_client',
          error_description: 'Unknown client or wrong secret',
        })
      }
    }
    for (const headers of [
      basic(id, 'wrong'),
      basic('constructor', secret),
      { authorization: 'Basic %%%' },
      { authorization: 'Basic' },
    ]) {
      const answer = await token(form({ grant_type }, headers))
      expect(answer.headers.get('www-authenticate'), headers.authorization).toMatch(/^Basic/)
      expect(await said(answer)).toEqual({
        status: 401,
        error: 'invalid_client',
        error_description: 'Unknown client or wrong secret',
      })
    }
  })

  const beside: [string, (fields: Record<string, string>, headers: object) => RequestInit][] = [
    ['a form', (fields, headers) => form(fields, { ...headers })],
    [
      'JSON',
      (fields, headers) => {
        const init = json('POST', fields)
        return { ...init, headers: { ...(init.headers as object), ...headers } }
      },
    ],
  ]
  describe.each(beside)('beside HTTP Basic, %s', (_, send) => {
    it('may name the same client again', async () => {
      const { id, secret } = await newClient()
      const escaped = basic(id.replaceAll('-', '%2D'), secret)
      for (const headers of [basic(id, secret), escaped])
        for (const client_id of [id, ''])
          expect(
            (await token(send({ grant_type, client_id, client_secret: '' }, headers))).status,
          ).toBe(200)
      const wrong = send({ grant_type, client_id: id }, basic(id, 'wrong'))
      expect(await said(token(wrong))).toMatchObject({ status: 401, error: 'invalid_client' })
    })

    it('may neither name another client nor bring a secret', async () => {
      const [client, other] = [await newClient(), await newClient()]
      const right = basic(client.id, client.secret)
      for (const body of [
        inBody(client),
        inBody(other),
        { grant_type, client_id: other.id },
        { grant_type, client_id: client.id.toUpperCase() },
        { grant_type, client_id: `${client.id} ` },
        { grant_type, client_secret: client.secret },
        { grant_type, client_id: client.id, client_secret: 'wrong' },
      ])
        expect(await said(token(send(body, right)))).toEqual({
          status: 400,
          error: 'invalid_request',
          error_description:
            'With HTTP Basic, the body must have no client_secret, and no other client_id',
        })
    })
  })

  it.each<[string, (client: Client) => RequestInit, string]>([
    [
      'a grant of another kind',
      (client) => form({ ...inBody(client), grant_type: 'password' }),
      'unsupported_grant_type',
    ],
    [
      'a grant of another kind in JSON',
      (client) => json('POST', { ...inBody(client), grant_type: 'authorization_code' }),
      'unsupported_grant_type',
    ],
    [
      'no grant',
      ({ id, secret }) => form({ client_id: id, client_secret: secret }),
      'invalid_request',
    ],
    [
      'a parameter sent twice',
      (client) => form([...Object.entries(inBody(client)), ['grant_type', grant_type]]),
      'invalid_request',
    ],
    [
      'an unknown parameter sent twice',
      (client) => form([...Object.entries(inBody(client)), ['x', '1'], ['x', '2']]),
      'invalid_request',
    ],
    ['no client', () => form({ grant_type }), 'invalid_request'],
    ['an id without a secret', ({ id }) => form({ grant_type, client_id: id }), 'invalid_request'],
    [
      'a client that is no text',
      (client) => json('POST', { ...inBody(client), client_id: { id: client.id } }),
      'invalid_request',
    ],
    [
      'a secret that is no text',
      (client) => json('POST', { ...inBody(client), client_secret: [client.secret] }),
      'invalid_request',
    ],
    [
      'another media type',
      () => ({ method: 'POST', body: 'let me in', headers: { 'content-type': 'text/plain' } }),
      'invalid_request',
    ],
    ['a list', () => json('POST', []), 'invalid_request'],
    ['null', () => json('POST', null), 'invalid_request'],
  ])('refuses %s', async (_, init, error) => {
    const answer = await token(init(await newClient()))
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await said(answer)).toEqual({
      status: 400,
      error,
      error_description: expect.stringMatching(/./),
    })
  })

  it('refuses bodies that are broken, 10,000 deep or 300 KB long', async () => {
    for (const body of [
      '',
      '{',
      deepJson(),
      `{"grant_type":${deepJson()}}`,
      '{"__proto__":{"grant_type":"client_credentials"}}',
    ])
      expect(await said(token(jsonText(body))), body.slice(0, 20)).toMatchObject({
        status: 400,
        error: 'invalid_request',
      })
    const long = { ...inBody(await newClient()), more: 'x'.repeat(300_000) }
    for (const answer of [
      token(form(long)),
      token(json('POST', long)),
      token(jsonText(inPieces([JSON.stringify(long)]))),
    ])
      expect(await said(answer)).toMatchObject({ status: 400, error: 'invalid_request' })
  })
})

describe('GET /.well-known', () => {
  it('publishes the signing key without its private half', async () => {
    const { keys } = await published()
    expect(keys).toHaveLength(1)
    for (const key of keys) {
      expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x'])
      expect(key).toMatchObject({ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig' })
    }
  })

  it('says where tokens come from (RFC 8414), and that is right', async () => {
    const answer = await call('/.well-known/oauth-authorization-server')
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
    const metadata = await answer.json<Record<string, string>>()
    expect(metadata).toMatchObject({
      issuer: 'https://coterie.test',
      token_endpoint: 'https://coterie.test/oauth/token',
      jwks_uri: 'https://coterie.test/.well-known/jwks.json',
      grant_types_supported: ['client_credentials'],
      response_types_supported: [],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      revocation_endpoint: 'https://coterie.test/oauth/revoke',
      revocation_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    })
    const scopes = ['groups', 'users', 'audiences', 'webhooks', 'experiments'].flatMap((room) => [
      `${room}:read`,
      `${room}:write`,
    ])
    expect(metadata['scopes_supported']).toEqual([...scopes, 'flags:evaluate', 'audit:read'])
    expect(
      (
        await call(
          new URL(String(metadata['token_endpoint'])).pathname,
          json('POST', inBody(await newClient())),
        )
      ).status,
    ).toBe(200)
    const { token } = await Bank.open()
    expect(decodeJwt(token).iss).toBe(metadata['issuer'])
  })
})
