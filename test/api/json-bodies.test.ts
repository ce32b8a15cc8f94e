import { beforeAll, describe, expect, it } from 'vitest'
import { said } from '../support/answers.ts'
import { asAdmin, Bank, call, newClient, type Json } from '../support/api.ts'
import {
  eventDoors,
  groupDoors,
  knock,
  ofrepDoors,
  workspaceDoors,
  type NamedDoor,
} from '../support/doors.ts'
import { callWith } from '../support/door.ts'
import { household, Team } from '../support/identity.ts'

const bytesOf = (text: string) => new Uint8Array(new TextEncoder().encode(text))

async function gzip(bytes: string | Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'))
  return new Uint8Array(await new Response(packed).arrayBuffer())
}

const doors = [...groupDoors, ...workspaceDoors, ...eventDoors, ...ofrepDoors].filter(
  ({ takesJson }) => takesJson,
)

let team: Team
let headers: Record<string, Record<string, string>>
beforeAll(async () => {
  team = await Team.open()
  const bearer = {
    authorization: `Bearer ${team.token}`,
    transactionId: crypto.randomUUID(),
  }
  headers = {
    bearer,
    basic: { authorization: `Basic ${btoa(`${team.client.id}:${team.client.secret}`)}` },
  }
})

/** Bytes, as fetch would add a content type to a text. */
const send = (door: NamedDoor, body: Uint8Array<ArrayBuffer>, more: Record<string, string>) =>
  said(
    knock(
      { ...door, init: { body } },
      { ...headers[door.template.startsWith('/v2/') ? 'basic' : 'bearer'], ...more },
      {
        workspace_id: String(team.workspace),
        groupId: crypto.randomUUID(),
        jobId: crypto.randomUUID(),
        group_id: 'household',
        user_id: '1',
        audience_id: 'coupon',
        experiment_id: 'summer',
        webhook_id: crypto.randomUUID(),
        key: 'owls',
      },
    ),
  )

const types: [string, Record<string, string>][] = [
  ['none', {}],
  ['an empty one', { 'content-type': '' }],
  ["curl's", { 'content-type': 'application/x-www-form-urlencoded' }],
  ['plain text', { 'content-type': 'text/plain;charset=UTF-8' }],
  ['one of bytes', { 'content-type': 'application/octet-stream' }],
  ['one of CSV', { 'content-type': 'text/csv' }],
  ['XML', { 'content-type': 'application/xml' }],
  ['a kind of JSON', { 'content-type': 'application/vnd.api+json; charset=utf-8' }],
  ['JSON of another time', { 'content-type': 'text/json' }],
  ['nonsense', { 'content-type': 'json' }],
  ['that of another multipart', { 'content-type': 'application/multipart' }],
]

/** What is JSON, and nothing that a door takes. */
const seven = bytesOf('7')
const asJson = { 'content-type': 'application/json' }

describe.each(doors)('$name', (door) => {
  it('reads JSON whatever its content type says', async () => {
    const expected = await send(door, seven, asJson)
    expect(JSON.stringify(expected)).not.toMatch(/Content-Type|not valid/)
    for (const [name, type] of types) expect(await send(door, seven, type), name).toEqual(expected)
  })

  it('reads JSON that is packed', async () => {
    const expected = await send(door, seven, asJson)
    for (const encoding of ['gzip', 'x-gzip', 'GZIP', ' gzip ', 'identity, gzip', 'identity', ''])
      expect(
        await send(door, /gzip/i.test(encoding) ? await gzip('7') : seven, {
          'content-encoding': encoding,
        }),
        encoding,
      ).toEqual(expected)
    expect(await send(door, await gzip('7'), {})).toEqual(expected)
  })

  it('refuses what is no JSON, and says what it takes', async () => {
    const broken = (await send(door, bytesOf('{'), asJson)) as Json
    expect(JSON.stringify(broken)).toMatch(/not valid JSON/)
    const empty = door.mayBeEmpty ? [] : ['', ' \n']
    for (const body of [...empty, '{"a":'])
      expect(await send(door, bytesOf(body), asJson), body).toEqual(broken)
    for (const body of empty) expect(await send(door, bytesOf(body), {})).toEqual(broken)
    expect(await send(door, new Uint8Array([0x22, 0xff, 0x22]), asJson)).toEqual(broken)
    for (const [type, body] of [
      ['application/x-www-form-urlencoded', 'a=1&b=2'],
      ['text/plain', 'hello'],
      ['multipart/form-data; boundary=x', '7'],
      ['Multipart/Mixed; boundary=x', '{}'],
    ] as const) {
      const answer = await send(door, bytesOf(body), { 'content-type': type })
      expect(answer['status'], type).toBe(400)
      expect(JSON.stringify(answer), type).toMatch(/Content-Type must be application\/json/)
    }
  })

  it('refuses what it cannot unpack, or what is too much', async () => {
    for (const encoding of ['br', 'deflate', 'zstd', 'compress', 'gzip, gzip', 'gzip, br', '*']) {
      const answer = await send(door, seven, { 'content-encoding': encoding })
      expect(answer['status'], encoding).toBe(400)
      expect(JSON.stringify(answer), encoding).toMatch(/Content-Encoding must be gzip or identity/)
    }
    const whole = await gzip(JSON.stringify({ a: 'x'.repeat(1000) }))
    for (const broken of [
      seven,
      whole.slice(0, -1),
      whole.slice(0, 20),
      Uint8Array.from(whole, (byte, i) => (i === 30 ? byte ^ 255 : byte)),
    ])
      expect(
        JSON.stringify(await send(door, broken, { 'content-encoding': 'gzip' })),
        `${broken.length}`,
      ).toMatch(/"status":400.*not valid gzip/)
    const bomb = await gzip(new Uint8Array(20_000_000).fill(32))
    expect(bomb.length).toBeLessThan(262_144)
    for (const body of [bomb, await gzip(' '.repeat(262_144) + '7'), bytesOf(' '.repeat(262_145))])
      expect(JSON.stringify(await send(door, body, {}))).toMatch(
        /"status":400.*cannot exceed 262144 bytes/,
      )
    expect(await send(door, await gzip(' '.repeat(262_143) + '7'), {})).toEqual(
      await send(door, seven, asJson),
    )
  })
})

