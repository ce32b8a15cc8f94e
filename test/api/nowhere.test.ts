import { describe, expect, it } from 'vitest'
import { said, unauthorized } from '../support/answers.ts'
import { asAdmin, Bank, call, json } from '../support/api.ts'

const faces = ['/groups/v3', '/v3', '/digitalbanking/groups/v3']

describe.each(faces)('what is not there below %s', (face) => {
  const paths = (group: string, jobId: string): [string, string][] => [
    ['GET', ''],
    ['GET', '/'],
    ['GET', '/nowhere'],
    ['PATCH', '/groups'],
    ['GET', '/groups/'],
    ['GET', `/groups/${group}/nowhere`],
    ['GET', `/groups/${group}/participants`],
    ['DELETE', `/jobs/${jobId}`],
    ['GET', '/GROUPS'],
    ['GET', '/__proto__'],
    ['GET', '/%'],
  ]
  it('is refused in the words of the contract, to those who may come in', async () => {
    const bank = await Bank.open()
    for (const [method, path] of paths(await bank.group(), crypto.randomUUID())) {
      const { message, ...rest } = await said(call(face + path, { method, headers: bank.headers() }))
      expect(rest, `${method} ${path}`).toEqual({ status: 400, code: '2000' })
      expect(String(message)).toContain(face + path)
      expect(await said(call(face + path, { method, headers: { transactionId: crypto.randomUUID() } })), path).toEqual(unauthorized)
    }
  })
})

describe('what is not there elsewhere', () => {
  it.each([
    '/',
    '/nowhere',
    '/groups',
    '/groups/v4/groups',
    '/oauth',
    '/oauth/nowhere',
    '/oauth2/v1/clients',
    '/oauth2/v2/token',
    '/.well-known/nowhere',
    '/__proto__',
    '/%',
  ])('is not found: %s', async (path) => {
    for (const init of [{}, asAdmin(), asAdmin(json('POST', {}))]) {
      const answer = await call(path, init)
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
      expect(await said(answer)).toEqual({ status: 404, error: 'not_found', error_description: expect.stringContaining(path) })
    }
  })

  it.each(['GET /oauth/token', 'PUT /oauth/clients', 'POST /health', 'DELETE /openapi.json', 'POST /.well-known/jwks.json'])(
    'is not found: %s',
    async (name) => {
      const [method = '', path = ''] = name.split(' ')
      expect(await said(call(path, asAdmin({ method })))).toMatchObject({ status: 404, error: 'not_found' })
    },
  )
})
