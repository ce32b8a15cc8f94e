import { registerSchema, validate } from '@hyperjump/json-schema/openapi-3-1'
import { beforeAll, expect, it } from 'vitest'
import { asAdmin, Bank, call, eventually, hasEnded, json, type Json } from '../support/api.ts'
import { Lab } from '../support/experiments.ts'
import { held } from '../support/held.ts'
import { household, Team } from '../support/identity.ts'
import { published, type Operation } from '../support/openapi.ts'
import { attempted, Receiver } from '../support/receiver.ts'
import { creating, ofTus, pieceType } from '../support/tus.ts'

let operations: [name: string, Operation][]
const done = new Set<string>()

beforeAll(async () => {
  ;({ operations } = await published())
})

let schemas = 0
/** Status and shape of the answer are in the document. */
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

/** Calls an operation of the document, its path filled in, with the caller's headers by default. */
const requester =
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
type Requester = ReturnType<typeof requester>

const walks: (() => Promise<void>)[] = []

/** A test of some operations, whose requests are sent once, by itself or for the last test. */
function walk(title: string, requests: () => Promise<void>): void {
  let sent: Promise<void> | undefined
  const once = () => (sent ??= requests())
  walks.push(once)
  it(title, once)
}

walk("open and administrator's operations answer as the document says", async () => {
  const request = requester(() => ({}))
  for (const path of [
    '/health',
    '/ready',
    '/openapi.json',
    '/.well-known/jwks.json',
    '/.well-known/oauth-authorization-server',
  ])
    await request('GET', path)

  const draft = { workspace_id: 7, name: 'x', scopes: ['groups:read'] }
  const { client_id, client_secret } = await request(
    'POST',
    '/oauth/clients',
    {},
    asAdmin(json('POST', draft)),
  )
  await request(
    'POST',
    '/oauth/clients',
    {},
    asAdmin(json('POST', { ...draft, more: 'x'.repeat(300_000) })),
  )
  await request('GET', '/oauth/clients', {}, asAdmin())
  await request(
    'POST',
    '/oauth/token',
    {},
    json('POST', { grant_type: 'client_credentials', client_id, client_secret }),
  )
  await request('POST', '/oauth/token', {}, json('POST', {}))
  const token = { token: 'x', client_id, client_secret }
  for (const body of [token, {}, { ...token, client_secret: 'wrong' }])
    await request('POST', '/oauth/revoke', {}, json('POST', body))
  for (const id of [String(client_id), 'x']) {
    const at = { client_id: id }
    await request('POST', '/oauth/clients/{client_id}/rotate', at, asAdmin())
    await request('POST', '/oauth/clients/{client_id}/revoke', at, asAdmin())
    await request('DELETE', '/oauth/clients/{client_id}', at, asAdmin())
  }
  for (const to of ['DB_1', 'nowhere'])
    await request('POST', '/oauth/moves', {}, asAdmin(json('POST', { workspace_id: 7, to })))
  await request('GET', '/oauth/moves', {}, asAdmin())
  await request('POST', '/oauth/moves/{move_id}/back', { move_id: '1' }, asAdmin())
})

