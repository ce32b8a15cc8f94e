import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { deepJson, pageOf, refused, said, uuid } from '../support/answers.ts'
import { Bank, call, json, lines, type Json } from '../support/api.ts'

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const missing = crypto.randomUUID()
const notFound = (id: string) => refused(`groupId ${id} not found or has been marked for deletion`)

const allNames = async (bank: Bank) =>
  (await pageOf(bank, '/groups?size=2000')).content.map(({ groupName }) => groupName)

/** The rules of name and description, in create and update alike. */
const writes: [string, (bank: Bank) => Promise<(body: unknown) => Promise<Response>>][] = [
  ['POST /groups', async (bank) => (body) => bank.send('POST', '/groups', body)],
  [
    'PUT /groups/{groupId}',
    async (bank) => {
      const id = await bank.group('before')
      return (body) => bank.send('PUT', `/groups/${id}`, body)
    },
  ],
]

describe.each(writes)('the fields of %s', (_, writer) => {
  const emoji = '🎉'
  const family = '👩‍👩‍👧' // five characters, eight UTF-16 units

  it.each<[string, Json]>([
    ['a name of 1 character', { groupName: 'x' }],
    ['a name of 50 characters', { groupName: 'x'.repeat(50) }],
    ['a name of 50 emoji', { groupName: emoji.repeat(50) }],
    ['a name of 10 families', { groupName: family.repeat(10) }],
    ['a description of 450 characters', { groupName: 'x', groupDescription: 'é'.repeat(450) }],
    ['a description of 450 emoji', { groupName: 'x', groupDescription: emoji.repeat(450) }],
    ['a name in quotes', { groupName: `'"\`; DROP TABLE experience_groups; -- \\` }],
    ['a name of a prototype member', { groupName: '__proto__', groupDescription: 'constructor' }],
    ['a name in other scripts', { groupName: 'グループ مجموعة' }],
    ['a flag that is seven characters', { groupName: '🏴󠁧󠁢󠁥󠁮󠁧󠁿 ❤️‍🔥' }],
    ['a part of a UUID', { groupName: missing.slice(1) }],
    ['a name with dots', { groupName: '... .a..' }],
    ['a description of lines', { groupName: 'x', groupDescription: 'one\n\ttwo\r\nthree' }],
  ])('keep %s as it is', async (_, body) => {
    const bank = await Bank.open()
    const write = await writer(bank)
    const answer = await said(write(body))
    expect(answer).toMatchObject({ status: 200, ...body })
    expect(await bank.get(`/groups/${String(answer['groupId'])}`)).toMatchObject(body)
  })

  it.each<[string, string, string]>([
    ['blanks around it', ' \t\n owls\u00a0 ', 'owls'],
    ['invisible characters around it', '\ufeff\u200bowls\u200b\u2060\u00ad\u200e', 'owls'],
    ['an accent apart', 'cafe\u0301', 'café'],
    ['50 characters between blanks', ` ${'e\u0301'.repeat(50)} `, 'é'.repeat(50)],
  ])('read a name with %s', async (_, groupName, kept) => {
    const bank = await Bank.open()
    const write = await writer(bank)
    expect(await said(write({ groupName }))).toMatchObject({ status: 200, groupName: kept })
    expect(await allNames(bank)).toEqual([kept])
    for (const again of [groupName, kept])
      expect(await said(bank.send('POST', '/groups', { groupName: again }))).toEqual(
        refused(`A group with name ${kept} already exists.`, '2004'),
      )
  })

  const unfit =
    'groupName must have something visible and no control characters, and be neither . nor ..'
  const unseen = 'groupName cannot have invisible characters within'
  it.each<[string, string, string]>([
    ['a step of a path', '.', unfit],
    ['two steps of a path', ' ..\u200b', unfit],
    ['a line feed inside', 'two\nlines', unfit],
    ['a tab inside', 'two\twords', unfit],
    ['NUL', 'ow\0ls', unfit],
    ['DEL', 'ow\u007fls', unfit],
    ['a control character of C1', 'ow\u0085ls', unfit],
    ['half a character', 'owls\ud83c', unfit],
    ['fillers alone', '\u3164\u115f', unfit],
    ['the invisible alone', '\u200b\u2060\ufeff', 'groupName is required'],
    ['zero-width signs inside', 'ow\u200bls', unseen],
    ['a soft hyphen inside', 'ow\u00adls', unseen],
    ['a change of direction inside', 'ow\u202els', unseen],
    ['a joiner of letters', 'ow\u200dls', unseen],
    ['a joiner of nothing', '👩\u200d!', unseen],
    ['a line separator inside', 'two\u2028lines', unseen],
    ['an id', missing, 'groupName cannot have the form of a UUID'],
    [
      'an id in capitals',
      ` ${missing.toUpperCase()}\n`,
      'groupName cannot have the form of a UUID',
    ],
  ])('refuse a name that is %s', async (_, groupName, sentence) => {
    const bank = await Bank.open()
    const write = await writer(bank)
    const before = await allNames(bank)
    expect(await said(write({ groupName }))).toEqual(refused(sentence))
    expect(await allNames(bank)).toEqual(before)
  })

  it.each(['a\0b', 'half \ud83c', '\udf89'])(
    'refuse a description that is no well-formed text: %j',
    async (groupDescription) => {
      const bank = await Bank.open()
      const write = await writer(bank)
      expect(await said(write({ groupName: 'x', groupDescription }))).toEqual(
        refused('groupDescription must be whole characters, none of them NUL'),
      )
    },
  )

  it.each([null, '', ' \n', '\u200b'])(
    'have no description where it is %j',
    async (groupDescription) => {
      const bank = await Bank.open()
      const write = await writer(bank)
      expect(await said(write({ groupName: 'x', groupDescription }))).not.toHaveProperty(
        'groupDescription',
      )
    },
  )

  it.each<[string, Json, string]>([
    ['null for a name', { groupName: null }, 'groupName'],
    ['an empty name', { groupName: '' }, 'groupName is required'],
    ['a blank name', { groupName: ' \t\n' }, 'groupName is required'],
    ['a number for a name', { groupName: 7 }, 'groupName'],
    ['a list for a name', { groupName: ['x'] }, 'groupName'],
    [
      'a name of 51 characters',
      { groupName: 'x'.repeat(51) },
      'groupName cannot exceed 50 characters',
    ],
    [
      'a name of 51 emoji',
      { groupName: emoji.repeat(51) },
      'groupName cannot exceed 50 characters',
    ],
    [
      'a description of 451',
      { groupName: 'x', groupDescription: 'x'.repeat(451) },
      'groupDescription cannot exceed 450 characters',
    ],
    [
      'a description that is no text',
      { groupName: 'x', groupDescription: { a: 1 } },
      'groupDescription',
    ],
  ])('refuse %s', async (_, body, sentence) => {
    const bank = await Bank.open()
    const write = await writer(bank)
    const before = await allNames(bank)
    const { message, ...rest } = await said(write(body))
    expect(rest).toEqual({ status: 400, code: '2000' })
    if (sentence.includes(' ')) expect(message).toBe(sentence)
    else expect(String(message).startsWith(`${sentence} `)).toBe(true)
    expect(await allNames(bank)).toEqual(before)
  })

  it('may be any others beside, which are ignored', async () => {
    const bank = await Bank.open()
    const write = await writer(bank)
    const body = `{"groupName":"known","__proto__":{"groupDescription":"no"},"groupStatus":"GONE","deep":${deepJson()}}`
    const answer = await said(write(JSON.parse(body)))
    expect(answer).toMatchObject({ status: 200, groupName: 'known', groupStatus: 'ACTIVE' })
    expect(answer).not.toHaveProperty('groupDescription')
  })

  it('may not be a name that is taken in the workspace', async () => {
    const bank = await Bank.open()
    await bank.group("O'Neill 🎉")
    const write = await writer(bank)
    const before = await allNames(bank)
    expect(await said(write({ groupName: "O'Neill 🎉" }))).toEqual(
      refused("A group with name O'Neill 🎉 already exists.", '2004'),
    )
    expect(await allNames(bank)).toEqual(before)
  })

  it('may be a name that another workspace or a deleted group has', async () => {
    const [bank, other] = [await Bank.open(), await Bank.open()]
    await other.group('owls')
    await bank.call('DELETE', `/groups/${await bank.group('owls')}`)
    const write = await writer(bank)
    expect(await said(write({ groupName: 'owls' }))).toMatchObject({
      status: 200,
      groupName: 'owls',
    })
    expect(await allNames(bank)).toEqual(['owls'])
  })
})

