import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { resources, type Env } from '../../src/resources.ts'
import { problemOfAddress } from '../../src/webhooks/address.ts'
import { deliver } from '../../src/webhooks/deliver.ts'
import { declined, said } from '../support/answers.ts'
import { json, type Json } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { deliveriesOf, hook, hookScopes, type Hook } from '../support/hooks.ts'
import { Team } from '../support/identity.ts'
import { closed, each, good, hostile, long, noUrl, ours, scheme, shut } from './urls.ts'

const here = { local: false, hosts: [] }
const atHome = { ...here, local: true }
const port = 'must have the port 443 or 8443'

describe('the URLs of webhooks', () => {
  it.each(shut)('are not of %s (%s): %j', (_, problem, url) => {
    expect(problemOfAddress(url, here)).toBe(problem)
  })

  it('are checked in many spellings', () => {
    expect(new Set(shut.map(([, , url]) => url)).size).toBe(shut.length)
    expect(shut.length).toBeGreaterThanOrEqual(150)
  })

  it.each(Object.entries(good))('are %s', (_, urls) => {
    for (const url of urls)
      for (const local of [false, true])
        expect([url, problemOfAddress(url, { ...here, local })]).toEqual([url, undefined])
  })

  it('are as long as 2048 characters', () => {
    expect(problemOfAddress(long.slice(0, 2048), here)).toBeUndefined()
    expect(problemOfAddress(long.slice(0, 2049), here)).toBe('cannot exceed 2048 characters')
  })

  it('are of this machine, and over http, where that is allowed', () => {
    for (const [, , url] of each(ours))
      expect([url, problemOfAddress(url, atHome)]).toEqual([url, undefined])
    for (const host of ['localhost', '127.0.0.1', '[::1]', '0x7f.1'])
      expect(problemOfAddress(`http://${host}:8080/x?y`, atHome)).toBeUndefined()
  })

  it.each(each(hostile))(
    'are not of %s (%s) where this machine is allowed either: %j',
    (_, problem, url) => {
      expect(problemOfAddress(url, atHome)).toBe(problem)
      if (problem === closed)
        expect(problemOfAddress(url.replace(/https:/i, 'http:'), atHome)).not.toBe(undefined)
    },
  )
})

describe('the ports of webhooks', () => {
  it.each([22, 80, 444, 3000, 5432, 8080, 8444, 65_535])('are not %o', (given) => {
    for (const host of ['hooks.example.com', '8.8.8.8', '[2606:4700:4700::1111]']) {
      expect(problemOfAddress(`https://${host}:${given}/`, here)).toBe(port)
      expect(problemOfAddress(`https://${host}:${given}/`, atHome)).toBeUndefined()
    }
  })

  it('are 443 and 8443', () => {
    for (const given of ['', ':443', ':8443', ':00443'])
      expect(problemOfAddress(`https://hooks.example.com${given}/`, here)).toBeUndefined()
  })
})

describe('webhooks where only some hosts are allowed', () => {
  const WEBHOOK_HOSTS = ' hooks.Example.com  .bank.test.org '
  const { webhookAddresses } = resources({ ...env, WEBHOOKS_LOCAL: false, WEBHOOK_HOSTS })
  const others = 'must name a host below hooks.example.com or bank.test.org'

  it.each([
    ['hooks.example.com', undefined],
    ['HOOKS.example.com.', undefined],
    ['eu.hooks.example.com', undefined],
    ['a.b.bank.test.org', undefined],
    ['xhooks.example.com', others],
    ['example.com', others],
    ['hooks.example.com.evil.org', others],
    ['test.org', others],
    ['8.8.8.8', others],
    ['10.0.0.1', closed],
  ])('%s: %s', (host, problem) => {
    expect(problemOfAddress(`https://${host}/`, webhookAddresses)).toBe(problem)
  })

  it.each(['', ' ', undefined])('all are, where %o are named', (hosts) => {
    const vars = { WEBHOOK_HOSTS: hosts } as Partial<Env> // an older wrangler.toml has none
    expect(resources({ ...env, ...vars }).webhookAddresses).toEqual({ local: true, hosts: [] })
  })

  it('none is opened to another', async () => {
    const team = await Team.open(hookScopes)
    const vars = { ...strict, WEBHOOK_HOSTS }
    const post = (url: string) => request(team, 'POST', '', { url }, vars)
    expect((await post('https://hooks.example.com/')).status).toBe(201)
    expect(await said(post('https://8.8.8.8/'))).toEqual(declined(422, `url ${others}`))
  })
})

