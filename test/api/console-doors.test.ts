import { env } from 'cloudflare:workers'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { sessionTime, sweepSessions } from '../../src/access/console-sessions.ts'
import { scopes } from '../../src/access/scopes.ts'
import { app } from '../../src/api/app.ts'
import { resources } from '../../src/resources.ts'
import { asAdmin, call, newClient, type Client } from '../support/api.ts'
import { cookieOf, formOf, send, signIn, visit, type Browser } from '../support/console.ts'
import { logged } from '../support/log.ts'
import { plansOf } from '../support/plans.ts'
import { settled } from '../support/settled.ts'

/** Which need no session: a secret, a link or Cloudflare Access comes in by them. */
const open = [
  'GET /console/sign-in',
  'POST /console/sign-in',
  'POST /console/access',
  'POST /console/links',
  'GET /console/enter/:link',
  'POST /console/enter/:link',
]

/** Which everybody who is signed in may use, whatever their scopes are. */
const ownDoors = /^\w+ \/console(\/sign-out|\/reference(\/token)?|\/settings(\/.*)?)?$/

interface Shut {
  name: string
  method: string
  template: string
}

const shut: Shut[] = [
  ...new Set(
    app.routes
      .filter(({ method, path }) => method !== 'ALL' && /^\/console\b/.test(path))
      .map(({ method, path }) => `${method} ${path}`),
  ),
]
  .filter((name) => !open.includes(name))
  .map((name) => ({ name, method: name.split(' ')[0] ?? '', template: name.split(' ')[1] ?? '' }))

const forms = shut.filter(({ method }) => method === 'POST')

let ids: Record<string, string>
let workspace: number
let wide: Client
let own: Browser
/** May nothing that a page needs. */
let narrow: Browser
/** May all in another workspace. */
let other: Browser

beforeAll(async () => {
  const all = await settled()
  workspace = all.team.workspace
  const { events } = await all.team.get<{ events: { id: string }[] }>('/events')
  ids = { ...namedAsPages(all.ids), event: events[0]?.id ?? '' }
  wide = await newClient([...scopes], workspace)
  own = await signIn(wide)
  narrow = await signIn(await newClient(['flags:evaluate'], workspace))
  other = await signIn(await newClient([...scopes]))
}, 60_000)

/** What pages call the same things. */
const namedAsPages = (all: Record<string, string>) => ({
  ...all,
  ...Object.fromEntries(
    Object.entries({
      ...{ id: 'webhook_id', delivery: 'delivery_id', definition: 'group_id', run: 'run_id' },
      ...{ erasure: 'erasure_id', group: 'groupId', job: 'jobId', experiment: 'experiment_id' },
      ...{ audience: 'audience_id', person: 'person' },
    }).map(([page, name]) => [page, all[name] ?? '']),
  ),
})

const pathOf = ({ template }: Shut) =>
  template.replace(/:(\w+)(\{[^}]*\})?/g, (_, name: string) =>
    encodeURIComponent(ids[name] ?? 'nothing'),
  )

/** A form as the page of a door sends it: one with a file is in parts. */
function sentTo({ template }: Shut, fields: Record<string, string>): RequestInit {
  if (!template.endsWith('/upload')) return formOf(fields)
  const body = new FormData()
  for (const [name, value] of Object.entries(fields)) body.set(name, value)
  return { method: 'POST', body }
}

const knock = (door: Shut, { cookie, token }: Partial<Browser>) =>
  visit(
    pathOf(door),
    cookie,
    door.method === 'POST' ? sentTo(door, token === undefined ? {} : { _token: token }) : {},
  )

/** Leads to where one signs in, or refuses a form. */
async function isShut(door: Shut, browser: Partial<Browser>): Promise<void> {
  const answer = await knock(door, browser)
  expect(answer.status).toBe(door.method === 'GET' ? 303 : 401)
  if (door.method === 'GET')
    expect(answer.headers.get('location')).toMatch(/^\/console\/sign-in\?to=%2Fconsole/)
}

const events = () =>
  env.DB.prepare('SELECT count(*) AS n FROM events WHERE workspace_id = ?')
    .bind(workspace)
    .first<number>('n')

/** Runs what must change nothing. */
async function changingNothing(work: () => Promise<void>): Promise<void> {
  const before = await events()
  await work()
  expect(await events()).toBe(before)
}