describe('a name', () => {
  it('of a group never stands for the id of another, deleted ones too', async () => {
    const bank = await Bank.open()
    const [old, live] = [await bank.group('old'), await bank.group('live')]
    await bank.call('DELETE', `/groups/${old}`)
    for (const id of [old, live, old.toUpperCase()])
      for (const [method, path] of [
        ['POST', '/groups'],
        ['PUT', `/groups/${live}`],
      ] as const)
        expect(await said(bank.send(method, path, { groupName: id }))).toEqual(
          refused('groupName cannot have the form of a UUID'),
        )
  })

  it.each([missing, 'a\u200bb', 'two\nlines', '\u3164'])(
    'that was taken before it was refused is shown: %j',
    async (name) => {
      const bank = await Bank.open()
      const id = await bank.group('before')
      const rename = env.DB.prepare('UPDATE experience_groups SET name = ? WHERE id = ?')
      await rename.bind(name, id).run()
      expect(await bank.get(`/groups/${id}`)).toMatchObject({ groupName: name })
      expect(await allNames(bank)).toEqual([name])
      const described = await said(bank.send('PUT', `/groups/${id}`, { groupDescription: 'why' }))
      expect(described).toMatchObject({ groupName: name, groupDescription: 'why' })
      expect(await said(bank.send('PUT', `/groups/${id}`, { groupName: 'after' }))).toMatchObject({
        status: 200,
        groupName: 'after',
      })
    },
  )
})

