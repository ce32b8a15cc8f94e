import { describe, expect, it } from 'vitest'
import { declined, deepJson, said } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'

const { id: _, ...draft } = household
const emoji = '🎉'

const ofKnown =
  'attributes.0.type must be latest, boolean_or, sum, average, min, max, count, count_distinct, ' +
  'boolean_and, earliest, most_frequent or unique_list'

const ofType = (id: string, type = 'latest') => ({ id, type })
const many = (count: number) => Array.from({ length: count }, (_, i) => ofType(`a${i}`))
const definitions = (team: Team) => team.get<Json[]>('/groups')

/** What cannot name an attribute. */
const unseen: [string, string][] = [
  ['a line feed', 'a\nb'],
  ['a tab at its end', 'a\t'],
  ['U+007F', 'a\u007f'],
  ['U+0085', '\u0085a'],
  ['half a character', 'a\udc00'],
]

/** What holds of a definition however it is sent. */
const writes: [string, (team: Team) => Promise<(body: Json) => Promise<Response>>][] = [
  [
    'POST /groups',
    async (team) => (body) => team.send('POST', '/groups', { id: 'household', ...body }),
  ],
  [
    'PUT /groups/{group_id}',
    async (team) => {
      await team.define(household)
      return (body) => team.send('PUT', '/groups/household', body)
    },
  ],
]

describe.each(writes)('the fields of %s', (_, writer) => {
  it.each<[string, Json]>([
    ['no description', { description: '' }],
    ['a description of 255 characters', { description: 'é'.repeat(255) }],
    ['a description of 255 emoji', { description: emoji.repeat(255) }],
    [
      'a description in quotes, of two lines',
      { description: `'"\`; DROP TABLE group_definitions; -- \\\n $1 ?1 {x}` },
    ],
    ['a source of one character', { source_user_attribute: 'x' }],
    ['a source of 256 emoji', { source_user_attribute: emoji.repeat(256) }],
    ['a source that is named as a prototype', { source_user_attribute: '__proto__' }],
    ['no attributes', { attributes: [] }],
    ['ten attributes', { attributes: many(10) }],
    [
      'an attribute of each type',
      { attributes: ['latest', 'boolean_or', 'sum', 'average'].map((type) => ofType(type, type)) },
    ],
    [
      'an attribute of each further type',
      {
        attributes: [
          ...['min', 'max', 'count', 'count_distinct', 'boolean_and', 'earliest'],
          ...['most_frequent', 'unique_list'],
        ].map((type) => ofType(type, type)),
      },
    ],
    [
      'attribute ids of 1 and 223 characters',
      { attributes: [ofType('x'), ofType('é'.repeat(223))] },
    ],
    ['an attribute id of 223 emoji', { attributes: [ofType(emoji.repeat(223))] }],
    [
      'attribute ids of any kind',
      {
        attributes: ['__proto__', 'constructor', 'a:b', 'a/b', '$', '"', 'A', 'a'].map((id) =>
          ofType(id),
        ),
      },
    ],
  ])('keep %s as it is', async (_, change) => {
    const team = await Team.open()
    const write = await writer(team)
    const body = { ...draft, ...change }
    expect(await said(write(body))).toMatchObject({ status: 200, id: 'household', ...body })
    expect(await team.get('/groups/household')).toMatchObject({ id: 'household', ...body })
  })

  it('are empty for what is null', async () => {
    const team = await Team.open()
    const write = await writer(team)
    const body = { source_user_attribute: 'x', description: null, attributes: null }
    expect(await said(write(body))).toMatchObject({
      status: 200,
      description: '',
      source_user_attribute: 'x',
      attributes: [],
    })
    expect(await team.get('/groups/household')).toMatchObject({
      description: '',
      source_user_attribute: 'x',
      attributes: [],
    })
  })

  it.each<[string, Json, string]>([
    ['an empty source', { source_user_attribute: '' }, 'source_user_attribute is required'],
    [
      'null for a source',
      { source_user_attribute: null },
      'source_user_attribute must be of type string',
    ],
    [
      'a number for a source',
      { source_user_attribute: 7 },
      'source_user_attribute must be of type string',
    ],
    [
      'a source of 257 characters',
      { source_user_attribute: 'x'.repeat(257) },
      'source_user_attribute must be 1 to 256 characters',
    ],
    ...unseen.map(([what, text]): [string, Json, string] => [
      `a source of ${what}`,
      { source_user_attribute: text },
      'source_user_attribute must be text without control characters',
    ]),
    [
      'a description of 256',
      { description: 'x'.repeat(256) },
      'description cannot exceed 255 characters',
    ],
    [
      'a description of 256 emoji',
      { description: emoji.repeat(256) },
      'description cannot exceed 255 characters',
    ],
    [
      'a description that rings',
      { description: 'a\u0007b' },
      'description must be text without control characters, but for tabs and line breaks',
    ],
    [
      'half a description',
      { description: 'a\ud800' },
      'description must be text without control characters, but for tabs and line breaks',
    ],
    ['a description that is no text', { description: ['x'] }, 'description must be of type string'],
  ])('refuse %s', async (_, change, sentence) => {
    const team = await Team.open()
    const write = await writer(team)
    const before = await definitions(team)
    expect(await said(write({ ...draft, ...change }))).toEqual(declined(422, sentence))
    expect(await definitions(team)).toEqual(before)
  })

  it('may be any others beside, which are ignored', async () => {
    const team = await Team.open()
    const write = await writer(team)
    const more = JSON.parse(
      `{"__proto__":{"description":"no"},"created_by":"me","created_on":"never","deep":${deepJson()}}`,
    ) as Json
    const answer = await said(
      write({ ...more, ...draft, attributes: [{ ...ofType('x', 'sum'), more: 1 }] }),
    )
    expect(answer).toMatchObject({
      ...draft,
      status: 200,
      created_by: 'tester',
      attributes: [{ id: 'x', type: 'sum' }],
    })
    expect(Object.keys(answer)).not.toContain('deep')
    expect((await team.get('/groups/household'))['attributes']).toEqual([{ id: 'x', type: 'sum' }])
  })
})

