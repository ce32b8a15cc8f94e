import { describe, expect, it } from 'vitest'
import { declined, isEmpty, said, time, uuid } from '../support/answers.ts'
import { json, type Json } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')
const rule = { operator: 'exists', attribute: 'has_dog' }
const draft = { name: 'Dog owners', rule }
const emoji = '🎉'

const path = (id: string) => `/audiences/${encodeURIComponent(id)}`
const all = (team: Team) => team.get<Json[]>('/audiences')
const idsOf = async (team: Team) => (await all(team)).map(({ id }) => id)
const using = (audience: string) => ({ operator: 'in_audience', audience })

describe('POST /audiences', () => {
  it('keeps an audience and shows it as it is kept', async () => {
    const team = await Team.open()
    const given = { id: 'coupon', ...draft, description: 'all of them', refresh: 'daily' }
    const { status, created_on, last_modified_on, ...rest } = await said(
      team.send('POST', '/audiences', { ...given, more: 1 }),
    )
    expect(rest).toEqual({
      ...given,
      cost: 215,
      cost_max: 100_000,
      experience_group: null,
      created_by: 'tester',
      last_modified_by: 'tester',
    })
    expect(status).toBe(200)
    expect(created_on).toMatch(time)
    expect(Math.abs(Date.now() - Date.parse(String(created_on)))).toBeLessThan(60_000)
    expect(last_modified_on).toBe(created_on)
    expect(await team.get('/audiences/coupon')).toEqual({ ...rest, created_on, last_modified_on })
  })

  it('defaults to a uuid each, no description, and syncs on demand', async () => {
    const team = await Team.open()
    const [one, two] = [
      await said(team.send('POST', '/audiences', draft)),
      await said(team.send('POST', '/audiences', draft)),
    ]
    expect(one).toMatchObject({ status: 200, description: '', refresh: 'on_demand' })
    for (const { id } of [one, two]) expect(id).toMatch(uuid)
    expect(await idsOf(team)).toEqual([one['id'], two['id']])
    expect(one['id']).not.toBe(two['id'])
    expect(
      await said(team.send('POST', '/audiences', { ...draft, description: null })),
    ).toMatchObject({ status: 200, description: '' })
  })

  it.each<[string, string]>([
    ['3 characters', 'abc'],
    ['64 characters', 'é'.repeat(64)],
    ['64 emoji', emoji.repeat(64)],
    ['the name of a prototype', '__proto__'],
    ['the name of a function', 'constructor'],
    ['the name of an operation, and more', 'previews'],
    ['the name of an operation in capitals', 'OVERLAP'],
    ['the name of what is below an audience', 'count'],
    ['percent signs', '%2F%3A%'],
    ['the signs of an address', '?a=b#c&d;e+f'],
    ['quotes', `"'\\\`;--`],
    ['blanks within', 'a  b'],
    ['dots', '...'],
  ])('takes an id of %s, under which it is found', async (_, id) => {
    const team = await Team.open()
    const created = await team.audience(id, rule)
    expect(created['id']).toBe(id)
    expect(await team.get(path(id))).toEqual(created)
    expect(await team.get(`${path(id)}/count`)).toMatchObject({ count: 0 })
    await team.audience('user', using(id))
    await isEmpty(team.call('DELETE', path('user')), 204)
    await isEmpty(team.call('DELETE', path(id)), 204)
    expect(await all(team)).toEqual([])
  })

  const limits = "id must be 3 to 64 characters, and none of them ':', '/' or a control character"
  it.each<[string, unknown, string]>([
    ['null', null, 'id must be of type string'],
    ['nothing', '', 'id is required'],
    ['a number', 777, 'id must be of type string'],
    ['2 characters', 'ab', limits],
    ['2 emoji', emoji.repeat(2), limits],
    ['65 characters', 'x'.repeat(65), limits],
    ['65 emoji', emoji.repeat(65), limits],
    ['a colon', 'a:bc', limits],
    ['a slash', 'a/bc', limits],
    ['a line feed', 'ab\nc', limits],
    ['U+0000', 'a\0bc', limits],
    ['U+0085', 'a\u0085bc', limits],
    ['the operation preview', 'preview', 'id is taken by an operation of this name'],
    ['the operation overlap', 'overlap', 'id is taken by an operation of this name'],
  ])('refuses an id of %s', async (_, id, sentence) => {
    const team = await Team.open()
    expect(await said(team.send('POST', '/audiences', { ...draft, id }))).toEqual(
      declined(422, sentence),
    )
    expect(await all(team)).toEqual([])
  })

  it('refuses an id that is taken, even if the workspace is full', async () => {
    const team = await Team.open()
    const created = await team.audience('coupon', rule)
    const sentence = declined(422, 'An audience with id coupon already exists')
    expect(
      await said(team.send('POST', '/audiences', { id: 'coupon', ...draft, name: 'again' })),
    ).toEqual(sentence)
    const init = json('POST', { id: 'coupon', ...draft })
    const headers = {
      ...(init.headers as Record<string, string>),
      authorization: `Bearer ${team.token}`,
    }
    const place = `/platform/workspaces/${team.workspace}/audiences`
    expect(await said(callWith({ AUDIENCES_MAX: 1 }, place, { ...init, headers }))).toEqual(
      sentence,
    )
    expect(await all(team)).toEqual([created])
  })

  it('takes as many as the limit, even at once; deleting frees one', async () => {
    const team = await Team.open()
    const create = (id: string, body: Json = draft) => {
      const init = json('POST', { id, ...body })
      const headers = {
        ...(init.headers as Record<string, string>),
        authorization: `Bearer ${team.token}`,
      }
      return said(
        callWith({ AUDIENCES_MAX: 2 }, `/platform/workspaces/${team.workspace}/audiences`, {
          ...init,
          headers,
        }),
      )
    }
    const full = declined(422, 'The number of audiences in a workspace is limited to 2')
    await team.audience('one', rule)
    const answers = await Promise.all([create('two'), create('three')])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 422])
    expect(answers).toContainEqual(full)
    expect(await create('four')).toEqual(full)
    expect(await create('four', { ...draft, rule: using('nobody') })).toMatchObject({
      errors: [{ pointer: '/rule' }],
    })
    await isEmpty(team.call('DELETE', '/audiences/one'), 204)
    expect(await create('four')).toMatchObject({ status: 200, id: 'four' })
    // Another's audiences take no room here.
    await (await Team.open()).audience('one', rule)
    expect(await all(team)).toHaveLength(2)
  })

  it.each<[string, Json, string]>([
    ['no name', { name: undefined }, 'name is required'],
    ['an empty name', { name: '' }, 'name is required'],
    ['a name that is a number', { name: 7 }, 'name must be of type string'],
    ['a name of 101 emoji', { name: emoji.repeat(101) }, 'name must be 1 to 100 characters'],
    [
      'a name with U+0000',
      { name: 'a\0b' },
      'name must have something visible and no control characters, and be neither . nor ..',
    ],
    [
      'a description of 256 characters',
      { description: 'x'.repeat(256) },
      'description cannot exceed 255 characters',
    ],
    ['a description that is a list', { description: [] }, 'description must be of type string'],
    ['an unknown refresh', { refresh: 'monthly' }, 'refresh must be on_demand, weekly or daily'],
    ['a refresh of null', { refresh: null }, 'refresh must be on_demand, weekly or daily'],
  ])('refuses %s, of one that is there too', async (_, change, sentence) => {
    const team = await Team.open()
    const created = await team.audience('coupon', rule)
    expect(await said(team.send('POST', '/audiences', { ...draft, ...change }))).toEqual(
      declined(422, sentence),
    )
    expect(await said(team.send('PUT', '/audiences/coupon', { ...draft, ...change }))).toEqual(
      declined(422, sentence),
    )
    expect(await all(team)).toEqual([created])
  })

  it('counts an emoji as one character', async () => {
    const team = await Team.open()
    const long = { name: emoji.repeat(100), description: emoji.repeat(255) }
    expect(await team.audience('coupon', rule, long)).toMatchObject(long)
  })

  it('refuses a body that is no object, or no JSON', async () => {
    const team = await Team.open()
    for (const body of [[], null, 'x', 7])
      expect(await said(team.send('POST', '/audiences', body)), JSON.stringify(body)).toEqual(
        declined(422, 'body must be an object'),
      )
    const text = { body: 'name=coupon', headers: { 'content-type': 'text/plain' } }
    expect(await said(team.call('POST', '/audiences', text))).toEqual(
      declined(400, 'Content-Type must be application/json'),
    )
    expect(await all(team)).toEqual([])
  })
})

