import { registerSchema, validate } from '@hyperjump/json-schema/openapi-3-1'
import { beforeAll, expect, it } from 'vitest'
import { asAdmin, Bank, call, eventually, hasEnded, json, type Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'
import { published, type Operation } from '../support/openapi.ts'
import { attempted, Receiver } from '../support/receiver.ts'

let operations: [name: string, Operation][]
const done = new Set<string>()

beforeAll(async () => {
  ;({ operations } = await published())
})

let schemas = 0
/** The answer is one that the document tells of, status and shape. */
async function asDescribed(name: string, answer: Response): Promise<Json> {
  const described = operations.find(([known]) => known === name)?.[1].responses[answer.status]
  expect(described, `${name} ${answer.status}`).toBeDefined()
  const schema = described?.content?.['application/json']?.schema
  const text = await answer.text()
  if (schema === undefined) {
    expect(text, `${name} ${answer.status}`).toBe('')
    return {}
  }
  const body = JSON.parse(text) as Json
  const uri = `https://coterie.test/schemas/${++schemas}`
  registerSchema(schema, uri, 'https://spec.openapis.org/oas/3.1/dialect/base')
  expect(await validate(uri, body as never, 'BASIC'), `${name} ${text}`).toEqual({ valid: true })
  return body
}

/** Asks for an operation of the document, its path filled in; the caller's headers are sent unless others are given. */
const asking =
  (headers: () => Record<string, string>, known: Record<string, string> = {}) =>
  async (
    method: string,
    template: string,
    ids: Record<string, string> = {},
    init: RequestInit = {},
  ) => {
    const name = `${method} ${template}`
    done.add(name)
    const path = template.replace(/\{(\w+)\}/g, (_, id: string) =>
      encodeURIComponent(ids[id] ?? known[id] ?? ''),
    )
    return asDescribed(
      name,
      await call(path, {
        ...init,
        method,
        headers: { ...headers(), ...(init.headers as Record<string, string>) },
      }),
    )
  }
type Asking = ReturnType<typeof asking>

const walks: (() => Promise<void>)[] = []

/** A test that asks for some operations, once, whether by itself or for the last of all. */
function walk(title: string, asks: () => Promise<void>): void {
  let asked: Promise<void> | undefined
  const once = () => (asked ??= asks())
  walks.push(once)
  it(title, once)
}

walk('what is open to all, and to the administrator, is as the document says', async () => {
  const ask = asking(() => ({}))
  for (const path of [
    '/health',
    '/openapi.json',
    '/.well-known/jwks.json',
    '/.well-known/oauth-authorization-server',
  ])
    await ask('GET', path)

  const draft = { workspace_id: 7, name: 'x', scopes: ['groups:read'] }
  const { client_id, client_secret } = await ask(
    'POST',
    '/oauth/clients',
    {},
    asAdmin(json('POST', draft)),
  )
  await ask(
    'POST',
    '/oauth/clients',
    {},
    asAdmin(json('POST', { ...draft, more: 'x'.repeat(300_000) })),
  )
  await ask('GET', '/oauth/clients', {}, asAdmin())
  await ask(
    'POST',
    '/oauth/token',
    {},
    json('POST', { grant_type: 'client_credentials', client_id, client_secret }),
  )
  await ask('POST', '/oauth/token', {}, json('POST', {}))
  await ask('DELETE', '/oauth/clients/{client_id}', { client_id: String(client_id) }, asAdmin())
  await ask('DELETE', '/oauth/clients/{client_id}', { client_id: 'x' }, asAdmin())
})

walk('what Experience Groups answer is as the document says', async () => {
  const bank = await Bank.open()
  const ask = asking(() => bank.headers())
  const v3 = '/groups/v3'
  const groupId = String(
    (
      await ask(
        'POST',
        `${v3}/groups`,
        {},
        json('POST', { groupName: 'owls', groupDescription: 'x' }),
      )
    )['groupId'],
  )
  await ask('POST', `${v3}/groups`, {}, json('POST', { groupName: 'owls' }))
  await ask('GET', `${v3}/groups`)
  await ask('GET', `${v3}/groups`, {}, { headers: { authorization: 'Bearer x' } })
  await ask('GET', `${v3}/groups/{groupId}`, { groupId })
  await ask('PUT', `${v3}/groups/{groupId}`, { groupId }, json('PUT', { groupName: 'owls' }))
  const csv = { body: 'ann\na,b\n', headers: { 'content-type': 'text/csv' } }
  for (const method of ['PUT', 'POST'])
    await ask(method, `${v3}/groups/{groupId}/participants`, { groupId }, csv)
  const { jobId } = await (await bank.upload(groupId, 'ADD', csv.body)).json<Json>()
  await ask('GET', `${v3}/jobs/{jobId}`, { jobId: String(jobId) })
  await bank.ended(String(jobId))
  await ask('GET', `${v3}/jobs`)
  await ask('GET', `${v3}/jobs/{jobId}`, { jobId: String(jobId) })
  await ask('GET', `${v3}/jobs/{jobId}/errors`, { jobId: String(jobId) })
  const participantId = 'ann'
  await ask('GET', `${v3}/groups/{groupId}/participants`, { groupId })
  await ask('GET', `${v3}/groups/{groupId}/participants/{participantId}`, {
    groupId,
    participantId,
  })
  await ask('GET', `${v3}/participants/{participantId}/groups`, { participantId })
  await ask(
    'POST',
    `${v3}/memberships`,
    {},
    json('POST', { participantIds: [participantId, 'nobody'] }),
  )
  await ask('DELETE', `${v3}/groups/{groupId}`, { groupId })
})

/** Each operation once more, as somebody who is refused. */
async function refusals(ask: Asking, prefix: string, init: RequestInit) {
  for (const [name] of operations.filter(([name]) => name.includes(` ${prefix}`))) {
    const [method = '', template = ''] = name.split(' ')
    await ask(method, template, {}, init)
  }
}

walk('what Group Identity answers is as the document says', async () => {
  const team = await Team.open()
  const root = '/platform/workspaces/{workspace_id}'
  const ids = {
    workspace_id: String(team.workspace),
    group_id: 'household',
    user_id: 'ann',
    org_id: '1',
    account_id: '2',
    mpid: 'ann',
  }
  const ask = asking(() => ({ authorization: `Bearer ${team.token}` }), ids)
  const attributes = ['latest', 'boolean_or', 'sum', 'average'].map((type) => ({ id: type, type }))
  const definition = { ...household, attributes }

  await ask('POST', `${root}/groups`, {}, json('POST', { id: 'x' }))
  await ask(
    'POST',
    `${root}/groups`,
    {},
    { body: '{', headers: { 'content-type': 'application/json' } },
  )
  await ask('POST', `${root}/groups`, {}, json('POST', household))
  await ask('GET', `${root}/groups`)
  await ask('GET', `${root}/groups/{group_id}`)
  await ask('GET', `${root}/groups/{group_id}`, { group_id: 'nowhere' })
  await ask('PUT', `${root}/groups/{group_id}`, {}, json('PUT', definition))
  await ask('PATCH', `${root}/groups/{group_id}`, {}, json('PATCH', { attributes }))

  const given = {
    $address: 'A',
    latest: ['x'],
    boolean_or: true,
    sum: 1.5,
    average: '2',
    gone: null,
  }
  await ask('PUT', `${root}/users/{user_id}`, {}, json('PUT', { user_attributes: given }))
  await ask('PUT', `${root}/users/{user_id}`, {}, json('PUT', { user_attributes: { x: {} } }))
  await ask(
    'PATCH',
    `${root}/users/{user_id}`,
    { user_id: 'bob' },
    json('PATCH', { user_attributes: { $address: 'A' } }),
  )
  await ask(
    'PUT',
    `${root}/users`,
    {},
    { body: 'user_id\na,b\ncid\n', headers: { 'content-type': 'text/csv' } },
  )

  const { id } = await ask('POST', `${root}/groups/{group_id}/recompute`)
  await ask('GET', `${root}/groups/{group_id}/runs/{run_id}`, { run_id: String(id) })
  await team.ended('household', String(id))
  await ask('GET', `${root}/groups/{group_id}/runs/{run_id}`, { run_id: String(id) })
  await ask('GET', `${root}/groups/{group_id}/runs`)
  await ask('GET', `${root}/groups/{group_id}/instances`)

  for (const user_id of ['ann', 'bob', 'nobody'])
    await ask('GET', `${root}/users/{user_id}`, { user_id })
  for (const { id } of attributes)
    await ask('GET', `${root}/users/{user_id}/attributes/{name}/explain`, {
      name: `household:${id}`,
    })
  await ask('GET', '/userprofile/v1/{org_id}/{account_id}/{workspace_id}/{mpid}')

  const { imports } = (await ask('GET', `${root}/imports`)) as { imports: Json[] }
  const import_id = String(imports[0]?.['id'])
  await eventually(() => ask('GET', `${root}/imports/{import_id}`, { import_id }), hasEnded)
  await ask('GET', `${root}/imports/{import_id}/errors`, { import_id })

  await refusals(ask, root, { headers: { authorization: 'Bearer x' } })
  await refusals(ask, '/userprofile', { headers: { authorization: 'Bearer x' } })
  const { token } = await Team.open()
  await refusals(ask, root, { headers: { authorization: `Bearer ${token}` } })
  await refusals(ask, '/userprofile', { headers: { authorization: `Bearer ${token}` } })
  await ask('DELETE', `${root}/users/{user_id}`)
  await ask('DELETE', `${root}/groups/{group_id}`)
})

walk('what audiences answer is as the document says', async () => {
  const team = await Team.open()
  const bank = await Bank.open(undefined, team.workspace)
  const groupId = await bank.group('owls')
  await bank.apply(groupId, 'ADD', 'ann\n')
  await team.define({
    ...household,
    attributes: ['latest', 'boolean_or', 'sum', 'average'].map((type) => ({ id: type, type })),
  })
  await team.user('ann', { $address: 'A', latest: ['x'], boolean_or: true, sum: 1.5, average: '2' })
  await team.user('bob', { $address: 'A' })
  await team.recompute()

  const root = '/platform/workspaces/{workspace_id}/audiences'
  const audience = `${root}/{audience_id}`
  const ids = { workspace_id: String(team.workspace), audience_id: 'every', user_id: 'ann' }
  const ask = asking(() => ({ authorization: `Bearer ${team.token}` }), ids)
  const seen = [
    'latest',
    'household:latest',
    'household:boolean_or',
    'household:sum',
    'household:average',
    'gone',
  ]
  const exists = seen.map((attribute) => ({ operator: 'exists', attribute }))
  const expressions = [
    ...exists,
    { operator: 'in', attribute: 'sum', value: [1.5, 'x', true] },
    { operator: 'in_group', group: groupId },
    { operator: 'not', expression: { operator: 'in_audience', audience: 'used' } },
    ...['any_member', 'all_members', 'no_member'].map((operator) => ({
      operator,
      group: 'household',
      expression: exists[0],
    })),
  ]
  const every = {
    id: 'every',
    name: 'x',
    description: 'y',
    rule: { operator: 'or', expressions },
    refresh: 'weekly',
  }

  await ask('POST', root, {}, json('POST', every)) // its `used` is not there yet
  await ask('POST', root, {}, json('POST', { id: 'used', name: 'x', rule: exists[0] }))
  for (const draft of [every, every, { name: 'x' }, [], { name: 'x', rule: {} }])
    await ask('POST', root, {}, json('POST', draft))
  await ask('POST', root, {}, { body: '{', headers: { 'content-type': 'application/json' } })
  await ask('GET', root)
  await ask('POST', `${root}/preview`, {}, json('POST', { rule: every.rule }))
  await ask('POST', `${root}/preview`, {}, json('POST', { rule: { operator: 'and' } }))
  for (const query of ['?a=every&b=used', '?a=every', '?a=every&b=nowhere']) {
    const headers = { authorization: `Bearer ${team.token}` }
    await asDescribed(
      `GET ${root}/overlap`,
      await call(`/platform/workspaces/${team.workspace}/audiences/overlap${query}`, { headers }),
    )
  }
  for (const below of ['', '/count', '/users', '/users/{user_id}'])
    for (const audience_id of ['every', 'nowhere'])
      await ask('GET', audience + below, { audience_id })
  for (const user_id of ['bob', 'nobody', 'x'.repeat(65)])
    await ask('GET', `${audience}/users/{user_id}`, { user_id })

  await ask('POST', `${audience}/sync`)
  const filled = await bank.group('larks')
  for (const named of [groupId, filled, undefined, crypto.randomUUID()].map((groupId) => ({
    groupId,
  })))
    await ask('PUT', `${audience}/experience-group`, {}, json('PUT', named))
  await ask(
    'PUT',
    `${audience}/experience-group`,
    { audience_id: 'used' },
    json('PUT', { groupId: filled }),
  )
  await ask('GET', audience)
  const { job_id } = await ask('POST', `${audience}/sync`)
  await bank.ended(String(job_id))
  await ask('PUT', audience, {}, json('PUT', { name: 'z', rule: every.rule }))
  await ask(
    'PUT',
    audience,
    { audience_id: 'used' },
    json('PUT', { name: 'z', rule: { operator: 'in_audience', audience: 'every' } }),
  )
  for (const below of ['/experience-group', '/experience-group', ''])
    await ask('DELETE', audience + below)
  await ask('POST', root, {}, json('POST', every))
  await ask('DELETE', audience, { audience_id: 'used' })
  await ask('DELETE', audience)
  await ask('DELETE', audience)
})

walk('what webhooks answer is as the document says', async () => {
  const team = await Team.open()
  const receiver = new Receiver()
  const ask = asking(() => ({ authorization: `Bearer ${team.token}` }), {
    workspace_id: String(team.workspace),
  })
  const root = '/platform/workspaces/{workspace_id}/webhooks'
  const webhook = `${root}/{webhook_id}`
  for (const draft of [{}, { url: 'x' }, { url: receiver.url, event_types: ['x'] }])
    await ask('POST', root, {}, json('POST', draft))
  const opened = await ask(
    'POST',
    root,
    {},
    json('POST', { url: receiver.url, event_types: ['definition.created'], description: 'x' }),
  )
  const ids = { webhook_id: String(opened['id']) }
  const { event_id } = await ask('POST', `${webhook}/test`, ids)
  await attempted(team, ids.webhook_id, 1)
  for (const named of [ids, { webhook_id: 'nowhere' }]) {
    await ask('GET', webhook, named)
    await ask('GET', `${webhook}/deliveries`, named)
    await ask('PUT', webhook, named, json('PUT', { url: receiver.url }))
    for (const what of ['rotate', 'disable', 'enable'])
      await ask('POST', `${webhook}/${what}`, named)
    await ask(
      'POST',
      `${webhook}/replay`,
      named,
      json('POST', { since: new Date(0).toISOString(), only: 'all' }),
    )
    for (const delivery_id of [String(event_id), 'none'])
      await ask('POST', `${webhook}/deliveries/{delivery_id}/retry`, { ...named, delivery_id })
  }
  await ask('POST', `${webhook}/replay`, ids, json('POST', { since: 'x' }))
  await ask('GET', root)
  await ask('GET', '/platform/workspaces/{workspace_id}/events')
  for (let i = 0; i < 2; i++) await ask('DELETE', webhook, ids)
})

walk('what events are answered with is as the document says', async () => {
  const { id, secret } = (await Team.open()).client
  const ask = asking(() => ({ authorization: `Basic ${btoa(`${id}:${secret}`)}` }))
  const batch = { mpid: 1, environment: 'production' }
  await ask('POST', '/v2/events', {}, json('POST', batch))
  await ask('POST', '/v2/bulkevents', {}, json('POST', [batch]))
  await refusals(ask, '/v2', json('POST', {}))
  await refusals(ask, '/v2', { ...json('POST', batch), headers: { authorization: 'Basic x' } })
  const reader = (await Team.open(['users:read'])).client
  await refusals(ask, '/v2', {
    ...json('POST', batch),
    headers: { authorization: `Basic ${btoa(`${reader.id}:${reader.secret}`)}` },
  })
})

walk('what OpenFeature is answered is as the document says', async () => {
  const bank = await Bank.open()
  const key = await bank.group('owls')
  const ask = asking(() => bank.headers(), { key })
  for (const context of [{ targetingKey: 'ann' }, {}]) {
    await ask('POST', '/ofrep/v1/evaluate/flags', {}, json('POST', { context }))
    await ask('POST', '/ofrep/v1/evaluate/flags/{key}', {}, json('POST', { context }))
  }
  await ask(
    'POST',
    '/ofrep/v1/evaluate/flags/{key}',
    { key: 'crows' },
    json('POST', { context: { targetingKey: 'ann' } }),
  )
  const writer = await Bank.open(['groups:write'], bank.workspace)
  for (const authorization of ['Bearer x', `Bearer ${writer.token}`])
    await refusals(ask, '/ofrep', { headers: { authorization } })
})

it('each operation of the document was asked for', async () => {
  for (const asks of walks) await asks()
  expect([...done].sort()).toEqual(operations.map(([name]) => name).sort())
})
