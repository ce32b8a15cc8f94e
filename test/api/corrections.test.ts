import { beforeAll, describe, expect, it } from 'vitest'
import { eventually, type Json } from '../support/api.ts'
import { household, mondayIn, Team } from '../support/identity.ts'

type Groups = { definition: string; value: string | null; correction?: Json }[]

/** A workspace of two households: john and jane, and mary, who has the dog. */
async function town(more: Json = {}): Promise<Team> {
  const team = await Team.open()
  await team.define({ ...household, ...more })
  await team.user('john', { $address: '1 Oak' })
  await team.user('jane', { $address: '1 Oak' })
  await team.user('mary', { $address: '2 Elm', has_dog: true })
  await team.recompute()
  return team
}

const put = (team: Team, user: string, body: Json) =>
  team.send('PUT', `/groups/household/corrections/${user}`, body)

const groupOf = async (team: Team, user: string) =>
  (await team.get<{ groups: Groups }>(`/users/${user}`)).groups[0]

/** Waits until a user is in the group of a value. */
const isIn = (team: Team, user: string, value: string | null | undefined) =>
  eventually(
    () => groupOf(team, user),
    (group) => group?.value === value,
  )

describe('PUT /groups/{id}/corrections/{user_id}', () => {
  it('puts a user where the attribute does not, and shows it', async () => {
    const team = await town()
    const answer = await put(team, 'jane', { value: ' 2 Elm ', reason: 'moved, form is late' })
    expect(answer.status).toBe(200)
    const correction = {
      user_id: 'jane',
      value: '2 Elm',
      reason: 'moved, form is late',
      created_on: expect.any(String),
      created_by: 'tester',
    }
    expect(await answer.json()).toEqual(correction)
    await isIn(team, 'jane', '2 Elm')
    const profile = await team.profile('jane')
    expect(profile['user_attributes']).toMatchObject({
      $address: '1 Oak',
      'household:has_dog': true,
    })
    expect(profile['groups']).toEqual([
      { definition: 'household', value: '2 Elm', correction: { value: '2 Elm' } },
    ])
    const { contributions } = await team.get<{ contributions: Json[] }>(
      '/users/jane/attributes/household:has_dog/explain',
    )
    expect(contributions.map(({ user_id, correction }) => [user_id, correction])).toEqual([
      ['jane', { value: '2 Elm' }],
      ['mary', undefined],
    ])
    expect(await team.get('/groups/household/corrections')).toEqual({
      corrections: [correction],
      next: null,
    })
    expect(await groupOf(team, 'john')).toEqual({ definition: 'household', value: '1 Oak' })
  })

  it('survives Mondays, which count it', async () => {
    const team = await town()
    await put(team, 'jane', { value: '2 Elm' })
    await isIn(team, 'jane', '2 Elm')
    const run = await team.monday(mondayIn(1))
    expect(run).toMatchObject({
      status: 'SUCCESSFUL',
      users_corrected: 1,
      rows_changed: 0,
      groups: 2,
    })
    expect(run).toMatchObject({ users_seated: 3 })
    await isIn(team, 'jane', '2 Elm')
  })

  it('has a user follow another, whatever becomes of that one', async () => {
    const team = await town({ refresh: 'continuous', matching: 'normalized' })
    expect((await put(team, 'jane', { with: 'mary' })).status).toBe(200)
    await isIn(team, 'jane', '2 elm')
    await team.send('PATCH', '/users/mary', { user_attributes: { $address: '3  FIR' } })
    await isIn(team, 'jane', '3 fir')
    expect((await put(team, 'mary', { value: '4 Ash' })).status).toBe(200)
    await isIn(team, 'jane', '4 ash')
    await team.call('DELETE', '/groups/household/corrections/mary')
    await isIn(team, 'jane', '3 fir')
    await team.call('DELETE', '/users/mary')
    await isIn(team, 'jane', '1 oak')
    expect(await team.get('/groups/household/corrections')).toMatchObject({ corrections: [] })
  })

  it('keeps a user alone, under a value that nobody is shown', async () => {
    const team = await town()
    await put(team, 'jane', { alone: true })
    await isIn(team, 'jane', null)
    expect((await team.profile('jane'))['groups']).toEqual([
      { definition: 'household', value: null, correction: { alone: true } },
    ])
    const { instances } = await team.get<{ instances: Json[] }>('/groups/household/instances')
    expect(instances.map(({ value }) => value).sort()).toEqual(['1 Oak', '2 Elm', null])
    expect(await team.recompute()).toMatchObject({ rows_changed: 0, groups: 3 })
  })

  it('pages over users who are alone without a word of their values', async () => {
    const team = await town()
    for (const user of ['john', 'jane', 'mary']) await put(team, user, { alone: true })
    for (const user of ['john', 'jane', 'mary']) await isIn(team, user, null)
    const seen: string[] = []
    for (let after = '', pages = 0; pages < 4; pages++) {
      const path = `/groups/household/instances?size=1&after=${encodeURIComponent(after)}`
      const { instances, next } = await team.get<{
        instances: { members: { user_id: string }[] }[]
        next: string | null
      }>(path)
      seen.push(...instances.flatMap(({ members }) => members.map(({ user_id }) => user_id)))
      if (next === null) break
      expect(next.slice(1)).toBe(seen.at(-1))
      after = next
    }
    expect(seen.sort()).toEqual(['jane', 'john', 'mary'])
  })

  it.each([
    ['a draft without a place', {}, 'must have one of with, value and alone'],
    ['two places', { alone: true, value: 'x' }, 'must have one of with, value and alone'],
    ['a value that is none', { value: 'N/A' }, 'value counts as no value'],
    ['oneself', { with: 'jane' }, 'with must be another user'],
    ['a stranger', { with: 'nobody' }, 'with must be a user'],
    [
      'who is with another',
      { with: 'john' },
      'with cannot be a user who is with another, or alone',
    ],
  ])('refuses %s', async (_, body, message) => {
    const team = await town()
    expect((await put(team, 'john', { with: 'mary' })).status).toBe(200)
    const answer = await put(team, 'jane', body)
    expect(answer.status).toBe(422)
    const { errors } = await answer.json<{ errors: { message: string }[] }>()
    expect(errors[0]?.message).toContain(message)
  })

  it('refuses to move whom others follow after somebody else', async () => {
    const team = await town()
    await put(team, 'jane', { with: 'john' })
    for (const body of [{ with: 'mary' }, { alone: true }]) {
      const answer = await put(team, 'john', body)
      expect(answer.status).toBe(422)
      expect(await answer.text()).toContain('cannot be said of a user whom others are with')
    }
  })

  it('is about users and definitions that are there', async () => {
    const team = await town()
    expect((await put(team, 'nobody', { alone: true })).status).toBe(404)
    const other = '/groups/nothing/corrections'
    expect((await team.send('PUT', `${other}/jane`, { alone: true })).status).toBe(404)
    expect((await team.call('GET', other)).status).toBe(404)
    expect((await team.call('DELETE', '/groups/household/corrections/jane')).status).toBe(404)
  })
})

