import { describe, expect, it } from 'vitest'
import { deepJson, inPieces, isEmpty, said } from '../support/answers.ts'
import { asAdmin, call, type Json } from '../support/api.ts'
import { ann, environment, refusedEvents } from '../support/events.ts'
import { Team } from '../support/identity.ts'
import { allWritten } from '../support/taken.ts'

const emoji = '🎉'
const unauthorized = refusedEvents('Unauthorized', 'UNAUTHORIZED', 401)
const forbidden = refusedEvents('Forbidden', 'FORBIDDEN', 403)

const attributesOf = async (team: Team, id = '1') => (await team.profile(id))['user_attributes']
const numbered = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`a${i}`, i]))

const basic = (id: string, secret: string) => `Basic ${btoa(`${id}:${secret}`)}`
async function post(
  team: Team,
  path: string,
  body: BodyInit,
  authorization = basic(team.client.id, team.client.secret),
) {
  const headers = { 'content-type': 'application/json', authorization }
  const answer = await call(path, { method: 'POST', body, headers })
  await allWritten()
  return answer
}

/** What holds of a batch however it comes. */
const ways: [path: string, wrap: (batch: unknown) => unknown, field: (name: string) => string][] = [
  ['/v2/events', (batch) => batch, (name) => name],
  ['/v2/bulkevents', (batch) => [batch], (name) => `0.${name}`],
]

it('takes a hundred batches of a hundred attributes, of the longest ids', async () => {
  const team = await Team.open()
  const id = (i: number) => `${emoji.repeat(60)}-${i}`
  const user_attributes = numbered(100)
  const batches = Array.from({ length: 100 }, (_, i) => ({
    user_identities: { customer_id: id(i) },
    user_attributes,
    environment: 'production',
  }))
  await isEmpty(team.report(batches, '/v2/bulkevents'), 202)
  expect(await attributesOf(team, id(99))).toEqual(user_attributes)
})

