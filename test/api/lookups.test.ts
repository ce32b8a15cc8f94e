import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { refused, said } from '../support/answers.ts'
import { Bank, call, json, lines, type Json } from '../support/api.ts'

async function cohort() {
  const bank = await Bank.open()
  const [owls, larks] = [await bank.group('owls'), await bank.group('larks')]
  await bank.apply(owls, 'ADD', lines(['ann', 'bob', 'a b/ü', '"x,y""z"']))
  await bank.apply(larks, 'ADD', lines(['ann', 'cid']))
  return { bank, owls, larks }
}

describe('GET /participants/{participantId}/groups', () => {
  it('lists the groups of a participant, and the revision of each', async () => {
    const { bank, owls, larks } = await cohort()
    expect(await bank.get('/participants/ann/groups')).toEqual({
      participantId: 'ann',
      groups: [
        { groupId: larks, groupName: 'larks', revision: 1 },
        { groupId: owls, groupName: 'owls', revision: 1 },
      ],
    })
    await bank.apply(owls, 'REMOVE', 'ann\n')
    expect(await bank.get('/participants/ann/groups')).toMatchObject({
      groups: [{ groupId: larks }],
    })
    expect(await bank.get(`/participants/${encodeURIComponent('a b/ü')}/groups`)).toMatchObject({
      groups: [{ groupId: owls, revision: 2 }],
    })
  })

  it('gives an empty list for somebody in no group', async () => {
    const { bank } = await cohort()
    expect(await bank.get('/participants/nobody/groups')).toEqual({
      participantId: 'nobody',
      groups: [],
    })
    expect(await (await Bank.open()).get('/participants/ann/groups')).toEqual({
      participantId: 'ann',
      groups: [],
    })
  })
})

describe('GET /groups/{groupId}/participants/{participantId}', () => {
  it('says whether a participant is in a group', async () => {
    const { bank, owls } = await cohort()
    expect(await bank.get(`/groups/${owls}/participants/bob`)).toEqual({
      groupId: owls,
      participantId: 'bob',
      member: true,
      revision: 1,
    })
    expect(await bank.get(`/groups/${owls}/participants/cid`)).toMatchObject({ member: false })
  })
})

describe('POST /memberships', () => {
  it('lists the groups of many, in the order given', async () => {
    const { bank, owls, larks } = await cohort()
    const request = async (body: unknown) => (await bank.send('POST', '/memberships', body)).json()
    expect(await request({ participantIds: ['cid', 'ann', 'nobody', 'ann'] })).toEqual({
      memberships: [
        { participantId: 'cid', groupIds: [larks] },
        { participantId: 'ann', groupIds: [larks, owls] },
        { participantId: 'nobody', groupIds: [] },
        { participantId: 'ann', groupIds: [larks, owls] },
      ],
      revisions: { [larks]: 1, [owls]: 1 },
    })
    expect(await request({ participantIds: ['ann'], groupIds: [owls.toUpperCase()] })).toEqual({
      memberships: [{ participantId: 'ann', groupIds: [owls] }],
      revisions: { [owls]: 1 },
    })
  })
})

describe('GET /groups/{groupId}/participants', () => {
  it('lists the members in pages', async () => {
    const { bank, owls } = await cohort()
    expect(await bank.get(`/groups/${owls}/participants?size=3`)).toEqual({
      participants: ['a b/ü', 'ann', 'bob'],
      next: 'bob',
      revision: 1,
    })
    expect(await bank.get(`/groups/${owls}/participants?size=3&after=bob`)).toEqual({
      participants: ['x,y"z'],
      next: null,
      revision: 1,
    })
  })

  it('gives them as a file that changes nothing when it replaces them', async () => {
    const { bank, owls } = await cohort()
    const answer = await bank.call('GET', `/groups/${owls}/participants`, {
      headers: { accept: 'text/csv' },
    })
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    const file = await answer.text()
    expect(file).toBe('ParticipantId\na b/ü\nann\nbob\n"x,y""z"\n')
    expect(await bank.apply(owls, 'REPLACE', file)).toMatchObject({
      addedCount: 0,
      removedCount: 0,
      unchangedCount: 4,
    })
  })
})