describe('a group that a correction forms anew, where the definition is weekly', () => {
  it('keeps members who write their value in a new way', async () => {
    const team = await town({ matching: 'normalized' })
    await team.user('john', { $address: '1  OAK' })
    await put(team, 'mary', { value: '1 Oak' })
    await isIn(team, 'mary', '1 oak')
    await isIn(team, 'john', '1 oak')
  })

  it('seats those who leave it where they belong', async () => {
    const team = await town()
    await team.user('john', { $address: '3 Fir' })
    await put(team, 'mary', { value: '1 Oak' })
    await isIn(team, 'mary', '1 Oak')
    await isIn(team, 'john', '3 Fir')
  })
})

describe('DELETE /groups/{id}/corrections/{user_id}', () => {
  it('puts the user back where the attribute says', async () => {
    const team = await town()
    await put(team, 'jane', { value: '2 Elm' })
    await isIn(team, 'jane', '2 Elm')
    const answer = await team.call('DELETE', '/groups/household/corrections/jane')
    expect(answer.status).toBe(204)
    await isIn(team, 'jane', '1 Oak')
    expect(await groupOf(team, 'jane')).not.toHaveProperty('correction')
  })
})

describe('GET /groups/{id}/corrections', () => {
  it('lists them in pages', async () => {
    const team = await town()
    for (const user of ['john', 'jane', 'mary']) await put(team, user, { alone: true })
    const path = '/groups/household/corrections?size=2'
    const first = await team.get<{ corrections: Json[]; next: string }>(path)
    expect(first.corrections.map(({ user_id }) => user_id)).toEqual(['jane', 'john'])
    const rest = await team.get<{ corrections: Json[] }>(`${path}&after=${first.next}`)
    expect(rest).toMatchObject({ corrections: [{ user_id: 'mary', alone: true }], next: null })
  })
})