const strict = { WEBHOOKS_LOCAL: false }

const request = (team: Team, method: string, path: string, body: Json, vars = strict) => {
  const init = json(method, body)
  const headers = {
    ...(init.headers as Record<string, string>),
    authorization: `Bearer ${team.token}`,
  } // as `json` writes them
  return callWith(vars, `/platform/workspaces/${team.workspace}/webhooks${path}`, {
    ...init,
    headers,
  })
}

describe('a webhook over HTTP', () => {
  it('is not opened to a URL that is not public', async () => {
    const team = await Team.open(hookScopes)
    for (const [, problem, url] of shut)
      expect([url, await said(request(team, 'POST', '', { url }))]).toEqual([
        url,
        declined(422, `url ${problem}`),
      ])
    expect(await team.get('/webhooks')).toEqual([])
    expect((await request(team, 'POST', '', { url: 'https://hooks.example.com/' })).status).toBe(
      201,
    )
  })

  it('is not moved to one, and stays as it was', async () => {
    const team = await Team.open(hookScopes)
    const url = 'https://hooks.example.com/'
    const { id } = await (await request(team, 'POST', '', { url, description: 'x' })).json<Json>()
    const before = await team.get('/webhooks')
    for (const [, problem, url] of shut)
      expect([url, await said(request(team, 'PUT', `/${String(id)}`, { url }))]).toEqual([
        url,
        declined(422, `url ${problem}`),
      ])
    expect(await team.get('/webhooks')).toEqual(before)
    expect(
      await said(request(team, 'PUT', `/${String(id)}`, { url: 'https://8.8.8.8/' })),
    ).toMatchObject({
      status: 200,
      url: 'https://8.8.8.8/',
    })
  })
})

const keyOf = (id: string) =>
  env.DB.prepare('SELECT key FROM webhooks WHERE id = ?').bind(id).first<number>('key')

/** A pending event, and the URLs requested by the invocation that sends it. */
async function invoke(team: Team, hook: Hook, local: boolean) {
  const silent = { send: async () => undefined, sendBatch: async () => undefined }
  // Only what `enqueueDeliveries` calls is there.
  const vars = { DELIVERIES: silent as unknown as typeof env.DELIVERIES }
  const headers = { authorization: `Bearer ${team.token}` }
  const answer = await callWith(
    vars,
    `/platform/workspaces/${team.workspace}/webhooks/${hook.id}/test`,
    { method: 'POST', headers },
  )
  expect(answer.status).toBe(202)
  const requested: string[] = []
  const res = resources({ ...env, ...vars, WEBHOOKS_LOCAL: local })
  const fetched = (url: string, init: RequestInit) => (requested.push(url), res.fetch(url, init))
  await deliver({ ...res, fetch: fetched }, team.workspace, (await keyOf(hook.id)) ?? 0)
  return requested
}

describe('a delivery', () => {
  it('checks the URL again, and without a request says why it fails', async () => {
    const team = await Team.open(hookScopes)
    const one = await hook(team)
    expect(await invoke(team, one, false)).toEqual([])
    expect(await one.receiver.arrived()).toEqual([])
    const { deliveries } = await deliveriesOf(team, one)
    const attempt = { attempt: 1, status_code: null, answer: 'The URL must begin with https://' }
    expect(deliveries).toMatchObject([{ status: 'pending', attempts: [attempt] }])
    expect(Date.parse(deliveries[0]?.next_attempt_on ?? '')).toBeGreaterThan(Date.now())

    expect(await invoke(team, one, true)).toEqual([one.receiver.url])
    expect(await one.receiver.arrived()).toHaveLength(1)
  })

  it.each([
    ['http://169.254.169.254/latest/meta-data/', closed],
    ['https://[::ffff:10.0.0.1]/', closed],
    ['https://ann:secret@hooks.example.com/', 'must not name a user'],
    ['ftp://hooks.example.com/', scheme],
    ['x', noUrl],
  ])('requests nothing of %s, however it came to be there', async (url, problem) => {
    const team = await Team.open(hookScopes)
    const one = await hook(team)
    await env.DB.prepare('UPDATE webhooks SET url = ? WHERE id = ?').bind(url, one.id).run()
    expect(await invoke(team, one, true)).toEqual([])
    const { deliveries } = await deliveriesOf(team, one)
    expect(deliveries).toMatchObject([
      { status: 'pending', attempts: [{ status_code: null, answer: `The URL ${problem}` }] },
    ])
  })
})
