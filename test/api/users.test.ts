import { describe, expect, it } from 'vitest'
import { declined, isEmpty, said, time } from '../support/answers.ts'
import { call, type Json } from '../support/api.ts'
import { refusedEvents } from '../support/events.ts'
import { household, Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')
const emoji = '🎉'
const path = (id: string) => `/users/${encodeURIComponent(id)}`
const millis = (shown: unknown) => Date.parse(String(shown))

const numbered = (count: number, prefix: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, i]))

describe('PUT /users/{user_id}', () => {
  it('creates a user, in the shape of the contract', async () => {
    const team = await Team.open()
    const { status, ...profile } = await said(
      team.send('PUT', '/users/ann', { user_attributes: { has_dog: true } }),
    )
    expect(status).toBe(200)
    expect(profile).toEqual({
      user_id: 'ann',
      user_attributes: { has_dog: true },
      groups: [],
      created_on: expect.stringMatching(time),
      last_modified_on: expect.stringMatching(time),
    })
    expect(profile['last_modified_on']).toBe(profile['created_on'])
    expect(Math.abs(Date.now() - millis(profile['created_on']))).toBeLessThan(60_000)
    expect(await team.profile('ann')).toEqual(profile)
  })

  it('gives a user these attributes and no others; created stays, modified moves', async () => {
    const team = await Team.open()
    const before = await team.user('ann', { a: 1, b: 2, c: 3 })
    await scheduler.wait(5)
    const after = await team.user('ann', { b: 'two', d: 4 })
    expect(after).toEqual({
      ...before,
      user_attributes: { b: 'two', d: 4 },
      last_modified_on: after['last_modified_on'],
    })
    expect(millis(after['last_modified_on'])).toBeGreaterThan(millis(before['last_modified_on']))
    expect((await team.user('ann', {}))['user_attributes']).toEqual({})
    expect(await team.profile('ann')).toMatchObject({
      user_attributes: {},
      created_on: before['created_on'],
    })
  })

  it('leaves other users alone', async () => {
    const team = await Team.open()
    for (const id of ['ann', 'Ann', 'an n', 'an', 'ann2']) await team.user(id, { id })
    await team.user('ann', {})
    for (const id of ['Ann', 'an n', 'an', 'ann2'])
      expect(await team.profile(id)).toMatchObject({ user_id: id, user_attributes: { id } })
  })
})

describe('PATCH /users/{user_id}', () => {
  it('creates a user, and merges into one that is there', async () => {
    const team = await Team.open()
    const merge = (attributes: Json) =>
      said(team.send('PATCH', '/users/ann', { user_attributes: attributes }))
    const created = await merge({ a: 1, b: 2 })
    expect(created).toMatchObject({
      status: 200,
      user_id: 'ann',
      user_attributes: { a: 1, b: 2 },
      groups: [],
    })
    await scheduler.wait(5)
    const merged = await merge({ b: null, c: 3 })
    expect(merged).toEqual({
      ...created,
      user_attributes: { a: 1, c: 3 },
      last_modified_on: merged['last_modified_on'],
    })
    expect(millis(merged['last_modified_on'])).toBeGreaterThan(millis(created['last_modified_on']))
    expect((await merge({}))['user_attributes']).toEqual({ a: 1, c: 3 })
    expect((await team.profile('ann'))['user_attributes']).toEqual({ a: 1, c: 3 })
  })

  it('limits what comes at once, not what a user has', async () => {
    const team = await Team.open()
    for (const prefix of ['a', 'b'])
      await team.send('PATCH', '/users/ann', { user_attributes: numbered(100, prefix) })
    expect((await team.profile('ann'))['user_attributes']).toEqual({
      ...numbered(100, 'a'),
      ...numbered(100, 'b'),
    })
  })

  it('loses nothing of several at the same time', async () => {
    const team = await Team.open()
    await Promise.all(
      [1, 2, 3, 4].map((i) =>
        team.send('PATCH', '/users/ann', { user_attributes: { [`a${i}`]: i } }),
      ),
    )
    expect((await team.profile('ann'))['user_attributes']).toEqual({ a1: 1, a2: 2, a3: 3, a4: 4 })
  })
})

