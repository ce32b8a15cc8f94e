import { beforeAll, describe, expect, it } from 'vitest'
import { declined, isEmpty, said, time } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')
const explained = (team: Team, user: string, name: string) =>
  said(team.call('GET', `/users/${user}/attributes/${encodeURIComponent(name)}/explain`))

const four = {
  ...household,
  attributes: [
    { id: 'has_dog', type: 'boolean_or' },
    { id: 'income', type: 'sum' },
    { id: 'age', type: 'average' },
    { id: 'city', type: 'latest' },
    { id: 'unheard of', type: 'sum' },
  ],
}

/** John and Jane at one address, and Ann alone at another. */
async function settled(definition: Json = household): Promise<Team> {
  const team = await Team.open()
  await team.define(definition)
  await team.user('john', { $address: '123 Main St', has_dog: true, color: 'red' })
  await team.user('jane', { $address: '123 Main St', color: 'blue' })
  await team.user('ann', { $address: '5 Oak Ave', has_dog: false })
  await team.recompute()
  return team
}

const further = {
  ...household,
  attributes: [
    { id: 'age', type: 'min' },
    { id: 'since', type: 'max' },
    { id: 'phone', type: 'count' },
    { id: 'plan', type: 'count_distinct' },
    { id: 'consent', type: 'boolean_and' },
    { id: 'city', type: 'earliest' },
    { id: 'genre', type: 'most_frequent' },
    { id: 'likes', type: 'unique_list' },
  ],
}

const ownOfJane = { $address: '123 Main St', color: 'blue' }
const attributesOf = async (team: Team, user: string) =>
  (await team.profile(user))['user_attributes']
const instancesOf = async (team: Team) =>
  (await team.get<{ instances: Json[] }>('/groups/household/instances')).instances

