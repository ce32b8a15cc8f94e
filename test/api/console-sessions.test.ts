import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { scopes } from '../../src/access/scopes.ts'
import { asAdmin, call, newClient, type Client } from '../support/api.ts'
import { cookieOf, formOf, signIn, visit } from '../support/console.ts'

/** The path of a link that a program has made for a browser. */
async function linkOf({ id, secret }: Client): Promise<string> {
  const authorization = `Basic ${btoa(`${id}:${secret}`)}`
  const made = await call('/console/links', { method: 'POST', headers: { authorization } })
  return new URL((await made.json<{ url: string }>()).url).pathname
}

const credentials = ({ id, secret }: Client) => ({ client_id: id, client_secret: secret })

describe('a link', () => {
  it('signs in no more once its client is revoked', async () => {
    const client = await newClient([...scopes])
    const link = await linkOf(client)
    await call(`/oauth/clients/${client.id}/revoke`, asAdmin({ method: 'POST' }))
    // A minute later: a session that begins now is after the revocation.
    await env.DB.batch([
      env.DB.prepare('UPDATE revocations SET not_before = not_before - 60000'),
      env.DB.prepare('UPDATE console_sessions SET created_at = created_at - 60000'),
    ])
    const entered = await visit(link, undefined, formOf({}))
    expect([entered.status, cookieOf(entered)]).toEqual([401, ''])
  })

  it('signs in no more once its client is deleted', async () => {
    const client = await newClient([...scopes])
    const link = await linkOf(client)
    await call(`/oauth/clients/${client.id}`, asAdmin({ method: 'DELETE' }))
    expect((await visit(link, undefined, formOf({}))).status).toBe(401)
  })

  it('that is used twice at once signs in once', async () => {
    const link = await linkOf(await newClient([...scopes]))
    const both = await Promise.all([1, 2].map(() => visit(link, undefined, formOf({}))))
    expect(both.map(({ status }) => status).sort()).toEqual([303, 401])
  })
})

describe('signing in', () => {
  it('is not done by a page of anybody else', async () => {
    const client = await newClient([...scopes])
    const link = await linkOf(client)
    for (const path of ['/console/sign-in', link, '/console/access']) {
      const form = formOf(credentials(client))
      for (const [name, value] of [
        ['sec-fetch-site', 'cross-site'],
        ['sec-fetch-site', 'same-site'],
        ['origin', 'https://elsewhere.test'],
      ] as const) {
        const headers = { ...(form.headers as Record<string, string>), [name]: value }
        const answer = await visit(path, undefined, { ...form, headers })
        expect([path, answer.status, cookieOf(answer)]).toEqual([path, 403, ''])
      }
    }
    // As browsers send a form of a page that passes no address on.
    const form = formOf({})
    const own = { origin: 'null', 'sec-fetch-site': 'same-origin' }
    const headers = { ...(form.headers as Record<string, string>), ...own }
    expect((await visit(link, undefined, { ...form, headers })).status).toBe(303)
  })

  it.each([
    ['/console/\r\nx: y', '/console/x:%20y'],
    ['/console/\n//elsewhere.test', '/console///elsewhere.test'],
    ['/console/é', '/console/%C3%A9'],
    ['/console?\0x', '/console?%00x'],
    ['/console/../oauth/clients', '/console'],
    ['/console/..//elsewhere.test', '/console'],
    ['/console\\..\\\\elsewhere.test', '/console'],
    ['/console/people?id=a%26b&after=1', '/console/people?id=a%26b&after=1'],
  ])('leads to %j as %j', async (to, location) => {
    const fields = { ...credentials(await newClient([...scopes])), to }
    const answer = await visit('/console/sign-in', undefined, formOf(fields))
    expect([answer.status, answer.headers.get('location')]).toEqual([303, location])
  })
})

it.each(['!'.repeat(43), `${'A'.repeat(42)}=`, ' '.repeat(43), 'é'.repeat(43)])(
  'a form with %j in place of its token is refused',
  async (_token) => {
    const { cookie } = await signIn(await newClient([...scopes]))
    const answer = await visit('/console/groups/new', cookie, formOf({ _token, name: 'x' }))
    expect(answer.status).toBe(403)
  },
)