describe('GET /audiences', () => {
  it('lists all of the workspace in a bare array, oldest first', async () => {
    const team = await Team.open()
    expect(await all(team)).toEqual([])
    for (const id of ['zzz', 'aaa', 'mmm']) await team.audience(id, rule)
    await team.send('PUT', '/audiences/zzz', draft)
    const shown = await Promise.all(['zzz', 'aaa', 'mmm'].map((id) => team.get(path(id))))
    expect(await all(team)).toEqual(shown)
  })
})

describe('GET /audiences/{id}', () => {
  it("shows the rule as it was given, without other audiences' names", async () => {
    const team = await Team.open()
    const nested = {
      operator: 'and',
      expressions: [
        {
          operator: 'not',
          expression: { operator: 'in', attribute: 'color', value: ['Red', 7, true, '7'] },
        },
        {
          operator: 'or',
          expressions: [
            using('dogs'),
            { operator: 'matches', attribute: `it's "50%" \\ ${emoji}`, value: '*_?' },
          ],
        },
      ],
    }
    await team.audience('dogs', rule)
    expect((await team.audience('nested', nested))['rule']).toEqual(nested)
    expect((await team.get('/audiences/nested'))['rule']).toEqual(nested)
  })

  it('does not find what is not there, nor what differs by case', async () => {
    const team = await Team.open()
    await team.audience('coupon', rule)
    for (const id of [
      'nowhere',
      'COUPON',
      'coupon x',
      '__proto__',
      'preview',
      `' OR '1'='1`,
      `${'x'.repeat(1000)}`,
    ])
      expect(await said(team.call('GET', path(id))), id).toEqual(notFound)
  })
})

