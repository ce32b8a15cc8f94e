import { env } from 'cloudflare:workers'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { scopes } from '../../src/access/scopes.ts'
import { asAdmin, call, newClient, type Client } from '../support/api.ts'
import { cookieOf, formOf, send, signIn, type Browser } from '../support/console.ts'
import { callWith } from '../support/door.ts'

const team = 'bank-of-tests'
const issuer = `https://${team}.cloudflareaccess.com`
const audience = 'a1'.repeat(32)
const vars = { ACCESS_TEAM: team, ACCESS_AUDIENCE: audience }

interface Key {
  kid: string
  privateKey: CryptoKey
  jwk: JWK
}

async function newKey(kid: string): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  return {
    kid,
    privateKey,
    jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' },
  }
}

let key: Key
let foreign: Key
let mara: Client
let browser: Browser
/** What the team publishes; undefined: it is out. */
let published: JWK[] | undefined
let fetched: string[]

const now = () => Math.floor(Date.now() / 1000)

const assertion = (claims: Record<string, unknown> = {}, by = key, alg = 'RS256') =>
  new SignJWT({
    ...{ iss: issuer, aud: [audience], sub: 'u', email: 'Mara@Bank.example' },
    ...{ iat: now(), exp: now() + 60, ...claims },
  })
    .setProtectedHeader({ alg, kid: by.kid })
    .sign(by.privateKey)

/** A request with what Cloudflare Access adds to it. */
const arrive = (path: string, jwt: string | undefined, init: RequestInit = {}, set = vars) =>
  callWith(set, path, {
    ...init,
    headers: {
      ...(init.headers as Record<string, string>), // as `formOf` writes them
      ...(jwt !== undefined && { 'cf-access-jwt-assertion': jwt }),
    },
  })

const enter = (jwt: string | undefined, set = vars) =>
  arrive('/console/access', jwt, formOf({ to: '/console/usage' }), set)

const person = (fields: Record<string, string>, admin_token = env.ADMIN_TOKEN) =>
  send('/console/settings/people', browser, { admin_token, ...fields })

beforeAll(async () => {
  ;[key, foreign] = await Promise.all([newKey('one'), newKey('two')])
  mara = await newClient([...scopes])
  browser = await signIn(mara)
})

beforeEach(() => {
  published = [key.jwk]
  fetched = []
  const real = globalThis.fetch
  vi.spyOn(globalThis, 'fetch').mockImplementation((input, init) => {
    const url = String(input instanceof Request ? input.url : input)
    if (!url.includes('.cloudflareaccess.com/')) return real(input, init)
    fetched.push(url)
    return Promise.resolve(
      published === undefined
        ? new Response('', { status: 503 })
        : Response.json({ keys: published }),
    )
  })
})
afterEach(() => vi.restoreAllMocks())

describe('who comes by Cloudflare Access', () => {
  it('has no way in before an admin gives one, and is told so', async () => {
    const page = await (await arrive('/console/sign-in', await assertion())).text()
    expect(page).toContain('mara@bank.example')
    expect(page).toContain('nobody has let you in')
    expect((await enter(await assertion())).status).toBe(401)
    expect(fetched).toEqual([`${issuer}/cdn-cgi/access/certs`])
  })

  it('acts as the client that the admin has named, under their own name', async () => {
    const added = await person({ email: ' MARA@bank.example ', client: mara.id, action: 'add' })
    expect(await added.text()).toContain('mara@bank.example')
    const page = await (await arrive('/console/sign-in', await assertion())).text()
    expect(page).toMatch(/Continue as\s*<bdi>mara@bank\.example/)
    const answer = await enter(await assertion())
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/console/usage'])
    const cookie = cookieOf(answer)
    const shown = await (await call('/console/settings', { headers: { cookie } })).text()
    expect(shown).toContain('mara@bank.example')
    expect(shown).toContain(mara.id)
  })

  it('is shut out from the moment at which the admin says so', async () => {
    const cookie = cookieOf(await enter(await assertion()))
    const visit = async () =>
      (await call('/console/groups', { headers: { cookie }, redirect: 'manual' })).status
    expect(await visit()).toBe(200)
    await person({ email: 'mara@bank.example', action: 'remove' })
    expect(await visit()).toBe(303)
    expect((await enter(await assertion())).status).toBe(401)
    const none = await person({ email: 'mara@bank.example', action: 'remove' })
    expect([none.status, await none.text()]).toEqual([422, expect.stringContaining('nobody')])
  })

  it('goes with the client', async () => {
    const short = await newClient([...scopes], mara.workspace)
    await person({ email: 'ann@bank.example', client: short.id, action: 'add' })
    const cookie = cookieOf(await enter(await assertion({ email: 'ann@bank.example' })))
    expect((await call('/console/groups', { headers: { cookie } })).status).toBe(200)
    await call(`/oauth/clients/${short.id}`, asAdmin({ method: 'DELETE' }))
    expect((await enter(await assertion({ email: 'ann@bank.example' }))).status).toBe(401)
  })

  it('is an event without the e-mail', async () => {
    const { results } = await env.DB.prepare(
      `SELECT type, data, actor ->> 'name' AS actor FROM events
       WHERE workspace_id = ? AND type GLOB 'client.person.*' ORDER BY key`,
    )
      .bind(mara.workspace)
      .all<{ type: string; data: string; actor: string }>()
    expect(results.map(({ type, actor }) => [type, actor])).toEqual([
      ['client.person.added', 'admin'],
      ['client.person.removed', 'admin'],
      ['client.person.added', 'admin'],
    ])
    for (const { data } of results) expect(data).not.toMatch(/bank\.example/i)
  })
})