describe('a body as curl -d sends it', () => {
  const curl = (body: unknown) => ({
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })

  it('creates a group, a definition, a user and a client', async () => {
    const [bank, mine] = [await Bank.open(), await Team.open()]
    expect(
      await said(bank.call('POST', '/groups', curl({ groupName: 'Zürich 🎉' }))),
    ).toMatchObject({ status: 200, groupName: 'Zürich 🎉' })
    expect(await said(mine.call('POST', '/groups', curl(household)))).toMatchObject(household)
    expect(
      await said(mine.call('PUT', '/users/1', curl({ user_attributes: { has_dog: true } }))),
    ).toMatchObject({ status: 200, user_attributes: { has_dog: true } })
    const { headers, ...rest } = curl({ workspace_id: 7, name: 'x', scopes: ['groups:read'] })
    expect(
      await said(call('/oauth/clients', asAdmin({ ...rest, method: 'POST', headers }))),
    ).toMatchObject({ status: 201, workspace_id: 7 })
  })

  it('may begin with a byte order mark', async () => {
    const bank = await Bank.open()
    const body = `\ufeff${JSON.stringify({ groupName: 'owls' })}`
    expect(await said(bank.call('POST', '/groups', { body }))).toMatchObject({ groupName: 'owls' })
  })
})

describe('a look-up that is cached', () => {
  it('is answered by its contents, not by its encoding or URL', async () => {
    const bank = await Bank.open()
    await bank.apply(await bank.group('owls'), 'ADD', 'ann\n')
    const request = async (targetingKey: string, packed: boolean, type: Record<string, string>) => {
      const text = JSON.stringify({ context: { targetingKey } })
      const answer = await callWith({ LOOKUP_CACHE_SECONDS: 60 }, '/ofrep/v1/evaluate/flags/owls', {
        method: 'POST',
        body: packed ? await gzip(text) : bytesOf(text),
        headers: { ...bank.headers(), ...type, ...(packed && { 'content-encoding': 'gzip' }) },
      })
      return (await answer.json<Json>())['value']
    }
    for (const packed of [false, true, false])
      for (const [, type] of types) {
        expect(await request('ann', packed, type)).toBe(true)
        expect(await request('bob', packed, type)).toBe(false)
      }
  })
})

describe.each(['/oauth/token', '/oauth2/v1/token'])('POST %s', (path) => {
  const json = (fields: Record<string, string>) => JSON.stringify(fields)
  const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString()

  it.each<[string, (fields: Record<string, string>) => string, Record<string, string>]>([
    ['JSON without a type', json, {}],
    ['JSON said to be a form', json, { 'content-type': 'application/x-www-form-urlencoded' }],
    ['JSON said to be text', json, { 'content-type': 'text/plain' }],
    ['JSON after a byte order mark', (fields) => `\ufeff${json(fields)}`, asJson],
    ['a form without a type', form, {}],
    ['a form said to be JSON', form, asJson],
    ['a form said to be text', form, { 'content-type': 'text/plain' }],
    ['a form in capitals', form, { 'content-type': 'Application/X-WWW-Form-Urlencoded' }],
  ])('takes %s, packed too', async (_, write, type) => {
    const { id, secret } = await newClient()
    const text = write({
      grant_type: 'client_credentials',
      client_id: id,
      client_secret: secret,
    })
    for (const body of [bytesOf(text), await gzip(text)])
      expect(await said(call(path, { method: 'POST', headers: type, body }))).toMatchObject({
        status: 200,
        token_type: 'Bearer',
      })
  })

  it.each<[string, string, Record<string, string>, RegExp]>([
    ['nothing', '', {}, /not valid JSON/],
    ['nothing as a form', '', { 'content-type': 'application/x-www-form-urlencoded' }, /required/],
    ['text', 'hello', {}, /^Content-Type must be/],
    ['a part', 'grant_type=x', { 'content-type': 'multipart/form-data; boundary=x' }, /^Content-/],
    ['broken JSON', '{"grant_type":', asJson, /not valid JSON/],
    ['another encoding', '{}', { 'content-encoding': 'br' }, /^Content-Encoding/],
  ])('refuses %s', async (_, body, type, sentence) => {
    expect(
      await said(call(path, { method: 'POST', headers: type, body: bytesOf(body) })),
    ).toMatchObject({
      status: 400,
      error: 'invalid_request',
      error_description: expect.stringMatching(sentence),
    })
  })
})