describe('POST /ofrep/v1/evaluate/flags/{key}', () => {
  it('says who is in the group of an id or a name', async () => {
    const { bank, owls } = await cohort()
    const request = (key: string, targetingKey: string) =>
      call(`/ofrep/v1/evaluate/flags/${key}`, {
        ...json('POST', { context: { targetingKey, plan: 'gold' } }),
        headers: { ...bank.headers(), 'content-type': 'application/json' },
      })
    for (const key of ['owls', owls])
      expect(await (await request(key, 'bob')).json()).toEqual({
        key,
        value: true,
        reason: 'TARGETING_MATCH',
        variant: 'member',
        metadata: { groupId: owls, groupName: 'owls', revision: 1 },
      })
    expect(await (await request('owls', 'cid')).json()).toMatchObject({ value: false })
    expect((await request('crows', 'bob')).status).toBe(404)
  })
})

const notFound = (group: string) =>
  refused(`groupId ${group} not found or has been marked for deletion`)

describe('what a look-up refuses', () => {
  let bank: Bank
  let owls: string
  beforeAll(async () => {
    ;({ bank, group: owls } = await Bank.withGroup('owls', 'ann\nbob\n'))
  })
  const many = (count: number) => Array.from({ length: count }, (_, i) => `person-${i}`)

  it.each<[problem: string, body: unknown]>([
    ['participantIds cannot name more than 1000', { participantIds: many(1001) }],
    ['participantIds must name at least one', { participantIds: [] }],
    ['participantIds is required', {}],
    ['participantIds must be of type array', { participantIds: 'ann' }],
    ['participantIds must be of type array', { participantIds: null }],
    ['participantIds must be of type array', { participantIds: { 0: 'ann' } }],
    ['participantIds.1 must be of type string', { participantIds: ['ann', 7] }],
    ['participantIds.0 must be of type string', { participantIds: [['ann']] }],
    [
      'groupIds cannot name more than 100',
      { participantIds: ['ann'], groupIds: Array.from({ length: 101 }, () => crypto.randomUUID()) },
    ],
    ['groupIds must be of type array', { participantIds: ['ann'], groupIds: 'owls' }],
    ['groupIds.0 must be of type string', { participantIds: ['ann'], groupIds: [7] }],
    ['Invalid groupId owls', { participantIds: ['ann'], groupIds: ['owls'] }],
    ['Invalid groupId ', { participantIds: ['ann'], groupIds: [''] }],
    ['Invalid groupId __proto__', { participantIds: ['ann'], groupIds: ['__proto__'] }],
    ['body must be an object', ['ann']],
    ['body must be an object', null],
    ['body must be an object', 'ann'],
  ])('says of many: %s', async (problem, body) => {
    expect(await said(bank.send('POST', '/memberships', body))).toEqual(refused(problem))
  })

  it('answers a thousand participants and a hundred groups at once', async () => {
    const groupIds = Array.from({ length: 100 }, () => owls)
    const participantIds = [...many(999), 'bob']
    const { memberships, revisions } = await said(
      bank.send('POST', '/memberships', { participantIds, groupIds }),
    )
    expect(memberships).toEqual(
      participantIds.map((participantId) => ({
        participantId,
        groupIds: participantId === 'bob' ? [owls] : [],
      })),
    )
    expect(revisions).toEqual({ [owls]: 1 })
  })

  it('answers a thousand of the longest names there are', async () => {
    const participantIds = Array.from(
      { length: 1000 },
      (_, i) => `${i}`.padEnd(4, '.') + '👩'.repeat(28),
    )
    const { memberships } = await said(bank.send('POST', '/memberships', { participantIds }))
    expect(memberships).toEqual(
      participantIds.map((participantId) => ({ participantId, groupIds: [] })),
    )
  })

  it('covers all groups without a list, and none with an empty one', async () => {
    const request = async (groupIds: unknown) =>
      said(bank.send('POST', '/memberships', { participantIds: ['ann'], groupIds }))
    expect(await request(null)).toMatchObject({
      memberships: [{ groupIds: [owls] }],
      revisions: { [owls]: 1 },
    })
    expect(await request([])).toMatchObject({ memberships: [{ groupIds: [] }], revisions: {} })
  })

  it('names the group that is not there, deleted or of another workspace', async () => {
    const gone = await bank.group('gone')
    await bank.apply(gone, 'ADD', 'ann\n')
    await bank.call('DELETE', `/groups/${gone}`)
    const other = await Bank.open()
    const theirs = await other.group('theirs')
    await other.apply(theirs, 'ADD', 'ann\n')
    for (const group of [crypto.randomUUID(), gone, theirs]) {
      expect(
        await said(
          bank.send('POST', '/memberships', { participantIds: ['ann'], groupIds: [owls, group] }),
        ),
      ).toEqual(notFound(group))
      for (const path of ['/participants', '/participants/ann'])
        expect(await said(bank.call('GET', `/groups/${group}${path}`)), path).toEqual(
          notFound(group),
        )
      expect(
        await said(
          bank.call('GET', `/groups/${group}/participants`, { headers: { accept: 'text/csv' } }),
        ),
      ).toEqual(notFound(group))
    }
    const mine = [{ groupId: owls, groupName: 'owls', revision: 1 }]
    expect(await bank.get('/participants/ann/groups')).toEqual({
      participantId: 'ann',
      groups: mine,
    })
    expect(
      await said(bank.send('POST', '/memberships', { participantIds: ['ann'] })),
    ).toMatchObject({
      memberships: [{ groupIds: [owls] }],
    })
  })

  it('shows nothing of a deleted group whose members are still stored', async () => {
    const { bank, owls, larks } = await cohort()
    await env.DB.prepare('UPDATE experience_groups SET deleted_at = 1 WHERE id = ?')
      .bind(owls)
      .run()
    const evaluate = (path: string) =>
      said(
        call(`/ofrep/v1/evaluate/flags${path}`, {
          ...json('POST', { context: { targetingKey: 'ann' } }),
          headers: { ...bank.headers(), 'content-type': 'application/json' },
        }),
      )
    expect(await bank.get('/participants/ann/groups')).toMatchObject({
      groups: [{ groupId: larks }],
    })
    expect(
      await said(bank.send('POST', '/memberships', { participantIds: ['ann', 'bob'] })),
    ).toEqual({
      status: 200,
      memberships: [
        { participantId: 'ann', groupIds: [larks] },
        { participantId: 'bob', groupIds: [] },
      ],
      revisions: { [larks]: 1 },
    })
    expect(
      await said(bank.send('POST', '/memberships', { participantIds: ['ann'], groupIds: [owls] })),
    ).toEqual(notFound(owls))
    for (const path of ['/participants', '/participants/ann'])
      expect(await said(bank.call('GET', `/groups/${owls}${path}`)), path).toEqual(notFound(owls))
    for (const path of ['/owls', `/${owls}`])
      expect(await evaluate(path)).toMatchObject({ errorCode: 'FLAG_NOT_FOUND' })
    expect(await evaluate('')).toMatchObject({ flags: [{ key: larks }, { key: 'larks' }] })
  })

  it('knows a group by its id alone', async () => {
    for (const path of ['/groups/owls/participants', '/groups/owls/participants/ann'])
      expect(await said(bank.call('GET', path)), path).toEqual(refused('Invalid groupId owls'))
    expect(await bank.get(`/groups/${owls.toUpperCase()}/participants/ann`)).toMatchObject({
      groupId: owls,
      member: true,
    })
  })

  it.each([
    ['size=0', 'size must be at least 1'],
    ['size=-1', 'size must be at least 1'],
    ['size=10001', 'size cannot be more than 10000'],
    ['size=many', 'size must be a whole number'],
    ['size=1.5', 'size must be a whole number'],
    ['size=', 'size is required'],
    ['size=1&size=2', 'size must be a whole number'],
    ['after=ann&after=bob', 'after must be of type string'],
  ])('says of a page with %s: %s', async (query, problem) => {
    for (const accept of ['application/json', 'text/csv'])
      expect(
        await said(
          bank.call('GET', `/groups/${owls}/participants?${query}`, { headers: { accept } }),
        ),
      ).toEqual(refused(problem))
  })

  it('takes the largest page there is, and one that begins anywhere', async () => {
    expect(await bank.get(`/groups/${owls}/participants?size=10000`)).toMatchObject({
      participants: ['ann', 'bob'],
      next: null,
    })
    expect(await bank.get(`/groups/${owls}/participants?after=anna`)).toMatchObject({
      participants: ['bob'],
      next: null,
    })
    expect(await bank.get(`/groups/${owls}/participants?size=2`)).toMatchObject({ next: 'bob' })
    expect(await bank.get(`/groups/${owls}/participants?size=2&after=bob`)).toEqual({
      participants: [],
      next: null,
      revision: 1,
    })
  })
})