describe('GET /users/{user_id}/attributes/{name}/explain', () => {
  let team: Team
  beforeAll(async () => {
    team = await Team.open()
    await team.define(four)
    await team.user('ann', { $address: 'A', has_dog: false, income: 10, age: 30, city: 'old' })
    await team.user('cid', { $address: 'A' })
    await scheduler.wait(5)
    await team.user('bob', {
      $address: 'A',
      has_dog: 'true',
      income: '5.5',
      age: 'thirty',
      city: ['x', 'y'],
    })
    await team.user('dan', {
      $address: 'B',
      has_dog: true,
      income: 1000,
      age: 1000,
      city: 'elsewhere',
    })
    await team.recompute()
  })

  const contribution = (value: unknown, why: string | null) => ({
    value,
    last_updated_on: expect.stringMatching(time) as string,
    counts: why === null,
    not_counted_because: why,
  })
  const nothing = {
    value: null,
    last_updated_on: null,
    counts: false,
    not_counted_because: 'The user has no value',
  }

  it.each<[string, string, unknown, Json, Json]>([
    [
      'has_dog',
      'boolean_or',
      true,
      contribution(false, 'false is not true'),
      contribution('true', null),
    ],
    ['income', 'sum', 15.5, contribution(10, null), contribution('5.5', null)],
    [
      'age',
      'average',
      30,
      contribution(30, null),
      contribution('thirty', '"thirty" is not a number'),
    ],
    [
      'city',
      'latest',
      ['x', 'y'],
      contribution('old', 'The value of another member is the latest'),
      contribution(['x', 'y'], null),
    ],
  ])('shows who contributed what to %s, a %s', async (id, type, value, ofAnn, ofBob) => {
    for (const user of ['ann', 'bob', 'cid']) {
      expect((await attributesOf(team, user)) as Json).toMatchObject({ [`household:${id}`]: value })
      expect(await explained(team, user, `household:${id}`)).toEqual({
        status: 200,
        attribute: `household:${id}`,
        definition: 'household',
        source_user_attribute: '$address',
        group_value: 'A',
        function: type,
        value,
        computed_on: expect.stringMatching(time),
        contributions: [
          { user_id: 'ann', ...ofAnn },
          { user_id: 'bob', ...ofBob },
          { user_id: 'cid', ...nothing },
        ],
      })
    }
  })

  it('says why a value has no part in each further function', async () => {
    const team = await Team.open()
    await team.define(further)
    await team.user('ann', {
      ...{ $address: 'A', age: '40', since: '2024-01-31T23:00:00-02:00', phone: '' },
      ...{ plan: 5, consent: true, city: 'old', genre: ['jazz', 'rock'], likes: ['b', 'É'] },
    })
    await scheduler.wait(5)
    await team.user('bob', {
      ...{ $address: 'A', age: 7.5, since: '2024-02-01', phone: 1, plan: '5', consent: 'yes' },
      ...{ city: 'new', genre: 'rock', likes: 'a' },
    })
    await team.user('cid', {
      ...{ $address: 'A', age: 'young', since: ['2025-01-01'], plan: [], genre: 'pop' },
      ...{ likes: 'x'.repeat(513) },
    })
    await team.recompute()

    const found = await Promise.all(
      further.attributes.map(async ({ id }) => {
        const { value, contributions } = (await explained(team, 'cid', `household:${id}`)) as {
          value: unknown
          contributions: { not_counted_because: string | null }[]
        }
        return [id, value, ...contributions.map((one) => one.not_counted_because)]
      }),
    )
    const none = 'The user has no value'
    expect(found).toEqual([
      [
        ...['age', 7.5, 'The value of another member is the least', null],
        '"young" is not of the kind that is compared',
      ],
      [
        ...['since', '2024-01-31T23:00:00-02:00', null],
        'The value of another member is the greatest',
        'A list is not of the kind that is compared',
      ],
      ['phone', 2, null, null, none],
      ['plan', 1, null, null, 'The list is empty'],
      ['consent', false, null, null, none],
      ['city', 'old', null, 'The value of another member has not been updated for longer', none],
      ['genre', 'rock', null, null, 'Another value is the most frequent'],
      [
        ...['likes', ['a', 'b', 'É'], null, null],
        `"${'x'.repeat(64)}…" is too long, or beyond the first 100`,
      ],
    ])
    expect(await attributesOf(team, 'cid')).toMatchObject(
      Object.fromEntries(found.map(([id, value]) => [`household:${String(id)}`, value])),
    )
  })

  it('is of values that audiences can ask for', async () => {
    const team = await Team.open()
    await team.define(further)
    await team.user('ann', {
      ...{ $address: 'A', age: '40', since: '2024-01-31T23:00:00-02:00', phone: '' },
      ...{ plan: 5, consent: true, city: 'ZÜRICH', genre: ['Übung', 'rock'], likes: ['b', 'É'] },
    })
    await team.user('bob', { $address: 'A', age: 7, phone: 1, plan: 6, genre: 'Übung', likes: 5 })
    await team.recompute()
    const asked: [string, string, unknown, boolean][] = [
      ['age', 'less_than', 8, true],
      ['age', 'equals', 7, true],
      ['since', 'equals', '2024-02-01T01:00Z', true],
      ['since', 'less_than', '2024-02-01', false],
      ['phone', 'greater_than', 1, true],
      ['plan', 'equals', 2, true],
      ['consent', 'equals', true, true],
      ['city', 'equals', 'zürich', true],
      ['genre', 'starts_with', 'üb', true],
      ['likes', 'equals', 'e\u0301', true],
      ['likes', 'in', ['B'], true],
      ['likes', 'greater_than', 4, true],
      ['likes', 'contains', 'c', false],
    ]
    for (const [id, operator, value, holds] of asked) {
      const rule = { operator, attribute: `household:${id}`, value }
      const found = await said(team.send('POST', '/audiences/preview', { rule }))
      expect([id, operator, value, found['count']]).toEqual([id, operator, value, holds ? 2 : 0])
    }
  })

  it.each([
    'has_dog',
    'household',
    'household:',
    ':has_dog',
    'household:unheard of',
    'household:nothing',
    'household:$address',
    'other:has_dog',
    'Household:has_dog',
    'household:has_dog ',
    'household:household:has_dog',
    'householdx',
    '__proto__',
    'constructor',
    '%',
    '🎉',
  ])('finds nothing inherited as %s', async (name) => {
    for (const user of ['ann', 'cid', 'nobody'])
      expect(await explained(team, user, name)).toEqual(notFound)
  })

  it('finds nothing inherited by users in no group or another workspace', async () => {
    await team.user('tramp', { has_dog: true })
    expect(await explained(team, 'tramp', 'household:has_dog')).toEqual(notFound)
    expect(await explained(team, 'nobody', 'household:has_dog')).toEqual(notFound)
    const other = await Team.open()
    await other.user('ann', {})
    expect(await explained(other, 'ann', 'household:has_dog')).toEqual(notFound)
  })

  it("takes no attribute's own name for an inherited one", async () => {
    const team = await Team.open()
    await team.define({
      id: 'dog',
      source_user_attribute: '$address',
      attributes: [{ id: 'dogs', type: 'sum' }],
    })
    await team.user('ann', { $address: 'A', dogs: 2 })
    await team.recompute('dog')
    expect(await explained(team, 'ann', 'dog:dogs')).toMatchObject({ status: 200, value: 2 })
    expect(await explained(team, 'ann', 'dogs')).toEqual(notFound)
  })

  it('finds attributes under ids of any kind', async () => {
    const ids = ['__proto__', 'constructor', 'a:b', 'a/b', '%2F', '?x#y', ' ', '"', '🎉']
    const team = await settled({ ...household, attributes: ids.map((id) => ({ id, type: 'sum' })) })
    await team.user('john', {
      $address: '123 Main St',
      ...Object.fromEntries(ids.map((id, i) => [id, i])),
    })
    await team.recompute()
    for (const [i, id] of ids.entries()) {
      expect(await explained(team, 'jane', `household:${id}`)).toMatchObject({
        status: 200,
        attribute: `household:${id}`,
        value: i,
      })
      expect(Object.entries((await attributesOf(team, 'jane')) as Json)).toContainEqual([
        `household:${id}`,
        i,
      ])
    }
  })
})