walk('what Experience Groups answer is as the document says', async () => {
  const bank = await Bank.open()
  const request = requester(() => bank.headers())
  const v3 = '/groups/v3'
  const groupId = String(
    (
      await request(
        'POST',
        `${v3}/groups`,
        {},
        json('POST', { groupName: 'owls', groupDescription: 'x' }),
      )
    )['groupId'],
  )
  await request('POST', `${v3}/groups`, {}, json('POST', { groupName: 'owls' }))
  await request('GET', `${v3}/groups`)
  await request('GET', `${v3}/groups`, {}, { headers: { authorization: 'Bearer x' } })
  await request('GET', `${v3}/groups/{groupId}`, { groupId })
  await request('PUT', `${v3}/groups/{groupId}`, { groupId }, json('PUT', { groupName: 'owls' }))
  const csv = { body: 'ann\na,b\n', headers: { 'content-type': 'text/csv' } }
  for (const method of ['PUT', 'POST'])
    await request(method, `${v3}/groups/{groupId}/participants`, { groupId }, csv)
  const { jobId } = await (await bank.upload(groupId, 'ADD', csv.body)).json<Json>()
  await request('GET', `${v3}/jobs/{jobId}`, { jobId: String(jobId) })
  await bank.ended(String(jobId))
  await request('GET', `${v3}/jobs`)
  await request('GET', `${v3}/jobs/{jobId}`, { jobId: String(jobId) })
  await request('GET', `${v3}/jobs/{jobId}/errors`, { jobId: String(jobId) })
  for (const end of ['publish', 'cancel']) {
    const job = await held(bank, groupId, { type: 'ADD', mode: 'preview' }, [end])
    const at = { jobId: String(job['jobId']) }
    await request('GET', `${v3}/jobs/{jobId}`, at)
    const changes = `/jobs/${at.jobId}/changes?kind=added`
    await asDescribed(`GET ${v3}/jobs/{jobId}/changes`, await bank.call('GET', changes))
    await request('GET', `${v3}/jobs/{jobId}/changes`, at)
    for (let times = 0; times < 2; times++) await request('POST', `${v3}/jobs/{jobId}/${end}`, at)
  }
  const participantId = 'ann'
  await request('GET', `${v3}/groups/{groupId}/participants`, { groupId })
  await request('GET', `${v3}/groups/{groupId}/participants/{participantId}`, {
    groupId,
    participantId,
  })
  const reverting = await request('POST', `${v3}/groups/{groupId}/revert`, { groupId })
  await bank.ended(String(reverting['jobId']))
  await request('GET', `${v3}/groups/{groupId}/revisions`, { groupId })
  await request('GET', `${v3}/participants/{participantId}/groups`, { participantId })
  await request(
    'POST',
    `${v3}/memberships`,
    {},
    json('POST', { participantIds: [participantId, 'nobody'] }),
  )
  await uploads(request, bank.headers(), `${v3}/groups/{groupId}/uploads`, { groupId })
  await request('DELETE', `${v3}/groups/{groupId}`, { groupId })
})

/** Each operation of uploads in pieces below a path, as it succeeds and as it is refused. */
async function uploads(
  request: Requester,
  caller: Record<string, string>,
  path: string,
  ids: Record<string, string>,
) {
  const of = (headers: Record<string, string>, body: string | null = null) => ({ body, headers })
  const first = { ...ofTus, 'content-type': pieceType, 'upload-offset': '0' }
  await asDescribed(
    `OPTIONS ${path}`,
    await call('/groups/v3/groups/x/uploads', { method: 'OPTIONS' }),
  )
  done.add(`OPTIONS ${path}`)
  for (const headers of [{ ...ofTus }, caller, creating(2 ** 33, {}), creating(0, {})])
    await request('POST', path, ids, of(headers))
  for (const method of ['PATCH', 'POST', 'DELETE']) {
    const shown = await request('POST', path, ids, of(creating(4, { type: 'ADD' })))
    const id = String(shown['uploadId'] ?? shown['id'])
    const at = { ...ids, uploadId: id, upload_id: id }
    const one = `${path}/{${path.includes('v3') ? 'uploadId' : 'upload_id'}}`
    for (const piece of [
      first,
      { ...first, 'content-type': 'x' },
      { ...first, 'upload-offset': '9' },
    ])
      await request('PATCH', one, at, of(piece, 'too long'))
    await request('GET', one, at, of(ofTus))
    const override = { ...first, 'x-http-method-override': 'PATCH' }
    await request(
      method,
      one,
      at,
      of(method === 'POST' ? override : first, method === 'DELETE' ? null : 'bob\n'),
    )
    await request('GET', one, at, of(ofTus))
    await request('POST', one, at, of(ofTus))
  }
}

