import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { said } from '../support/answers.ts'
import { Bank, call, type Json } from '../support/api.ts'
import { callWith } from '../support/door.ts'

const flags = '/ofrep/v1/evaluate/flags'
const evaluation = (bank: Bank): RequestInit => ({
  method: 'POST',
  headers: { authorization: `Bearer ${bank.token}`, 'content-type': 'application/json' },
  body: JSON.stringify({ context: { targetingKey: 'ann' } }),
})

/** Names with characters that have a meaning in a URL's path. */
const names = [
  'a/b',
  'a/b/c',
  '/leading',
  'trailing/',
  'doubled//inside',
  '//',
  '/',
  'two words',
  'really?',
  'what?why',
  'who?name=ann&age=7',
  '?',
  '100%',
  '50% off',
  '%',
  '%zz',
  '7%25',
  'it is %41',
  '50%25 off ü',
  'c%2Fd',
  'C++',
  '1+1 = 2',
  'zürich',
  '\u{1f600}/é?',
  'a;b=c,d&e',
  '"<`{|}^>"',
  "it's",
  'a:b@c',
  'back\\slash',
  '__proto__',
  'constructor',
]

describe('a group whose name is', () => {
  let bank: Bank
  const ids = new Map<string, string>()
  beforeAll(async () => {
    bank = await Bank.open()
    for (const name of names) ids.set(name, await bank.group(name))
  })

  const evaluate = (written: string) => said(call(`${flags}/${written}`, evaluation(bank)))

  it.each(names)('%j is found by it, as it is and encoded', async (name) => {
    for (const written of [name, encodeURIComponent(name)])
      expect(await evaluate(written), written).toMatchObject({
        status: 200,
        key: name,
        metadata: { groupId: ids.get(name), groupName: name },
      })
  })

  it.each([
    ['two+words', 'two words'],
    ['100%25', '100%'],
    ['100%2525', undefined],
    ['a%2Fb', 'a/b'],
    ['two%2Bwords', undefined],
    ['zu\u0308rich', 'zürich'],
    ['zu%CC%88rich', 'zürich'],
    [' zürich\u00a0\u200b', 'zürich'],
    ['%E2%80%8Bz%C3%BCrich%20', 'zürich'],
    ['%41/b', undefined],
    ['%61/b', 'a/b'],
    ['a/b?tenant=1', 'a/b'],
    ['a%2Fb?tenant=1&x', 'a/b'],
    ['a/b?', 'a/b'],
    ['a/b?tenant', undefined],
    ['a/b/', undefined],
    ['trailing', undefined],
    ['%FF', undefined],
    ['%FF%20', undefined],
  ])('written %j as well: %j', async (written, name) => {
    expect(await evaluate(written)).toMatchObject(
      name === undefined
        ? { status: 404, key: expect.any(String) as string, errorCode: 'FLAG_NOT_FOUND' }
        : { status: 200, metadata: { groupId: ids.get(name) } },
    )
  })

  it('found by its id in any case, and with a query', async () => {
    const id = ids.get('a/b') ?? ''
    for (const written of [id, id.toUpperCase(), ` ${id}`, `${id}?`, `${id}?tenant=1`])
      expect(await evaluate(written)).toMatchObject({ status: 200, metadata: { groupId: id } })
    expect(await evaluate(id.toUpperCase())).toMatchObject({ key: id.toUpperCase() })
  })

  it('not taken for another by an answer that is cached', async () => {
    const short = await bank.group('really')
    const listed = async (name: string) => {
      const answer = await callWith(
        { LOOKUP_CACHE_SECONDS: 60 },
        `${flags}/${name}`,
        evaluation(bank),
      )
      return ((await answer.json<Json>())['metadata'] as Json)['groupId']
    }
    for (let time = 0; time < 2; time++) {
      expect(await listed('really')).toBe(short)
      expect(await listed('really?')).toBe(ids.get('really?'))
      expect(await listed('/')).toBe(ids.get('/'))
      expect(await listed('//')).toBe(ids.get('//'))
    }
  })
})

describe('a refusal', () => {
  it.each([
    ['no/such group', 'no/such group'],
    ['no%2Fsuch%20group', 'no/such group'],
    ['/no/', '/no/'],
    ['no?', 'no?'],
    ['no?tenant=1', 'no'],
    ['n\u00f6', 'nö'],
    ['no%0Aline', 'no\nline'],
    ['no%25', 'no%'],
    ['no%', 'no%'],
  ])('of %j repeats the key %j', async (written, key) => {
    const bank = await Bank.open()
    expect(await said(call(`${flags}/${written}`, evaluation(bank)))).toEqual({
      status: 404,
      key,
      errorCode: 'FLAG_NOT_FOUND',
      errorDetails: `There is no flag ${key}`,
    })
    expect(await said(call(`${flags}/${written}`, { method: 'POST' }))).toMatchObject({
      status: 401,
      key,
    })
  })
})

