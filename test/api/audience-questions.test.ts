import { beforeAll, describe, expect, it } from 'vitest'
import { declined, isEmpty, said } from '../support/answers.ts'
import { eventually, hasEnded, lines, type Json } from '../support/api.ts'
import { Team } from '../support/identity.ts'
import { inBytes } from '../support/town.ts'

const notFound = declined(404, 'Not found')
const dogs = { operator: 'exists', attribute: 'has_dog' }
const cats = { operator: 'exists', attribute: 'has_cat' }
const nested = (levels: number): Json =>
  levels === 1 ? dogs : { operator: 'not', expression: nested(levels - 1) }
const users = (team: Team, id: string, query = '') =>
  team.get<{ users: string[]; next: string | null }>(`/audiences/${id}/users${query}`)

/** The audience's users page by page, so many to a page. */
async function paged(team: Team, id: string, size: number): Promise<string[]> {
  const found: string[] = []
  for (let next: string | null = ''; next !== null;) {
    const page = await users(team, id, `?size=${size}&after=${encodeURIComponent(next)}`)
    expect(page.users.length).toBeLessThanOrEqual(size)
    if (page.next !== null) {
      expect(page.next).toBe(page.users.at(-1))
      expect(page.next).not.toBe(next)
    }
    found.push(...page.users)
    next = page.next
  }
  return found
}

const csv = (team: Team, id: string, query = '') =>
  team.call('GET', `/audiences/${id}/users${query}`, { headers: { accept: 'text/csv' } })

/** Imports a file of users and waits until all of it is known. */
async function importUsers(team: Team, body: string): Promise<Json> {
  const answer = await team.call('PUT', '/users', { body, headers: { 'content-type': 'text/csv' } })
  expect(answer.status).toBe(202)
  const { id } = await answer.json<Json>()
  return eventually(() => team.get(`/imports/${String(id)}`), hasEnded)
}

/** Ids that are special in JavaScript, SQL, URLs or CSV; sorted by bytes. */
const hard = [
  'a,b',
  'a"b"',
  '"',
  ',',
  'a b',
  "o'neil",
  'Ann',
  'ann',
  'ann+bob@example.com?x=1&y=2',
  '100%',
  '_',
  'é',
  '\uff5e', // after an emoji in JavaScript, before it in bytes
  '🎉',
  '__proto__',
  'x'.repeat(64),
]

let team: Team
let owners: string[]
beforeAll(async () => {
  team = await Team.open()
  for (const [i, id] of hard.entries())
    await team.user(id, { has_dog: true, ...(i % 3 === 0 && { has_cat: true }) })
  for (const id of ['cid', 'dora', 'zoe']) await team.user(id, { has_cat: true })
  await team.user('none', {})
  owners = [...hard].sort(inBytes)
  await team.audience('dogs', dogs)
  await team.audience('cats', cats)
  await team.audience('nobody', { operator: 'exists', attribute: 'has_horse' })
})

describe('POST /audiences/preview', () => {
  const preview = (rule: unknown) => said(team.send('POST', '/audiences/preview', { rule }))

  it('counts them, shows the first ten, and stores nothing', async () => {
    const before = await team.get<unknown>('/audiences')
    expect(await preview(dogs)).toEqual({
      status: 200,
      count: hard.length,
      sample: owners.slice(0, 10),
      cost: 215,
      cost_max: 100_000,
    })
    const both = hard.filter((_, i) => i % 3 === 0).sort(inBytes)
    expect(await preview({ operator: 'and', expressions: [dogs, cats] })).toEqual({
      status: 200,
      count: both.length,
      sample: both,
      cost: 430,
      cost_max: 100_000,
    })
    expect(await preview({ operator: 'exists', attribute: 'has_horse' })).toEqual({
      status: 200,
      count: 0,
      sample: [],
      cost: 215,
      cost_max: 100_000,
    })
    expect(await team.get<unknown>('/audiences')).toEqual(before)
  })

  it('finds the users of an audience that is stored', async () => {
    const rule = {
      operator: 'and',
      expressions: [
        cats,
        { operator: 'not', expression: { operator: 'in_audience', audience: 'dogs' } },
      ],
    }
    expect(await preview(rule)).toMatchObject({
      status: 200,
      count: 3,
      sample: ['cid', 'dora', 'zoe'],
    })
  })
})

