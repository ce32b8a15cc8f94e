import { beforeAll, describe, expect, it } from 'vitest'
import { declined, isEmpty, said } from '../support/answers.ts'
import { Bank, type Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'

const functions = ['latest', 'boolean_or', 'sum', 'average'].map((type) => ({ id: type, type }))

let team: Team
let group: string
beforeAll(async () => {
  team = await Team.open()
  await team.define({
    ...household,
    attributes: [{ id: 'has_dog', type: 'boolean_or' }, ...functions],
  })
  const john = {
    list: ['Red', 'blue', ''],
    number: 1.5,
    flag: false,
    text: 'Cat',
    numeric: '007',
    latest: ['x', 'y'],
    boolean_or: true,
    sum: 0.1,
  }
  await team.user('john', { $address: 'Main St', has_dog: true, ...john })
  await team.user('jane', { $address: 'Main St', sum: 0.2, average: 3 })
  await team.user('jim', { $address: 'Main St', average: '4' })
  await team.user('cath', { $address: 'Oak Ave', has_dog: false })
  await team.user('nora', { has_dog: true })
  await team.user('a,"b"/ü', { has_dog: true })
  await team.recompute()
  const bank = await Bank.open(undefined, team.workspace)
  group = await bank.group()
  await bank.apply(group, 'ADD', 'john\n')
})

/** What the audience of this rule says of a user. */
async function answerFor(rule: Json, user: string): Promise<Json> {
  const { id } = await said(team.send('POST', '/audiences', { name: 'x', rule }))
  return team.get(`/audiences/${String(id)}/users/${encodeURIComponent(user)}`)
}

const own = { operator: 'exists', attribute: 'has_dog' }
const shared = { operator: 'equals', attribute: 'household:has_dog', value: true }
const yes = { ...own, result: true, saw: true }
const no = { ...own, result: false, saw: null }

describe('GET /audiences/{id}/users/{user_id}', () => {
  it.each<[string, Json, string, boolean, unknown]>([
    ['a text', { operator: 'equals', attribute: 'text', value: 'cAT' }, 'john', true, 'Cat'],
    [
      'a text that is a number',
      { operator: 'less_than', attribute: 'numeric', value: 10 },
      'john',
      true,
      '007',
    ],
    [
      'a number',
      { operator: 'greater_than', attribute: 'number', value: '1.50' },
      'john',
      false,
      1.5,
    ],
    ['a boolean', { operator: 'not_equals', attribute: 'flag', value: true }, 'john', true, false],
    [
      'a list',
      { operator: 'in', attribute: 'list', value: ['RED', 'green'] },
      'john',
      true,
      ['Red', 'blue', ''],
    ],
    ['nothing', { operator: 'not_contains', attribute: 'gone', value: 'x' }, 'john', true, null],
    ['an inherited boolean', shared, 'jane', true, true],
    ['an inherited false', shared, 'cath', false, false],
    ['nothing inherited', { ...shared, operator: 'not_equals' }, 'nora', true, null],
    [
      'an inherited list',
      { operator: 'starts_with', attribute: 'household:latest', value: 'Y' },
      'jim',
      true,
      ['x', 'y'],
    ],
    [
      'an inherited sum',
      { operator: 'greater_than_equal', attribute: 'household:sum', value: 0.3 },
      'jim',
      true,
      expect.closeTo(0.3),
    ],
    [
      'an inherited average',
      { operator: 'equals', attribute: 'household:average', value: '3.5' },
      'john',
      true,
      3.5,
    ],
    [
      'nothing where only the household has it',
      { operator: 'exists', attribute: 'latest' },
      'jane',
      false,
      null,
    ],
    [
      'nothing where only the user has it',
      { operator: 'exists', attribute: 'household:text' },
      'john',
      false,
      null,
    ],
  ])('shows that a condition saw %s', async (_, rule, user, result, saw) => {
    expect(await answerFor(rule, user)).toEqual({
      member: result,
      explain: { ...rule, result, saw },
    })
  })

  it('shows the result of each node, whatever the others decide', async () => {
    const and = { operator: 'and', expressions: [own, shared] }
    const or = { operator: 'or', expressions: [{ operator: 'not', expression: own }, and] }
    const explained = (first: Json, second: Json, all: boolean, some: boolean) => ({
      member: some,
      explain: {
        operator: 'or',
        result: some,
        expressions: [
          { operator: 'not', result: first['result'] === false, expression: first },
          { operator: 'and', result: all, expressions: [first, second] },
        ],
      },
    })
    expect(await answerFor(or, 'john')).toEqual(
      explained(yes, { ...shared, result: true, saw: true }, true, true),
    )
    expect(await answerFor(or, 'jane')).toEqual(
      explained(no, { ...shared, result: true, saw: true }, false, true),
    )
    expect(await answerFor(or, 'nora')).toEqual(
      explained(yes, { ...shared, result: false, saw: null }, false, false),
    )
    expect(await answerFor(or, 'cath')).toEqual(
      explained(
        { ...own, result: true, saw: false },
        { ...shared, result: false, saw: false },
        false,
        false,
      ),
    )
  })

  it('shows the members of the household one by one, the user included', async () => {
    const over = (operator: string) => ({ operator, group: 'household', expression: own })
    const members = [
      { user_id: 'jane', expression: no },
      { user_id: 'jim', expression: no },
      { user_id: 'john', expression: yes },
    ]
    const results = { any_member: true, all_members: false, no_member: false }
    for (const [operator, result] of Object.entries(results))
      for (const user of ['john', 'jim'])
        expect(await answerFor(over(operator), user), `${operator} ${user}`).toEqual({
          member: result,
          explain: { operator, group: 'household', result, members },
        })
    // Who is in no household.
    for (const [operator, result] of Object.entries({
      any_member: false,
      all_members: false,
      no_member: true,
    }))
      expect(await answerFor(over(operator), 'nora'), operator).toEqual({
        member: result,
        explain: { operator, group: 'household', result, members: [] },
      })
    const alone = [{ user_id: 'cath', expression: { ...own, result: true, saw: false } }]
    expect(await answerFor(over('all_members'), 'cath')).toMatchObject({
      member: true,
      explain: { members: alone },
    })
  })

  it('keeps apart the conditions of members, of the user and after them', async () => {
    const number = { operator: 'exists', attribute: 'number' }
    const inner = { operator: 'or', expressions: [own, number] }
    const rule = {
      operator: 'and',
      expressions: [
        number,
        { operator: 'any_member', group: 'household', expression: inner },
        shared,
        own,
      ],
    }
    const ofMember = (user_id: string, has: boolean) => {
      const seen = { ...number, result: has, saw: has ? 1.5 : null }
      return {
        user_id,
        expression: { operator: 'or', result: has, expressions: [has ? yes : no, seen] },
      }
    }
    expect(await answerFor(rule, 'jane')).toEqual({
      member: false,
      explain: {
        operator: 'and',
        result: false,
        expressions: [
          { ...number, result: false, saw: null },
          {
            operator: 'any_member',
            group: 'household',
            result: true,
            members: [ofMember('jane', false), ofMember('jim', false), ofMember('john', true)],
          },
          { ...shared, result: true, saw: true },
          no,
        ],
      },
    })
  })

  it('shows the rule of another audience, and membership in an experience group', async () => {
    await team.audience('inner', { operator: 'not', expression: own })
    await team.audience('middle', { operator: 'in_audience', audience: 'inner' })
    const rule = {
      operator: 'or',
      expressions: [
        { operator: 'in_audience', audience: 'middle' },
        { operator: 'in_group', group },
      ],
    }
    const explained = (leaf: Json, inside: boolean, inGroup: boolean) => ({
      operator: 'or',
      result: inside || inGroup,
      expressions: [
        {
          operator: 'in_audience',
          audience: 'middle',
          result: inside,
          expression: {
            operator: 'in_audience',
            audience: 'inner',
            result: inside,
            expression: { operator: 'not', result: inside, expression: leaf },
          },
        },
        { operator: 'in_group', group, result: inGroup },
      ],
    })
    expect(await answerFor(rule, 'jane')).toEqual({
      member: true,
      explain: explained(no, true, false),
    })
    expect(await answerFor(rule, 'john')).toEqual({
      member: true,
      explain: explained(yes, false, true),
    })
    expect(await answerFor(rule, 'nora')).toEqual({
      member: false,
      explain: explained(yes, false, false),
    })
  })

  it('says of each user what the list says', async () => {
    const expressions = [
      {
        operator: 'all_members',
        group: 'household',
        expression: { operator: 'not_exists', attribute: 'number' },
      },
      { operator: 'in_group', group },
      { operator: 'contains', attribute: 'list', value: 'B' },
    ]
    await team.audience('mixed', { operator: 'or', expressions })
    const { users } = await team.get<{ users: string[] }>('/audiences/mixed/users')
    expect(users).toEqual(['cath', 'john'])
    for (const user of ['john', 'jane', 'jim', 'cath', 'nora'])
      expect((await team.get(`/audiences/mixed/users/${user}`))['member'], user).toBe(
        users.includes(user),
      )
  })

  it('finds a user of any name, and nobody unknown or deleted', async () => {
    await team.audience('owners', own)
    expect(await team.get(`/audiences/owners/users/${encodeURIComponent('a,"b"/ü')}`)).toEqual({
      member: true,
      explain: yes,
    })
    await team.user('gone', { has_dog: true })
    await isEmpty(team.call('DELETE', '/users/gone'), 204)
    for (const user of ['nobody', 'gone', 'JOHN', '__proto__', `' OR 1=1 --`])
      expect(
        await said(team.call('GET', `/audiences/owners/users/${encodeURIComponent(user)}`)),
        user,
      ).toEqual(declined(404, 'Not found'))
  })

  it('refuses what can name no user', async () => {
    await team.audience('some', own)
    const explanation = (user: string) => said(team.call('GET', `/audiences/some/users/${user}`))
    const sentence = 'user_id must be 1 to 64 characters without control characters'
    for (const user of ['x'.repeat(65), 'a%00b', 'a%0Ab'])
      expect(await explanation(user), user).toEqual(declined(422, sentence))
    expect(await explanation('%20')).toEqual(declined(400, 'No user ID provided'))
    // The path is checked before the audience.
    expect(await said(team.call('GET', '/audiences/nowhere/users/a%00b'))).toEqual(
      declined(422, sentence),
    )
  })
})