/** Ends a session of its own in a way, and gives it. */
const ended: Record<string, (client: Client, browser: Browser) => Promise<unknown>> = {
  'has expired': async () => void vi.setSystemTime(Date.now() + sessionTime),
  'is signed out': (_, browser) => send('/console/sign-out', browser),
  'is of a client that was revoked': ({ id }) =>
    call(`/oauth/clients/${id}/revoke`, asAdmin({ method: 'POST' })),
  'is of a client that was deleted': ({ id }) =>
    call(`/oauth/clients/${id}`, asAdmin({ method: 'DELETE' })),
  'is of a client that has expired': async () => void vi.setSystemTime(Date.now() + clientTime),
}

/** Milliseconds after which the client of a session expires, before the session does. */
const clientTime = sessionTime / 2

afterEach(() => void vi.useRealTimers())

describe('the pages', () => {
  it('are many, and each form is one', () => {
    expect(shut.length).toBeGreaterThan(20)
    expect(shut.filter(({ method }) => !['GET', 'POST'].includes(method))).toEqual([])
  })

  it.each(Object.keys(ended))('are shut to a session that %s', async (why) => {
    const expires_on = new Date(Date.now() + clientTime).toISOString()
    const client = await newClient(
      [...scopes],
      workspace,
      why.includes('client') ? { expires_on } : {},
    )
    const browser = await signIn(client)
    expect((await visit('/console/groups', browser.cookie)).status).toBe(200)
    await ended[why]?.(client, browser)
    await changingNothing(async () => {
      for (const door of shut) await isShut(door, browser)
    })
  })

  it('are shut to what only looks like a session', async () => {
    const [name = '', secret = ''] = own.cookie.split('=')
    for (const cookie of [`${name}=`, `${name}=x`, `session=${secret}`, `${own.cookie}x`])
      for (const door of shut) await isShut(door, { cookie, token: own.token })
  })

  it('lead HEAD as GET to where one signs in', async () => {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers } = await visit('/console/groups', undefined, { method })
      const to = '/console/sign-in?to=%2Fconsole%2Fgroups'
      expect([status, headers.get('location')]).toEqual([303, to])
      expect((await visit('/console/groups', own.cookie, { method })).status).toBe(200)
    }
  })

  it('are not open to a bearer token', async () => {
    const headers = { authorization: `Bearer ${env.ADMIN_TOKEN}` }
    expect((await visit('/console/groups', undefined, { headers })).status).toBe(303)
  })
})

describe.each(shut.filter(({ method, template }) => method === 'GET' && template.includes('/:')))(
  '$name',
  (door) => {
    it('is open to who may see it', async () => {
      const answer = await knock(door, own)
      expect(answer.status).toBe(200)
      const isFile = door.template.endsWith('.csv')
      expect(answer.headers.get('content-type')).toContain(isFile ? 'text/csv' : 'text/html')
      expect(await answer.text()).toMatch(isFile ? /^\w+.*\n/ : 'Sign out')
    })
  },
)

describe.each(shut)('$name', (door) => {
  it('is shut without a session', async () => {
    await changingNothing(async () => {
      await isShut(door, {})
      await isShut(door, { token: own.token })
    })
  })

  it('has the headers of every page, refused or not', async () => {
    for (const browser of [own, {}]) {
      const { headers } = await knock(door, browser === own ? { cookie: own.cookie } : {})
      const policy = headers.get('content-security-policy') ?? ''
      expect(policy).toMatch(/^default-src 'self'; /)
      for (const part of ["frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"])
        expect(policy).toContain(part)
      expect(policy).not.toMatch(/unsafe|\*|https?:/)
      expect(headers.get('x-frame-options')).toBe('DENY')
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('access-control-allow-origin')).toBeNull()
    }
  })
})

describe.each(shut.filter(({ name }) => !ownDoors.test(name)))('$name', (door) => {
  it('is refused to a client without the scope', async () => {
    await changingNothing(async () => {
      const answer = await knock(door, narrow)
      expect(answer.status).toBe(403)
      expect(await answer.text()).toContain('needs the scope')
    })
  })
})

describe.each(shut.filter(({ name, template }) => template.includes('/:') && !ownDoors.test(name)))(
  "$name of another's workspace",
  (door) => {
    it('shows and changes nothing', async () => {
      await changingNothing(async () => {
        const answer = await knock(door, other)
        const text = await answer.text()
        expect([404, 422]).toContain(answer.status)
        expect(text).not.toMatch(/123 Main St|value-zq7/)
      })
    })
  },
)

describe.each(forms)('$name', (door) => {
  it('takes no form of another session, page or origin', async () => {
    await changingNothing(async () => {
      for (const token of ['', 'x', narrow.token, other.token])
        expect((await knock(door, { ...own, token })).status).toBe(403)
      const sent = sentTo(door, { _token: own.token })
      for (const origin of ['https://elsewhere.test', 'https://coterie.test.elsewhere.test'])
        expect(
          (
            await visit(pathOf(door), own.cookie, {
              ...sent,
              headers: { ...(sent.headers as Record<string, string>), origin },
            })
          ).status,
        ).toBe(403)
    })
  })
})

