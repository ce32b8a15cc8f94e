import { beforeAll, describe, expect, it } from 'vitest'
import { declined, said } from '../support/answers.ts'
import { Bank } from '../support/api.ts'
import { knock, workspaceDoors } from '../support/doors.ts'
import { household, Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')
const own = { operator: 'exists', attribute: 'has_dog' }
const inherited = { operator: 'equals', attribute: 'household:has_dog', value: true }
const over = { operator: 'any_member', group: 'household', expression: own }

/** Two workspaces with equal names for different things. */
let team: Team
let other: Team
let group: string
let othersGroup: string
beforeAll(async () => {
  ;[team, other] = [await Team.open(), await Team.open()]
  for (const [one, owner, mate] of [
    [team, 'ann', 'bob'],
    [other, 'bob', 'cid'],
  ] as const) {
    await one.define(household)
    await one.user(owner, { $address: 'Main St', has_dog: true })
    await one.user(mate, { $address: 'Main St' })
    await one.recompute()
    await one.audience('owners', own)
    await one.audience('mates', {
      operator: 'and',
      expressions: [over, { operator: 'not', expression: own }],
    })
    await one.audience('house', inherited)
  }
  await other.user('zoe', { has_dog: true })
  await other.audience('secret', own)
  const [bank, othersBank] = await Promise.all(
    [team, other].map((one) => Bank.open(undefined, one.workspace)),
  )
  if (bank === undefined || othersBank === undefined) throw new Error('no banks')
  ;[group, othersGroup] = [await bank.group('owls'), await othersBank.group('owls')]
  await bank.apply(group, 'ADD', 'bob\n')
  await othersBank.apply(othersGroup, 'ADD', 'ann\nbob\n')
})

const usersOf = async (one: Team, id: string) => (await one.get(`/audiences/${id}/users`))['users']

describe('an audience', () => {
  it('is of the users, attributes and groups of its own workspace alone', async () => {
    expect([await usersOf(team, 'owners'), await usersOf(other, 'owners')]).toEqual([
      ['ann'],
      ['bob', 'zoe'],
    ])
    expect([await usersOf(team, 'mates'), await usersOf(other, 'mates')]).toEqual([
      ['bob'],
      ['cid'],
    ])
    expect([await usersOf(team, 'house'), await usersOf(other, 'house')]).toEqual([
      ['ann', 'bob'],
      ['bob', 'cid'],
    ])
    expect((await team.get('/audiences/owners/count'))['count']).toBe(1)
    expect(await team.get('/audiences/overlap?a=owners&b=house')).toMatchObject({
      a: { count: 1 },
      b: { count: 2 },
      both: 1,
    })
    const file = await team.call('GET', '/audiences/owners/users', {
      headers: { accept: 'text/csv' },
    })
    expect(await file.text()).toBe('user_id\nann\n')
  })

  it('explains users of its own workspace, and finds none of another', async () => {
    expect(await team.get('/audiences/owners/users/bob')).toMatchObject({
      member: false,
      explain: { saw: null },
    })
    expect(await other.get('/audiences/owners/users/bob')).toMatchObject({
      member: true,
      explain: { saw: true },
    })
    const members = [
      { user_id: 'ann', expression: { result: true } },
      { user_id: 'bob', expression: { result: false } },
    ]
    expect(await team.get('/audiences/mates/users/bob')).toMatchObject({
      member: true,
      explain: { expressions: [{ members }, {}] },
    })
    expect(await said(team.call('GET', '/audiences/owners/users/zoe'))).toEqual(notFound)
  })

  it('knows an experience group of its own workspace alone', async () => {
    await team.audience('in_owls', { operator: 'in_group', group })
    expect(await usersOf(team, 'in_owls')).toEqual(['bob'])
    const refusal = {
      status: 422,
      errors: [
        {
          message: `/rule/group names no experience group: ${othersGroup}`,
          pointer: '/rule/group',
        },
      ],
    }
    const rule = { operator: 'in_group', group: othersGroup }
    expect(await said(team.send('POST', '/audiences', { name: 'x', rule }))).toEqual(refusal)
    expect(await said(team.send('POST', '/audiences/preview', { rule }))).toEqual(refusal)
  })

  it('uses an audience and a definition of its own workspace alone', async () => {
    await team.audience('user', { operator: 'in_audience', audience: 'owners' })
    expect(await usersOf(team, 'user')).toEqual(['ann'])
    expect(
      await said(
        team.send('POST', '/audiences/preview', {
          rule: { operator: 'in_audience', audience: 'secret' },
        }),
      ),
    ).toMatchObject({
      status: 422,
      errors: [{ pointer: '/rule' }],
    })
    const third = await Team.open()
    await third.define({ ...household, id: 'family' })
    await third.audience('of_family', { ...over, group: 'family' })
    expect(
      await said(team.send('POST', '/audiences/preview', { rule: { ...over, group: 'family' } })),
    ).toMatchObject({
      status: 422,
      errors: [{ message: '/rule/group names no group definition: family' }],
    })
    // Nobody here has an attribute of this name, whatever it means elsewhere.
    await team.audience('by_family', { operator: 'not_exists', attribute: 'family:has_dog' })
    expect(await usersOf(team, 'by_family')).toEqual(['ann', 'bob'])
  })

  it('is deleted whoever uses one of the same name elsewhere', async () => {
    for (const one of [team, other]) await one.audience('base', own)
    await other.audience('on_base', { operator: 'in_audience', audience: 'base' })
    expect((await team.call('DELETE', '/audiences/base')).status).toBe(204)
    expect(await usersOf(other, 'on_base')).toEqual(['bob', 'zoe'])
    expect((await other.call('DELETE', '/audiences/base')).status).toBe(422)
  })

  it("fills no group of another's, nor lets go of it", async () => {
    await other.attach('owners', othersGroup)
    expect(
      await said(team.send('PUT', '/audiences/owners/experience-group', { groupId: othersGroup })),
    ).toEqual(notFound)
    await team.attach('owners', group)
    expect(await other.get('/audiences/owners')).toMatchObject({ experience_group: othersGroup })
    expect((await team.call('DELETE', '/audiences/owners/experience-group')).status).toBe(204)
    expect(await other.get('/audiences/owners')).toMatchObject({ experience_group: othersGroup })
  })
})

describe.each(workspaceDoors.filter(({ template }) => template.includes(':audience_id')))(
  '$name',
  (door) => {
    it("finds nothing of another workspace's, nor what is not there", async () => {
      const before = await Promise.all([team, other].map((one) => one.get<unknown>('/audiences')))
      const ids = { workspace_id: String(team.workspace), user_id: 'ann', experience_group: group }
      for (const audience_id of ['secret', 'nowhere'])
        expect(
          await said(
            knock(door, { authorization: `Bearer ${team.token}` }, { ...ids, audience_id }),
          ),
          audience_id,
        ).toEqual(notFound)
      expect(await Promise.all([team, other].map((one) => one.get<unknown>('/audiences')))).toEqual(
        before,
      )
    })
  },
)