/** Each operation once more, as somebody who is refused. */
async function refusals(request: Requester, prefix: string, init: RequestInit) {
  for (const [name] of operations.filter(([name]) => name.includes(` ${prefix}`))) {
    const [method = '', template = ''] = name.split(' ')
    await request(method, template, {}, init)
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
  const request = requester(() => ({ authorization: `Bearer ${team.token}` }), ids)
  const attributes = ['latest', 'boolean_or', 'sum', 'average'].map((type) => ({ id: type, type }))
  const definition = { ...household, attributes }

  await request('POST', `${root}/groups`, {}, json('POST', { id: 'x' }))
  await request(
    'POST',
    `${root}/groups`,
    {},
    { body: '{', headers: { 'content-type': 'application/json' } },
  )
  await request('POST', `${root}/groups`, {}, json('POST', household))
  await request('GET', `${root}/groups`)
  await request('GET', `${root}/groups/{group_id}`)
  await request('GET', `${root}/groups/{group_id}`, { group_id: 'nowhere' })
  await request('PUT', `${root}/groups/{group_id}`, {}, json('PUT', definition))
  await request('PATCH', `${root}/groups/{group_id}`, {}, json('PATCH', { attributes }))

  const given = {
    $address: 'A',
    latest: ['x'],
    boolean_or: true,
    sum: 1.5,
    average: '2',
    gone: null,
  }
  await request('PUT', `${root}/users/{user_id}`, {}, json('PUT', { user_attributes: given }))
  await request('PUT', `${root}/users/{user_id}`, {}, json('PUT', { user_attributes: { x: {} } }))
  await request(
    'PATCH',
    `${root}/users/{user_id}`,
    { user_id: 'bob' },
    json('PATCH', { user_attributes: { $address: 'A' } }),
  )
  await request(
    'PUT',
    `${root}/users`,
    {},
    { body: 'user_id\na,b\ncid\n', headers: { 'content-type': 'text/csv' } },
  )

  const { id } = await request('POST', `${root}/groups/{group_id}/recompute`)
  await request('GET', `${root}/groups/{group_id}/runs/{run_id}`, { run_id: String(id) })
  await team.ended('household', String(id))
  await request('GET', `${root}/groups/{group_id}/runs/{run_id}`, { run_id: String(id) })
  await request('GET', `${root}/groups/{group_id}/runs`)
  await request('GET', `${root}/groups/{group_id}/instances`)

  for (const user_id of ['ann', 'bob', 'nobody'])
    await request('GET', `${root}/users/{user_id}`, { user_id })
  for (const { id } of attributes)
    await request('GET', `${root}/users/{user_id}/attributes/{name}/explain`, {
      name: `household:${id}`,
    })
  await request('GET', '/userprofile/v1/{org_id}/{account_id}/{workspace_id}/{mpid}')

  const { imports } = (await request('GET', `${root}/imports`)) as { imports: Json[] }
  const import_id = String(imports[0]?.['id'])
  await eventually(() => request('GET', `${root}/imports/{import_id}`, { import_id }), hasEnded)
  await request('GET', `${root}/imports/{import_id}/errors`, { import_id })

  await uploads(request, {}, `${root}/users/uploads`, ids)
  await refusals(request, root, { headers: { authorization: 'Bearer x' } })
  await refusals(request, '/userprofile', { headers: { authorization: 'Bearer x' } })
  const { token } = await Team.open()
  await refusals(request, root, { headers: { authorization: `Bearer ${token}` } })
  await refusals(request, '/userprofile', { headers: { authorization: `Bearer ${token}` } })
  await request('DELETE', `${root}/users/{user_id}`)
  await request('DELETE', `${root}/groups/{group_id}`)
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
  const request = requester(() => ({ authorization: `Bearer ${team.token}` }), ids)
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

  await request('POST', root, {}, json('POST', every)) // its `used` is not there yet
  await request('POST', root, {}, json('POST', { id: 'used', name: 'x', rule: exists[0] }))
  for (const draft of [every, every, { name: 'x' }, [], { name: 'x', rule: {} }])
    await request('POST', root, {}, json('POST', draft))
  await request('POST', root, {}, { body: '{', headers: { 'content-type': 'application/json' } })
  await request('GET', root)
  await request('POST', `${root}/preview`, {}, json('POST', { rule: every.rule }))
  await request('POST', `${root}/preview`, {}, json('POST', { rule: { operator: 'and' } }))
  for (const query of ['?a=every&b=used', '?a=every', '?a=every&b=nowhere']) {
    const headers = { authorization: `Bearer ${team.token}` }
    await asDescribed(
      `GET ${root}/overlap`,
      await call(`/platform/workspaces/${team.workspace}/audiences/overlap${query}`, { headers }),
    )
  }
  for (const below of ['', '/count', '/users', '/users/{user_id}'])
    for (const audience_id of ['every', 'nowhere'])
      await request('GET', audience + below, { audience_id })
  for (const user_id of ['bob', 'nobody', 'x'.repeat(65)])
    await request('GET', `${audience}/users/{user_id}`, { user_id })

  await request('POST', `${audience}/sync`)
  const filled = await bank.group('larks')
  for (const named of [groupId, filled, undefined, crypto.randomUUID()].map((groupId) => ({
    groupId,
  })))
    await request('PUT', `${audience}/experience-group`, {}, json('PUT', named))
  await request(
    'PUT',
    `${audience}/experience-group`,
    { audience_id: 'used' },
    json('PUT', { groupId: filled }),
  )
  await request('GET', audience)
  const { job_id } = await request('POST', `${audience}/sync`)
  await bank.ended(String(job_id))
  await request('PUT', audience, {}, json('PUT', { name: 'z', rule: every.rule }))
  await request(
    'PUT',
    audience,
    { audience_id: 'used' },
    json('PUT', { name: 'z', rule: { operator: 'in_audience', audience: 'every' } }),
  )
  for (const below of ['/experience-group', '/experience-group', ''])
    await request('DELETE', audience + below)
  await request('POST', root, {}, json('POST', every))
  await request('DELETE', audience, { audience_id: 'used' })
  await request('DELETE', audience)
  await request('DELETE', audience)
})

