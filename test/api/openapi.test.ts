import { registerSchema, validate, type OasSchema31 } from '@hyperjump/json-schema/openapi-3-1'
import { beforeAll, describe, expect, it } from 'vitest'
import { app } from '../../src/api/app.ts'
import { asAdmin, Bank, call, json, type Json } from '../support/api.ts'

type Answers = Record<string, { description: string; content?: Record<string, { schema: OasSchema31 }> }>
interface Operation {
  operationId: string
  responses: Answers
  security: Record<string, string[]>[]
  parameters?: { in: string; name: string; required?: boolean }[]
  requestBody?: { content: Json }
}
interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { securitySchemes: Json }
}

let document: Document
let operations: [name: string, Operation][]

beforeAll(async () => {
  const answer = await call('/openapi.json')
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
  document = await answer.json<Document>()
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [`${method.toUpperCase()} ${path}`, operation]),
  )
})

/** The same operations under other addresses, which the document tells of in words. */
const aliases = /^\/(v3|digitalbanking|oauth2)\//

describe('GET /openapi.json', () => {
  it('is a valid OpenAPI 3.1 document, its schemas included', async () => {
    expect(document.openapi).toMatch(/^3\.1\./)
    // The document is JSON, which the validator's own type cannot see.
    expect(await validate('https://spec.openapis.org/oas/3.1/schema-base', document as never, 'BASIC')).toEqual({ valid: true })
  })

  it('has one entry for each operation, and no other', () => {
    const routes = app.routes.filter(({ method, path }) => method !== 'ALL' && !aliases.test(path))
    const names = new Set(routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`))
    expect(names.size).toBeGreaterThan(15)
    expect(operations.map(([name]) => name).sort()).toEqual([...names].sort())
  })

  it('names each operation once', () => {
    const ids = operations.map(([, { operationId }]) => operationId)
    expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([])
    expect(ids.every((id) => /^[a-z]\w+$/i.test(id))).toBe(true)
  })

  it('tells how each operation succeeds and how it is refused', () => {
    const refusals: [RegExp, string[]][] = [
      [/ \/groups\/v3\//, ['400', '401', '500']],
      [/ \/oauth\//, ['400', '401']],
      [/ \/oauth\/clients\/\{/, ['404']],
      [/ \/health$/, ['503']],
    ]
    for (const [name, { responses }] of operations) {
      const statuses = Object.keys(responses)
      expect(
        statuses.filter((status) => status.startsWith('2')),
        name,
      ).toHaveLength(1)
      for (const [operation, expected] of refusals)
        if (operation.test(name)) expect(statuses, name).toEqual(expect.arrayContaining(expected))
      for (const [status, { content }] of Object.entries(responses))
        if (status !== '204') expect(content?.['application/json']?.schema, `${name} ${status}`).toBeDefined()
    }
  })

  it('asks for the parameters and the token that the operations ask for', () => {
    for (const [name, { parameters = [], security, requestBody }] of operations) {
      const named = parameters.filter(({ in: place }) => place === 'path').map((parameter) => parameter.name)
      expect(named, name).toEqual([...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter))
      const transaction = parameters.find((parameter) => parameter.name === 'transactionId')
      const ofGroups = name.includes(' /groups/v3/')
      expect(transaction !== undefined && transaction.in === 'header' && transaction.required === true, name).toBe(ofGroups)
      if (ofGroups) expect(security, name).toEqual([{ bearer: [name.startsWith('GET') ? 'groups:read' : 'groups:write'] }])
      for (const scheme of security.flatMap(Object.keys)) expect(Object.keys(document.components.securitySchemes)).toContain(scheme)
      expect(requestBody !== undefined, name).toBe(/^(POST|PUT)/.test(name))
    }
  })

  it('leads nowhere that is not in it', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map(([, reference = '']) => reference)
    for (const reference of references) {
      expect(reference.startsWith('#/')).toBe(true)
      const steps = reference.slice(2).split('/')
      expect(
        steps.reduce<unknown>((at, step) => Object(at)[step.replaceAll('~1', '/').replaceAll('~0', '~')], document),
        reference,
      ).toBeDefined()
    }
  })
})

describe('the answers of the operations', () => {
  let schemas = 0
  /** The answer is one that the document tells of, status and shape. */
  async function asDescribed(name: string, answer: Response): Promise<Json> {
    const described = operations.find(([known]) => known === name)?.[1].responses[answer.status]
    expect(described, `${name} ${answer.status}`).toBeDefined()
    const schema = described?.content?.['application/json']?.schema
    if (schema === undefined) return {}
    const body = await answer.json<Json>()
    const uri = `https://coterie.test/schemas/${++schemas}`
    registerSchema(schema, uri, 'https://spec.openapis.org/oas/3.1/dialect/base')
    expect(await validate(uri, body as never, 'BASIC'), `${name} ${JSON.stringify(body)}`).toEqual({ valid: true })
    return body
  }

  it('are as the document says', async () => {
    const bank = await Bank.open()
    const done = new Set<string>()
    const ask = async (method: string, template: string, ids: Record<string, string> = {}, init: RequestInit = {}) => {
      const name = `${method} ${template}`
      done.add(name)
      const path = template.replace(/\{(\w+)\}/g, (_, id: string) => ids[id] ?? '')
      const headers = { ...(template.startsWith('/groups/v3') && bank.headers()), ...(init.headers as Record<string, string>) }
      return asDescribed(name, await call(path, { ...init, method, headers }))
    }
    const v3 = '/groups/v3'
    for (const path of ['/health', '/openapi.json', '/.well-known/jwks.json', '/.well-known/oauth-authorization-server'])
      await ask('GET', path)

    const draft = { workspace_id: bank.workspace, name: 'x', scopes: ['groups:read'] }
    const { client_id, client_secret } = await ask('POST', '/oauth/clients', {}, asAdmin(json('POST', draft)))
    await ask('POST', '/oauth/clients', {}, asAdmin(json('POST', { ...draft, more: 'x'.repeat(300_000) })))
    await ask('GET', '/oauth/clients', {}, asAdmin())
    await ask('POST', '/oauth/token', {}, json('POST', { grant_type: 'client_credentials', client_id, client_secret }))
    await ask('POST', '/oauth/token', {}, json('POST', {}))
    await ask('DELETE', '/oauth/clients/{client_id}', { client_id: String(client_id) }, asAdmin())
    await ask('DELETE', '/oauth/clients/{client_id}', { client_id: 'x' }, asAdmin())

    const groupId = String((await ask('POST', `${v3}/groups`, {}, json('POST', { groupName: 'owls', groupDescription: 'x' })))['groupId'])
    await ask('POST', `${v3}/groups`, {}, json('POST', { groupName: 'owls' }))
    await ask('GET', `${v3}/groups`)
    await ask('GET', `${v3}/groups`, {}, { headers: { authorization: 'Bearer x' } })
    await ask('GET', `${v3}/groups/{groupId}`, { groupId })
    await ask('PUT', `${v3}/groups/{groupId}`, { groupId }, json('PUT', { groupName: 'owls' }))
    const csv = { body: 'ann\na,b\n', headers: { 'content-type': 'text/csv' } }
    for (const method of ['PUT', 'POST']) await ask(method, `${v3}/groups/{groupId}/participants`, { groupId }, csv)
    const { jobId } = await (await bank.upload(groupId, 'ADD', csv.body)).json<Json>()
    await ask('GET', `${v3}/jobs/{jobId}`, { jobId: String(jobId) })
    await bank.ended(String(jobId))
    await ask('GET', `${v3}/jobs`)
    await ask('GET', `${v3}/jobs/{jobId}`, { jobId: String(jobId) })
    await ask('GET', `${v3}/jobs/{jobId}/errors`, { jobId: String(jobId) })
    await ask('DELETE', `${v3}/groups/{groupId}`, { groupId })

    expect([...done].sort()).toEqual(operations.map(([name]) => name).sort())
  })
})
