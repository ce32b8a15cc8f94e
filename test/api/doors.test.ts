import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scopes } from '../../src/access/scopes.ts'
import { app } from '../../src/api/app.ts'
import { deepJson, jsonText, refused, said, unauthorized } from '../support/answers.ts'
import {
  asAdmin,
  Bank,
  call,
  json,
  newClient,
  tokenOf,
  type Client,
  type Json,
} from '../support/api.ts'
import {
  adminDoors,
  choicesOf,
  eventDoors,
  faces,
  groupDoors,
  inTurn,
  ofrepDoors,
  knock as knockAt,
  oauthTakesJson,
  openDoors,
  withoutOne,
  workspaceDoors,
  type NamedDoor,
} from '../support/doors.ts'
import { held as heldJob } from '../support/held.ts'
import { begun, ofTus } from '../support/tus.ts'
import { resigned, wrongTokens } from '../support/tokens.ts'

/** `console-doors.test.ts` knocks at these. */
const ofPeople = /^\/(console\b.*)?$/

let bank: Bank
/** What a request through a group's door may name. */
let ids: { groupId: string; jobId: string; uploadId: string }
let other: Bank
let wrong: [why: string, token: string][]
let wide: Client

beforeAll(async () => {
  ;[bank, other] = [await Bank.open(), await Bank.open()]
  const groupId = await bank.group('owls')
  const { jobId } = await bank.apply(groupId, 'ADD', 'ann\na,b\n')
  ids = { groupId, jobId: String(jobId), uploadId: await upload(bank, groupId) }
  wrong = Object.entries(await wrongTokens(bank.token, other.token))
  wide = await newClient([...scopes], bank.workspace)
})

const upload = (of: Bank, groupId: string) =>
  begun((...request) => of.call(...request), `/groups/${groupId}/uploads`, 4, { type: 'ADD' })

const bearerOf = async (client: Client, held: readonly string[]) => ({
  authorization: `Bearer ${await tokenOf(client, { scope: held.join(' ') })}`,
})

/** Tokens of `wide`, each kept for many doors. */
const tokens = new Map<string, ReturnType<typeof bearerOf>>()
const bearerWith = (held: readonly string[]) => {
  const known = tokens.get(held.join()) ?? bearerOf(wide, held)
  tokens.set(held.join(), known)
  return known
}

const knock = (
  door: Pick<NamedDoor, 'method' | 'template' | 'init'>,
  headers: Record<string, string>,
  to = ids,
) => knockAt(door, headers, { participantId: 'ann', other_uploadId: to.uploadId, ...to })

/** All that a caller who should not have come in could have changed. */
async function nothingChanged() {
  expect(await bank.get('/groups')).toMatchObject({
    content: [{ groupId: ids.groupId, groupName: 'owls', noOfParticipants: 1 }],
    page: { totalElements: 1 },
  })
  expect(await bank.get('/jobs')).toMatchObject({ page: { totalElements: 1 } })
  const path = `/groups/${ids.groupId}/uploads/${ids.uploadId}`
  const sent = bank.call('GET', path, { headers: ofTus })
  expect(await said(sent)).toMatchObject({ status: 200, offset: 0 })
}

describe('the doors', () => {
  it('are all in the tables', () => {
    const routes = app.routes
      .filter(({ method, path }) => method !== 'ALL' && !ofPeople.test(path))
      .map(({ method, path }) => `${method} ${path}`)
    const doors = [...groupDoors, ...workspaceDoors, ...eventDoors, ...ofrepDoors].map(
      ({ name }) => name,
    )
    const known = [...doors, ...Object.keys(adminDoors), ...Object.keys(openDoors)]
    expect([...new Set(routes)].sort()).toEqual(known.sort())
  })

  it('that take JSON are marked so', async () => {
    const { paths } = await (
      await call('/openapi.json')
    ).json<{ paths: Record<string, Record<string, { requestBody?: { content: Json } }>> }>()
    const taking = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(
          ([, { requestBody }]) =>
            requestBody !== undefined && 'application/json' in requestBody.content,
        )
        .map(([method]) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
    )
    const shown = [
      ...groupDoors.filter(({ template }) => template.startsWith('/groups/v3/')),
      ...workspaceDoors,
      ...eventDoors,
      ...ofrepDoors,
    ]
    const known = shown.filter(({ takesJson }) => takesJson).map(({ name }) => name)
    expect(taking.sort()).toEqual([...known, ...oauthTakesJson].sort())
  })

  it('end, in each dialect, in one that refuses all other paths', () => {
    const catching = app.routes
      .filter(({ method, path }) => method === 'ALL' && path.endsWith('*'))
      .map(({ path }) => path)
    expect(catching).toEqual(
      expect.arrayContaining([
        '/*',
        '/oauth/*',
        '/.well-known/*',
        ...faces.map((face) => `${face}/*`),
        '/platform/workspaces/:workspace_id/*',
        '/v2/*',
        '/userprofile/v1/*',
        '/ofrep/v1/*',
      ]),
    )
  })
})