describe('a session', () => {
  it('is a cookie that no script, no other site and no plain connection has', async () => {
    const fields = { client_id: wide.id, client_secret: wide.secret }
    const answer = await visit('/console/sign-in', undefined, formOf(fields))
    const [cookie = ''] = answer.headers.getSetCookie()
    expect(cookie).toMatch(/^__Host-session=[\w-]{43};/)
    for (const part of ['HttpOnly', 'Secure', 'SameSite=Strict', 'Path=/', 'Max-Age=28800'])
      expect(cookie).toContain(part)
    expect(cookie).not.toContain('Domain')
  })

  it('leads to pages of the console alone', async () => {
    for (const to of [
      '//elsewhere.test',
      'https://elsewhere.test',
      '/consolex',
      '\\\\x',
      '/oauth',
    ]) {
      const fields = { client_id: wide.id, client_secret: wide.secret, to }
      const answer = await visit('/console/sign-in', undefined, formOf(fields))
      expect([answer.status, answer.headers.get('location')]).toEqual([303, '/console'])
    }
  })

  it('of a link begins once', async () => {
    const authorization = `Basic ${btoa(`${wide.id}:${wide.secret}`)}`
    const made = await call('/console/links', { method: 'POST', headers: { authorization } })
    const { pathname } = new URL((await made.json<{ url: string }>()).url)
    expect((await visit(pathname)).status).toBe(200)
    const entered = await visit(pathname, undefined, formOf({}))
    expect((await visit('/console/groups', cookieOf(entered))).status).toBe(200)
    expect((await visit(pathname, undefined, formOf({}))).status).toBe(401)
  })

  it('that is over goes, and others stay', async () => {
    const old = await newClient([...scopes], workspace)
    await signIn(old)
    await env.DB.prepare('UPDATE console_sessions SET expires_at = 1 WHERE client_id = ?')
      .bind(old.id)
      .run()
    await sweepSessions(resources(env))
    const { results } = await env.DB.prepare(
      'SELECT DISTINCT client_id FROM console_sessions',
    ).all()
    const left = results.map(({ client_id }) => client_id)
    expect(left).not.toContain(old.id)
    expect(left).toContain(wide.id)
    const [plan] = await plansOf((db) => sweepSessions({ ...resources(env), database: db }))
    expect(plan?.plan.join()).toContain('INDEX console_sessions_by_expiry')
  })
})

describe('what the Worker logs', () => {
  const log = logged()

  it('has no secret, cookie, link or token', async () => {
    const authorization = `Basic ${btoa(`${wide.id}:${wide.secret}`)}`
    const made = await call('/console/links', { method: 'POST', headers: { authorization } })
    const { pathname } = new URL((await made.json<{ url: string }>()).url)
    await visit(pathname)
    const entered = await visit(pathname, undefined, formOf({}))
    await visit('/console/sign-in', undefined, formOf({ client_id: wide.id, client_secret: 'x9q' }))
    await send('/console/settings/clients', own, { admin_token: env.ADMIN_TOKEN })
    await send('/console/settings/clients', own, { admin_token: 'guess-z7' })
    const token = await (
      await send('/console/reference/token', own)
    ).json<{ access_token: string }>()
    const secrets = [wide.secret, own.token, env.ADMIN_TOKEN, 'x9q', 'guess-z7', token.access_token]
    const said = log.lines().join('\n')
    expect(log.events('request').length).toBeGreaterThan(6)
    for (const secret of [
      ...secrets,
      own.cookie.split('=')[1] ?? '?',
      cookieOf(entered).split('=')[1] ?? '?',
      pathname.split('/').at(-1) ?? '?',
    ])
      expect(said).not.toContain(secret)
  })
})

describe('GET /', () => {
  it('leads a browser to the console, and a program to the document', async () => {
    const to = async (accept?: string) => {
      const headers: Record<string, string> = accept === undefined ? {} : { accept }
      return (await visit('/', undefined, { headers })).headers.get('location')
    }
    expect(await to('text/html,application/xhtml+xml,*/*;q=0.8')).toBe('/console')
    for (const accept of [
      undefined,
      '*/*',
      'application/json',
      'text/html;q=0',
      'text/html; q=0.000, */*',
      'application/json, text/html;q=0.5',
    ])
      expect(await to(accept)).toBe('/openapi.json')
  })
})