describe('an assertion', () => {
  beforeAll(async () => {
    await person({ email: 'mara@bank.example', client: mara.id, action: 'add' })
  })

  const wrong: Record<string, () => Promise<string | undefined>> = {
    'is missing': async () => undefined,
    'is no token': async () => 'x',
    'is of another team': () => assertion({ iss: 'https://other.cloudflareaccess.com' }),
    'is for another application': () => assertion({ aud: ['b2'.repeat(32)] }),
    'has expired': () => assertion({ iat: now() - 120, exp: now() - 60 }),
    'never expires': () => assertion({ exp: undefined }),
    'is not valid yet': () => assertion({ nbf: now() + 600 }),
    'is of a program': () => assertion({ email: undefined }),
    'is signed by a key that the team has not': () => assertion({}, foreign),
    'is signed by another key under its name': () => assertion({}, { ...foreign, kid: key.kid }),
    'is not signed': async () => {
      const [, payload = ''] = (await assertion()).split('.')
      return `${btoa(JSON.stringify({ alg: 'none' }))}.${payload}.`
    },
  }

  it.each(Object.keys(wrong))('that %s lets nobody in', async (why) => {
    const logged = vi.spyOn(console, 'error').mockReturnValue()
    const jwt = await wrong[why]?.()
    expect((await enter(jwt)).status).toBe(401)
    const page = await (await arrive('/console/sign-in', jwt)).text()
    expect(page).not.toContain('mara@bank.example')
    expect(page).toContain('Client id')
    expect(logged).not.toHaveBeenCalled()
  })

  it('lets nobody in where Cloudflare Access is not set up', async () => {
    const off = { ACCESS_TEAM: '', ACCESS_AUDIENCE: '' }
    expect((await enter(await assertion(), off)).status).toBe(401)
    expect(fetched).toEqual([])
  })

  it('waits for keys that cannot be read, while secrets do', async () => {
    const logged = vi.spyOn(console, 'error').mockReturnValue()
    published = undefined
    const others = { ACCESS_TEAM: 'team-that-is-out', ACCESS_AUDIENCE: audience }
    const page = await arrive('/console/sign-in', await assertion(), {}, others)
    expect([page.status, (await page.text()).includes('Client id')]).toEqual([200, true])
    expect(String(logged.mock.lastCall?.[0])).toContain('access-keys-not-read')
  })
})

it.each([
  [{ ACCESS_TEAM: team }, 'ACCESS_AUDIENCE'],
  [{ ACCESS_AUDIENCE: audience }, 'ACCESS_TEAM'],
  [{ ACCESS_TEAM: 'https://bank', ACCESS_AUDIENCE: audience }, 'ACCESS_TEAM'],
  [{ ACCESS_TEAM: team, ACCESS_AUDIENCE: 'x' }, 'ACCESS_AUDIENCE'],
])('half of the settings closes every door: %o', async (set, named) => {
  const logged = vi.spyOn(console, 'error').mockReturnValue()
  expect((await callWith({ ACCESS_TEAM: '', ACCESS_AUDIENCE: '', ...set }, '/health')).status).toBe(
    500,
  )
  expect(String(logged.mock.lastCall?.[0])).toContain(named)
})