describe('the id and the name of an audience', () => {
  it.each<[string, string, string]>([
    ['blanks at its ends', '\u00a0 abc\t', 'abc'],
    ['what nobody sees at its ends', '\u200babc\ufeff\u2060', 'abc'],
    ['a letter and its accent apart', 'jose\u0301', 'jos\u00e9'],
    ['three characters that count', ' \u00adabc', 'abc'],
    ['an emoji of three', 'a👩‍👧b', 'a👩‍👧b'],
  ])('are kept as all ids are, and read so wherever they stand: %s', async (_, given, kept) => {
    const team = await Team.open()
    expect(await team.audience(given, rule, { name: given })).toMatchObject({
      id: kept,
      name: kept,
    })
    expect(await idsOf(team)).toEqual([kept])
    for (const id of [given, kept]) {
      expect(await team.get(`${path(id)}/count`)).toMatchObject({ count: 0 })
      expect(
        await team.get(
          `/audiences/overlap?a=${encodeURIComponent(id)}&b=${encodeURIComponent(id)}`,
        ),
      ).toMatchObject({ a: { id: kept } })
    }
    expect((await team.audience('user', using(given)))['rule']).toEqual(using(kept))
    expect(await said(team.send('POST', '/audiences', { ...draft, id: given }))).toEqual(
      declined(422, `An audience with id ${kept} already exists`),
    )
    await isEmpty(team.call('DELETE', path('user')), 204)
    await isEmpty(team.call('DELETE', path(given)), 204)
  })

  it.each<[string, string]>([
    ['a dot', '.'],
    ['two dots', ' ..\u200b'],
    ['a control character', 'ab\u0007cd'],
    ['a C1 control character', 'ab\u0085cd'],
    ['U+007F', 'ab\u007fcd'],
    ['a lone surrogate', 'ab\ud800cd'],
    ['blanks alone', ' \u00a0 \u3000 '],
    ['zero-width signs alone', '\u200b\u200b\u2060\ufeff'],
    ['fillers alone', '\u3164\u3164\u3164'],
    ['a joiner within', 'a\u200db'],
    ['a change of direction within', 'ab\u202ecd'],
  ])('are refused by their field: %s', async (_, text) => {
    const team = await Team.open()
    for (const field of ['id', 'name']) {
      const answer = await said(
        team.send('POST', '/audiences', { id: 'coupon', ...draft, [field]: text }),
      )
      expect(answer, field).toMatchObject({
        status: 422,
        errors: [{ message: expect.stringMatching(new RegExp(`^${field} `)) as string }],
      })
    }
    await team.audience('coupon', rule)
    expect(
      await said(team.send('PUT', '/audiences/coupon', { ...draft, name: text })),
    ).toMatchObject({ status: 422 })
    expect(await idsOf(team)).toEqual(['coupon'])
  })
})