describe('GET /audiences/{id}/count', () => {
  it('counts the users, and follows every change of them', async () => {
    const own = await Team.open()
    await own.audience('dogs', dogs)
    const count = async () => (await own.get('/audiences/dogs/count'))['count']
    expect(await count()).toBe(0)
    for (const id of ['ann', 'bob']) await own.user(id, { has_dog: false })
    expect(await count()).toBe(2)
    await own.send('PATCH', '/users/ann', { user_attributes: { has_dog: null } })
    expect(await count()).toBe(1)
    await isEmpty(own.call('DELETE', '/users/bob'), 204)
    expect(await count()).toBe(0)
  })

  it('follows a change of an audience that is used at once', async () => {
    const own = await Team.open()
    await own.user('ann', { has_dog: true })
    for (const id of ['bob', 'cid']) await own.user(id, { has_cat: true })
    await own.audience('inner', dogs)
    await own.audience('middle', { operator: 'in_audience', audience: 'inner' })
    await own.audience('outer', {
      operator: 'not',
      expression: { operator: 'in_audience', audience: 'middle' },
    })
    expect(await users(own, 'outer')).toEqual({ users: ['bob', 'cid'], next: null })
    await own.send('PUT', '/audiences/inner', { name: 'x', rule: cats })
    expect(await own.get('/audiences/outer/count')).toMatchObject({ count: 1 })
    expect(await users(own, 'outer')).toEqual({ users: ['ann'], next: null })
    expect(await own.get('/audiences/outer/users/ann')).toMatchObject({ member: true })
  })
})

describe('GET /audiences/{id}/users', () => {
  it('lists each user once, in byte order, whatever the page size', async () => {
    for (let size = 1; size <= hard.length + 2; size++)
      expect(await paged(team, 'dogs', size), `${size}`).toEqual(owners)
    expect(await users(team, 'dogs')).toEqual({ users: owners, next: null })
    expect(await users(team, 'nobody')).toEqual({ users: [], next: null })
  })

  it('goes on after any id, known or not, and marks the end', async () => {
    for (const after of [...hard, 'none', 'b', 'zoe', '\u{10ffff}'])
      expect(await users(team, 'dogs', `?after=${encodeURIComponent(after)}`), after).toEqual({
        users: owners.filter((id) => inBytes(id, after) > 0),
        next: null,
      })
    expect((await users(team, 'dogs', '?after=')).users).toEqual(owners)
  })

  it.each([
    ['0', 'size must be at least 1'],
    ['-1', 'size must be at least 1'],
    ['10001', 'size cannot be more than 10000'],
    ['1.5', 'size must be a whole number'],
    ['x', 'size must be a whole number'],
    ['', 'size is required'],
  ])('refuses pages of "%s"', async (size, sentence) => {
    expect(await said(team.call('GET', `/audiences/dogs/users?size=${size}`))).toEqual(
      declined(422, sentence),
    )
    expect(await said(csv(team, 'dogs', `?size=${size}`))).toEqual(declined(422, sentence))
  })

  it('takes the largest pages that may be', async () => {
    expect((await users(team, 'dogs', '?size=10000')).users).toEqual(owners)
  })

  it('does not find an audience that is not there', async () => {
    for (const below of ['count', 'users', 'users/ann'])
      expect(await said(team.call('GET', `/audiences/no/${below}`)), below).toEqual(notFound)
    expect(await said(csv(team, 'nowhere'))).toEqual(notFound)
  })
})

