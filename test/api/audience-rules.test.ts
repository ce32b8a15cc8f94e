import { beforeAll, describe, expect, it } from 'vitest'
import { declined, said } from '../support/answers.ts'
import { Bank, type Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'

const operators =
  'and, or, not, equals, not_equals, less_than, less_than_equal, greater_than, ' +
  'greater_than_equal, contains, not_contains, starts_with, ' +
  'ends_with, matches, in, not_in, exists, not_exists, any_member, all_members, no_member, in_group, in_audience'

const leaf = { operator: 'exists', attribute: 'a' }
const nested = (levels: number): Json =>
  levels === 1 ? leaf : { operator: 'not', expression: nested(levels - 1) }
const many = (count: number, of: unknown = leaf) => ({
  operator: 'or',
  expressions: Array.from({ length: count }, () => of),
})
const over = (expression: unknown, group = 'household') => ({
  operator: 'any_member',
  group,
  expression,
})
const using = (audience: string) => ({ operator: 'in_audience', audience })
const is = (value: unknown) => ({ operator: 'equals', attribute: 'a', value })
const emoji = '🎉'

let team: Team
let group: string
beforeAll(async () => {
  team = await Team.open()
  group = await (await Bank.open(undefined, team.workspace)).group()
  await team.define(household)
  await team.audience('kept', leaf)
  await team.audience('large', many(60))
  await team.audience('deep', nested(8))
  await team.audience('of_members', over(leaf))
  await team.audience('outer', using('of_members'))
})

const nobody = crypto.randomUUID()

describe('a rule', () => {
  it.each<[string, unknown, string, string]>([
    ['is null', null, '/rule', 'must be an object'],
    ['is a list', [leaf], '/rule', 'must be an object'],
    ['is a text', 'exists', '/rule', 'must be an object'],
    ['says no operator', {}, '/rule/operator', `must be one of ${operators}`],
    [
      'has an operator of the prototype',
      { operator: 'toString' },
      '/rule/operator',
      `must be one of ${operators}`,
    ],
    [
      'has an operator in capitals',
      { ...leaf, operator: 'EXISTS' },
      '/rule/operator',
      `must be one of ${operators}`,
    ],
    ['has an unknown member', { ...leaf, value: 1 }, '/rule/value', 'is not a field of exists'],
    [
      'has a member of hard name',
      { ...leaf, 'a/b~c': 1 },
      '/rule/a~1b~0c',
      'is not a field of exists',
    ],
    [
      'brings the rule of another along',
      { ...using('kept'), expression: leaf },
      '/rule/expression',
      'is not a field of in_audience',
    ],
    ['lacks expressions', { operator: 'and' }, '/rule/expressions', 'is required'],
    [
      'has expressions that are none',
      { operator: 'and', expressions: {} },
      '/rule/expressions',
      'must be a list',
    ],
    [
      'has an empty list',
      { operator: 'or', expressions: [] },
      '/rule/expressions',
      'must not be empty',
    ],
    ['has 101 expressions', many(101), '/rule/expressions', 'cannot have more than 100 items'],
    [
      'has a hole',
      { operator: 'or', expressions: [leaf, null] },
      '/rule/expressions/1',
      'must be an object',
    ],
    ['negates nothing', { operator: 'not' }, '/rule/expression', 'is required'],
    ['lacks an attribute', { operator: 'exists' }, '/rule/attribute', 'is required'],
    [
      'has an attribute without a name',
      { ...leaf, attribute: '' },
      '/rule/attribute',
      'must be a string that is not empty',
    ],
    [
      'has a numeric attribute',
      { ...leaf, attribute: 1 },
      '/rule/attribute',
      'must be a string that is not empty',
    ],
    [
      'has a name of 257 emoji',
      { ...leaf, attribute: emoji.repeat(257) },
      '/rule/attribute',
      'cannot exceed 256 characters',
    ],
    ['lacks a value', { operator: 'equals', attribute: 'a' }, '/rule/value', 'is required'],
    [
      'has a value of null',
      is(null),
      '/rule/value',
      'must be a string, a finite number or a boolean',
    ],
    [
      'has a list for a value',
      is(['a']),
      '/rule/value',
      'must be a string, a finite number or a boolean',
    ],
    [
      'has a value of 4097 emoji',
      is(emoji.repeat(4097)),
      '/rule/value',
      'cannot exceed 4096 characters',
    ],
    ['lacks a list', { operator: 'in', attribute: 'a' }, '/rule/value', 'is required'],
    [
      'has a text for a list',
      { operator: 'in', attribute: 'a', value: 'a' },
      '/rule/value',
      'must be a list',
    ],
    [
      'has an empty list',
      { operator: 'not_in', attribute: 'a', value: [] },
      '/rule/value',
      'must not be empty',
    ],
    [
      'has a list of 1001',
      { operator: 'in', attribute: 'a', value: Array.from({ length: 1001 }, String) },
      '/rule/value',
      'cannot have more than 1000 items',
    ],
    [
      'has a list with an object',
      { operator: 'in', attribute: 'a', value: [1, {}] },
      '/rule/value/1',
      'must be a string, a finite number or a boolean',
    ],
    [
      'lacks a definition',
      { operator: 'no_member', expression: leaf },
      '/rule/group',
      'is required',
    ],
    [
      'lacks a condition on members',
      { operator: 'all_members', group: 'household' },
      '/rule/expression',
      'is required',
    ],
    ['lacks a group', { operator: 'in_group' }, '/rule/group', 'is required'],
    ['lacks an audience', { operator: 'in_audience' }, '/rule/audience', 'is required'],
    [
      'is 11 levels deep',
      nested(11),
      `/rule${'/expression'.repeat(10)}`,
      'is deeper than 10 levels',
    ],
    [
      'is 5,000 levels deep',
      nested(5_000),
      `/rule${'/expression'.repeat(10)}`,
      'is deeper than 10 levels',
    ],
    [
      'has 101 conditions',
      { operator: 'or', expressions: [many(99), leaf, leaf] },
      '/rule/expressions/2',
      'is beyond the limit of 100 conditions, including those of used audiences',
    ],
    [
      'has members of members',
      over({ operator: 'not', expression: over(leaf) }),
      '/rule/expression/expression',
      'asks about members of members',
    ],
    [
      'uses an audience about members over members',
      over(using('outer')),
      '/rule/expression',
      'asks about members of members',
    ],
    [
      'is too long with another',
      { operator: 'and', expressions: [many(41), using('large')] },
      '/rule/expressions/1',
      'is beyond the limit of 100 conditions, including those of used audiences',
    ],
    [
      'is too deep with another',
      { operator: 'not', expression: { operator: 'not', expression: using('deep') } },
      '/rule/expression/expression',
      'is deeper than 10 levels, including those of used audiences',
    ],
    [
      'names no definition',
      { operator: 'or', expressions: [leaf, over(leaf, 'family')] },
      '/rule/expressions/1/group',
      'names no group definition: family',
    ],
    [
      'names no experience group',
      { operator: 'not', expression: { operator: 'in_group', group: nobody } },
      '/rule/expression/group',
      `names no experience group: ${nobody}`,
    ],
    [
      'names a group by no uuid',
      { operator: 'in_group', group: 'Owls' },
      '/rule/group',
      'names no experience group: owls',
    ],
    [
      'names no audience',
      { operator: 'not', expression: using('nobody') },
      '/rule/expression',
      'names no audience: nobody',
    ],
    ['names no audience but for case', using('KEPT'), '/rule', 'names no audience: KEPT'],
  ])(
    'that %s is refused, in a new audience, in one that is there and in a preview',
    async (_, rule, pointer, problem) => {
      const refusal = { status: 422, errors: [{ message: `${pointer} ${problem}`, pointer }] }
      const before = await team.get<unknown>('/audiences')
      expect(await said(team.send('POST', '/audiences', { name: 'x', rule }))).toEqual(refusal)
      expect(await said(team.send('PUT', '/audiences/kept', { name: 'x', rule }))).toEqual(refusal)
      expect(await said(team.send('POST', '/audiences/preview', { rule }))).toEqual(refusal)
      expect(await team.get<unknown>('/audiences')).toEqual(before)
    },
  )

  it('of more than 2 MB with another audience is refused', async () => {
    const texts = Array.from({ length: 25 }, (_, i) => `${i}`.padEnd(4096, '😀'))
    const rule = { operator: 'in', attribute: 'n', value: texts }
    const ids = Array.from({ length: 10 }, (_, i) => `list-${i}`)
    for (const id of ids)
      expect((await team.send('POST', '/audiences', { id, name: 'x', rule })).status).toBe(200)
    const both = {
      operator: 'or',
      expressions: [rule, ...ids.map(using)],
    }
    const problem = '/rule is too large: its values and patterns take more than 2 MB'
    expect(await said(team.send('POST', '/audiences/preview', { rule: both }))).toEqual({
      status: 422,
      errors: [{ message: problem, pointer: '/rule' }],
    })
  })

  it('that is missing is refused as any field is', async () => {
    const refusal = declined(422, 'rule is required')
    expect(await said(team.send('POST', '/audiences', { name: 'x' }))).toEqual(refusal)
    expect(await said(team.send('PUT', '/audiences/kept', { name: 'x' }))).toEqual(refusal)
    expect(await said(team.send('POST', '/audiences/preview', {}))).toEqual(refusal)
  })

  it.each<[string, () => Json]>([
    ['of 10 levels', () => nested(10)],
    ['of 100 conditions', () => many(100)],
    [
      'of 100 conditions, with another audience',
      () => ({ operator: 'and', expressions: [many(40), using('large')] }),
    ],
    ['of 10 levels, with another audience', () => ({ operator: 'not', expression: using('deep') })],
    ['of one expression', () => ({ operator: 'and', expressions: [leaf] })],
    [
      'of names and values as long as may be',
      () => ({ operator: 'equals', attribute: emoji.repeat(256), value: emoji.repeat(4096) }),
    ],
    [
      'with a list of 1000',
      () => ({
        operator: 'in',
        attribute: 'a',
        value: Array.from({ length: 1000 }, (_, i) => (i % 2 ? i : `${i}`)),
      }),
    ],
    ['with an empty text', () => is('')],
    ['with a group by capitals', () => ({ operator: 'in_group', group: group.toUpperCase() })],
    [
      'with an attribute of a definition that is not there',
      () => ({ operator: 'exists', attribute: 'family:has_dog' }),
    ],
    [
      'of members beside members',
      () => ({ operator: 'and', expressions: [over(leaf), using('outer')] }),
    ],
    ['of members of an audience', () => over(using('large'))],
  ])('%s is taken, kept and answered', async (_, make) => {
    const created = await team.send('POST', '/audiences', { name: 'x', rule: make() })
    const { id, rule } = await created.json<Json>()
    expect(created.status).toBe(200)
    // An experience group's id is stored in lower case.
    expect(JSON.stringify(rule)).toBe(JSON.stringify(make()).replace(group.toUpperCase(), group))
    expect(await team.get(`/audiences/${String(id)}/count`)).toMatchObject({ count: 0 })
  })

  it('names an experience group no more once that is deleted', async () => {
    const bank = await Bank.open(undefined, team.workspace)
    const gone = await bank.group()
    const rule = { operator: 'in_group', group: gone }
    await bank.call('DELETE', `/groups/${gone}`)
    expect(await said(team.send('POST', '/audiences', { name: 'x', rule }))).toMatchObject({
      status: 422,
      errors: [{ pointer: '/rule/group' }],
    })
  })

  it('is refused, with the place, after another audience made it too large', async () => {
    const own = await Team.open()
    await own.audience('used', leaf)
    await own.audience('user', { operator: 'or', expressions: [leaf, using('used')] })
    expect((await own.send('PUT', '/audiences/used', { name: 'x', rule: many(100) })).status).toBe(
      200,
    )
    const pointer = '/rule/expressions/1'
    for (const below of ['count', 'users', 'users/ann'])
      expect(await said(own.call('GET', `/audiences/user/${below}`)), below).toEqual({
        status: 422,
        errors: [
          {
            message: `${pointer} is beyond the limit of 100 conditions, including those of used audiences`,
            pointer,
          },
        ],
      })
    expect(await own.get('/audiences/used/count')).toMatchObject({ count: 0 })
    await own.send('PUT', '/audiences/used', { name: 'x', rule: many(99) })
    expect(await own.get('/audiences/user/count')).toMatchObject({ count: 0 })
  })
})
