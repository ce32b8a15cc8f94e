import { describe, expect, it } from 'vitest'
import { declined, isEmpty, said } from '../support/answers.ts'
import { asAdmin, Bank, call, json, tokenOf, type Json } from '../support/api.ts'
import { Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')
const rule = { operator: 'exists', attribute: 'has_dog' }
const draft = { name: 'Dog owners', rule }

const path = (id: string) => `/audiences/${encodeURIComponent(id)}`
const all = (team: Team) => team.get<Json[]>('/audiences')
const idsOf = async (team: Team) => (await all(team)).map(({ id }) => id)
const using = (audience: string) => ({ operator: 'in_audience', audience })

/** What another client of the team's workspace, who is called so, sends. */
async function colleague(
  team: Team,
  name: string,
): Promise<(method: string, path: string, body: unknown) => Promise<Response>> {
  const { client_id, client_secret } = await said(
    call(
      '/oauth/clients',
      asAdmin(
        json('POST', {
          workspace_id: team.workspace,
          name,
          scopes: ['audiences:write', 'users:read'],
        }),
      ),
    ),
  )
  const token = await tokenOf({
    workspace: team.workspace,
    id: String(client_id),
    secret: String(client_secret),
  })
  return (method, path, body) => {
    const { headers, ...init } = json(method, body)
    return team.call(method, path, {
      ...init,
      headers: { ...(headers as Record<string, string>), authorization: `Bearer ${token}` },
    })
  }
}

describe('PUT /audiences/{id}', () => {
  it('replaces all but the id, the group and how it began', async () => {
    const team = await Team.open()
    const bank = await Bank.open(undefined, team.workspace)
    const group = await bank.group()
    const before = await team.audience('coupon', rule, { description: 'old', refresh: 'weekly' })
    await team.attach('coupon', group)
    const change = {
      id: 'another',
      name: 'Cats',
      rule: { operator: 'exists', attribute: 'has_cat' },
      experience_group: null,
    }
    const put = await colleague(team, 'second')
    const { status, last_modified_on, ...rest } = await said(
      put('PUT', '/audiences/coupon', change),
    )
    expect([status, rest]).toEqual([
      200,
      {
        id: 'coupon',
        name: 'Cats',
        description: '',
        rule: change.rule,
        refresh: 'on_demand',
        cost: 215,
        cost_max: 100_000,
        experience_group: group,
        created_on: before['created_on'],
        created_by: 'tester',
        last_modified_by: 'second',
      },
    ])
    expect(Date.parse(String(last_modified_on))).toBeGreaterThanOrEqual(
      Date.parse(String(before['created_on'])),
    )
    expect(await team.get('/audiences/coupon')).toEqual({ ...rest, last_modified_on })
    expect(await idsOf(team)).toEqual(['coupon'])
    expect(
      await said(
        team.send('PUT', '/audiences/coupon', { ...draft, description: 'new', refresh: 'daily' }),
      ),
    ).toMatchObject({
      description: 'new',
      refresh: 'daily',
      last_modified_by: 'tester',
    })
  })

  it('makes nothing that was not there', async () => {
    const team = await Team.open()
    for (const id of ['coupon', 'preview', 'overlap'])
      expect(await said(team.send('PUT', path(id), draft)), id).toEqual(notFound)
    expect(await all(team)).toEqual([])
  })

  it('refuses a circle of two, three or one, and changes nothing', async () => {
    const team = await Team.open()
    await team.audience('one', rule)
    await team.audience('two', { operator: 'not', expression: using('one') })
    await team.audience('three', using('two'))
    const before = await all(team)
    const circle = {
      operator: 'or',
      expressions: [rule, { operator: 'not', expression: using('three') }],
    }
    const pointer = '/rule/expressions/1/expression'
    expect(await said(team.send('PUT', '/audiences/one', { name: 'x', rule: circle }))).toEqual({
      status: 422,
      errors: [{ message: `${pointer} leads back to the audience one`, pointer }],
    })
    for (const used of ['one', 'two'])
      expect(
        await said(team.send('PUT', '/audiences/one', { name: 'x', rule: using(used) })),
        used,
      ).toEqual({
        status: 422,
        errors: [{ message: '/rule leads back to the audience one', pointer: '/rule' }],
      })
    expect(await all(team)).toEqual(before)
  })

  it('lets through only one of two changes that together close a circle', async () => {
    const team = await Team.open()
    for (let i = 0; i < 5; i++) {
      for (const id of ['one', 'two']) await team.audience(id, rule)
      const put = (id: string, used: string) =>
        said(team.send('PUT', path(id), { name: 'x', rule: using(used) }))
      const answers = await Promise.all([put('one', 'two'), put('two', 'one')])
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 422])
      for (const id of ['one', 'two'])
        expect(await team.get(`${path(id)}/count`)).toMatchObject({ count: 0 })
      const first = answers[0]?.['status'] === 200 ? 'one' : 'two'
      await isEmpty(team.call('DELETE', path(first)), 204)
      await isEmpty(team.call('DELETE', path(first === 'one' ? 'two' : 'one')), 204)
    }
  })

  it('takes a rule out of a circle that another change has opened', async () => {
    const team = await Team.open()
    await team.audience('one', rule)
    await team.audience('two', using('one'))
    expect((await team.send('PUT', '/audiences/two', draft)).status).toBe(200)
    expect(
      (await team.send('PUT', '/audiences/one', { name: 'x', rule: using('two') })).status,
    ).toBe(200)
  })
})

