import { describe, expect, it } from 'vitest'
import { eventually, type Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'

const continuous = { ...household, refresh: 'continuous' }

/** Waits until a profile has these inherited attributes and groups. */
const shows = (team: Team, user: string, dog: boolean | undefined, value: string | undefined) =>
  eventually(
    () => team.profile(user),
    ({ user_attributes, groups }) =>
      (user_attributes as Json)['household:has_dog'] === dog &&
      (groups as Json[])[0]?.['value'] === value,
  )

describe('POST /groups', () => {
  it('takes refresh, and shows it where it is continuous', async () => {
    const team = await Team.open()
    expect(await team.define({ ...household, refresh: 'weekly' })).not.toHaveProperty('refresh')
    const change = async (refresh: unknown) =>
      (await team.send('PUT', '/groups/household', { refresh })).json<Json>()
    expect(await change('continuous')).toMatchObject({ refresh: 'continuous' })
    expect(await change('daily')).toEqual({
      errors: [{ message: 'refresh must be weekly or continuous' }],
    })
    expect(await team.get('/groups/household')).toMatchObject({ refresh: 'continuous' })
    expect(await change(null)).not.toHaveProperty('refresh')
  })

  it('forms the groups of a continuous definition at once', async () => {
    const team = await Team.open()
    await team.user('ann', { $address: '1 Oak', has_dog: true })
    await team.define(continuous)
    await shows(team, 'ann', true, '1 Oak')
  })
})

describe('a change of a user, where the definition is continuous', () => {
  it('shows in all profiles of the household within seconds', async () => {
    const team = await Team.open()
    await team.define(continuous)
    await team.user('john', { $address: '1 Oak', has_dog: true })
    await team.user('jane', { $address: '1 Oak' })
    await shows(team, 'jane', true, '1 Oak')
    await team.send('PATCH', '/users/john', { user_attributes: { has_dog: false } })
    await shows(team, 'jane', false, '1 Oak')
    await team.report({
      mpid: 7,
      user_attributes: { $address: '1 Oak', has_dog: true },
      environment: 'production',
    })
    await shows(team, 'jane', true, '1 Oak')
    await team.send('PATCH', '/users/jane', { user_attributes: { $address: '2 Elm' } })
    await shows(team, 'jane', false, '2 Elm')
    await team.send('PATCH', '/users/jane', { user_attributes: { $address: null } })
    await shows(team, 'jane', undefined, undefined)
  })

  it('shows whatever way it came: replaced, by a file, deleted', async () => {
    const team = await Team.open()
    await team.define({ ...continuous, matching: 'normalized' })
    await team.user('john', { $address: '1 OAK', has_dog: true })
    await team.user('jane', { $address: '1  Oak' })
    await shows(team, 'jane', true, '1 oak')
    const headers = { 'content-type': 'text/csv' }
    const body = 'user_id,$address\njane,3 Fir\n'
    await team.call('PUT', '/users', { body, headers })
    await shows(team, 'jane', false, '3 fir')
    await team.user('john', { $address: '3 FIR' })
    await shows(team, 'john', false, '3 fir')
    await team.user('john', {})
    await shows(team, 'john', undefined, undefined)
    await team.user('zoe', { $address: '3 Fir', has_dog: true })
    await team.user('jane', { $address: '3 Fir' })
    await shows(team, 'jane', true, '3 fir')
    await team.call('DELETE', '/users/zoe')
    await shows(team, 'jane', false, '3 fir')
  })

  it('shows where the marked values are more than a statement takes', async () => {
    const team = await Team.open()
    await team.define(continuous)
    const users = Array.from({ length: 300 }, (_, i) => [`u${i}`, `${i} ${'李'.repeat(4090)}`])
    const body = `user_id,$address\n${users.map((row) => `${row.join()}\n`).join('')}`
    await team.call('PUT', '/users', { body, headers: { 'content-type': 'text/csv' } })
    await eventually(
      () => team.call('GET', '/users/u299'),
      ({ status }) => status === 200,
    )
    for (const [user = '', address = ''] of [users.at(0), users.at(99), users.at(299)].map(
      (row) => row ?? [],
    ))
      await shows(team, user, false, address)
  })
})