describe('POST /groups', () => {
  it.each([{}, { groupDescription: 'why' }])('needs a name: %j', async (body) => {
    const bank = await Bank.open()
    expect(await said(bank.send('POST', '/groups', body))).toEqual(refused('groupName is required'))
    expect(await allNames(bank)).toEqual([])
  })

  it.each(['groupType', 'groupPlatform'])('reads %s as it reads a name', async (field) => {
    const bank = await Bank.open()
    const create = (value: unknown) =>
      said(
        bank.send('POST', '/groups', { groupName: `group ${crypto.randomUUID()}`, [field]: value }),
      )
    for (const [value, kept] of [
      [' T\u200b', 'T'],
      ['\u{1f389}'.repeat(50), '\u{1f389}'.repeat(50)],
    ])
      expect(await create(value)).toMatchObject({ status: 200, [field]: kept })
    for (const [value, sentence] of [
      ['', `${field} is required`],
      ['\u200b', `${field} is required`],
      ['x'.repeat(51), `${field} cannot exceed 50 characters`],
      ['a\nb', expect.stringMatching(`^${field} must have`)],
      ['\ud800', expect.stringMatching(`^${field} must have`)],
      [null, expect.stringMatching(`^${field} `)],
      [7, expect.stringMatching(`^${field} `)],
    ])
      expect(await create(value)).toEqual(refused(sentence as string)) // a matcher stands for one
  })

  it('creates a group with the defaults of the contract', async () => {
    const bank = await Bank.open()
    const headers = bank.headers()
    const answer = await call('/groups/v3/groups', {
      ...json('POST', { groupName: 'owls' }),
      headers: { ...headers, 'content-type': 'application/json' },
    })
    expect(answer.headers.get('transactionId')).toBe(headers['transactionId'])
    const { groupId, groupLastUpdatedDateTime, ...rest } = await said(answer)
    expect(rest).toEqual({
      status: 200,
      groupName: 'owls',
      groupType: 'EXPERIENCE_GROUP',
      groupPlatform: 'RETAIL_BANKING',
      groupParticipantCount: 0,
      groupStatus: 'ACTIVE',
    })
    expect(groupId).toMatch(uuid)
    expect(groupLastUpdatedDateTime).toMatch(time)
    expect(Math.abs(Date.now() - Date.parse(String(groupLastUpdatedDateTime)))).toBeLessThan(60_000)
    expect((await bank.get(`/groups/${String(groupId)}`))['groupId']).toBe(groupId)
  })

  it('keeps the type and platform that it is given', async () => {
    const bank = await Bank.open()
    const body = {
      groupName: 'x',
      groupDescription: 'why',
      groupType: 'TEST_GROUP',
      groupPlatform: 'BUSINESS_BANKING',
    }
    expect(await said(bank.send('POST', '/groups', body))).toMatchObject({ status: 200, ...body })
  })

  it('gives a name to only one of two at the same time', async () => {
    const bank = await Bank.open()
    const answers = await Promise.all(
      [1, 2, 3].map(() => said(bank.send('POST', '/groups', { groupName: 'one' }))),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ code }) => code === '2004')).toHaveLength(2)
    expect(await allNames(bank)).toEqual(['one'])
  })

  it('refuses what is not a JSON object, however deep or long', async () => {
    const bank = await Bank.open()
    const create = (body: string, contentType = 'application/json') =>
      said(bank.call('POST', '/groups', { body, headers: { 'content-type': contentType } }))
    for (const body of [
      '',
      '{',
      '{"groupName":"x"',
      'null',
      '7',
      '"x"',
      '[]',
      deepJson(),
      `{"groupName":${deepJson()}}`,
    ])
      expect(await create(body), body.slice(0, 20)).toEqual(
        refused(expect.stringMatching(/ /) as unknown as string),
      )
    expect(
      await create(JSON.stringify({ groupName: 'x', more: 'x'.repeat(300_000) })),
    ).toMatchObject({ status: 400, code: '2000' })
    expect(await create('groupName=x', 'text/plain')).toMatchObject({
      status: 400,
      code: '2000',
    })
    expect(await allNames(bank)).toEqual([])
  })
})

