import { validate } from '@hyperjump/json-schema/openapi-3-1'
import { beforeAll, describe, expect, it } from 'vitest'
import { app } from '../../src/api/app.ts'
import { eventTypes } from '../../src/webhooks/event.ts'
import { choicesOf, eventDoors, groupDoors, ofrepDoors, workspaceDoors } from '../support/doors.ts'
import { published, type Document, type Operation } from '../support/openapi.ts'

let document: Document
let operations: [name: string, Operation][]

beforeAll(async () => {
  ;({ document, operations } = await published())
})

/** Other addresses of the same operations, which the document names in prose, and pages for people. */
const others = /^\/((v3|digitalbanking|oauth2)\/|console\b|$)/

describe('GET /openapi.json', () => {
  it('is a valid OpenAPI 3.1 document, its schemas included', async () => {
    expect(document.openapi).toMatch(/^3\.1\./)
    // The document is JSON, which the validator's own type cannot see.
    expect(
      await validate('https://spec.openapis.org/oas/3.1/schema-base', document as never, 'BASIC'),
    ).toEqual({ valid: true })
  })

  it('has one entry for each operation, and no other', () => {
    const routes = app.routes.filter(({ method, path }) => method !== 'ALL' && !others.test(path))
    const names = new Set(
      routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`),
    )
    expect(names.size).toBeGreaterThan(15)
    expect(operations.map(([name]) => name).sort()).toEqual([...names].sort())
  })

  it('names each operation once', () => {
    const ids = operations.map(([, { operationId }]) => operationId)
    expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([])
    expect(ids.every((id) => /^[a-z]\w+$/i.test(id))).toBe(true)
  })

  it('names each event once, and each kind of operation that it has', () => {
    const events = Object.values(document.webhooks).map(({ post }) => post)
    const ids = [...events, ...operations.map(([, one]) => one)].map((one) => one?.operationId)
    expect(events).toHaveLength(eventTypes.length)
    expect(new Set(ids).size).toBe(ids.length)
    for (const event of events) expect(event?.security).toEqual([])

    const used = [...events, ...operations.map(([, one]) => one)].flatMap((one) => one?.tags)
    expect(new Set(document.tags.map(({ name }) => name))).toEqual(new Set(used))
    for (const { description } of document.tags) expect(description).toMatch(/\w/)
  })

  it('says how each operation succeeds and how it is refused', () => {
    const refusals: [RegExp, string[]][] = [
      [/^(?!OPTIONS).* \/groups\/v3\//, ['400', '401', '429', '500']],
      [/ \/oauth\//, ['400', '401']],
      [/ \/oauth\/clients\/\{/, ['404']],
      [/^(?!OPTIONS).* \/platform\//, ['400', '401', '403', '404', '422', '429', '500']],
      [/ \/userprofile\//, ['400', '401', '403', '404', '429', '500']],
      [/ \/v2\//, ['400', '401', '403', '429', '500']],
      [/ \/ofrep\//, ['400', '401', '403', '404', '429', '500']],
      [/ \/health$/, ['503']],
      [/\/audiences\/(preview|overlap|.*\/(count|users.*))$/, ['503']],
    ]
    const files = /^GET .*\/assignments$/
    const empty = / \/v2\/.* 202$|\/exposures 202$|\/oauth\/revoke 200$/
    for (const [name, { responses }] of operations) {
      const statuses = Object.keys(responses)
      expect(
        statuses.filter((status) => status.startsWith('2')),
        name,
      ).toHaveLength(
        / \/platform\/.*\/(audiences\/(preview|\{audience_id\}\/count)|groups\/preview(\/\{preview_id\})?)$/.test(
          name,
        )
          ? 2
          : 1,
      )
      for (const [operation, expected] of refusals)
        if (operation.test(name)) expect(statuses, name).toEqual(expect.arrayContaining(expected))
      for (const [status, { content }] of Object.entries(responses))
        if (status === '204' || empty.test(`${name} ${status}`))
          expect(content, `${name} ${status}`).toBeUndefined()
        else if (status === '200' && files.test(name))
          expect(Object.keys(content ?? {}), name).toEqual(['text/csv'])
        else expect(content?.['application/json']?.schema, `${name} ${status}`).toBeDefined()
    }
  })

  it('lists the parameters and the token that the operations take', () => {
    for (const [name, { parameters = [], security, requestBody }] of operations) {
      const named = parameters
        .filter(({ in: place }) => place === 'path')
        .map((parameter) => parameter.name)
      expect(named, name).toEqual(
        [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter),
      )
      const transaction = parameters.find((parameter) => parameter.name === 'transactionId')
      const ofGroups = /^(?!OPTIONS).* \/groups\/v3\//.test(name)
      expect(
        transaction !== undefined && transaction.in === 'header' && transaction.required === true,
        name,
      ).toBe(ofGroups)
      const door = [...groupDoors, ...workspaceDoors, ...eventDoors, ...ofrepDoors].find(
        (door) => door.name.replace(/:(\w+)/g, '{$1}') === name,
      )
      if (door !== undefined)
        expect(security, name).toEqual(
          choicesOf(door).map((scopes) => ({
            [name.includes(' /v2/') ? 'basic' : 'bearer']: scopes,
          })),
        )
      for (const scheme of security.flatMap(Object.keys))
        expect(Object.keys(document.components.securitySchemes)).toContain(scheme)
      expect(requestBody !== undefined, name).toBe(
        /^(POST|PUT|PATCH)/.test(name) &&
          !/\/(recompute|balance|start|pause|end|enable|disable|rotate|test|retry|cancel|back|\{client_id\}\/revoke)$/.test(
            name,
          ),
      )
    }
  })

  it('lists the Idempotency-Key of operations that make something', () => {
    const key = '#/components/parameters/IdempotencyKey'
    const replayed = { $ref: '#/components/headers/IdempotencyReplayed' }
    const making = operations.filter(([, { parameters = [] }]) =>
      parameters.some((one) => '$ref' in one && one.$ref === key),
    )
    for (const [name, { responses }] of making)
      for (const [status, { headers }] of Object.entries(responses))
        expect(headers?.['Idempotency-Replayed'], `${name} ${status}`).toEqual(
          status.startsWith('2') ? replayed : undefined,
        )
    const changing =
      /\/(oauth\/(token|revoke|moves)|back|memberships|publish|cancel|preview|assignments|start|pause|end|enable|disable|clients\/\{client_id\}\/revoke|uploads\/\{\w+\})$|\/flags/
    const names = operations.map(([name]) => name)
    expect(making.map(([name]) => name)).toEqual(
      names.filter(
        (name) =>
          (name.startsWith('POST ') && !changing.test(name)) ||
          /^PUT .*(\/participants|\/users)$/.test(name),
      ),
    )
  })

  it('describes participants, changes, users, variants and exposures as files too', () => {
    const files = operations
      .filter(([, { responses }]) => responses[200]?.content?.['text/csv'] !== undefined)
      .map(([name]) => name)
    expect(files.sort()).toEqual([
      'GET /groups/v3/groups/{groupId}/participants',
      'GET /groups/v3/jobs/{jobId}/changes',
      'GET /platform/workspaces/{workspace_id}/audiences/{audience_id}/users',
      'GET /platform/workspaces/{workspace_id}/experiments/{experiment_id}/assignments',
      'GET /platform/workspaces/{workspace_id}/experiments/{experiment_id}/exposures',
    ])
  })

  it('leads nowhere that is not in it', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map(
      ([, reference = '']) => reference,
    )
    for (const reference of references) {
      expect(reference.startsWith('#/')).toBe(true)
      const steps = reference.slice(2).split('/')
      expect(
        steps.reduce<unknown>(
          (at, step) => Object(at)[step.replaceAll('~1', '/').replaceAll('~0', '~')],
          document,
        ),
        reference,
      ).toBeDefined()
    }
  })
})