describe('GET /users/{user_id}', () => {
  it.each(['/users/', '/users', '/users/%20', '/users/%09%20'])(
    'refuses to show a user without an id: %s',
    async (where) => {
      const team = await Team.open()
      expect(await said(team.call('GET', where))).toEqual(declined(400, 'No user ID provided'))
    },
  )

  it('finds nobody without attributes', async () => {
    const team = await Team.open()
    await team.user('ann', {})
    for (const id of [
      'bob',
      'Ann',
      'an n',
      '__proto__',
      'constructor',
      "' OR '1'='1",
      '*',
      '%',
      emoji,
    ])
      expect(await said(team.call('GET', path(id))), id).toEqual(notFound)
  })
})

describe('DELETE /users/{user_id}', () => {
  it('takes a user and all that is known of them, at once', async () => {
    const team = await Team.open()
    const { created_on } = await team.user('ann', { a: 1 })
    await team.user('bob', { a: 2 })
    await isEmpty(team.call('DELETE', '/users/ann'), 204)
    expect(await said(team.call('GET', '/users/ann'))).toEqual(notFound)
    expect(await said(team.call('DELETE', '/users/ann'))).toEqual(notFound)
    expect((await team.profile('bob'))['user_attributes']).toEqual({ a: 2 })
    await scheduler.wait(5)
    const again = await team.send('PATCH', '/users/ann', { user_attributes: { b: 3 } })
    expect(again.status).toBe(200)
    const profile = await team.profile('ann')
    expect(profile['user_attributes']).toEqual({ b: 3 })
    expect(millis(profile['created_on'])).toBeGreaterThan(millis(created_on))
  })

  it('is done by one of two at once, and finds only users', async () => {
    const team = await Team.open()
    await team.user('ann', {})
    const answers = await Promise.all([1, 2].map(() => team.call('DELETE', '/users/ann')))
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 404])
    expect(await said(team.call('DELETE', '/users/nobody'))).toEqual(notFound)
  })
})