describe('all flags', () => {
  it('are only the requested ones, whatever their names', async () => {
    const bank = await Bank.open()
    const first = await bank.group('first')
    const id = await bank.group('second')
    await bank.apply(first, 'ADD', 'ann\n')
    // Names of before they were refused: another group's id, in either case, or the group's own.
    const renamed = async (id: string, name: string) =>
      env.DB.prepare('UPDATE experience_groups SET name = ? WHERE id = ?').bind(name, id).run()
    await renamed(await bank.group(), first)
    await renamed(await bank.group(), first.toUpperCase())
    await renamed(id, id)
    const listed = (await said(call(flags, evaluation(bank))))['flags'] as Json[]
    const keys = listed.map(({ key }) => String(key))
    expect(new Set(keys).size).toBe(keys.length)
    expect(keys).toEqual(expect.arrayContaining([first, 'first', first.toUpperCase(), id]))
    for (const flag of listed)
      expect(
        await said(call(`${flags}/${encodeURIComponent(String(flag['key']))}`, evaluation(bank))),
      ).toEqual({ status: 200, ...flag })
  })

  it.each(['', '/', '?x=1', '/?x=1'])('are evaluated at %j', async (path) => {
    const bank = await Bank.open()
    const id = await bank.group('owls')
    expect(await said(call(flags + path, evaluation(bank)))).toMatchObject({
      status: 200,
      flags: [{ key: id }, { key: 'owls' }],
    })
  })

  const bulk = (bank: Bank, body: unknown, more: Record<string, string> = {}) => {
    const init = evaluation(bank)
    return call(flags, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), ...more },
      body: JSON.stringify(body),
    })
  }

  it.each([
    {},
    { context: null },
    { context: {} },
    { context: { plan: 'gold' } },
    { context: { targetingKey: null } },
    { context: { targetingKey: '' } },
    { context: { targetingKey: ' \u200b' } },
  ])('of nobody are errors, each for itself: %j', async (body) => {
    const bank = await Bank.open()
    const id = await bank.group('owls')
    await bank.apply(id, 'ADD', 'ann\n')
    const of = await bulk(bank, { context: { targetingKey: 'ann' } })
    const error = {
      errorCode: 'TARGETING_KEY_MISSING',
      errorDetails: 'context.targetingKey must name the participant',
    }
    const answer = await bulk(bank, body, { 'if-none-match': of.headers.get('etag') ?? '' })
    const tag = answer.headers.get('etag') ?? ''
    expect(tag).toMatch(/^W\/"[\w-]+"$/)
    expect(await said(answer)).toEqual({
      status: 200,
      flags: [
        { key: id, ...error },
        { key: 'owls', ...error },
      ],
    })
    expect((await bulk(bank, body, { 'if-none-match': tag })).status).toBe(304)
  })

  it.each([7, true, ['ann'], { id: 'ann' }])(
    'are refused for a key that is no text: %j',
    async (targetingKey) => {
      const bank = await Bank.open()
      const refused: Json = await said(bulk(bank, { context: { targetingKey } }))
      expect(refused).toMatchObject({ status: 400, errorCode: 'INVALID_CONTEXT' })
      expect(refused).not.toHaveProperty('key')
    },
  )

  it.each(['ann', [], 7])('are refused for a context that is none: %j', async (context) => {
    const bank = await Bank.open()
    expect(await said(bulk(bank, { context }))).toMatchObject({
      status: 400,
      errorCode: 'INVALID_CONTEXT',
    })
  })

  it.each([
    ['too long', 'x'.repeat(5000)],
    ['a step of a path', '..'],
    ['half a character', 'ann\ud800'],
    ['with a control character', 'an\u0000n'],
  ])('are false for a key that can be no participant: %s', async (_, targetingKey) => {
    const bank = await Bank.open()
    const id = await bank.group('owls')
    await bank.apply(id, 'ADD', 'ann\n\ufffd\nann\ufffd\n')
    expect(await said(bulk(bank, { context: { targetingKey } }))).toMatchObject({
      status: 200,
      flags: [{ value: false }, { value: false }],
    })
  })
})