describe('GET /groups/{groupId}', () => {
  it('shows the group as created, under an id in any case', async () => {
    const bank = await Bank.open()
    const { status, ...created } = await said(
      bank.send('POST', '/groups', { groupName: 'owls', groupDescription: 'at night' }),
    )
    expect(status).toBe(200)
    expect(await bank.get(`/groups/${String(created['groupId'])}`)).toEqual(created)
    expect(await bank.get(`/groups/${String(created['groupId']).toUpperCase()}`)).toEqual(created)
  })
})

describe('PUT /groups/{groupId}', () => {
  it('changes name and description, and neither members nor anything else', async () => {
    const bank = await Bank.open()
    const { groupId } = await said(
      bank.send('POST', '/groups', {
        groupName: 'old',
        groupDescription: 'old',
        groupType: 'T',
        groupPlatform: 'P',
      }),
    )
    const id = String(groupId)
    await bank.apply(id, 'ADD', lines(['ann', 'bob']))
    const before = await bank.get(`/groups/${id}`)
    const { status, ...after } = await said(
      bank.send('PUT', `/groups/${id}`, {
        groupName: 'new',
        groupDescription: 'newer',
        groupType: 'X',
      }),
    )
    expect(status).toBe(200)
    expect(after).toEqual({
      ...before,
      groupName: 'new',
      groupDescription: 'newer',
      groupLastUpdatedDateTime: after['groupLastUpdatedDateTime'],
    })
    expect(after['groupParticipantCount']).toBe(2)
    expect(Date.parse(String(after['groupLastUpdatedDateTime']))).toBeGreaterThanOrEqual(
      Date.parse(String(before['groupLastUpdatedDateTime'])),
    )
    expect(await bank.get(`/groups/${id}`)).toEqual(after)
    expect(await bank.members(id)).toEqual(['ann', 'bob'])
  })

  const before = { groupName: 'owls', groupDescription: 'at night' }
  it.each<[string, Json, Json]>([
    ['nothing', {}, before],
    ['what it does not know', { groupStatus: 'GONE' }, before],
    ['the name', { groupName: 'larks' }, { ...before, groupName: 'larks' }],
    ['the name that it has', { groupName: 'owls' }, before],
    ['a description', { groupDescription: 'new' }, { ...before, groupDescription: 'new' }],
    ['an empty description', { groupDescription: '' }, { groupName: 'owls' }],
    ['null for a description', { groupDescription: null }, { groupName: 'owls' }],
    [
      'a name and no description',
      { groupName: 'larks', groupDescription: '' },
      { groupName: 'larks' },
    ],
  ])('leaves what is not named: %s', async (_, body, after) => {
    const bank = await Bank.open()
    const created = await said(bank.send('POST', '/groups', before))
    const id = String(created['groupId'])
    const { groupName, groupDescription } = await said(bank.send('PUT', `/groups/${id}`, body))
    expect({ groupName, groupDescription }).toEqual({ groupDescription: undefined, ...after })
    const shown = await bank.get(`/groups/${id}`)
    expect({
      groupName: shown['groupName'],
      groupDescription: shown['groupDescription'],
    }).toEqual({ groupName, groupDescription })
  })

  it('loses neither of two that change a field each at once', async () => {
    const bank = await Bank.open()
    const id = await bank.group('owls')
    for (let time = 0; time < 5; time++) {
      const bodies = [{ groupName: `owls ${time}` }, { groupDescription: `at ${time}` }]
      await Promise.all(bodies.map((body) => bank.send('PUT', `/groups/${id}`, body)))
      expect(await bank.get(`/groups/${id}`)).toMatchObject({ ...bodies[0], ...bodies[1] })
    }
  })

  it('announces the name that the group has, whatever was changed', async () => {
    const bank = await Bank.open()
    const id = await bank.group('owls')
    for (const body of [{ groupDescription: 'new' }, { groupName: 'larks' }, {}])
      await bank.send('PUT', `/groups/${id}`, body)
    const { results } = await env.DB.prepare(
      "SELECT data FROM events WHERE workspace_id = ? AND type = 'group.updated' ORDER BY key",
    )
      .bind(bank.workspace)
      .all<{ data: string }>()
    expect(results.map(({ data }) => JSON.parse(data) as Json)).toEqual([
      { group_id: id, name: 'owls' },
      { group_id: id, name: 'larks' },
    ])
  })

  it('finds no group for an empty body either', async () => {
    const bank = await Bank.open()
    expect(await said(bank.send('PUT', `/groups/${missing}`, {}))).toEqual(notFound(missing))
  })

  it('frees the name that the group had', async () => {
    const bank = await Bank.open()
    await bank.send('PUT', `/groups/${await bank.group('first')}`, { groupName: 'second' })
    await bank.group('first')
    expect(await allNames(bank)).toEqual(['first', 'second'])
  })
})

