import { env } from 'cloudflare:workers'
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { resources, type Env } from '../../src/resources.ts'
import { Bank, json, newClient, type Json } from '../support/api.ts'
import { callWith } from '../support/door.ts'

const ORIGIN = 'https://groups.bank.com'

async function issuerOf(vars: Partial<Env>): Promise<string | undefined> {
  const { id, secret } = await newClient()
  const body = { grant_type: 'client_credentials', client_id: id, client_secret: secret }
  const answer = await callWith(vars, '/oauth/token', json('POST', body))
  const { access_token } = await answer.json<Json>()
  return decodeJwt(String(access_token)).iss
}

describe('where an origin is configured', () => {
  it('tokens and discovery name it, whatever host a request names', async () => {
    expect(await issuerOf({ ORIGIN })).toBe(ORIGIN)
    const answer = await callWith({ ORIGIN }, '/.well-known/oauth-authorization-server')
    expect(await answer.json()).toMatchObject({
      issuer: ORIGIN,
      token_endpoint: `${ORIGIN}/oauth/token`,
      jwks_uri: `${ORIGIN}/.well-known/jwks.json`,
    })
  })

  it('all links begin with it', async () => {
    const bank = await Bank.open()
    const group = await bank.group('owls')
    const { jobId } = await bank.apply(group, 'ADD', 'a,b\n')
    for (const path of ['/groups', '/jobs', `/jobs/${String(jobId)}/errors`]) {
      const at = `/groups/v3${path}?size=1`
      const answer = await callWith({ ORIGIN }, at, { headers: bank.headers() })
      const hrefs = (await answer.text()).match(/"https?:[^"]*"/g) ?? []
      expect(hrefs.length, path).toBeGreaterThan(0)
      for (const href of hrefs) expect(href).toContain(`"${ORIGIN}/groups/v3/`)
    }
  })
})

describe('where none is', () => {
  it.each(['', undefined])('it is that of the request: %o', async (given) => {
    const vars = { ORIGIN: given } as Partial<Env> // an older wrangler.toml has none
    expect(await issuerOf(vars)).toBe('https://coterie.test')
  })
})

it.each(['https://groups.bank.com/', 'HTTPS://groups.bank.com:443'])('%s is read', (given) => {
  expect(resources({ ...env, ORIGIN: given }).origin).toBe(ORIGIN)
})

it.each(['groups.bank.com', 'x', 'https://groups.bank.com/v1', 'ftp://x', 'https://x?y'])(
  '%s is refused at the start',
  (given) => {
    expect(() => resources({ ...env, ORIGIN: given })).toThrow('ORIGIN must be like https://')
  },
)
