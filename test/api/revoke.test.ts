import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { said } from '../support/answers.ts'
import { asAdmin, call, json, newClient, tokenOf, type Client } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { resigned } from '../support/tokens.ts'

const form = (fields: Record<string, string>, headers: Record<string, string> = {}) => ({
  method: 'POST',
  body: new URLSearchParams(fields),
  headers,
})
const basic = ({ id, secret }: Client) => ({ authorization: `Basic ${btoa(`${id}:${secret}`)}` })
const inBody = ({ id, secret }: Client) => ({ client_id: id, client_secret: secret })
const revoke = (init: RequestInit) => call('/oauth/revoke', init)

const request = (token: string): RequestInit => ({
  headers: { authorization: `Bearer ${token}`, transactionId: crypto.randomUUID() },
})
const lookup = '/groups/v3/participants/ann/groups'
const isGood = async (token: string) => {
  const { status } = await call(lookup, request(token))
  expect([200, 401]).toContain(status)
  return status === 200
}

describe('POST /oauth/revoke', () => {
  it.each<[string, (client: Client, token: string) => RequestInit]>([
    ['by HTTP Basic', (client, token) => form({ token }, basic(client))],
    ['in a form', (client, token) => form({ token, ...inBody(client) })],
    ['in JSON', (client, token) => json('POST', { token, ...inBody(client) })],
    [
      'twice, by the same id',
      (client, token) => form({ token, client_id: client.id }, basic(client)),
    ],
    [
      'with any hint',
      (client, token) => form({ token, token_type_hint: 'refresh_token' }, basic(client)),
    ],
  ])('revokes a token of a client that names itself %s', async (_, init) => {
    const client = await newClient()
    const token = await tokenOf(client)
    expect(await isGood(token)).toBe(true)
    const answer = await revoke(init(client, token))
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect([answer.status, await answer.text()]).toEqual([200, ''])
    expect(await isGood(token)).toBe(false)
  })

  it('revokes all that the client was issued until then, and nothing later', async () => {
    const client = await newClient()
    const tokens = await Promise.all([tokenOf(client), tokenOf(client), tokenOf(client)])
    const [token = ''] = tokens
    await revoke(form({ token }, basic(client)))
    expect(await Promise.all(tokens.map(isGood))).toEqual([false, false, false])
    const next = await tokenOf(client)
    expect(await isGood(next)).toBe(true)
    const other = await newClient(undefined, client.workspace)
    expect(await isGood(await tokenOf(other))).toBe(true)

    // Again for the token of before, as a sender that lost the answer does.
    await revoke(form({ token }, basic(client)))
    expect(await isGood(next)).toBe(true)
    await revoke(form({ token: next }, basic(client)))
    expect(await isGood(next)).toBe(false)
    expect(await isGood(await tokenOf(client))).toBe(true)
  })

  it('holds for each token of a chain, each issued right after a revocation', async () => {
    const client = await newClient()
    const tokens: string[] = []
    for (let i = 0; i < 8; i++) {
      const token = await tokenOf(client)
      expect(await isGood(token)).toBe(true)
      await revoke(form({ token }, basic(client)))
      tokens.push(token)
    }
    expect(await Promise.all(tokens.map(isGood))).toEqual(tokens.map(() => false))
    expect(await isGood(await tokenOf(client))).toBe(true)
  })

  it('revokes a token whose issuer had a clock ahead', async () => {
    const client = await newClient()
    const token = await tokenOf(client)
    const ahead = await resigned(token, { iat: Math.floor(Date.now() / 1000) + 30 })
    await revoke(form({ token: ahead }, basic(client)))
    expect([await isGood(ahead), await isGood(token)]).toEqual([false, false])
    const next = await tokenOf(client)
    expect(await isGood(next)).toBe(true)
    expect(Number(decodeJwt(next).exp) * 1000 - Date.now()).toBeLessThanOrEqual(28_800_000)
  })

  it('answers what is no valid token of the client alike, and revokes nothing', async () => {
    const [client, other] = [await newClient(), await newClient()]
    const [token, others] = [await tokenOf(client), await tokenOf(other)]
    const expired = await resigned(token, { exp: Math.floor(Date.now() / 1000) - 1 })
    for (const text of [
      others,
      expired,
      'x',
      '🎉',
      `${token}x`,
      token.slice(0, -4),
      'x'.repeat(9999),
    ]) {
      const answer = await revoke(form({ token: text }, basic(client)))
      expect([answer.status, await answer.text()]).toEqual([200, ''])
    }
    expect([await isGood(token), await isGood(others)]).toEqual([true, true])
  })

  it('refuses whoever is not the client', async () => {
    const client = await newClient()
    const token = await tokenOf(client)
    const wrong = { ...client, secret: 'wrong' }
    const byBasic = await revoke(form({ token }, basic(wrong)))
    expect(byBasic.headers.get('www-authenticate')).toMatch(/^Basic/)
    const refusal = {
      status: 401,
      error: 'invalid_client',
      error_description: 'Unknown client or wrong secret',
    }
    expect(await said(byBasic)).toEqual(refusal)
    expect(await said(revoke(form({ token, ...inBody(wrong) })))).toEqual(refusal)
    expect(await said(revoke(form({ token }, { authorization: `Bearer ${token}` })))).toEqual(
      refusal,
    )
    expect(await isGood(token)).toBe(true)
  })

  it.each<[string, Record<string, string>, string]>([
    ['no token', {}, 'token is required'],
    ['no secret', { token: 'x', client_secret: '' }, 'client_secret is required'],
  ])('refuses %s', async (_, change, error_description) => {
    const init = form({ ...inBody(await newClient()), ...change })
    expect(await said(revoke(init))).toEqual({
      status: 400,
      error: 'invalid_request',
      error_description,
    })
  })
})

describe('POST /oauth/clients/{client_id}/revoke', () => {
  it('revokes all tokens of a client, and leaves its secret', async () => {
    const client = await newClient()
    const path = `/oauth/clients/${client.id}/revoke`
    const tokens = [await tokenOf(client), await tokenOf(client)]
    for (let i = 0; i < 2; i++)
      expect((await call(path, asAdmin({ method: 'POST' }))).status).toBe(204)
    expect(await Promise.all(tokens.map(isGood))).toEqual([false, false])
    expect(await isGood(await tokenOf(client))).toBe(true)
  })
})

describe('a client that is revoked again and again', () => {
  it('has each of its tokens refused, and the next let in', async () => {
    const client = await newClient()
    const tokens: string[] = []
    for (let i = 0; i < 8; i++) {
      tokens.push(await tokenOf(client))
      expect(await isGood(tokens[i] ?? '')).toBe(true)
      await call(`/oauth/clients/${client.id}/revoke`, asAdmin({ method: 'POST' }))
      expect(await isGood(tokens[i] ?? '')).toBe(false)
    }
    const last = await tokenOf(client)
    expect(await isGood(last)).toBe(true)
    await call(`/oauth/clients/${client.id}`, asAdmin({ method: 'DELETE' }))
    expect(await Promise.all([...tokens, last].map(isGood))).toEqual(Array(9).fill(false))
  })
})

describe('an answer that is cached', () => {
  it('is kept from a token that was revoked meanwhile', async () => {
    const client = await newClient()
    const token = await tokenOf(client)
    const caching = { LOOKUP_CACHE_SECONDS: 60 }
    for (const age of ['0', '0'])
      expect((await callWith(caching, lookup, request(token))).headers.get('age')).toBe(age)
    await revoke(form({ token }, basic(client)))
    expect((await callWith(caching, lookup, request(token))).status).toBe(401)
  })
})
