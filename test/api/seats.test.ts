import { describe, expect, it } from 'vitest'
import type { Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'

const definition = { ...household, attributes: [{ id: 'pets', type: 'sum' }] }

async function opened(): Promise<Team> {
  const team = await Team.open()
  await team.define(definition)
  return team
}

/** Gives each of these users the attributes. */
async function write(team: Team, users: string[], attributes: Json) {
  const batches = users.map((id) => ({
    user_identities: { customer_id: id },
    environment: 'production',
    user_attributes: attributes,
  }))
  expect((await team.report(batches, '/v2/bulkevents')).status).toBe(202)
}

/** So many users in the order of their ids: a01, a02 … */
const users = (count: number, prefix = 'a') =>
  Array.from({ length: count }, (_, i) => `${prefix}${String(i + 1).padStart(2, '0')}`)

interface Instance {
  value: string
  members: { user_id: string; joined_on: string }[]
  attributes: Json
}
const groups = async (team: Team) =>
  (await team.get<{ instances: Instance[] }>('/groups/household/instances?size=100')).instances

/** Members and pets of each group, which the users' profiles must confirm. */
async function seats(team: Team, everyone: string[]): Promise<Record<string, string[]>> {
  const formed = await groups(team)
  for (const user of everyone) {
    const mine = formed.filter(({ members }) => members.some(({ user_id }) => user_id === user))
    const { groups, user_attributes } = await team.profile(user)
    expect(groups, user).toEqual(mine.map(({ value }) => ({ definition: 'household', value })))
    expect((user_attributes as Json)['household:pets'], user).toBe(
      mine[0]?.attributes['household:pets'],
    )
  }
  return Object.fromEntries(
    formed.map(({ value, members }) => [value, members.map(({ user_id }) => user_id)]),
  )
}
const petsOf = async (team: Team) =>
  Object.fromEntries(
    (await groups(team)).map(({ value, attributes }) => [value, attributes['household:pets']]),
  )

describe('the seats of a group', () => {
  it('are ten', async () => {
    const team = await opened()
    await write(team, users(10), { $address: 'A', pets: 1 })
    expect(await team.recompute()).toMatchObject({
      users_seated: 10,
      users_over_limit: 0,
      groups: 1,
    })
    expect(await seats(team, users(10))).toEqual({ A: users(10) })
    expect(await petsOf(team)).toEqual({ A: 10 })
  })

  it('leave the eleventh in no group, who shares nothing and is counted', async () => {
    const team = await opened()
    await write(team, users(11), { $address: 'A', pets: 1 })
    await write(team, ['b01'], { $address: 'B', pets: 1 })
    expect(await team.recompute()).toMatchObject({
      users_seated: 11,
      users_over_limit: 1,
      groups: 2,
    })
    expect(await seats(team, [...users(11), 'b01'])).toEqual({ A: users(10), B: ['b01'] })
    expect(await petsOf(team)).toEqual({ A: 10, B: 1 })
    expect(await team.profile('a11')).toMatchObject({
      user_attributes: { $address: 'A', pets: 1 },
      groups: [],
    })
    expect((await team.call('GET', '/users/a11/attributes/household:pets/explain')).status).toBe(
      404,
    )
    expect(await team.recompute()).toMatchObject({
      users_seated: 11,
      users_over_limit: 1,
      rows_changed: 0,
    })
  })

  it('go by user id, however many users there are', async () => {
    const team = await opened()
    await write(team, users(35).toReversed(), { $address: 'A' })
    expect(await team.recompute()).toMatchObject({
      users_seated: 10,
      users_over_limit: 25,
      groups: 1,
    })
    expect(await seats(team, users(35))).toEqual({ A: users(10) })
  })

  it('are kept by their members when a smaller user id comes', async () => {
    const team = await opened()
    await write(team, users(10, 'b'), { $address: 'A' })
    await team.recompute()
    const before = await groups(team)
    await write(team, ['a01', 'a02'], { $address: 'A' })
    expect(await team.recompute()).toMatchObject({
      users_seated: 10,
      users_over_limit: 2,
      rows_changed: 0,
    })
    expect(await groups(team)).toEqual(before)
    expect(await seats(team, ['a01', 'a02', ...users(10, 'b')])).toEqual({ A: users(10, 'b') })
  })

  it('go at the next run, once free, to the smallest waiting id', async () => {
    const team = await opened()
    await write(team, users(10, 'b'), { $address: 'A', pets: 1 })
    await team.recompute()
    await write(team, ['c01', 'a01', 'a02'], { $address: 'A', pets: 10 })
    await team.recompute()

    await team.call('DELETE', '/users/b05')
    const nine = users(10, 'b').filter((id) => id !== 'b05')
    expect(await seats(team, [...nine, 'a01'])).toEqual({ A: nine })
    expect(await petsOf(team)).toEqual({ A: 9 })
    expect(await team.recompute()).toMatchObject({ users_seated: 10, users_over_limit: 2 })
    expect(await seats(team, [...nine, 'a01', 'a02', 'c01'])).toEqual({ A: ['a01', ...nine] })
    expect(await petsOf(team)).toEqual({ A: 19 })

    await write(team, ['b01'], { $address: null })
    expect(await team.recompute()).toMatchObject({ users_seated: 10, users_over_limit: 1 })
    expect(await seats(team, ['a01', 'a02', 'b01', 'c01'])).toEqual({
      A: ['a01', 'a02', ...nine.slice(1)],
    })
  })

  it('are lost to who leaves the group and comes back', async () => {
    const team = await opened()
    await write(team, users(11), { $address: 'A' })
    await team.recompute()
    await write(team, ['a01'], { $address: null })
    await team.recompute()
    await write(team, ['a01'], { $address: 'A' })
    expect(await team.recompute()).toMatchObject({ users_seated: 10, users_over_limit: 1 })
    expect(await seats(team, users(11))).toEqual({ A: users(11).slice(1) })
  })

  it('show since when each is taken', async () => {
    const team = await opened()
    await write(team, ['a01'], { $address: 'A' })
    await team.recompute()
    const [before] = await groups(team)
    await scheduler.wait(5)
    await write(team, ['a02'], { $address: 'A' })
    await team.recompute()
    const [after] = await groups(team)
    const [first, second] = after?.members ?? []
    expect(first).toEqual(before?.members[0])
    expect(Date.parse(second?.joined_on ?? '')).toBeGreaterThan(Date.parse(first?.joined_on ?? ''))
  })
})

describe('who moves from one group to another', () => {
  it('has a seat there, and what both groups share is right', async () => {
    const team = await opened()
    const everyone = ['ann', 'bob', 'cid', 'dan']
    for (const [i, user] of everyone.entries())
      await write(team, [user], { $address: i < 2 ? 'A' : 'B', pets: 10 ** i })
    await team.recompute()
    expect(await petsOf(team)).toEqual({ A: 11, B: 1100 })

    await write(team, ['ann'], { $address: 'B' })
    await write(team, ['dan'], { $address: 'A' })
    expect(await petsOf(team)).toEqual({ A: 11, B: 1100 })
    expect(await team.recompute()).toMatchObject({
      users_seated: 4,
      users_over_limit: 0,
      groups: 2,
    })
    expect(await seats(team, everyone)).toEqual({ A: ['bob', 'dan'], B: ['ann', 'cid'] })
    expect(await petsOf(team)).toEqual({ A: 1010, B: 101 })
  })

  it.each([
    ['A', 'B'],
    ['B', 'A'],
  ])('from %s to %s where there is no seat is in neither', async (from, to) => {
    const team = await opened()
    await write(team, users(2), { $address: from, pets: 1 })
    await write(team, users(10, 'b'), { $address: to, pets: 1 })
    await team.recompute()
    await write(team, ['a01'], { $address: to })
    expect(await team.recompute()).toMatchObject({
      users_seated: 11,
      users_over_limit: 1,
      groups: 2,
    })
    expect(await seats(team, [...users(2), ...users(10, 'b')])).toEqual({
      [from]: ['a02'],
      [to]: users(10, 'b'),
    })
    expect(await petsOf(team)).toEqual({ [from]: 1, [to]: 10 })
  })

  it('may take a seat that another leaves in the same run, mutually', async () => {
    const team = await opened()
    await write(team, users(10), { $address: 'A', pets: 1 })
    await write(team, users(10, 'b'), { $address: 'B', pets: 10 })
    await team.recompute()
    await write(team, ['a10'], { $address: 'B' })
    await write(team, ['b01'], { $address: 'A' })
    expect(await team.recompute()).toMatchObject({
      users_seated: 20,
      users_over_limit: 0,
      groups: 2,
    })
    expect(await seats(team, [...users(10), ...users(10, 'b')])).toEqual({
      A: [...users(9), 'b01'],
      B: ['a10', ...users(10, 'b').slice(1)],
    })
    expect(await petsOf(team)).toEqual({ A: 19, B: 91 })
  })

  it('leaves no group behind that nobody is in', async () => {
    const team = await opened()
    await write(team, users(3), { $address: 'A', pets: 1 })
    await write(team, ['b01', 'b02'], { $address: 'B', pets: 1 })
    await team.recompute()
    await write(team, users(3), { $address: 'C' })
    await write(team, ['b01'], { $address: null })
    await write(team, ['b02'], { $address: ['B'] })
    expect(await team.recompute()).toMatchObject({
      users_seated: 3,
      users_over_limit: 0,
      groups: 1,
    })
    expect(await seats(team, [...users(3), 'b01', 'b02'])).toEqual({ C: users(3) })
    expect(await petsOf(team)).toEqual({ C: 3 })
  })
})

describe('the value that users have in common', () => {
  it.each<[string, unknown]>([
    ['an empty text', ''],
    ['blanks', '  '],
    ['blanks of all kinds', ' \t\n\v\f\r\u00a0\u1680\u2003\u2028\u3000\ufeff'],
    ['a list', ['123 Main St']],
    ['an empty list', []],
    ['a list of blanks', ['']],
  ])('forms no group if it is %s', async (_, value) => {
    const team = await opened()
    await write(team, ['a01', 'a02'], { $address: value, pets: 1 })
    await write(team, ['a03'], { pets: 1 })
    expect(await team.recompute()).toMatchObject({
      status: 'SUCCESSFUL',
      users_seated: 0,
      users_over_limit: 0,
      groups: 0,
      rows_changed: 0,
    })
    expect(await seats(team, users(3))).toEqual({})
  })

  it.each<[string, unknown[]]>([
    ['5', [5, '5', 5.0]],
    ['true', [true, 'true']],
    ['0', [0, '0']],
    ['["A"]', ['["A"]']],
    ['1.5', [1.5, '1.5']],
  ])('is one, if its text is: %s', async (text, values) => {
    const team = await opened()
    for (const [i, value] of values.entries()) await write(team, [`a${i}`], { $address: value })
    await team.recompute()
    expect(await seats(team, [])).toEqual({ [text]: values.map((_, i) => `a${i}`) })
  })

  it('is matched exactly', async () => {
    const values = [
      '5 Oak',
      '5 oak',
      '5  Oak',
      '5',
      '5.0',
      '05',
      '5e0',
      'é',
      'e',
      '%a',
      '*a',
      '🎉',
      '👩‍👩‍👧',
      '👩',
      'NULLS',
    ]
    const team = await opened()
    for (const [i, value] of values.entries()) await write(team, [`a${i}`], { $address: value })
    expect(await team.recompute()).toMatchObject({
      users_seated: values.length,
      groups: values.length,
    })
    expect(await seats(team, [])).toEqual(
      Object.fromEntries(values.map((value, i) => [value, [`a${i}`]])),
    )
  })

  it('may be as long as a value can be', async () => {
    const team = await opened()
    const values = ['🎉'.repeat(4096), `${'🎉'.repeat(4095)}x`]
    for (const [i, value] of values.entries())
      await write(team, [`a${i}`, `b${i}`], { $address: value, pets: 1 })
    await team.recompute()
    expect(await seats(team, ['a0', 'b0', 'a1', 'b1'])).toEqual(
      Object.fromEntries(values.map((value, i) => [value, [`a${i}`, `b${i}`]])),
    )
  })

  it('forms a group of one for who is alone with it', async () => {
    const team = await Team.open()
    await team.define(household)
    await write(team, ['ann'], { $address: 'A', has_dog: true })
    await write(team, ['bob'], { $address: 'B' })
    await team.recompute()
    expect((await team.profile('ann'))['user_attributes']).toMatchObject({
      'household:has_dog': true,
    })
    expect((await team.profile('bob'))['user_attributes']).toMatchObject({
      'household:has_dog': false,
    })
  })
})
