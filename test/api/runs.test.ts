import { describe, expect, it } from 'vitest'
import { declined, said, time, uuid } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import { household, mondayIn, Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')

/** John and Jane at one address, and Ann alone at another. */
async function settled(): Promise<Team> {
  const team = await Team.open()
  await team.define(household)
  await team.user('john', { $address: '123 Main St', has_dog: true })
  await team.user('jane', { $address: '123 Main St' })
  await team.user('ann', { $address: '5 Oak Ave', has_dog: true })
  return team
}

describe('POST /groups/{group_id}/recompute', () => {
  it('takes the order and shows the run, which ends by itself', async () => {
    const team = await settled()
    const { status, ...run } = await said(team.call('POST', '/groups/household/recompute'))
    expect(run).toEqual({
      id: expect.stringMatching(uuid),
      week: null,
      progress_percent: 0,
      users_seated: 0,
      users_over_limit: 0,
      users_without_value: 0,
      users_corrected: 0,
      largest_groups: [],
      groups: 0,
      rows_changed: 0,
      cursor: null,
      created_on: expect.stringMatching(time),
      started_on: null,
      ended_on: null,
    })
    expect(status).toBe('CREATED')
    expect(await team.ended('household', String(run['id']))).toEqual({
      ...run,
      status: 'SUCCESSFUL',
      progress_percent: 100,
      users_seated: 3,
      groups: 2,
      rows_changed: 5,
      started_on: expect.stringMatching(time),
      ended_on: expect.stringMatching(time),
    })
  })

  it('is answered by 202, and needs no body', async () => {
    const team = await settled()
    for (const init of [
      {},
      { body: '' },
      { body: 'x' },
      { body: '{', headers: { 'content-type': 'application/json' } },
    ])
      expect((await team.call('POST', '/groups/household/recompute', init)).status).toBe(202)
  })

  it('changes nothing where nothing has changed', async () => {
    const team = await settled()
    await team.recompute()
    const before = await team.get('/groups/household/instances')
    expect(await team.recompute()).toMatchObject({
      status: 'SUCCESSFUL',
      users_seated: 3,
      groups: 2,
      rows_changed: 0,
    })
    expect(await team.get('/groups/household/instances')).toEqual(before)
  })

  it('ends where there is nobody', async () => {
    const team = await Team.open()
    await team.define(household)
    const ended = {
      status: 'SUCCESSFUL',
      progress_percent: 100,
      users_seated: 0,
      groups: 0,
      rows_changed: 0,
    }
    expect(await team.recompute()).toMatchObject(ended)
  })

  it('ends however often it is requested at the same time', async () => {
    const team = await settled()
    const requested = await Promise.all(
      [1, 2, 3, 4].map(() => said(team.call('POST', '/groups/household/recompute'))),
    )
    for (const { id } of requested)
      expect(await team.ended('household', String(id))).toMatchObject({
        status: 'SUCCESSFUL',
        users_seated: 3,
      })
    expect((await team.get<Json[]>('/groups/household/runs')).length).toBe(
      new Set(requested.map(({ id }) => id)).size,
    )
  })

  it('forms groups in its own workspace alone', async () => {
    const [team, other] = [await settled(), await settled()]
    await team.recompute()
    expect(await other.get('/groups/household/instances')).toEqual({ instances: [], next: null })
    expect(await other.get('/groups/household/runs')).toEqual([])
    expect(await other.profile('john')).toMatchObject({ groups: [] })
  })
})

describe('GET /groups/{group_id}/runs', () => {
  it('lists the runs in a bare array, newest first, weekly and requested', async () => {
    const team = await settled()
    expect(await team.get('/groups/household/runs')).toEqual([])
    const runs = [await team.recompute(), await team.monday(mondayIn(1)), await team.recompute()]
    expect(await team.get('/groups/household/runs')).toEqual(runs.toReversed())
    expect(runs.map(({ week }) => week)).toEqual([
      null,
      expect.stringMatching(/^\d{4}-W\d\d$/),
      null,
    ])
  })
})

describe('GET /groups/{group_id}/runs/{run_id}', () => {
  it('shows one run, as the list does', async () => {
    const team = await settled()
    const run = await team.recompute()
    expect(await team.get('/groups/household/runs')).toEqual([run])
    expect(await team.get(`/groups/household/runs/${String(run['id'])}/`)).toEqual(run)
  })

  it("finds no run if unknown, another workspace's, or its definition deleted", async () => {
    const [team, other] = [await settled(), await settled()]
    const [ours, theirs] = [await team.recompute(), await other.recompute()]
    for (const id of [
      String(theirs['id']),
      crypto.randomUUID(),
      '1',
      '__proto__',
      "' OR '1'='1",
      '🎉',
      '%',
    ])
      expect(
        await said(team.call('GET', `/groups/household/runs/${encodeURIComponent(id)}`)),
        id,
      ).toEqual(notFound)
    await team.call('DELETE', '/groups/household')
    await team.define(household)
    expect(await said(team.call('GET', `/groups/household/runs/${String(ours['id'])}`))).toEqual(
      notFound,
    )
  })
})

describe('GET /groups/{group_id}/instances', () => {
  const request = (team: Team, query: Record<string, string>) =>
    team.get<{ instances: Json[]; next: string | null }>(
      `/groups/household/instances?${new URLSearchParams(query).toString()}`,
    )

  it('shows the groups by their values, with members and what they share', async () => {
    const team = await settled()
    await team.user('tramp', { has_dog: true })
    await team.recompute()
    const joined_on = expect.stringMatching(time) as string
    expect(await team.get('/groups/household/instances')).toEqual({
      instances: [
        {
          value: '123 Main St',
          members: [
            { user_id: 'jane', joined_on },
            { user_id: 'john', joined_on },
          ],
          attributes: { 'household:has_dog': true },
        },
        {
          value: '5 Oak Ave',
          members: [{ user_id: 'ann', joined_on }],
          attributes: { 'household:has_dog': true },
        },
      ],
      next: null,
    })
  })

  const values = [
    'a',
    'A',
    'ä',
    '5',
    'a%',
    'a*',
    "a'",
    'a"',
    'a\\',
    'a&b=c',
    'a+b',
    'a/b',
    '__proto__',
    '🎉',
    '✂',
    'x'.repeat(4096),
  ]

  it('shows the one group of a value, whatever it is', async () => {
    const team = await Team.open()
    await team.define(household)
    for (const [i, value] of values.entries()) await team.user(String(i), { $address: value })
    await team.recompute()
    for (const [i, value] of values.entries())
      expect(await request(team, { value })).toMatchObject({
        instances: [{ value, members: [{ user_id: String(i) }] }],
        next: null,
      })
    for (const value of ['', 'b', 'á', 'constructor', '5.0'])
      expect(await request(team, { value })).toEqual({ instances: [], next: null })
  })

  it('shows each group once, page by page', async () => {
    const team = await Team.open()
    await team.define(household)
    for (const [i, value] of values.entries()) await team.user(String(i), { $address: value })
    await team.recompute()
    const inOrder = (await request(team, { size: '100' })).instances.map(({ value }) => value)
    expect([...inOrder].sort()).toEqual([...values].sort())
    for (const size of [1, 5, values.length]) {
      const found: unknown[] = []
      for (let after: string | null = ''; after !== null;) {
        const page = await request(team, { after, size: String(size) })
        expect(page.instances.length).toBeLessThanOrEqual(size)
        found.push(...page.instances.map(({ value }) => value))
        after = page.next
      }
      expect(found).toEqual(inOrder)
    }
    expect(
      (await request(team, { after: 'a', size: '100' })).instances.map(({ value }) => value),
    ).toEqual(inOrder.slice(inOrder.indexOf('a') + 1))
  })

  it('shows twenty by default', async () => {
    const team = await Team.open()
    await team.define(household)
    const batches = Array.from({ length: 21 }, (_, i) => ({
      mpid: i,
      environment: 'production',
      user_attributes: { $address: i + 10 },
    }))
    expect((await team.report(batches, '/v2/bulkevents')).status).toBe(202)
    await team.recompute()
    const { instances, next } = await request(team, {})
    expect([instances.length, next]).toEqual([20, '29'])
    expect((await request(team, { after: '29' })).instances).toMatchObject([{ value: '30' }])
  })

  it.each(['0', '101', '-1', '1.5', 'x', '1e9', 'NaN'])('refuses a size of %s', async (size) => {
    const team = await settled()
    const refusal = await said(team.call('GET', `/groups/household/instances?size=${size}`))
    expect(refusal).toEqual(declined(422, expect.stringMatching(/^size /)))
  })
})

describe.each([
  ['POST', 'recompute'],
  ['GET', 'runs'],
  ['GET', `runs/${crypto.randomUUID()}`],
  ['GET', 'instances'],
  ['GET', 'instances?value=x'],
])('%s /groups/{group_id}/%s', (method, below) => {
  it('finds no definition that is unknown, or in another workspace', async () => {
    const [team, other] = [await Team.open(), await settled()]
    await other.recompute()
    for (const id of ['household', 'x', '__proto__', 'constructor', '%', '🎉'])
      expect(
        await said(team.call(method, `/groups/${encodeURIComponent(id)}/${below}`)),
        id,
      ).toEqual(notFound)
  })
})