describe('a user id', () => {
  it.each([
    'x',
    '0',
    'x'.repeat(64),
    'é'.repeat(64),
    emoji.repeat(64),
    'a/b',
    '/',
    '//a//',
    'a%2Fb',
    'a%',
    '100%25',
    'a?b=c#d',
    'a+b c',
    'a:b',
    'a\\b',
    `"'\`;--`,
    '*',
    '...',
    'ann@example.com',
    '9223372036854775807',
    '__proto__',
    'constructor',
    'グループ ‏مجموعة',
    'attributes/x/explain',
  ])('may be %s', async (id) => {
    const team = await Team.open()
    expect(await said(team.send('PUT', path(id), { user_attributes: { a: 1 } }))).toMatchObject({
      status: 200,
      user_id: id,
    })
    expect(await said(team.send('PATCH', path(id), { user_attributes: { b: 2 } }))).toMatchObject({
      status: 200,
      user_id: id,
    })
    expect(await team.profile(id)).toMatchObject({ user_id: id, user_attributes: { a: 1, b: 2 } })
    expect(await said(team.call('GET', `${path(id)}/attributes/a/explain`))).toEqual(notFound)
    await isEmpty(team.call('DELETE', path(id)), 204)
    expect(await said(team.call('GET', path(id)))).toEqual(notFound)
  })

  it.each([
    ' ann ',
    '\tann\n',
    '\ufeffann',
    'ann\u200b',
    '\u00a0ann\u3000',
    '\u202aann\u202c',
    'a\u0301nn',
    '\u00ad \u00e1nn',
  ])('is read as ids everywhere are: %j', async (id) => {
    const team = await Team.open()
    const user_id = id.includes('ann') ? 'ann' : '\u00e1nn'
    const attributes = (name: string) => ({ user_attributes: { [name]: 1 } })
    for (const [method, name] of [
      ['PUT', 'a'],
      ['PATCH', 'b'],
    ] as const)
      expect(await said(team.send(method, path(id), attributes(name)))).toMatchObject({
        status: 200,
        user_id,
      })
    await isEmpty(
      team.report({
        user_identities: { customer_id: id },
        environment: 'production',
        user_attributes: { c: 1 },
      }),
      202,
    )
    const known = await team.profile(user_id)
    expect(known).toMatchObject({ user_id, user_attributes: { a: 1, b: 1, c: 1 } })
    expect(await team.profile(id)).toEqual(known)
    const headers = { authorization: `Bearer ${team.token}` }
    const face = `/userprofile/v1/1/2/${team.workspace}/${encodeURIComponent(id)}`
    expect(await said(call(face, { headers }))).toMatchObject({ status: 200, mpid: user_id })
    await isEmpty(team.call('DELETE', path(id)), 204)
    expect(await said(team.call('GET', path(user_id)))).toEqual(notFound)
  })

  it('explains by the same reading', async () => {
    const team = await Team.open()
    await team.define(household)
    await team.user('ann', { $address: 'a', has_dog: true })
    await team.recompute()
    await team.audience('dogs', { operator: 'equals', attribute: 'has_dog', value: true })
    for (const where of [
      `${path('\u200bann ')}/attributes/household:has_dog/explain`,
      `/audiences/dogs${path('\u200bann ')}`,
    ])
      expect(await said(team.call('GET', where)), where).toMatchObject({ status: 200 })
  })

  it.each(['\u3164', '\ufe0f', '\u2800'])('cannot be nothing that is seen: %j', async (id) => {
    const team = await Team.open()
    const problem = 'must have visible characters and be well-formed Unicode'
    for (const method of ['PUT', 'PATCH'])
      expect(await said(team.send(method, path(id), { user_attributes: {} }))).toEqual(
        declined(422, `user_id ${problem}`),
      )
  })

  it.each([
    ['.', 'cannot be ".", which names no user'],
    [' .. ', 'cannot be " .. ", which names no user'],
    ['a\ud800', 'must have visible characters and be well-formed Unicode'],
    ['\u3164', 'cannot be "\u3164", which names no user'],
    ['a\u0085b', 'must be 1 to 64 characters'],
  ])('of an event cannot be %j', async (customer_id, problem) => {
    const team = await Team.open()
    const batch = { user_identities: { customer_id }, environment: 'production' }
    expect(await said(team.report(batch))).toEqual(
      refusedEvents(`user_identities.customer_id ${problem}`),
    )
  })

  it.each(['x'.repeat(65), emoji.repeat(65), 'a\0', 'a\nb', '\t', 'a\u007f', 'a\u0085'])(
    'cannot be %j',
    async (id) => {
      const team = await Team.open()
      const refusal =
        id.trim() === ''
          ? declined(400, 'No user ID provided')
          : declined(422, 'user_id must be 1 to 64 characters without control characters')
      expect(await said(team.send('PUT', path(id), { user_attributes: { a: 1 } }))).toEqual(refusal)
      expect(await said(team.send('PATCH', path(id), { user_attributes: { a: 1 } }))).toEqual(
        refusal,
      )
      for (const method of ['GET', 'DELETE'])
        expect(await said(team.call(method, path(id)))).toEqual(refusal)
      expect(await said(team.call('GET', `${path(id)}/attributes/a/explain`))).toEqual(refusal)
    },
  )

  it('names another user in another workspace', async () => {
    const [team, other] = [await Team.open(), await Team.open()]
    await team.user('ann', { whose: 'ours' })
    expect(await said(other.call('GET', '/users/ann'))).toEqual(notFound)
    expect(await said(other.call('DELETE', '/users/ann'))).toEqual(notFound)
    await other.user('ann', { whose: 'theirs', more: true })
    expect((await team.profile('ann'))['user_attributes']).toEqual({ whose: 'ours' })
    await team.send('PATCH', '/users/ann', { user_attributes: { whose: null } })
    expect((await other.profile('ann'))['user_attributes']).toEqual({ whose: 'theirs', more: true })
    await isEmpty(other.call('DELETE', '/users/ann'), 204)
    expect(await team.profile('ann')).toMatchObject({ user_attributes: {} })
  })
})

describe('a client that may write users but not read them', () => {
  it('is shown no value by what it writes', async () => {
    const team = await Team.open()
    await team.define(household)
    await team.user('ann', { $address: 'Main St', has_dog: true })
    await team.recompute()
    expect(await team.profile('ann')).toMatchObject({ groups: [{ value: 'Main St' }] })
    const writer = await Team.open(['users:write'], team.workspace)
    for (const method of ['PATCH', 'PUT']) {
      const answer = await said(writer.send(method, '/users/ann', { user_attributes: { a: 1 } }))
      expect(answer).toMatchObject({ status: 200, user_id: 'ann', user_attributes: {}, groups: [] })
    }
    expect((await team.profile('ann'))['user_attributes']).toMatchObject({ a: 1 })
  })
})