describe.each(writes)('matching and ignore_values of %s', (_, writer) => {
  it.each<[string, Json]>([
    ['normalized', { matching: 'normalized' }],
    ['none to ignore', { ignore_values: [] }],
    ['some to ignore', { ignore_values: ['N/A', ' Head Office ', '', 'é'.repeat(256), '🎉'] }],
    ['a hundred to ignore', { ignore_values: Array.from({ length: 100 }, (_, i) => `${i}`) }],
    ['both', { matching: 'normalized', ignore_values: ['x'] }],
  ])('are shown where they were sent: %s', async (_, more) => {
    const team = await Team.open()
    const write = await writer(team)
    expect(await said(write({ ...draft, ...more }))).toMatchObject({ status: 200, ...more })
    expect(await definitions(team)).toMatchObject([more])
    expect(await said(team.send('PUT', '/groups/household', {}))).toMatchObject(more)
    expect(await said(team.send('PATCH', '/groups/household', { attributes: [] }))).toMatchObject(
      more,
    )
  })

  it.each<[string, Json]>([
    ['left out', {}],
    ['null', { matching: null, ignore_values: null }],
  ])('are not shown where they were %s', async (_, more) => {
    const team = await Team.open()
    const write = await writer(team)
    const answer = await said(write({ ...draft, ...more }))
    expect(answer['status']).toBe(200)
    expect(Object.keys(answer)).not.toContain('matching')
    expect(Object.keys(answer)).not.toContain('ignore_values')
  })

  it.each<[string, Json, string]>([
    ['another matching', { matching: 'fuzzy' }, 'matching must be normalized'],
    ['a matching in capitals', { matching: 'NORMALIZED' }, 'matching must be normalized'],
    ['a matching that is no text', { matching: true }, 'matching must be normalized'],
    ['101 values', { ignore_values: many(101).map(({ id }) => id) }, 'cannot be more than 100'],
    ['a value of 257', { ignore_values: ['x'.repeat(257)] }, '.0 cannot exceed 256 characters'],
    ['a value of 257 emoji', { ignore_values: [emoji.repeat(257)] }, 'exceed 256 characters'],
    ['a value with U+0000', { ignore_values: ['a\0'] }, 'cannot exceed 256 characters'],
    ['half a character', { ignore_values: ['a\ud800'] }, 'must be text'],
    ['a number', { ignore_values: [0] }, 'ignore_values.0 must be of type string'],
    ['null for a value', { ignore_values: [null] }, 'ignore_values.0 must be of type string'],
    ['a text', { ignore_values: 'N/A' }, 'ignore_values must be of type array'],
  ])('are refused: %s', async (_, more, sentence) => {
    const team = await Team.open()
    const write = await writer(team)
    const before = await definitions(team)
    const { status, errors } = await said(write({ ...draft, ...more }))
    expect(status).toBe(422)
    expect(errors).toEqual([{ message: expect.stringContaining(sentence) }])
    expect(await definitions(team)).toEqual(before)
  })
})

describe('PUT /groups/{group_id}', () => {
  it('with null compares and ignores again as every definition does', async () => {
    const team = await Team.open()
    const created = await team.define({
      ...household,
      matching: 'normalized',
      ignore_values: ['x'],
    })
    const { matching: _, ignore_values: __, ...plain } = created
    const cleared = await said(
      team.send('PUT', '/groups/household', { matching: null, ignore_values: null }),
    )
    expect(cleared).toEqual({
      ...plain,
      status: 200,
      last_modified_on: cleared['last_modified_on'],
    })
  })
})