describe.each(groupDoors)('$name', (door) => {
  afterAll(nothingChanged)
  const { template } = door
  // Each path has all cases, at one of its faces.
  const own = groupDoors.length / faces.length
  const place = (groupDoors.indexOf(door) % own) + Math.floor(groupDoors.indexOf(door) / own)

  it('opens to a token with nothing but the scope', async () => {
    for (const held of choicesOf(door)) {
      const owner = await Bank.open()
      const client = await newClient(held, owner.workspace)
      const groupId = await owner.group()
      const fields = { type: 'ADD', ...(door.stands && { mode: 'preview' }) }
      // To be reverted, a group must have been changed.
      const { jobId } = /:jobId|revert$/.test(template)
        ? await heldJob(owner, groupId, fields, ['ann'])
        : {}
      const headers: Record<string, string> = {
        ...owner.headers(),
        ...(await bearerOf(client, held)),
      }
      const uploadId = template.includes(':uploadId') ? await upload(owner, groupId) : ''
      const answer = await knock(door, headers, { groupId, jobId: String(jobId), uploadId })
      expect(answer.headers.get('transactionId')).toBe(headers['transactionId'])
      expect([answer.status, await answer.text()], held.join()).toEqual([
        door.status ?? 200,
        door.status === 204 ? '' : expect.stringMatching(/./),
      ])
    }
  })

  it('stays shut without a token', async () => {
    const transactionId = crypto.randomUUID()
    const none = await knock(door, { transactionId })
    expect(none.headers.get('www-authenticate')).toBe('Bearer')
    expect(none.headers.get('transactionId')).toBe(transactionId)
    expect(await said(none)).toEqual(unauthorized)
    const others = [
      '',
      'Bearer',
      'Bearer ',
      `Basic ${bank.token}`,
      bank.token,
      `Bearer ${bank.token} x`,
      `Bearer ${env.ADMIN_TOKEN}`,
    ]
    for (const authorization of inTurn(others, place)) {
      const answer = await knock(door, { transactionId, authorization })
      expect(answer.headers.get('www-authenticate'), authorization).toMatch(/^Bearer/)
      expect(await said(answer), authorization).toEqual(unauthorized)
    }
  })

  it('stays shut to a token that is not what it seems', async () => {
    for (const [why, token] of inTurn(wrong, place)) {
      const answer = await knock(door, {
        transactionId: crypto.randomUUID(),
        authorization: `Bearer ${token}`,
      })
      expect(answer.headers.get('www-authenticate'), why).toBe('Bearer error="invalid_token"')
      expect(await said(answer), why).toEqual(unauthorized)
    }
  })

  it('stays shut to a token without the scope', async () => {
    for (const held of withoutOne(door)) {
      const headers = { ...bank.headers(), ...(await bearerWith(held)) }
      const answer = await knock(door, headers)
      expect(answer.headers.get('www-authenticate')).toBe(
        `Bearer error="insufficient_scope", scope="${door.scope}"`,
      )
      expect(await said(answer)).toEqual(unauthorized)
    }
  })

  it('wants the transaction named by a uuid', async () => {
    const { authorization = '' } = bank.headers()
    const uuid = crypto.randomUUID()
    const invalid = [
      undefined,
      '',
      'x',
      `${uuid}0`,
      `{${uuid}}`,
      uuid.replaceAll('-', ''),
      `${uuid}, ${uuid}`,
      '__proto__',
    ]
    for (const transactionId of inTurn(invalid, place)) {
      const answer = await knock(door, {
        authorization,
        ...(transactionId !== undefined && { transactionId }),
      })
      expect(await said(answer), transactionId).toEqual(refused('Header transactionId is invalid'))
    }
  })
})

