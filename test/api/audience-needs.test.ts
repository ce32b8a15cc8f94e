import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { declined, isEmpty, pageOf, refused, said } from '../support/answers.ts'
import { Bank, call, type Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'

const has = (attribute: string) => ({ operator: 'exists', attribute })
const hasNot = (attribute: string) => ({ operator: 'not_exists', attribute })
const inGroup = (group: string) => ({ operator: 'in_group', group })
const using = (audience: string) => ({ operator: 'in_audience', audience })
const not = (expression: Json) => ({ operator: 'not', expression })
const or = (...expressions: Json[]) => ({ operator: 'or', expressions })
const over = (operator: string, expression: Json = has('a'), group = 'household') => ({
  operator,
  group,
  expression,
})

/** A team with a household of two, a group of one of them, and three users. */
async function opened() {
  const team = await Team.open()
  const bank = await Bank.open(undefined, team.workspace)
  const attributes = [
    { id: 'has_dog', type: 'boolean_or' },
    { id: 'has:cat', type: 'boolean_or' },
  ]
  await team.define({ ...household, attributes })
  for (const id of ['ann', 'bob']) await team.user(id, { $address: 'Oak', has_dog: true })
  await team.user('cid', { 'household:own': true })
  await team.recompute()
  const group = await bank.group('owls')
  await bank.apply(group, 'ADD', 'ann\n')
  return { team, bank, group }
}

const inUse = (group: string, by: string) =>
  refused(`groupId ${group} is used by ${by}: change or delete what uses it first.`, '2001')

describe('DELETE of a group that a rule names', () => {
  it.each<[string, (group: string) => Json]>([
    ['by itself', inGroup],
    ['negated', (group) => not(inGroup(group))],
    ['in capitals', (group) => inGroup(group.toUpperCase())],
    ['among others', (group) => or(has('a'), or(has('b'), inGroup(group)))],
    ['of members', (group) => over('no_member', inGroup(group))],
  ])('is refused and changes nothing: %s', async (_, ruleOf) => {
    const { team, bank, group } = await opened()
    await team.audience('coupon', ruleOf(group))
    const before = await team.get('/audiences/coupon/users')
    for (const id of [group, group.toUpperCase()])
      expect(await said(bank.call('DELETE', `/groups/${id}`))).toEqual(
        inUse(group, 'the audience coupon'),
      )
    expect(await bank.members(group)).toEqual(['ann'])
    expect(await team.get('/audiences/coupon/users')).toEqual(before)
    expect(await bank.apply(group, 'ADD', 'bob\n')).toMatchObject({ jobStatus: 'SUCCESSFUL' })
  })

  it('names all audiences that use it themselves, and goes once none does', async () => {
    const { team, bank, group } = await opened()
    for (const id of ['first', 'second', 'third']) await team.audience(id, not(inGroup(group)))
    await team.audience('through', using('first'))
    expect(await said(bank.call('DELETE', `/groups/${group}`))).toEqual(
      inUse(group, 'the audiences first, second and third'),
    )
    await team.send('PUT', '/audiences/first', { name: 'x', rule: has('a') })
    await isEmpty(team.call('DELETE', '/audiences/third'), 204)
    expect(await said(bank.call('DELETE', `/groups/${group}`))).toEqual(
      inUse(group, 'the audience second'),
    )
    await isEmpty(team.call('DELETE', '/audiences/second'), 204)
    expect((await bank.call('DELETE', `/groups/${group}`)).status).toBe(200)
  })

  it('names ten of more audiences, and how many there are', async () => {
    const { team, bank, group } = await opened()
    const ids = Array.from({ length: 12 }, (_, i) => `aud-${String(i).padStart(2, '0')}`)
    for (const id of ids) await team.audience(id, inGroup(group))
    expect(await said(bank.call('DELETE', `/groups/${group}`))).toEqual(
      inUse(group, `the audiences ${ids.slice(0, 10).join(', ')} and 2 more`),
    )
  })

  it('is done where only a value or another workspace has its id', async () => {
    const { team, bank, group } = await opened()
    const other = await Team.open()
    await team.audience('value', or({ operator: 'in', attribute: 'group', value: [group] }))
    await team.audience('attribute', has(group))
    await other.audience('theirs', has('a'))
    expect((await bank.call('DELETE', `/groups/${group}`)).status).toBe(200)
  })
})

describe('DELETE of a definition that a rule names', () => {
  it.each<[string, Json]>([
    ['any_member', over('any_member')],
    ['all_members', over('all_members')],
    ['no_member', not(over('no_member'))],
    ['an attribute that it shares', has('household:has_dog')],
    ['one that it shares and no user has', hasNot('household:has:cat')],
    ['among others', or(has('a'), not(hasNot('household:has_dog')))],
  ])('is refused and changes nothing: %s', async (_, rule) => {
    const { team } = await opened()
    await team.audience('coupon', rule)
    const before = await team.get('/audiences/coupon/users')
    expect(await said(team.call('DELETE', '/groups/household'))).toEqual(
      declined(422, 'The group definition household is used by the audience coupon'),
    )
    expect(await team.get('/audiences/coupon/users')).toEqual(before)
    expect((await team.profile('ann'))['user_attributes']).toMatchObject({
      'household:has_dog': true,
    })
    await isEmpty(team.call('DELETE', '/audiences/coupon'), 204)
    await isEmpty(team.call('DELETE', '/groups/household'), 204)
  })

  it.each<[string, Json]>([
    ['an attribute of users’ own', has('household:own')],
    ['another name that begins so', has('household')],
    ['a value', { operator: 'equals', attribute: 'a', value: 'household:has_dog' }],
  ])('is done where a rule has only %s', async (_, rule) => {
    const { team } = await opened()
    await team.audience('coupon', rule)
    const before = await team.get('/audiences/coupon/users')
    await isEmpty(team.call('DELETE', '/groups/household'), 204)
    expect(await team.get('/audiences/coupon/users')).toEqual(before)
  })
})

describe('a change that takes a shared attribute away', () => {
  const sentence = (names: string, by: string) =>
    declined(422, `The shared attribute ${names} is used by ${by}`)

  it.each(['PUT', 'PATCH'])('is refused while a rule uses that: %s', async (method) => {
    const { team } = await opened()
    await team.audience('dogs', not(has('household:has_dog')))
    await team.audience('cats', over('any_member', hasNot('household:has:cat')))
    const before = await team.get('/groups/household')
    const change = (attributes: Json[]) =>
      said(team.send(method, '/groups/household', { ...household, attributes }))
    expect(await change([])).toEqual(
      sentence('household:has:cat, household:has_dog', 'the audiences cats and dogs'),
    )
    expect(await change([{ id: 'has_dog', type: 'latest' }])).toEqual(
      sentence('household:has:cat', 'the audience cats'),
    )
    expect(await team.get('/groups/household')).toEqual(before)
    await isEmpty(team.call('DELETE', '/audiences/cats'), 204)
    expect(await change([{ id: 'has_dog', type: 'latest' }])).toMatchObject({ status: 200 })
  })

  it('is no change of function, source or order', async () => {
    const { team } = await opened()
    await team.audience('dogs', has('household:has_dog'))
    const attributes = [
      { id: 'more', type: 'sum' },
      { id: 'has_dog', type: 'latest' },
    ]
    const change = { ...household, source_user_attribute: 'street', attributes }
    expect((await team.send('PUT', '/groups/household', change)).status).toBe(200)
  })
})

describe('an audience whose rule names what is no more', () => {
  // As a version before this one let it happen.
  const deleted = {
    group: (workspace: number, group: string) =>
      env.DB.prepare(
        'UPDATE experience_groups SET deleted_at = 1 WHERE workspace_id = ? AND id = ?',
      )
        .bind(workspace, group)
        .run(),
    definition: (workspace: number) =>
      env.DB.prepare('UPDATE group_definitions SET deleted_at = 1 WHERE workspace_id = ?')
        .bind(workspace)
        .run(),
    attribute: (workspace: number) =>
      env.DB.prepare(`UPDATE group_definitions SET attributes = '[]' WHERE workspace_id = ?`)
        .bind(workspace)
        .run(),
    audience: (workspace: number) =>
      env.DB.prepare(`DELETE FROM audiences WHERE workspace_id = ? AND id = 'used'`)
        .bind(workspace)
        .run(),
  }
  const dog = 'names no shared attribute: household:has_dog'

  it.each<[string, keyof typeof deleted, (group: string) => Json, string, string]>([
    ['a group', 'group', inGroup, '/rule/group', 'names no experience group: '],
    [
      'a group, negated',
      'group',
      (g) => not(inGroup(g)),
      '/rule/expression/group',
      'names no experience group: ',
    ],
    [
      'a group, of members',
      'group',
      (g) => over('no_member', inGroup(g)),
      '/rule/expression/group',
      'names no experience group: ',
    ],
    [
      'a definition',
      'definition',
      () => over('no_member'),
      '/rule/group',
      'names no group definition: household',
    ],
    [
      'a definition, of all',
      'definition',
      () => not(over('all_members')),
      '/rule/expression/group',
      'names no group definition: household',
    ],
    [
      'a definition, by what it shared',
      'definition',
      () => hasNot('household:has_dog'),
      '/rule/attribute',
      dog,
    ],
    ['an attribute', 'attribute', () => hasNot('household:has_dog'), '/rule/attribute', dog],
    [
      'an attribute, not equal',
      'attribute',
      () => or(has('a'), { operator: 'not_equals', attribute: 'household:has_dog', value: true }),
      '/rule/expressions/1/attribute',
      dog,
    ],
    [
      'an attribute, of members',
      'attribute',
      () => over('no_member', has('household:has_dog')),
      '/rule/expression/attribute',
      dog,
    ],
    [
      'an audience',
      'audience',
      () => not(using('used')),
      '/rule/expression',
      'names no audience: used',
    ],
  ])('answers no question and fails its sync: %s', async (_, what, ruleOf, pointer, problem) => {
    const { team, bank, group } = await opened()
    const target = await bank.group()
    await bank.apply(target, 'ADD', 'ann\n')
    await team.audience('used', has('a'))
    const { rule } = await team.audience('coupon', ruleOf(group))
    await team.audience('outer', or(has('a'), not(using('coupon'))))
    await team.audience('other', has('has_dog'))
    for (const id of ['coupon', 'other']) await team.get(`/audiences/${id}/count`)
    await team.attach('coupon', target)
    await deleted[what](team.workspace, group)

    const says = problem.startsWith('names no experience') ? problem + group : problem
    const refusal = (pointer: string, message: string) => ({
      status: 422,
      errors: [{ message: `${pointer} ${message}`, pointer }],
    })
    const reads = (id: string) => [
      team.call('GET', `/audiences/${id}/count`),
      team.call('GET', `/audiences/${id}/users`),
      team.call('GET', `/audiences/${id}/users`, { headers: { accept: 'text/csv' } }),
      team.call('GET', `/audiences/${id}/users/ann`),
      team.call('GET', `/audiences/overlap?a=${id}&b=other`),
      team.call('GET', `/audiences/overlap?a=other&b=${id}`),
    ]
    for (const answer of [...reads('coupon'), team.call('POST', '/audiences/coupon/sync')])
      expect(await said(answer)).toEqual(refusal(pointer, says))
    const outer = '/rule/expressions/1/expression'
    for (const answer of reads('outer'))
      expect(await said(answer)).toEqual(
        what === 'audience'
          ? refusal(outer, says)
          : refusal(outer, `uses the audience coupon, which ${says}`),
      )
    if (what !== 'attribute' && what !== 'definition')
      expect(await said(team.send('POST', '/audiences/preview', { rule }))).toEqual(
        refusal(pointer, says),
      )
    expect(await team.get('/audiences/other/count')).toMatchObject({ count: 2 })
    // The rule is shown as it was given.
    expect((await team.get('/audiences/coupon'))['rule']).toEqual(ruleOf(group))
    expect(await bank.members(target)).toEqual(['ann'])
    expect((await pageOf(bank, `/jobs?groupId=${target}`)).page['totalElements']).toBe(1)
  })

  it('made before shared names were marked is refused while its definition exists', async () => {
    const { team } = await opened()
    await team.audience('dogs', hasNot('household:has_dog'))
    await env.DB.prepare(`UPDATE audiences SET rule = ? WHERE workspace_id = ?`)
      .bind(JSON.stringify(hasNot('household:has_dog')), team.workspace)
      .run()
    expect(await team.get('/audiences/dogs/count')).toMatchObject({ count: 1 })
    await deleted.attribute(team.workspace)
    expect(await said(team.call('GET', '/audiences/dogs/count'))).toMatchObject({ status: 422 })
    // Said again, it means what users have of their own.
    await team.send('PUT', '/audiences/dogs', { name: 'x', rule: hasNot('household:has_dog') })
    expect(await team.get('/audiences/dogs/count')).toMatchObject({ count: 3 })
  })

  it('does not count among the audiences of a user', async () => {
    const { team, group } = await opened()
    await team.audience('gone', not(inGroup(group)))
    await team.audience('outer', or(has('has_dog'), using('gone')))
    await team.audience('other', has('has_dog'))
    await deleted.group(team.workspace, group)
    const path = `/userprofile/v1/1/1/${team.workspace}/bob`
    const shown = await said(call(path, { headers: { authorization: `Bearer ${team.token}` } }))
    expect(shown['audience_memberships']).toEqual([
      { audience_id: 'other', audience_name: 'other' },
    ])
  })
})

describe('a rule that is given', () => {
  it('cannot say by itself what is shared', async () => {
    const { team } = await opened()
    const rule = { ...has('household:has_dog'), shared: false }
    expect(await said(team.send('POST', '/audiences', { name: 'x', rule }))).toEqual({
      status: 422,
      errors: [{ message: '/rule/shared is not a field of exists', pointer: '/rule/shared' }],
    })
  })

  it('is shown as it was given, and explained so', async () => {
    const { team } = await opened()
    const rule = or(has('household:has_dog'), has('household:own'), has('a'))
    expect((await team.audience('coupon', rule))['rule']).toEqual(rule)
    const [listed] = await team.get<Json[]>('/audiences')
    expect(listed?.['rule']).toEqual(rule)
    expect(JSON.stringify(await team.get('/audiences/coupon/users/ann'))).not.toContain('"shared"')
    await team.audience('outer', using('coupon'))
    expect(JSON.stringify(await team.get('/audiences/outer/users/ann'))).not.toContain('"shared"')
  })
})