walk('what experiments answer is as the document says', async () => {
  const team = await Team.open()
  const bank = await Bank.open(undefined, team.workspace)
  const request = requester(() => ({ authorization: `Bearer ${team.token}` }), {
    workspace_id: String(team.workspace),
    experiment_id: 'full',
  })
  const root = '/platform/workspaces/{workspace_id}/experiments'
  const one = `${root}/{experiment_id}`
  const [red, blue] = [
    { id: 'red', weight: 1 },
    { id: 'blue', weight: 9999 },
  ]
  const valued = (value: unknown, other = value) => [
    { ...red, value, forced: ['ann'] },
    { ...blue, value: other },
  ]
  const more = {
    ...{ description: 'x', group_id: await bank.group(), traffic: 7, control: 'blue' },
    ...{ layer: { id: 'page', from: 0, to: 1 }, holdout: { id: 'h1', share: 1 } },
  }
  for (const draft of [
    ...[{}, { id: 'plain', name: 'x', variants: [red] }, { id: 'full', name: 'x', variants: [] }],
    ...[true, 1.5, 'x', { deep: [{ a: null }] }].map((value, i) => ({
      ...{ id: `typed-${i}`, name: 'x', variants: valued(value) },
    })),
    { id: 'full', name: 'x', variants: [red, blue], ...more },
    { id: 'full', name: 'x', variants: [red, blue] },
  ])
    await request('POST', root, {}, json('POST', draft))
  await request('GET', root)
  for (const ids of [{ experiment_id: 'full' }, { experiment_id: 'nowhere' }]) {
    await request('GET', one, ids)
    await request('PUT', one, ids, json('PUT', { traffic: 8, holdout: null }))
    for (const what of ['pause', 'start', 'pause', 'end', 'start'])
      await request('POST', `${one}/${what}`, ids)
    await request('PUT', one, ids, json('PUT', { traffic: 9 }))
  }
  for (let i = 0; i < 2; i++) await request('DELETE', one)
})

walk('what webhooks answer is as the document says', async () => {
  const team = await Team.open()
  const receiver = new Receiver()
  const request = requester(() => ({ authorization: `Bearer ${team.token}` }), {
    workspace_id: String(team.workspace),
  })
  const root = '/platform/workspaces/{workspace_id}/webhooks'
  const webhook = `${root}/{webhook_id}`
  for (const draft of [{}, { url: 'x' }, { url: receiver.url, event_types: ['x'] }])
    await request('POST', root, {}, json('POST', draft))
  const opened = await request(
    'POST',
    root,
    {},
    json('POST', { url: receiver.url, event_types: ['definition.created'], description: 'x' }),
  )
  const ids = { webhook_id: String(opened['id']) }
  const { event_id } = await request('POST', `${webhook}/test`, ids)
  await attempted(team, ids.webhook_id, 1)
  for (const named of [ids, { webhook_id: 'nowhere' }]) {
    await request('GET', webhook, named)
    await request('GET', `${webhook}/deliveries`, named)
    await request('PUT', webhook, named, json('PUT', { url: receiver.url }))
    for (const what of ['rotate', 'disable', 'enable'])
      await request('POST', `${webhook}/${what}`, named)
    await request(
      'POST',
      `${webhook}/replay`,
      named,
      json('POST', { since: new Date(0).toISOString(), only: 'all' }),
    )
    for (const delivery_id of [String(event_id), 'none'])
      await request('POST', `${webhook}/deliveries/{delivery_id}/retry`, { ...named, delivery_id })
  }
  await request('POST', `${webhook}/replay`, ids, json('POST', { since: 'x' }))
  await request('GET', root)
  await request('GET', '/platform/workspaces/{workspace_id}/events')
  for (let i = 0; i < 2; i++) await request('DELETE', webhook, ids)
})