describe('what is inherited goes at once', () => {
  it('with the user who gave it', async () => {
    const team = await settled()
    await isEmpty(team.call('DELETE', '/users/john'), 204)
    expect(await attributesOf(team, 'jane')).toEqual({ ...ownOfJane, 'household:has_dog': false })
    expect(await explained(team, 'jane', 'household:has_dog')).toMatchObject({
      value: false,
      contributions: [{ user_id: 'jane', value: null, counts: false }],
    })
    expect(await instancesOf(team)).toMatchObject([
      {
        value: '123 Main St',
        members: [{ user_id: 'jane' }],
        attributes: { 'household:has_dog': false },
      },
      { value: '5 Oak Ave', members: [{ user_id: 'ann' }] },
    ])
  })

  it('with the last user of a group, whose group goes too', async () => {
    const team = await settled()
    await isEmpty(team.call('DELETE', '/users/ann'), 204)
    expect((await instancesOf(team)).map(({ value }) => value)).toEqual(['123 Main St'])
    await team.user('ann', {})
    expect(await team.profile('ann')).toMatchObject({ user_attributes: {}, groups: [] })
  })

  it("of a sum, an average and the latest, for the user's share", async () => {
    const team = await Team.open()
    await team.define(four)
    await team.user('ann', { $address: 'A', income: 10, age: 30, city: 'old' })
    await scheduler.wait(5)
    await team.user('bob', { $address: 'A', income: 5, age: 20, city: 'new' })
    await team.recompute()
    expect(await attributesOf(team, 'ann')).toMatchObject({
      'household:income': 15,
      'household:age': 25,
      'household:city': 'new',
    })
    await isEmpty(team.call('DELETE', '/users/bob'), 204)
    expect(await attributesOf(team, 'ann')).toMatchObject({
      'household:income': 10,
      'household:age': 30,
      'household:city': 'old',
    })
  })

  it.each([
    ['PATCH', {}],
    ['PUT', { source_user_attribute: '$address' }],
  ])('with the attribute of the definition, by %s', async (method, rest) => {
    const team = await settled()
    const attributes = [{ id: 'color', type: 'latest' }]
    expect((await team.send(method, '/groups/household', { ...rest, attributes })).status).toBe(200)
    expect(await attributesOf(team, 'jane')).toEqual(ownOfJane)
    expect(await team.profile('jane')).toMatchObject({
      groups: [{ definition: 'household', value: '123 Main St' }],
    })
    expect(await explained(team, 'jane', 'household:has_dog')).toEqual(notFound)
    expect((await instancesOf(team)).map((instance) => instance['attributes'])).toEqual([{}, {}])
    await team.recompute()
    expect(await attributesOf(team, 'jane')).toEqual({ ...ownOfJane, 'household:color': 'blue' })
  })

  it('with the function that made it', async () => {
    const team = await settled()
    await team.send('PATCH', '/groups/household', { attributes: [{ id: 'has_dog', type: 'sum' }] })
    expect(await attributesOf(team, 'jane')).toEqual(ownOfJane)
    expect(await explained(team, 'jane', 'household:has_dog')).toEqual(notFound)
    await team.recompute()
    expect(await attributesOf(team, 'jane')).toEqual(ownOfJane)
    await team.send('PATCH', '/groups/household', {
      attributes: [{ id: 'has_dog', type: 'latest' }],
    })
    await team.recompute()
    expect(await attributesOf(team, 'jane')).toEqual({ ...ownOfJane, 'household:has_dog': true })
  })

  it('with the definition, and nobody is in a group of it', async () => {
    const team = await settled()
    await isEmpty(team.call('DELETE', '/groups/household'), 204)
    expect(await team.profile('jane')).toMatchObject({ groups: [] })
    expect(await attributesOf(team, 'jane')).toEqual(ownOfJane)
    expect(await explained(team, 'jane', 'household:has_dog')).toEqual(notFound)
  })

  it("and stays away when a deleted user's attribute is shared again", async () => {
    const team = await settled()
    await team.send('PATCH', '/groups/household', { attributes: [] })
    await isEmpty(team.call('DELETE', '/users/john'), 204)
    await team.send('PATCH', '/groups/household', { attributes: household.attributes })
    expect((await attributesOf(team, 'jane')) as Json).not.toMatchObject({
      'household:has_dog': true,
    })
    await team.recompute()
    expect(await attributesOf(team, 'jane')).toEqual({ ...ownOfJane, 'household:has_dog': false })
  })

  it("and no other workspace's does", async () => {
    const [team, other] = [await settled(), await settled()]
    const before = await other.profile('jane')
    await isEmpty(team.call('DELETE', '/users/john'), 204)
    await isEmpty(team.call('DELETE', '/groups/household'), 204)
    expect(await other.profile('jane')).toEqual(before)
    expect(await explained(other, 'jane', 'household:has_dog')).toMatchObject({
      status: 200,
      value: true,
    })
  })
})