describe('an audience as a file', () => {
  const quoted = (id: string) => (/[",]/.test(id) ? `"${id.replaceAll('"', '""')}"` : id)
  const file = (ids: string[]) => `user_id\n${lines(ids.map(quoted))}`

  it("lists users under a header, and can be sent as users' file", async () => {
    const answer = await csv(team, 'dogs')
    expect([
      answer.status,
      answer.headers.get('content-type'),
      answer.headers.get('content-disposition'),
    ]).toEqual([200, 'text/csv; charset=utf-8', 'attachment; filename="audience.csv"'])
    const text = await answer.text()
    expect(text).toBe(file(owners))
    const own = await Team.open()
    await own.audience('all', { operator: 'not_exists', attribute: 'x' })
    expect(await importUsers(own, text)).toMatchObject({ status: 'SUCCESSFUL' })
    expect(await users(own, 'all')).toEqual({ users: owners, next: null })
  })

  it('goes on after a user, always under a header, even if empty', async () => {
    for (const after of ['"', 'Ann', 'none', '\uff5e'])
      expect(
        await (await csv(team, 'dogs', `?after=${encodeURIComponent(after)}`)).text(),
        after,
      ).toBe(file(owners.filter((id) => inBytes(id, after) > 0)))
    expect(await (await csv(team, 'dogs', `?after=${encodeURIComponent('🎉')}`)).text()).toBe(
      'user_id\n',
    )
    expect(await (await csv(team, 'nobody')).text()).toBe('user_id\n')
  })

  it('is returned where Accept names it among other types', async () => {
    for (const accept of ['TEXT/CSV', 'text/html, text/csv;q=0.5', 'text/csv; charset=utf-8'])
      expect(
        (await team.call('GET', '/audiences/dogs/users', { headers: { accept } })).headers.get(
          'content-type',
        ),
        accept,
      ).toMatch('text/csv')
    for (const accept of ['*/*', 'application/json', 'text/csvx', ''])
      expect(
        (await team.call('GET', '/audiences/dogs/users', { headers: { accept } })).headers.get(
          'content-type',
        ),
        accept,
      ).toBe('application/json')
  })
})

describe('an audience among 21,000 users', () => {
  const count = 21_000
  const crowd = Array.from({ length: count }, (_, i) => `user-${String(i).padStart(5, '0')}`)
  let large: Team
  beforeAll(async () => {
    large = await Team.open()
    const rows = crowd.map((id, i) => `${id},${i},${i % 7000 === 6999 ? 'yes' : 'no'}\n`)
    expect(await importUsers(large, `user_id,n,rare\n${rows.join('')}`)).toMatchObject({
      status: 'SUCCESSFUL',
    })
    await large.audience('most', { operator: 'greater_than_equal', attribute: 'n', value: 500 })
    await large.audience('rare', { operator: 'equals', attribute: 'rare', value: 'yes' })
    await large.audience('last', { operator: 'equals', attribute: 'n', value: count - 1 })
    await large.audience('first', { operator: 'less_than', attribute: 'n', value: 1 })
  }, 60_000)

  it('is counted in full', async () => {
    const counts = await Promise.all(
      ['most', 'rare', 'last', 'first'].map((id) => large.get(`/audiences/${id}/count`)),
    )
    expect(counts.map(({ count }) => count)).toEqual([count - 500, 3, 1, 1])
    expect(await large.get('/audiences/overlap?a=most&b=rare')).toMatchObject({
      a: { count: count - 500 },
      b: { count: 3 },
      both: 3,
    })
  })

  it('is the same in pages and as a file of several pieces', async () => {
    const most = crowd.slice(500)
    for (const size of [10_000, 7_777]) expect(await paged(large, 'most', size)).toEqual(most)
    expect(await (await csv(large, 'most')).text()).toBe(`user_id\n${lines(most)}`)
    expect(await (await csv(large, 'most', '?after=user-10499')).text()).toBe(
      `user_id\n${lines(crowd.slice(10_500))}`,
    )
  })

  it('is found where few belong, far apart', async () => {
    const rare = ['user-06999', 'user-13999', 'user-20999']
    for (const size of [1, 2, 3, 4])
      expect(await paged(large, 'rare', size), `${size}`).toEqual(rare)
    expect(await users(large, 'last')).toEqual({ users: ['user-20999'], next: null })
    expect(await paged(large, 'first', 1)).toEqual(['user-00000'])
    expect(await (await csv(large, 'rare')).text()).toBe(`user_id\n${lines(rare)}`)
    expect(
      await said(
        large.send('POST', '/audiences/preview', {
          rule: { operator: 'equals', attribute: 'rare', value: 'yes' },
        }),
      ),
    ).toMatchObject({
      status: 200,
      count: 3,
      sample: rare,
    })
  })
})

describe('GET /audiences/overlap', () => {
  const overlap = (query: string) => said(team.call('GET', `/audiences/overlap${query}`))
  const both = Math.ceil(hard.length / 3)

  it('counts each audience and the users of both, in the order given', async () => {
    const [a, b] = [
      { id: 'dogs', count: hard.length },
      { id: 'cats', count: both + 3 },
    ]
    expect(await overlap('?a=dogs&b=cats')).toEqual({ status: 200, a, b, both })
    expect(await overlap('?a=cats&b=dogs')).toEqual({ status: 200, a: b, b: a, both })
    expect(await overlap('?a=dogs&b=dogs')).toEqual({ status: 200, a, b: a, both: hard.length })
    expect(await overlap('?a=nobody&b=dogs')).toEqual({
      status: 200,
      a: { id: 'nobody', count: 0 },
      b: a,
      both: 0,
    })
  })

  it('wants two audiences that are there', async () => {
    expect(await overlap('')).toEqual(declined(422, 'a is required'))
    expect(await overlap('?b=dogs')).toEqual(declined(422, 'a is required'))
    expect(await overlap('?a=dogs')).toEqual(declined(422, 'b is required'))
    for (const query of [
      '?a=nowhere&b=dogs',
      '?a=dogs&b=nowhere',
      '?a=DOGS&b=dogs',
      '?a=&b=dogs',
      '?a=dogs&b=',
    ])
      expect(await overlap(query), query).toEqual(notFound)
  })

  it('can compare the deepest rules that an audience may have', async () => {
    const own = await Team.open()
    await own.user('ann', { has_cat: true })
    await own.audience('deep', nested(10))
    await own.audience('cats', cats)
    expect(await said(own.call('GET', '/audiences/overlap?a=deep&b=cats'))).toMatchObject({
      status: 200,
      a: { count: 1 },
      both: 1,
    })
  })
})