describe('DELETE /groups/{groupId}', () => {
  it('hides the group from every reader at once, and frees its name', async () => {
    const bank = await Bank.open()
    const id = await bank.group('owls')
    const { jobId } = await bank.apply(id, 'ADD', lines(['ann']))
    expect(await said(bank.call('DELETE', `/groups/${id}`))).toEqual({
      status: 200,
      code: '1000',
      message: `groupId ${id} was successfully deleted`,
    })
    expect(await said(bank.call('GET', `/groups/${id}`))).toEqual(notFound(id))
    expect(await said(bank.call('DELETE', `/groups/${id}`))).toEqual(notFound(id))
    expect(await said(bank.send('PUT', `/groups/${id}`, { groupName: 'owls' }))).toEqual(
      notFound(id),
    )
    expect(await said(bank.upload(id, 'ADD', 'ann\n'))).toEqual(notFound(id))
    expect(await said(bank.call('GET', `/jobs?groupId=${id}`))).toEqual(notFound(id))
    expect(await said(bank.call('GET', `/jobs/${String(jobId)}`))).toEqual(
      refused(`jobId ${String(jobId)} not found`),
    )
    expect(await pageOf(bank, '/groups')).toMatchObject({ content: [], page: { totalElements: 0 } })

    const again = await bank.group('owls')
    expect(again).not.toBe(id)
    expect(await bank.members(again)).toEqual([])
  })
  it('is done by one of two at the same time', async () => {
    const bank = await Bank.open()
    const id = await bank.group()
    const answers = await Promise.all([1, 2].map(() => said(bank.call('DELETE', `/groups/${id}`))))
    expect(answers).toContainEqual(notFound(id))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  })
})