describe('DELETE /audiences/{id}', () => {
  it('deletes an audience, whose id is free then', async () => {
    const team = await Team.open()
    await team.audience('coupon', rule)
    const kept = await team.audience('other', rule)
    await isEmpty(team.call('DELETE', '/audiences/coupon'), 204)
    for (const below of ['', '/count', '/users', '/users/ann'])
      expect(await said(team.call('GET', `/audiences/coupon${below}`)), below).toEqual(notFound)
    expect(await said(team.call('DELETE', '/audiences/coupon'))).toEqual(notFound)
    expect(await all(team)).toEqual([kept])
    await team.audience('coupon', { operator: 'exists', attribute: 'has_cat' })
    expect(await idsOf(team)).toEqual(['other', 'coupon'])
  })

  it('refuses to while another uses it, and names that one', async () => {
    const team = await Team.open()
    for (const id of ['coupon', 'couponer']) await team.audience(id, rule)
    await team.audience('deep', {
      operator: 'and',
      expressions: [rule, { operator: 'not', expression: using('coupon') }],
    })
    await team.audience('over', using('deep'))
    const inUse = (id: string, by: string) =>
      declined(422, `The audience ${id} is used by the audience ${by}`)
    expect(await said(team.call('DELETE', '/audiences/coupon'))).toEqual(inUse('coupon', 'deep'))
    expect(await said(team.call('DELETE', '/audiences/deep'))).toEqual(inUse('deep', 'over'))
    expect(await idsOf(team)).toEqual(['coupon', 'couponer', 'deep', 'over'])
    // Its name is in no rule of another's, only the beginning of it is.
    await isEmpty(team.call('DELETE', '/audiences/couponer'), 204)
    await team.send('PUT', '/audiences/deep', draft)
    await isEmpty(team.call('DELETE', '/audiences/coupon'), 204)
    await isEmpty(team.call('DELETE', '/audiences/over'), 204)
    await isEmpty(team.call('DELETE', '/audiences/deep'), 204)
  })

  it('is not found by the second of two at once', async () => {
    const team = await Team.open()
    await team.audience('coupon', rule)
    const statuses = await Promise.all(
      [1, 2].map(async () => (await team.call('DELETE', '/audiences/coupon')).status),
    )
    expect(statuses.sort()).toEqual([204, 404])
  })
})

describe('what is not there below /audiences', () => {
  it.each([
    'PUT /audiences',
    'DELETE /audiences',
    'GET /audiences/preview',
    'POST /audiences/overlap',
    'POST /audiences/coupon',
    'PATCH /audiences/coupon',
    'GET /audiences/coupon/nowhere',
    'POST /audiences/coupon/count',
    'POST /audiences/coupon/users',
    'PUT /audiences/coupon/users/ann',
    'GET /audiences/coupon/users/ann/explain',
    'GET /audiences/coupon/experience-group',
    'GET /audiences/coupon/sync',
    'POST /audiences/coupon/SYNC',
  ])('is not found: %s', async (name) => {
    const team = await Team.open()
    await team.user('ann', { has_dog: true })
    const created = await team.audience('coupon', rule)
    const [method = '', path = ''] = name.split(' ')
    expect(await said(team.call(method, path))).toEqual(notFound)
    expect(await all(team)).toEqual([created])
  })
})