describe('POST /groups/{id}/merge and split', () => {
  let team: Team
  beforeAll(async () => {
    team = await town()
  })

  it('merges two groups by a correction of each member', async () => {
    const answer = await team.send('POST', '/groups/household/merge', {
      value: '1 Oak',
      into: '2 Elm',
    })
    expect([answer.status, await answer.json()]).toEqual([200, { users_corrected: 2 }])
    for (const user of ['john', 'jane', 'mary']) await isIn(team, user, '2 Elm')
  })

  it('splits a group, and leaves the others', async () => {
    const body = { value: '2 Elm', into: '2 Elm, upstairs', users: ['john', 'mary'] }
    const answer = await team.send('POST', '/groups/household/split', body)
    expect([answer.status, await answer.json()]).toEqual([200, { users_corrected: 2 }])
    for (const user of ['john', 'mary']) await isIn(team, user, '2 Elm, upstairs')
    await isIn(team, 'jane', '2 Elm')
  })

  it.each([
    ['merge', { value: '2 Elm', into: '2 Elm' }, 422, 'into must be another group'],
    ['merge', { value: '9 Nowhere', into: '2 Elm' }, 404, 'Not found'],
    ['split', { value: '2 Elm', into: 'x', users: ['jane'] }, 422, 'cannot be all members'],
    ['split', { value: '2 Elm', into: 'x', users: ['zoe'] }, 422, 'must be members of the group'],
  ])('refuses to %s %o', async (what, body, status, message) => {
    const answer = await team.send('POST', `/groups/household/${what}`, body)
    expect(answer.status).toBe(status)
    expect(await answer.text()).toContain(message)
  })

  it('merges none where there are no seats for all', async () => {
    const team = await town()
    for (let i = 0; i < 9; i++) await team.user(`u${i}`, { $address: '2 Elm' })
    await team.recompute()
    const answer = await team.send('POST', '/groups/household/merge', {
      value: '1 Oak',
      into: '2 Elm',
    })
    expect(answer.status).toBe(422)
    expect(await team.get('/groups/household/corrections')).toMatchObject({ corrections: [] })
  })
})

describe('POST /groups/{id}/merge, twice at once', () => {
  it('has seats for all of one, and refuses the other', async () => {
    const team = await Team.open()
    await team.define(household)
    for (const street of ['Oak', 'Elm'])
      for (let i = 0; i < 6; i++) await team.user(`${street}${i}`, { $address: `1 ${street}` })
    await team.recompute()
    const merge = (value: string) =>
      team.send('POST', '/groups/household/merge', { value, into: '2 Fir' })
    const both = await Promise.all([merge('1 Oak'), merge('1 Elm')])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 422])
  })
})

describe('an erasure', () => {
  it('takes corrections of people and to people, and reasons that name them', async () => {
    const team = await town()
    await put(team, 'jane', { with: 'mary' })
    await put(team, 'john', { value: '2 Elm', reason: 'as mary says' })
    expect(await team.erase('mary')).toMatchObject({ removed: { corrections: 1 } })
    const { corrections } = await team.get<{ corrections: Json[] }>('/groups/household/corrections')
    expect(corrections).toMatchObject([{ user_id: 'john', reason: null }])
    await isIn(team, 'jane', '1 Oak')
  })
})