walk('what events are answered with is as the document says', async () => {
  const { id, secret } = (await Team.open()).client
  const request = requester(() => ({ authorization: `Basic ${btoa(`${id}:${secret}`)}` }))
  const batch = { mpid: 1, environment: 'production' }
  await request('POST', '/v2/events', {}, json('POST', batch))
  await request('POST', '/v2/bulkevents', {}, json('POST', [batch]))
  await refusals(request, '/v2', json('POST', {}))
  await refusals(request, '/v2', { ...json('POST', batch), headers: { authorization: 'Basic x' } })
  const reader = (await Team.open(['users:read'])).client
  await refusals(request, '/v2', {
    ...json('POST', batch),
    headers: { authorization: `Basic ${btoa(`${reader.id}:${reader.secret}`)}` },
  })
})

walk('what OpenFeature is answered is as the document says', async () => {
  const bank = await Bank.open()
  const key = await bank.group('owls')
  const request = requester(() => bank.headers(), { key })
  for (const context of [{ targetingKey: 'ann' }, {}]) {
    await request('POST', '/ofrep/v1/evaluate/flags', {}, json('POST', { context }))
    await request('POST', '/ofrep/v1/evaluate/flags/{key}', {}, json('POST', { context }))
  }
  await request(
    'POST',
    '/ofrep/v1/evaluate/flags/{key}',
    { key: 'crows' },
    json('POST', { context: { targetingKey: 'ann' } }),
  )
  const writer = await Bank.open(['groups:write'], bank.workspace)
  for (const authorization of ['Bearer x', `Bearer ${writer.token}`])
    await refusals(request, '/ofrep', { headers: { authorization } })
})

walk('what is answered of variants is as the document says', async () => {
  const lab = await Lab.open()
  const group_id = await lab.group(['ann'])
  await lab.team.define(household)
  await lab.team.user('ann', { $address: 'A' })
  await lab.team.recompute()
  const shares = { holdout: { id: 'h', share: 1 }, layer: { id: 'l', from: 0, to: 9999 } }
  const values = { string: 'é', number: 1.5, boolean: true, object: { list: [null, 'x'] } }
  const experiments = [...Object.keys(values), 'homes']
  for (const [id, value] of Object.entries(values)) {
    const variants = ['a', 'b'].map((arm) => ({ id: arm, weight: 5000, value, forced: [arm] }))
    await lab.running(id, { group_id, variants })
  }
  await lab.running('homes', { ...shares, unit: 'household' })

  const root = '/platform/workspaces/{workspace_id}/experiments'
  const ids = { workspace_id: String(lab.team.workspace), participant_id: 'ann' }
  const request = requester(() => ({ authorization: `Bearer ${lab.team.token}` }), ids)
  const one = `${root}/{experiment_id}/assignments/{participant_id}`
  for (const experiment_id of [...experiments, 'unknown'])
    for (const participant_id of ['ann', 'a', 'stranger'])
      for (const path of [one, `${one}/explain`])
        await request('GET', path, { experiment_id, participant_id })
  for (const body of [{}, { experiment_ids: ['unknown'] }, { experiment_ids: ['homes'] }])
    await request(
      'POST',
      `${root}/assignments`,
      {},
      json('POST', { participant_ids: ['ann', 'a', 'stranger'], ...body }),
    )
  await request('POST', `${root}/assignments`, {}, json('POST', {}))
  for (const targetingKey of ['ann', 'a', 'stranger', undefined]) {
    const asked = json('POST', { context: { targetingKey } })
    await request('POST', '/ofrep/v1/evaluate/flags', {}, asked)
    for (const key of [...experiments, 'unknown'])
      await request('POST', '/ofrep/v1/evaluate/flags/{key}', { key }, asked)
  }
})

it('each operation of the document was requested', async () => {
  for (const send of walks) await send()
  expect([...done].sort()).toEqual(operations.map(([name]) => name).sort())
})