describe.each(groupDoors.filter(({ takesJson }) => takesJson))('$name', (door) => {
  afterAll(nothingChanged)

  it('refuses broken JSON', async () => {
    for (const body of [
      ...(door.mayBeEmpty ? [] : ['']),
      '{',
      '{"groupName":',
      'undefined',
      deepJson().slice(1),
    ]) {
      const answer = await knock({ ...door, init: { ...door.init, body } }, bank.headers())
      expect(await said(answer)).toEqual(refused('The request body is not valid JSON'))
    }
  })
})

describe.each(groupDoors.filter(({ template }) => /:(groupId|jobId)/.test(template)))(
  '$name',
  (door) => {
    afterAll(nothingChanged)

    it("finds nothing of another workspace's", async () => {
      const upload = refused(`uploadId ${ids.uploadId} not found`, '2000', 404)
      const sentence = door.template.includes(':jobId')
        ? `jobId ${ids.jobId} not found`
        : `groupId ${ids.groupId} not found or has been marked for deletion`
      const transactionId = crypto.randomUUID().toUpperCase()
      const answer = await knock(door, { ...other.headers(), transactionId })
      expect(answer.headers.get('transactionId')).toBe(transactionId)
      const isUpload = door.template.includes(':uploadId')
      expect(await said(answer)).toEqual(isUpload ? upload : refused(sentence))
    })
  },
)

describe.each(ofrepDoors)('$name', (door) => {
  const at = { workspace_id: '', key: 'owls' }
  const statusFor = async (held: readonly string[]) =>
    (await knockAt(door, await bearerWith(held), at)).status

  it('opens to a token with nothing but the scope', async () => {
    for (const held of choicesOf(door)) expect([held, await statusFor(held)]).toEqual([held, 200])
  })

  it('stays shut to a token without the scope', async () => {
    for (const held of withoutOne(door)) expect([held, await statusFor(held)]).toEqual([held, 403])
  })
})

describe.each([...oauthTakesJson, 'POST /oauth2/v1/token'])('%s', (name) => {
  it('refuses broken JSON', async () => {
    for (const body of ['', '{', '{"name":', 'undefined', deepJson().slice(1)]) {
      const answer = await said(
        call(name.replace('POST ', ''), {
          ...asAdmin(jsonText(body)),
          ...(!/clients|moves/.test(name) && jsonText(body)),
        }),
      )
      expect(answer).toEqual({
        status: 400,
        error: 'invalid_request',
        error_description: 'The body is not valid JSON',
      })
    }
  })
})

describe.each(Object.entries(adminDoors))('%s', (name, { init, status }) => {
  const [method = '', template = ''] = name.split(' ')
  const clients = async () => (await call('/oauth/clients?workspace_id=7', asAdmin())).json<Json>()

  it('opens to the administrator alone', async () => {
    const { id } = await newClient(undefined, 7)
    const path = template.replace(':client_id', id)
    const before = await clients()
    for (const authorization of [
      undefined,
      '',
      'Bearer',
      `Bearer ${bank.token}`,
      `Bearer ${env.ADMIN_TOKEN}x`,
      `Basic ${env.ADMIN_TOKEN}`,
      'Bearer undefined',
    ]) {
      const headers = {
        ...(init.headers as Record<string, string>),
        ...(authorization !== undefined && { authorization }),
      }
      const answer = await call(path, { ...init, method, headers })
      expect(answer.headers.get('www-authenticate'), authorization).toMatch(/^Bearer/)
      expect(await said(answer), authorization).toMatchObject({
        status: 401,
        error: 'invalid_token',
      })
    }
    expect(await clients()).toEqual(before)
    expect((await call(path, asAdmin({ ...init, method }))).status).toBe(status)
  })
})

describe.each(Object.entries(openDoors))('%s', (name, status) => {
  it('is open to everyone', async () => {
    const [method = '', path = ''] = name.split(' ')
    // Who may see more by a token is refused with another one.
    const others = path === '/ready' ? [] : [{ authorization: 'Bearer x' }]
    for (const headers of [{}, ...others]) {
      const init =
        method === 'POST'
          ? { ...json('POST', {}), headers: { 'content-type': 'application/json' } }
          : { headers }
      expect((await call(path, { ...init, method })).status).toBe(status)
    }
  })
})

describe('a token', () => {
  it('that was good holds until it expires, and not a moment longer', async () => {
    const short = await resigned(bank.token, { exp: Math.floor(Date.now() / 1000) + 2 })
    const request = () =>
      call('/groups/v3/groups', {
        headers: { ...bank.headers(), authorization: `Bearer ${short}` },
      })
    expect((await request()).status).toBe(200)
    await scheduler.wait(2100)
    expect(await said(request())).toEqual(unauthorized)
  })
})