describe('what changes at the next run', () => {
  it('is the groups, where the definition names another source', async () => {
    const team = await settled()
    await team.user('jane', { $address: '123 Main St', phone: '555' })
    await team.user('ann', { $address: '5 Oak Ave', has_dog: true, phone: '555' })
    const before = [await instancesOf(team), (await team.profile('jane'))['groups']]
    expect(
      (
        await team.send('PUT', '/groups/household', {
          ...household,
          source_user_attribute: 'phone',
        })
      ).status,
    ).toBe(200)
    expect([await instancesOf(team), (await team.profile('jane'))['groups']]).toEqual(before)
    await team.recompute()
    expect(await instancesOf(team)).toMatchObject([
      { value: '555', members: [{ user_id: 'ann' }, { user_id: 'jane' }] },
    ])
    expect(await attributesOf(team, 'jane')).toMatchObject({ 'household:has_dog': true })
    expect(await team.profile('john')).toMatchObject({
      user_attributes: { $address: '123 Main St', has_dog: true, color: 'red' },
      groups: [],
    })
  })

  it('is what a group shares, where a member has something new', async () => {
    const team = await settled()
    await team.send('PATCH', '/users/john', { user_attributes: { has_dog: null } })
    expect(await attributesOf(team, 'jane')).toMatchObject({ 'household:has_dog': true })
    expect(await explained(team, 'jane', 'household:has_dog')).toMatchObject({
      value: true,
      contributions: [
        { user_id: 'jane', value: null },
        { user_id: 'john', value: null },
      ],
    })
    await team.recompute()
    expect(await attributesOf(team, 'jane')).toMatchObject({ 'household:has_dog': false })
  })
})