describe('POST /groups', () => {
  it('needs a source, and no more', async () => {
    const team = await Team.open()
    expect(await said(team.send('POST', '/groups', { id: 'household' }))).toEqual(
      declined(422, 'source_user_attribute is required'),
    )
    const body = { id: 'household', source_user_attribute: 'x' }
    expect(await team.define(body)).toMatchObject({ ...body, description: '', attributes: [] })
  })
})

const attributeWrites: typeof writes = [
  ...writes,
  [
    'PATCH /groups/{group_id}',
    async (team) => {
      await team.define(household)
      return ({ attributes }) => team.send('PATCH', '/groups/household', { attributes })
    },
  ],
]

describe.each(attributeWrites)('the attributes of %s', (_, writer) => {
  it.each<[string, unknown, string]>([
    ['eleven', many(11), 'The number of attributes of a group is limited to 10'],
    [
      'two with one id',
      [ofType('a'), ofType('b'), ofType('a', 'sum')],
      'attributes must not name one id twice',
    ],
    ['one without an id', [ofType('a'), { type: 'sum' }], 'attributes.1.id is required'],
    ['an empty id', [ofType('')], 'attributes.0.id is required'],
    ['an id of 224', [ofType('x'.repeat(224))], 'attributes.0.id must be 1 to 223 characters'],
    [
      'an id of 224 emoji',
      [ofType(emoji.repeat(224))],
      'attributes.0.id must be 1 to 223 characters',
    ],
    ...unseen.map(([what, id]): [string, unknown, string] => [
      `an id of ${what}`,
      [ofType(id)],
      'attributes.0.id must be text without control characters',
    ]),
    ['a number for an id', [{ id: 7, type: 'sum' }], 'attributes.0.id must be of type string'],
    ['no type', [{ id: 'a' }], 'attributes.0.type is required'],
    ['an unknown type', [ofType('a', 'median')], ofKnown],
    ['a type in capitals', [ofType('a', 'SUM')], ofKnown],
    ['a type of a prototype', [ofType('a', 'constructor')], ofKnown],
    ['a text', 'has_dog', 'attributes must be of type array'],
    ['an object', { has_dog: 'sum' }, 'attributes must be of type array'],
    ['texts', ['has_dog'], 'attributes.0 must be of type object'],
  ])('cannot be %s', async (_, attributes, sentence) => {
    const team = await Team.open()
    const write = await writer(team)
    const before = await definitions(team)
    expect(await said(write({ ...draft, attributes }))).toEqual(declined(422, sentence))
    expect(await definitions(team)).toEqual(before)
  })
})

describe.each(['POST', 'PUT', 'PATCH'])('the body of %s', (method) => {
  const opened = async () => {
    const team = await Team.open()
    if (method !== 'POST') await team.define(household)
    return {
      team,
      where: method === 'POST' ? '/groups' : '/groups/household',
      before: await definitions(team),
    }
  }
  const good = JSON.stringify({ ...household, id: 'other' })

  it('is JSON', async () => {
    const { team, where, before } = await opened()
    const send = (body: string, contentType = 'application/json') =>
      said(team.call(method, where, { body, headers: { 'content-type': contentType } }))
    for (const body of ['', '{', good.slice(0, -1), 'undefined', "{'id':'x'}", deepJson().slice(1)])
      expect(await send(body), body.slice(0, 20)).toEqual(
        declined(400, 'The request body is not valid JSON'),
      )
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp'])
      expect(await send(`x=${good}`, type), type).toEqual(
        declined(400, 'Content-Type must be application/json'),
      )
    expect(await send(JSON.stringify({ ...household, more: 'x'.repeat(262_144) }))).toEqual(
      declined(400, 'The request body cannot exceed 262144 bytes'),
    )
    expect(await definitions(team)).toEqual(before)
  })

  it('is an object', async () => {
    const { team, where, before } = await opened()
    for (const body of [null, 7, 'household', [household]])
      expect(await said(team.send(method, where, body))).toEqual(
        declined(422, 'body must be an object'),
      )
    expect(await said(team.send(method, where, {}))).toMatchObject({
      status: method === 'PUT' ? 200 : 422,
    })
    expect(await definitions(team)).toEqual(before)
  })

  it('may come as any kind of JSON', async () => {
    const { team, where } = await opened()
    const headers = { 'content-type': 'Application/JSON; charset=utf-8' }
    expect(await said(team.call(method, where, { body: good, headers }))).toMatchObject({
      status: 200,
    })
  })
})
