import { beforeAll, describe, expect, it } from 'vitest'
import { declined, said, time } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')

const draft = { source_user_attribute: '$address' }
const preview = (team: Team, body: Json) => said(team.send('POST', '/groups/preview', body))

/** Sizes that there are. */
const sizesOf = ({ group_sizes }: Json) =>
  (group_sizes as { groups: number }[]).filter(({ groups }) => groups > 0)

let team: Team
beforeAll(async () => {
  team = await Team.open()
  const homes: [string, unknown][] = [
    ...Array.from({ length: 12 }, (_, i): [string, string] => [`u${10 + i}`, 'Hall']),
    ...[
      ['ann', '1 Main St'] as const,
      ['bob', '1 MAIN  st'] as const,
      ['cid', ' 1 Main St '] as const,
    ].map(([user, at]): [string, string] => [user, at]),
    ...[
      ['dan', 'n/a'],
      ['eve', 'N/A'],
      ['fay', ' '],
      ['gus', ['Hall']],
      ['hal', 5],
      ['ida', '5'],
    ].map(([user, at]): [string, unknown] => [String(user), at]),
  ]
  for (const [user, $address] of homes) await team.user(user, { $address })
  await team.user('jon', { town: 'Ulm' })
})

describe('POST /groups/preview', () => {
  it('counts which groups a definition would form', async () => {
    const found = await preview(team, draft)
    expect(found).toEqual({
      status: 'COMPLETE',
      id: expect.any(String),
      progress_percent: 100,
      source_user_attribute: '$address',
      users_with_attribute: 21,
      users_without_value: 3,
      users_with_list: 1,
      users_over_limit: 2,
      groups: 4,
      group_sizes: expect.any(Array),
      largest_groups: [
        { value: 'Hall', users: 12 },
        { value: '1 Main St', users: 2 },
        { value: '5', users: 2 },
        { value: '1 MAIN  st', users: 1 },
      ],
      ignored_values: [
        { value: '', users: 1 },
        { value: 'N/A', users: 1 },
        { value: 'n/a', users: 1 },
      ],
      samples: [
        { value: '1 MAIN  st', users: 1, user_ids: ['bob'] },
        { value: '1 Main St', users: 2, user_ids: ['ann', 'cid'] },
        { value: '5', users: 2, user_ids: ['hal', 'ida'] },
        { value: 'Hall', users: 12, user_ids: Array.from({ length: 10 }, (_, i) => `u${10 + i}`) },
      ],
      created_on: expect.stringMatching(time),
    })
    expect(sizesOf(found)).toEqual([
      { from: 1, to: 1, groups: 1, users: 1 },
      { from: 2, to: 2, groups: 2, users: 4 },
      { from: 11, to: 20, groups: 1, users: 12 },
    ])
  })

  it('compares values and ignores them as the draft says', async () => {
    const found = await preview(team, { ...draft, matching: 'normalized', ignore_values: ['hall'] })
    expect(found).toMatchObject({
      groups: 3,
      users_with_attribute: 21,
      users_without_value: 13,
      users_with_list: 1,
      users_over_limit: 0,
      largest_groups: [
        { value: '1 main st', users: 3 },
        { value: '5', users: 2 },
        { value: 'n/a', users: 2 },
      ],
      ignored_values: [
        { value: 'hall', users: 12 },
        { value: '', users: 1 },
      ],
    })
    const [first] = found['samples'] as { value: string; user_ids: string[] }[]
    expect(first?.value).toBe('1 main st')
    expect(first?.user_ids.sort()).toEqual(['ann', 'bob', 'cid'])
  })

  it('saves no definition and forms no group', async () => {
    await preview(team, { ...household, ...draft })
    expect(await team.get('/groups')).toEqual([])
    expect((await team.profile('ann'))['groups']).toEqual([])
  })

  it('is of the users of the own workspace', async () => {
    const other = await Team.open()
    expect(await preview(other, draft)).toMatchObject({
      ...{ status: 'COMPLETE', users_with_attribute: 0, groups: 0, samples: [] },
    })
  })

  it.each<[string, Json, string]>([
    ['names no source', {}, 'source_user_attribute is required'],
    [
      'has a short id',
      { ...draft, id: 'a' },
      "id must be 3 to 32 characters, and none of them ':', '/' or a control character",
    ],
    [
      'has eleven attributes',
      {
        ...draft,
        attributes: Array.from({ length: 11 }, (_, i) => ({ id: `a${i}`, type: 'sum' })),
      },
      'The number of attributes of a group is limited to 10',
    ],
  ])('refuses a draft that %s', async (_, body, sentence) => {
    expect(await preview(team, body)).toEqual(declined(422, sentence))
  })

  it('keeps twenty previews within an hour', async () => {
    const busy = await Team.open()
    for (let i = 0; i < 20; i++)
      expect(await preview(busy, draft)).toMatchObject({ status: 'COMPLETE' })
    expect(await preview(busy, draft)).toEqual(
      declined(422, 'The number of previews in an hour is limited to 20'),
    )
  })

  it('needs users:read', async () => {
    const { status } = await (
      await Team.open(['groups:read', 'groups:write'])
    ).send('POST', '/groups/preview', draft)
    expect(status).toBe(403)
  })
})

describe('GET /groups/preview/{preview_id}', () => {
  it('shows the preview again', async () => {
    const first = await preview(team, draft)
    const again = await said(team.call('GET', `/groups/preview/${String(first['id'])}`))
    expect(again).toEqual(first)
  })

  it('finds no unknown preview and none of another workspace', async () => {
    const { id } = await preview(team, draft)
    const other = await Team.open()
    for (const path of [`/groups/preview/${String(id)}`, '/groups/preview/x'])
      expect(await said(other.call('GET', path))).toEqual(notFound)
  })

  it('forgets it when somebody is deleted who may be in it', async () => {
    const town = await Team.open()
    await town.user('ann', { $address: 'A' })
    const { id } = await preview(town, { ...draft, matching: 'normalized' })
    await town.call('DELETE', '/users/ann')
    expect(await said(town.call('GET', `/groups/preview/${String(id)}`))).toEqual(notFound)
  })
})
