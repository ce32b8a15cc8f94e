import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { deepJson, said } from '../support/answers.ts'
import { Bank, call, newClient, tokenOf } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { wrongTokens } from '../support/tokens.ts'

let bank: Bank
let owls: string
let larks: string

beforeAll(async () => {
  bank = await Bank.open()
  ;[owls, larks] = [await bank.group('owls'), await bank.group('early larks/ü')]
  await bank.apply(owls, 'ADD', 'ann\nbob\n')
})

const flags = '/ofrep/v1/evaluate/flags'

function request(
  key: string | undefined,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  const path = key === undefined ? flags : `${flags}/${encodeURIComponent(key)}`
  return call(path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${bank.token}`,
      'content-type': 'application/json',
      ...headers,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}
const about = (targetingKey: unknown) => ({
  context: { targetingKey, plan: 'gold', nested: { a: [1] } },
})

describe('POST /ofrep/v1/evaluate/flags/{key}', () => {
  it('says whether the participant is in the group, by id or name', async () => {
    for (const key of [owls, 'owls'])
      expect(await said(request(key, about('bob')))).toEqual({
        status: 200,
        key,
        value: true,
        reason: 'TARGETING_MATCH',
        variant: 'member',
        metadata: { groupId: owls, groupName: 'owls', revision: 1 },
      })
    expect(await said(request('owls', about('cid')))).toMatchObject({
      value: false,
      variant: 'other',
    })
    expect(await said(request('early larks/ü', about('bob')))).toMatchObject({
      value: false,
      metadata: { groupId: larks, revision: 0 },
    })
  })

  it('takes an id before a name', async () => {
    // Such names are refused since.
    const rename = env.DB.prepare('UPDATE experience_groups SET name = ? WHERE id = ?')
    await rename.bind(larks, await bank.group()).run()
    expect(await said(request(larks, about('bob')))).toMatchObject({ metadata: { groupId: larks } })
  })

  it("does not find the name of another workspace's or a deleted group", async () => {
    const gone = await bank.group('gone')
    await bank.call('DELETE', `/groups/${gone}`)
    const others = await (await Bank.open()).group('theirs')
    for (const key of ['crows', 'gone', gone, others, 'theirs', '__proto__'])
      expect(await said(request(key, about('bob')))).toEqual({
        status: 404,
        key,
        errorCode: 'FLAG_NOT_FOUND',
        errorDetails: `There is no flag ${key}`,
      })
  })

  it.each([
    { context: {} },
    { context: { targetingKey: '' } },
    { context: { targetingKey: null } },
    { context: { targetingKey: ' \u200b\t' } },
    { context: { plan: 'gold' } },
  ])('guesses nobody: %j', async (body) => {
    expect(await said(request('owls', body))).toMatchObject({
      status: 400,
      key: 'owls',
      errorCode: 'TARGETING_KEY_MISSING',
    })
  })

  it.each([{}, { context: null }, { context: 'ann' }, about(7), []])(
    'refuses a context that is none: %j',
    async (body) => {
      expect(await said(request('owls', body))).toMatchObject({
        status: 400,
        key: 'owls',
        errorCode: 'INVALID_CONTEXT',
      })
    },
  )

  it.each(['', '{', deepJson().slice(1)])('refuses what is not JSON', async (body) => {
    expect(await said(request('owls', body))).toMatchObject({
      status: 400,
      key: 'owls',
      errorCode: 'PARSE_ERROR',
    })
  })
})

describe('POST /ofrep/v1/evaluate/flags', () => {
  it('evaluates every group, under its id and under its name', async () => {
    const one = await Bank.open()
    const [a, b] = [await one.group('a'), await one.group('b')]
    await one.apply(b, 'ADD', 'ann\n')
    const answer = await call(flags, {
      method: 'POST',
      headers: { authorization: `Bearer ${one.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(about('ann')),
    })
    expect(await said(answer)).toMatchObject({
      status: 200,
      flags: [
        { key: a, value: false },
        { key: 'a', value: false },
        { key: b, value: true },
        { key: 'b', value: true },
      ],
    })
  })

  it('has an ETag, for one participant, that holds until something changes', async () => {
    const first = await request(undefined, about('ann'))
    const tag = first.headers.get('etag') ?? ''
    expect(tag).toMatch(/^W\/"[\w-]+"$/)
    for (const known of [tag, tag.replace('W/', ''), `"x", ${tag}`, '*']) {
      const same = await request(undefined, about('ann'), { 'if-none-match': known })
      expect({
        status: same.status,
        body: await same.text(),
        tag: same.headers.get('etag'),
      }).toEqual({ status: 304, body: '', tag })
    }
    expect((await request(undefined, about('cid'), { 'if-none-match': tag })).status).toBe(200)
    await bank.apply(owls, 'ADD', 'dan\n')
    expect((await request(undefined, about('ann'), { 'if-none-match': tag })).status).toBe(200)
  })
})