describe('participants of any name', () => {
  const strange = [
    '__proto__',
    'constructor',
    'a/b',
    'a//b/',
    "o'neil",
    'say "hi"',
    '"',
    'x,y',
    '100%',
    '%2F',
    '👩‍👩‍👧',
    'ü',
    'u',
    'a?b#c&d',
    '+1 2',
    '\\',
    "' OR 1=1 --",
    'null',
    '[]',
    '{"a":1}',
    'a\u2028b',
    '=1+1',
    'participant 7',
  ]

  it('are found singly, in batches, as flags, in pages and in files', async () => {
    const bank = await Bank.open()
    const [group, empty] = [await bank.group('strange'), await bank.group('empty')]
    const quoted = strange.map((id) => `"${id.replaceAll('"', '""')}"\n`).join('')
    expect(await bank.apply(group, 'ADD', `ParticipantId\n${quoted}`)).toMatchObject({
      jobStatus: 'SUCCESSFUL',
      addedCount: strange.length,
    })
    const members = await bank.members(group)
    expect(new Set(members)).toEqual(new Set(strange))

    for (const participantId of strange) {
      const id = encodeURIComponent(participantId)
      expect(await bank.get(`/participants/${id}/groups`)).toMatchObject({
        participantId,
        groups: [{ groupId: group }],
      })
      expect(await bank.get(`/groups/${group}/participants/${id}`)).toMatchObject({
        participantId,
        member: true,
      })
      expect(await bank.get(`/groups/${empty}/participants/${id}`)).toMatchObject({
        participantId,
        member: false,
      })
      const init = json('POST', { context: { targetingKey: participantId } })
      const flags = await said(
        call('/ofrep/v1/evaluate/flags', {
          ...init,
          headers: { ...bank.headers(), ...init.headers },
        }),
      )
      expect(flags).toMatchObject({
        flags: [{ value: false }, { value: false }, { value: true }, { value: true }],
        metadata: { targetingKey: participantId },
      })
    }
    const { memberships } = await said(
      bank.send('POST', '/memberships', { participantIds: [...strange, 'prototype'] }),
    )
    expect(memberships).toEqual([
      ...strange.map((participantId) => ({ participantId, groupIds: [group] })),
      { participantId: 'prototype', groupIds: [] },
    ])

    const paged: string[] = []
    for (let next: string | null = ''; next !== null;) {
      const page: Json = await bank.get(
        `/groups/${group}/participants?size=1&after=${encodeURIComponent(next)}`,
      )
      paged.push(...(page['participants'] as string[]))
      next = page['next'] as string | null
    }
    expect(paged).toEqual(members)
    const file = await (
      await bank.call('GET', `/groups/${group}/participants`, { headers: { accept: 'text/csv' } })
    ).text()
    expect(await bank.apply(group, 'REPLACE', file)).toMatchObject({
      addedCount: 0,
      removedCount: 0,
      unchangedCount: strange.length,
    })
  })
})