describe('a group id', () => {
  const body = { groupName: 'x' }
  const requests: [string, (bank: Bank, id: string) => Promise<Response>][] = [
    ['GET', (bank, id) => bank.call('GET', `/groups/${id}`)],
    ['PUT', (bank, id) => bank.send('PUT', `/groups/${id}`, body)],
    ['DELETE', (bank, id) => bank.call('DELETE', `/groups/${id}`)],
  ]
  it.each(requests)('that is no uuid is refused by %s', async (_, request) => {
    const bank = await Bank.open()
    for (const id of [
      '7',
      '__proto__',
      'constructor',
      `${missing}0`,
      missing.slice(1),
      "' OR '1'='1",
      '🎉',
      '{x}',
      'a%b',
    ])
      expect(await said(request(bank, encodeURIComponent(id)))).toEqual(
        refused(`Invalid groupId ${id}`),
      )
  })

  it.each(requests)(
    'that is unknown or in another workspace is not found by %s',
    async (_, request) => {
      const [bank, other] = [await Bank.open(), await Bank.open()]
      const theirs = await other.group('theirs')
      for (const id of [missing, theirs])
        expect(await said(request(bank, id))).toEqual(notFound(id))
      expect(await allNames(other)).toEqual(['theirs'])
      expect(await allNames(bank)).toEqual([])
    },
  )
})

describe('two workspaces with the same names', () => {
  it('never see each other, under any alias', async () => {
    const [bank, other] = [await Bank.open(), await Bank.open()]
    const [mine, theirs] = [await bank.group('owls'), await other.group('owls')]
    await bank.apply(mine, 'ADD', lines(['ann', 'bob']))
    for (const face of ['/groups/v3', '/v3', '/digitalbanking/groups/v3']) {
      const request = async (who: Bank, path: string) =>
        said(call(face + path, { headers: who.headers() }))
      expect(await request(bank, '/groups')).toMatchObject({
        content: [{ groupId: mine, noOfParticipants: 2 }],
        page: { totalElements: 1 },
      })
      expect(await request(other, '/groups')).toMatchObject({
        content: [{ groupId: theirs, noOfParticipants: 0 }],
        page: { totalElements: 1 },
      })
      expect(await request(bank, `/groups/${mine}`)).toMatchObject({
        status: 200,
        groupName: 'owls',
      })
      expect(await request(bank, `/groups/${theirs}`)).toEqual(notFound(theirs))
    }
  })
})
