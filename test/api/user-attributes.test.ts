import { describe, expect, it } from 'vitest'
import { declined, deepJson, said } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import { Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')
const emoji = '🎉'

/** Attributes in an order of their own: a comparison of objects overlooks `__proto__`. */
const entries = (attributes: unknown) =>
  Object.entries(attributes as Json).sort(([a], [b]) => (a < b ? -1 : 1))
const attributesOf = async (team: Team, id: string) =>
  entries((await team.profile(id))['user_attributes'])

const numbered = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`a${i}`, i]))
const items = (count: number) => Array.from({ length: count }, (_, i) => String(i))

describe.each(['PUT', 'PATCH'])('the attributes of %s /users/{user_id}', (method) => {
  const write = (team: Team, attributes: unknown) =>
    said(team.send(method, '/users/ann', { user_attributes: attributes }))

  it.each<[string, [name: string, value: unknown][]]>([
    [
      'texts',
      ['x', '', ' x ', '5', 'true', 'null', '["a"]', '{}', emoji, 'two\nlines\t\u0001\u2028'].map(
        (text, i) => [`text ${i}`, text],
      ),
    ],
    [
      'numbers',
      [0, 1, -1, 1.5, 0.1, 1e-7, 1e21, -1e308, 2 ** 53 - 1].map((number, i) => [
        `number ${i}`,
        number,
      ]),
    ],
    ['booleans', [true, false].map((value) => [String(value), value])],
    [
      'lists',
      [[], ['a'], ['b', 'a', 'b'], ['', '5', 'true', '"', emoji]].map((list, i) => [
        `list ${i}`,
        list,
      ]),
    ],
    [
      'names of prototypes',
      ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length'].map((name) => [
        name,
        name,
      ]),
    ],
    [
      'names with signs',
      ['$address', 'a:b', 'a.b[0]', "'", '"', '\\', '`', '?1', '%', '*', '--', '/', '{x}'].map(
        (name) => [name, name],
      ),
    ],
    ['names of blanks', [' ', '\t', ' a', 'a '].map((name) => [name, name])],
    ['names in any case', ['a', 'A', 'ä', 'Ä', 'ß'].map((name) => [name, name])],
    ['names of emoji', [emoji, '👩‍👩‍👧', 'e\u0301', '\u00e9'].map((name) => [name, name])],
    ['names of 256 characters', ['x'.repeat(256), emoji.repeat(256)].map((name) => [name, 1])],
    ['a text of 4096 characters', [['a', 'x'.repeat(4096)]]],
    ['a text of 4096 emoji', [['a', emoji.repeat(4096)]]],
    ['a list of 1000 items', [['a', items(1000)]]],
    ['items of 512 characters and emoji', [['a', ['x'.repeat(512), emoji.repeat(512)]]]],
    ['a hundred', Object.entries(numbered(100))],
  ])('come back as they went in: %s', async (_, given) => {
    const team = await Team.open()
    const answer = await write(team, Object.fromEntries(given))
    expect(answer['status']).toBe(200)
    expect(entries(answer['user_attributes'])).toEqual(entries(Object.fromEntries(given)))
    expect(await attributesOf(team, 'ann')).toEqual(entries(Object.fromEntries(given)))
  })

  it.each<[string, unknown, string]>([
    ['101 of them', numbered(101), 'user_attributes cannot be more than 100'],
    [
      'a text of 4097',
      { good: 1, a: 'x'.repeat(4097) },
      'The user attribute a cannot exceed 4096 characters',
    ],
    [
      'a text of 4097 emoji',
      { good: 1, a: emoji.repeat(4097) },
      'The user attribute a cannot exceed 4096 characters',
    ],
    [
      'a list of 1001',
      { good: 1, a: items(1001) },
      'The user attribute a cannot have more than 1000 items',
    ],
    [
      'an item of 513',
      { a: ['x', 'x'.repeat(513)] },
      'The user attribute a cannot have an item of more than 512 characters',
    ],
    [
      'an item of 513 emoji',
      { a: [emoji.repeat(513)] },
      'The user attribute a cannot have an item of more than 512 characters',
    ],
    [
      'a name of 257',
      { good: 1, ['x'.repeat(257)]: 1 },
      `The user attribute ${'x'.repeat(50)}… must have a name of at most 256 characters`,
    ],
    ['an empty name', { good: 1, '': 1 }, 'The user attribute  must have a name'],
    [
      'an object',
      { good: 1, a: {} },
      'The user attribute a must be a string, a number, a boolean, null or a list of strings',
    ],
    [
      'a list of numbers',
      { good: 1, a: ['x', 5] },
      'The user attribute a must be a list of strings',
    ],
    ['a list of null', { good: 1, a: [null] }, 'The user attribute a must be a list of strings'],
    ['a list of lists', { good: 1, a: [['x']] }, 'The user attribute a must be a list of strings'],
    ['U+0000 in a text', { good: 1, a: 'x\0y' }, 'The user attribute a cannot contain U+0000'],
    ['U+0000 in an item', { good: 1, a: ['x\0y'] }, 'The user attribute a cannot contain U+0000'],
  ])('are refused, and none of them is stored: %s', async (_, attributes, sentence) => {
    const team = await Team.open()
    await team.user('ann', { before: 1 })
    expect(await write(team, attributes)).toEqual(declined(400, sentence))
    expect(await attributesOf(team, 'ann')).toEqual([['before', 1]])
  })

  it.each<[string, unknown, string]>([
    ['left out', undefined, 'user_attributes is required'],
    ['null', null, 'user_attributes must be an object'],
    ['a list', [{ a: 1 }], 'user_attributes must be an object'],
    ['a text', 'a', 'user_attributes must be an object'],
  ])('cannot be %s', async (_, attributes, sentence) => {
    const team = await Team.open()
    expect(await write(team, attributes)).toEqual(declined(422, sentence))
    expect(await said(team.call('GET', '/users/ann'))).toEqual(notFound)
  })

  it('come in an object up to 256 KB; other fields are ignored', async () => {
    const team = await Team.open()
    const send = (body: string, contentType = 'application/json') =>
      said(team.call(method, '/users/ann', { body, headers: { 'content-type': contentType } }))
    for (const body of ['', '{', '{"user_attributes":{"a":1}', 'undefined', deepJson().slice(1)])
      expect(await send(body), body.slice(0, 20)).toEqual(
        declined(400, 'The request body is not valid JSON'),
      )
    for (const body of ['null', '[]', '7'])
      expect(await send(body), body).toEqual(declined(422, 'body must be an object'))
    expect(await send('{"user_attributes":{"a":1e400}}')).toEqual(
      declined(400, 'The user attribute a must be a finite number'),
    )
    expect((await send(`{"user_attributes":{"a":${deepJson()}}}`))['status']).toBe(400)
    expect(await send('user_attributes', 'text/plain')).toEqual(
      declined(400, 'Content-Type must be application/json'),
    )
    const long = JSON.stringify({ user_attributes: { a: 1 }, more: 'x'.repeat(262_144) })
    expect(await send(long)).toEqual(declined(400, 'The request body cannot exceed 262144 bytes'))
    expect(await said(team.call('GET', '/users/ann'))).toEqual(notFound)

    const beside = `{"user_attributes":{"a":1},"user_id":"bob","__proto__":{"x":1},"groups":[],"deep":${deepJson()}}`
    expect(await send(beside)).toMatchObject({ status: 200, user_id: 'ann', groups: [] })
    expect(await attributesOf(team, 'ann')).toEqual([['a', 1]])
  })

  it('of null are deleted, known or not', async () => {
    const team = await Team.open()
    await team.user('ann', { a: 1, b: 2 })
    expect(await write(team, { a: null, c: null, b: 2, d: 3 })).toMatchObject({
      status: 200,
      user_attributes: { b: 2, d: 3 },
    })
    expect(await attributesOf(team, 'ann')).toEqual([
      ['b', 2],
      ['d', 3],
    ])
    expect(await write(team, { a: 'again', b: 2, d: 3 })).toMatchObject({ status: 200 })
    expect(await attributesOf(team, 'ann')).toContainEqual(['a', 'again'])
  })

  it('may change their type', async () => {
    const team = await Team.open()
    for (const a of [5, '5', true, 'true', ['5'], '["5"]', 5]) {
      await write(team, { a })
      expect(await attributesOf(team, 'ann')).toEqual([['a', a]])
    }
  })
})