describe('the door of OpenFeature', () => {
  it('opens to nobody without the right token', async () => {
    const other = await Bank.open()
    const tokens = [
      ...Object.values(await wrongTokens(bank.token, other.token)),
      env.ADMIN_TOKEN,
      '',
    ]
    for (const token of tokens)
      expect(
        (await request('owls', about('ann'), { authorization: `Bearer ${token}` })).status,
      ).toBe(401)
    const client = await newClient(['groups:write'], bank.workspace)
    for (const key of ['owls', undefined])
      expect(
        (await request(key, about('ann'), { authorization: `Bearer ${await tokenOf(client)}` }))
          .status,
      ).toBe(403)
  })

  it('lets browsers send requests from any origin', async () => {
    const preflight = await call(`${flags}/owls`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://shop.test',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization',
      },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*')
    expect(preflight.headers.get('access-control-allow-headers')?.split(',')).toEqual(
      expect.arrayContaining([
        ...['Content-Type', 'Authorization', 'X-API-Key', 'If-None-Match'],
        'x-d1-bookmark',
      ]),
    )
    for (const answer of [
      await request('owls', about('ann'), { origin: 'https://shop.test' }),
      await request('owls', {}, { origin: 'https://shop.test' }),
    ]) {
      expect(answer.headers.get('access-control-allow-origin')).toBe('*')
      expect(answer.headers.get('access-control-expose-headers')?.split(',')).toEqual(
        expect.arrayContaining(['ETag', 'Retry-After', 'x-d1-bookmark', 'x-served-by']),
      )
    }
  })

  it('names the flag in every refusal, before the token is checked too', async () => {
    const writer = await tokenOf(await newClient(['groups:write'], bank.workspace))
    for (const [status, token] of [
      [401, 'x'],
      [403, writer],
    ] as const) {
      const headers = { authorization: `Bearer ${token}` }
      const refusal = { status, errorCode: 'GENERAL', errorDetails: expect.any(String) as string }
      expect(await said(request('early larks/ü', about('ann'), headers))).toEqual({
        ...refusal,
        key: 'early larks/ü',
      })
      expect(await said(request(undefined, about('ann'), headers))).toEqual(refusal)
    }
  })

  it('reports a lost database in a way that providers read, without details', async () => {
    const withSession = () => {
      throw new Error('the database is gone')
    }
    const gone = { withSession } as unknown as D1Database // the first thing that a look-up asks of it
    for (const [path, key] of [
      ['/owls', { key: 'owls' }],
      ['', {}],
    ] as const) {
      const answer = await callWith({ DB: gone }, `${flags}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${bank.token}`, 'content-type': 'application/json' },
        body: JSON.stringify(about('ann')),
      })
      expect(await said(answer)).toEqual({
        status: 500,
        ...key,
        errorCode: 'GENERAL',
        errorDetails: 'Internal server error',
      })
    }
  })

  it('leads nowhere else, and nobody there without a token', async () => {
    for (const path of ['/ofrep/v1', '/ofrep/v1/configuration', '/ofrep/v1/evaluate/flagsx/y']) {
      const headers = { authorization: `Bearer ${bank.token}` }
      expect(await said(call(path, { method: 'POST', headers }))).toMatchObject({
        status: 404,
        errorCode: 'GENERAL',
      })
      expect((await call(path, { method: 'POST' })).status).toBe(401)
      expect((await call(`${flags}/owls`, { headers })).status).toBe(404)
    }
  })
})