describe.each(ways)('a batch at POST %s', (path, wrap, field) => {
  const send = (team: Team, batch: unknown) => team.report(wrap(batch), path)

  it('is accepted with an empty answer, and updates the user soon', async () => {
    const team = await Team.open()
    const batch = {
      mpid: 77,
      user_identities: { customer_id: 'other', email: 'ann@example.com' },
      user_attributes: { $address: '123 Main St', has_dog: true, age: 30, colors: ['red', 'blue'] },
      deleted_user_attributes: ['nothing'],
      environment: 'development',
      events: [{ event_type: 'custom_event', data: { event_name: 'x' } }],
      device_info: {},
    }
    await isEmpty(send(team, batch), 202)
    expect(await team.profile('77')).toMatchObject({ user_id: '77', groups: [] })
    expect(await attributesOf(team, '77')).toEqual(batch.user_attributes)
    expect((await team.call('GET', '/users/other')).status).toBe(404)
  })

  it.each([
    '9223372036854775807',
    '"9223372036854775807"',
    '-9223372036854775808',
    '9007199254740993',
    '0',
    '"007"',
  ])('keeps all digits of the mpid %s', async (mpid) => {
    const team = await Team.open()
    const digits = mpid.replaceAll('"', '')
    const batch = `{"mpid":${mpid},"environment":"production","user_attributes":{"big":9223372036854775807,"a":1}}`
    await isEmpty(post(team, path, path.includes('bulk') ? `[${batch}]` : batch), 202)
    expect(await team.profile(digits)).toMatchObject({ user_id: digits, user_attributes: { a: 1 } })
    const face = `/userprofile/v1/1/2/${team.workspace}/${digits}`
    expect(
      await said(call(face, { headers: { authorization: `Bearer ${team.token}` } })),
    ).toMatchObject({ status: 200, mpid: digits })
  })

  it.each(['ann', 'a/b', emoji.repeat(64), '__proto__', '9223372036854775807'])(
    'names the user by customer_id: %s',
    async (id) => {
      const team = await Team.open()
      for (const none of [{}, { mpid: null }]) {
        await isEmpty(
          send(team, {
            ...none,
            user_identities: { customer_id: id },
            environment,
            user_attributes: { a: 1 },
          }),
          202,
        )
        expect(await team.profile(id)).toMatchObject({ user_id: id, user_attributes: { a: 1 } })
      }
    },
  )

  it('deletes by deleted_user_attributes and by null', async () => {
    const team = await Team.open()
    await team.user('1', { a: 1, b: 2, c: 3, d: 4 })
    await isEmpty(
      send(team, ann({ b: null, c: 'three' }, { deleted_user_attributes: ['a', 'nothing'] })),
      202,
    )
    expect(await attributesOf(team)).toEqual({ c: 'three', d: 4 })
    await isEmpty(send(team, { mpid: 1, environment, deleted_user_attributes: ['d'] }), 202)
    expect(await attributesOf(team)).toEqual({ c: 'three' })
  })

  it('may say nothing of a user but that they are there', async () => {
    const team = await Team.open()
    await isEmpty(send(team, { mpid: 1, environment }), 202)
    expect(await attributesOf(team)).toEqual({})
    await isEmpty(
      send(team, {
        mpid: 1,
        environment,
        deleted_user_attributes: null,
        events: null,
        timestamp_unixtime_ms: null,
      }),
      202,
    )
  })

  it('keeps values of any kind and length, as a user does', async () => {
    const team = await Team.open()
    const given: [string, unknown][] = [
      ...['__proto__', 'constructor', 'a:b', '$', '"', emoji.repeat(256)].map(
        (name): [string, unknown] => [name, name],
      ),
      ['text', emoji.repeat(4096)],
      ['list', Array.from({ length: 1000 }, (_, i) => String(i))],
      ['item', [emoji.repeat(512)]],
      ['false', false],
      ['number', 1.5],
    ]
    await isEmpty(send(team, ann(Object.fromEntries(given))), 202)
    expect(Object.entries((await attributesOf(team)) as Json).sort()).toEqual([...given].sort())
    await isEmpty(send(team, ann(numbered(100), { mpid: 2 })), 202)
    expect(await attributesOf(team, '2')).toEqual(numbered(100))
  })

  it.each<[string, Json, string]>([
    ['101 attributes', ann(numbered(101)), 'user_attributes cannot be more than 100'],
    [
      'a text of 4097',
      ann({ a: 'x'.repeat(4097) }),
      'The user attribute a cannot exceed 4096 characters',
    ],
    [
      'a list of 1001',
      ann({ a: Array(1001).fill('x') }),
      'The user attribute a cannot have more than 1000 items',
    ],
    [
      'an item of 513',
      ann({ a: ['x'.repeat(513)] }),
      'The user attribute a cannot have an item of more than 512 characters',
    ],
    ['an empty name', ann({ '': 1 }), 'The user attribute  must have a name'],
    [
      'an object for a value',
      ann({ a: {} }),
      'The user attribute a must be a string, a number, a boolean, null or a list of strings',
    ],
    ['a list of numbers', ann({ a: [1] }), 'The user attribute a must be a list of strings'],
    [
      'a deleted name of 257',
      ann({}, { deleted_user_attributes: ['x'.repeat(257)] }),
      `The user attribute ${'x'.repeat(50)}… must have a name of at most 256 characters`,
    ],
    [
      'a list for attributes',
      ann({}, { user_attributes: [] }),
      'user_attributes must be an object',
    ],
    ['no user', { environment, user_attributes: {} }, 'mpid is required'],
    ['no customer_id', { environment, user_identities: { email: 'x' } }, 'mpid is required'],
  ])('is refused with %s, and nothing of it is stored', async (_, batch, sentence) => {
    const team = await Team.open()
    await team.user('1', { before: 1 })
    expect(await said(send(team, batch))).toEqual(refusedEvents(sentence))
    expect(await attributesOf(team)).toEqual({ before: 1 })
  })

  it.each<[string, Json, string]>([
    ['no environment', { mpid: 1 }, 'environment is required'],
    [
      'another environment',
      { mpid: 1, environment: 'staging' },
      'environment must be development or production',
    ],
    [
      'environment null',
      { mpid: 1, environment: null },
      'environment must be development or production',
    ],
    [
      'deleted names that are no texts',
      ann({}, { deleted_user_attributes: [1] }),
      'deleted_user_attributes.0 must be of type string',
    ],
    [
      'a customer_id that is no text',
      { environment, user_identities: { customer_id: 5 } },
      'user_identities.customer_id must be of type string',
    ],
  ])('is refused with %s by name', async (_, batch, sentence) => {
    const team = await Team.open()
    expect(await said(send(team, batch))).toEqual(refusedEvents(field(sentence)))
    expect((await team.call('GET', '/users/1')).status).toBe(404)
  })

  it.each([
    1.5,
    'ann',
    '',
    ' ',
    true,
    '1e3',
    '1.0',
    '0x1',
    '92233720368547758070',
    {},
    [],
    [5],
    ['5'],
    '5\n',
    '٥',
  ])('is refused for the mpid %j', async (mpid) => {
    const team = await Team.open()
    expect(await said(send(team, ann({ a: 1 }, { mpid })))).toEqual(
      refusedEvents('mpid must be a whole number'),
    )
    expect((await team.call('GET', `/users/5`)).status).toBe(404)
  })

  it.each(['', ' ', 'x'.repeat(65), emoji.repeat(65), 'a\nb', 'a\0'])(
    'is refused for the customer_id %j',
    async (customer_id) => {
      const team = await Team.open()
      expect(
        await said(
          send(team, { environment, user_identities: { customer_id }, user_attributes: {} }),
        ),
      ).toEqual(refusedEvents('user_identities.customer_id must be 1 to 64 characters'))
    },
  )

  it.each([-1, 1.5, '1700000000000', {}, 1e300])(
    'is refused for the time %j',
    async (timestamp_unixtime_ms) => {
      const team = await Team.open()
      const answer = await said(send(team, ann({ a: 1 }, { timestamp_unixtime_ms })))
      expect(answer).toEqual(refusedEvents(expect.stringContaining('timestamp_unixtime_ms')))
      expect((await team.call('GET', '/users/1')).status).toBe(404)
    },
  )

  it('is refused if no JSON, 10,000 deep, or longer than 256 KB', async () => {
    const team = await Team.open()
    const good = JSON.stringify(wrap(ann({ a: 1 })))
    for (const body of ['', '{', '[', good.slice(0, -1), 'undefined', deepJson().slice(1)])
      expect(await said(post(team, path, body)), body.slice(0, 20)).toEqual(
        refusedEvents('The request body is not valid JSON'),
      )
    for (const body of [
      'null',
      '7',
      '"x"',
      '{}',
      '[]',
      '[null]',
      '[[]]',
      deepJson(),
      `{"mpid":${deepJson()}}`,
      `[{"mpid":${deepJson()}}]`,
    ])
      expect(await said(post(team, path, body)), body.slice(0, 20)).toEqual(
        refusedEvents(expect.stringMatching(/ /)),
      )
    const inside = JSON.stringify(wrap(ann({ a: 'deep' }))).replace('"deep"', deepJson())
    expect((await post(team, path, inside)).status).toBe(400)

    const long = JSON.stringify(wrap({ ...ann({ a: 1 }), events: ['x'.repeat(262_144)] }))
    for (const body of [long, inPieces([long])])
      expect(await said(post(team, path, body))).toEqual(
        refusedEvents('The request body cannot exceed 262144 bytes'),
      )
    expect((await team.call('GET', '/users/1')).status).toBe(404)
    const short = JSON.stringify(wrap({ ...ann({ a: 1 }), events: ['x'.repeat(262_144 - 200)] }))
    await isEmpty(post(team, path, inPieces([short])), 202)
  })

  it('is refused from whoever is not a client, or no more', async () => {
    const [team, other] = [await Team.open(), await Team.open()]
    const body = JSON.stringify(wrap(ann({ a: 1 })))
    const { id, secret } = team.client
    const wrong = [
      basic(id, 'wrong'),
      basic(id, other.client.secret),
      basic(id, ''),
      basic(crypto.randomUUID(), secret),
      basic('__proto__', secret),
      `Bearer ${team.token}`,
      `Basic ${team.token}`,
      'Basic',
      'Basic %%%',
      '',
    ]
    for (const authorization of wrong) {
      const answer = await post(team, path, body, authorization)
      expect(answer.headers.get('www-authenticate'), authorization).toMatch(/^Basic/)
      expect(await said(answer), authorization).toEqual(unauthorized)
    }
    expect((await call(`/oauth/clients/${id}`, asAdmin({ method: 'DELETE' }))).status).toBe(204)
    expect(await said(post(team, path, body))).toEqual(unauthorized)
    const none = await call(path, { method: 'POST', body })
    expect(none.headers.get('www-authenticate')).toMatch(/^Basic/)
    expect(await said(none)).toEqual(unauthorized)
    const reader = await Team.open(undefined, team.workspace)
    expect((await reader.call('GET', '/users/1')).status).toBe(404)
  })

  it('is refused from a client without users:write', async () => {
    const team = await Team.open(['groups:read', 'groups:write', 'users:read'])
    expect(await said(send(team, ann({ a: 1 })))).toEqual(forbidden)
    expect((await team.call('GET', '/users/1')).status).toBe(404)
  })

  it("is of the client's own workspace", async () => {
    const [team, other] = [await Team.open(), await Team.open()]
    await other.user('1', { a: 'theirs' })
    await isEmpty(send(team, ann({ a: 'ours' })), 202)
    expect(await attributesOf(team)).toEqual({ a: 'ours' })
    expect(await attributesOf(other)).toEqual({ a: 'theirs' })
  })
})
