import { describe, expect, it } from 'vitest'
import { declined, said, unauthorized } from '../support/answers.ts'
import { asAdmin, Bank, call, json } from '../support/api.ts'
import { faces } from '../support/doors.ts'
import { household, Team } from '../support/identity.ts'

describe.each(faces)('what is not there below %s', (face) => {
  const paths = (group: string, jobId: string): [string, string][] => [
    ['GET', ''],
    ['GET', '/'],
    ['GET', '/nowhere'],
    ['PATCH', '/groups'],
    ['GET', '/groups//'],
    ['GET', `/groups/${group}/nowhere`],
    ['DELETE', `/groups/${group}/participants`],
    ['POST', `/groups/${group}/participants/ann`],
    ['GET', '/memberships'],
    ['DELETE', `/jobs/${jobId}`],
    ['GET', '/GROUPS'],
    ['GET', '/__proto__'],
    ['GET', '/%'],
  ]
  it('is refused in the words of the contract, after the token', async () => {
    const bank = await Bank.open()
    for (const [method, path] of paths(await bank.group(), crypto.randomUUID())) {
      const { message, ...rest } = await said(
        call(face + path, { method, headers: bank.headers() }),
      )
      expect(rest, `${method} ${path}`).toEqual({ status: 400, code: '2000' })
      // A slash at the end makes no difference, and is not repeated.
      expect(String(message)).toContain(face + path.replace(/\/$/, ''))
      expect(
        await said(call(face + path, { method, headers: { transactionId: crypto.randomUUID() } })),
        path,
      ).toEqual(unauthorized)
    }
  })
})

describe('what is not there below a workspace', () => {
  const paths: [string, string][] = [
    ['GET', ''],
    ['GET', '/'],
    ['GET', '/nowhere'],
    ['PUT', '/groups'],
    ['DELETE', '/groups/'],
    ['POST', '/groups/household'],
    ['GET', '/groups/household/recompute'],
    ['POST', '/groups/household/runs'],
    ['GET', '/groups/household/nowhere'],
    ['GET', '/groups/household/runs/x/y'],
    ['POST', '/users/ann'],
    ['GET', '/users/ann/attributes'],
    ['GET', '/users/ann/attributes/household:has_dog'],
    ['POST', '/users/ann/attributes/household:has_dog/explain'],
    ['GET', '/GROUPS'],
    ['GET', '/groups//'],
    ['GET', '/__proto__'],
    ['GET', '/%'],
  ]
  it('is not found, once the token is accepted', async () => {
    const team = await Team.open()
    await team.define(household)
    await team.user('ann', {})
    for (const [method, path] of paths) {
      expect(await said(team.call(method, path)), `${method} ${path}`).toEqual(
        declined(404, 'Not found'),
      )
      const below = `/platform/workspaces/${team.workspace}${path}`
      expect(await said(call(below, { method })), `${method} ${path}`).toEqual(
        declined(401, 'Unauthorized'),
      )
      const elsewhere = `/platform/workspaces/${team.workspace}0${path}`
      const headers = { authorization: `Bearer ${team.token}` }
      expect(await said(call(elsewhere, { method, headers })), `${method} ${path}`).toEqual(
        declined(403, 'Forbidden'),
      )
    }
  })
})

describe('what is not there below /v2', () => {
  it.each([
    'GET ',
    'GET /',
    'GET /events',
    'PUT /events',
    'POST /nowhere',
    'POST /events/x',
    'POST /EVENTS',
    'POST /__proto__',
  ])('is not found by a client: %s', async (name) => {
    const team = await Team.open()
    const [method = '', path = ''] = name.split(' ')
    const authorization = `Basic ${btoa(`${team.client.id}:${team.client.secret}`)}`
    const refused = (status: number, code: string, message: string) => ({
      status,
      errors: [{ code, message }],
    })
    expect(await said(call(`/v2${path}`, { method, headers: { authorization } }))).toEqual(
      refused(404, 'NOT_FOUND', 'Not found'),
    )
    expect(await said(call(`/v2${path}`, { method }))).toEqual(
      refused(401, 'UNAUTHORIZED', 'Unauthorized'),
    )
  })
})

describe('what is not there below /userprofile/v1', () => {
  it('is not found, and a path cannot change the workspace', async () => {
    const team = await Team.open()
    await team.user('1', {})
    const request = (path: string, method = 'GET') =>
      said(
        call(`/userprofile/v1${path}`, {
          method,
          headers: { authorization: `Bearer ${team.token}` },
        }),
      )
    for (const path of [
      '',
      '/',
      '/10',
      '/10/20',
      `/10/20/${team.workspace}`,
      `/10/20/${team.workspace}/1/more`,
    ])
      expect(await request(path), path).toEqual(declined(404, 'Not found'))
    for (const method of ['PUT', 'POST', 'DELETE'])
      expect(await request(`/10/20/${team.workspace}/1`, method), method).toEqual(
        declined(404, 'Not found'),
      )
    expect(await request(`/10/20/${team.workspace}0/1/more`)).toEqual(declined(403, 'Forbidden'))
  })
})

describe('what is not there elsewhere', () => {
  it.each([
    '/nowhere',
    '/groups',
    '/groups/v4/groups',
    '/oauth',
    '/oauth/nowhere',
    '/oauth2/v1/clients',
    '/oauth2/v2/token',
    '/.well-known/nowhere',
    '/platform',
    '/platform/workspaces',
    '/userprofile/v2/1/2/3/4',
    '/v2events',
    '/__proto__',
    '/%',
  ])('is not found: %s', async (path) => {
    for (const init of [{}, asAdmin(), asAdmin(json('POST', {}))]) {
      const answer = await call(path, init)
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
      expect(await said(answer)).toEqual({
        status: 404,
        error: 'not_found',
        error_description: expect.stringContaining(path),
      })
    }
  })

  it.each([
    'GET /oauth/token',
    'PUT /oauth/clients',
    'POST /health',
    'DELETE /openapi.json',
    'POST /.well-known/jwks.json',
  ])('is not found: %s', async (name) => {
    const [method = '', path = ''] = name.split(' ')
    expect(await said(call(path, asAdmin({ method })))).toMatchObject({
      status: 404,
      error: 'not_found',
    })
  })
})

describe('a slash at the end of a path', () => {
  it('makes no difference', async () => {
    const bank = await Bank.open()
    const group = await bank.group('owls')
    for (const face of faces)
      for (const path of ['/groups', `/groups/${group}`, '/jobs', `/jobs?groupId=${group}`]) {
        const request = async (slash: string) => {
          const { links: _, ...rest } = await said(
            call(face + path.replace(/(?=\?|$)/, slash), { headers: bank.headers() }),
          )
          return rest // links repeat the requested address
        }
        expect(await request('/')).toEqual(await request(''))
      }
    for (const path of ['/health', '/.well-known/jwks.json', '/oauth/token'])
      expect((await call(`${path}/`, path === '/oauth/token' ? json('POST', {}) : {})).status).toBe(
        path === '/oauth/token' ? 400 : 200,
      )
  })
})
