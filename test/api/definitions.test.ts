import { describe, expect, it } from 'vitest'
import { declined, isEmpty, said, time } from '../support/answers.ts'
import { asAdmin, call, json, tokenOf, type Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')
const { id: _, ...draft } = household
const emoji = '🎉'
const family = '👩‍👩‍👧' // five characters, eight UTF-16 units

const ofType = (id: string, type = 'latest') => ({ id, type })
const many = (count: number) => Array.from({ length: count }, (_, i) => ofType(`a${i}`))
const path = (id: string) => `/groups/${encodeURIComponent(id)}`
const definitions = (team: Team) => team.get<Json[]>('/groups')

/** The token of another client of the team's workspace, who is called so. */
async function colleague(team: Team, name: string): Promise<{ headers: Record<string, string> }> {
  const init = json('POST', { workspace_id: team.workspace, name, scopes: ['groups:write'] })
  const { client_id, client_secret } = await said(call('/oauth/clients', asAdmin(init)))
  const token = await tokenOf({
    workspace: team.workspace,
    id: String(client_id),
    secret: String(client_secret),
  })
  return { headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } }
}

describe('GET /groups', () => {
  it('shows all of the workspace in a bare array', async () => {
    const team = await Team.open()
    expect(await definitions(team)).toEqual([])
    const created = await team.define(household)
    expect(await definitions(team)).toEqual([created])
  })
})

describe.each(['', '/'])('with "%s" at the end of its path, each operation', (slash) => {
  it('answers in the words of the contract', async () => {
    const team = await Team.open()
    const request = async (method: string, where: string, body?: unknown) => {
      const answer = await (body === undefined
        ? team.call(method, where + slash)
        : team.send(method, where + slash, body))
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json'])
      return answer.json()
    }
    const { created_on, last_modified_on, ...rest } = (await request(
      'POST',
      '/groups',
      household,
    )) as Json
    expect(rest).toEqual({ ...household, created_by: 'tester', last_modified_by: 'tester' })
    expect(created_on).toMatch(time)
    expect(last_modified_on).toBe(created_on)
    expect(Math.abs(Date.now() - Date.parse(String(created_on)))).toBeLessThan(60_000)

    const stayed = { id: 'household', created_on, created_by: 'tester', last_modified_by: 'tester' }
    const modified = { last_modified_on: expect.stringMatching(time) as string }
    expect(await request('PUT', '/groups/household', { ...draft, description: 'new' })).toEqual({
      ...stayed,
      ...draft,
      ...modified,
      description: 'new',
    })
    const attributes = [ofType('country'), ofType('has_dog', 'boolean_or')]
    const patched = await request('PATCH', '/groups/household', { attributes })
    expect(patched).toEqual({ ...stayed, ...draft, ...modified, description: 'new', attributes })
    expect(await request('GET', '/groups/household')).toEqual(patched)
    expect(await request('GET', '/groups')).toEqual([patched])
    await isEmpty(team.call('DELETE', `/groups/household${slash}`), 204)
    expect(await request('GET', '/groups')).toEqual([])
  })
})

describe('POST /groups', () => {
  it.each<[string, string]>([
    ['3 characters', 'abc'],
    ['32 characters', 'é'.repeat(32)],
    ['32 emoji', emoji.repeat(32)],
    ['3 emoji', emoji.repeat(3)],
    ['one family', family],
    ['the name of a prototype', '__proto__'],
    ['the name of a function', 'constructor'],
    ['percent signs', '%2F%3A%'],
    ['an encoded percent sign', '100%25'],
    ['the signs of an address', '?a=b#c&d;e+f'],
    ['quotes', `"'\\\`;--`],
    ['blanks within', 'a  b'],
    ['other scripts', 'グループ مجموعة'],
    ['dots', '...'],
  ])('takes an id of %s, under which it is found', async (_, id) => {
    const team = await Team.open()
    const created = await team.define({ ...household, id })
    expect(created['id']).toBe(id)
    expect(await team.get(path(id))).toEqual(created)
    expect(await said(team.send('PUT', path(id), { ...draft, id: 'another' }))).toMatchObject({
      status: 200,
      id,
    })
    expect(await said(team.send('PATCH', path(id), { attributes: [] }))).toMatchObject({
      status: 200,
      id,
    })
    expect((await definitions(team)).map((definition) => definition['id'])).toEqual([id])
    expect(await team.recompute(encodeURIComponent(id))).toMatchObject({ status: 'SUCCESSFUL' })
    await isEmpty(team.call('DELETE', path(id)), 204)
  })

  it.each<[string, string, string]>([
    ['blanks at its ends', ' household\u00a0\u3000', 'household'],
    ['a byte order mark', '\ufeffhousehold', 'household'],
    ['zero-width signs', '\u200bhousehold\u2060', 'household'],
    ['a letter and its accent', 'foye\u0301', 'foy\u00e9'],
  ])('keeps an id without what nobody sees: %s', async (_, sent, id) => {
    const team = await Team.open()
    const created = await team.define({ ...household, id: sent })
    expect(created['id']).toBe(id)
    expect(await team.get(path(id))).toEqual(created)
    expect(await said(team.send('POST', '/groups', { ...household, id }))).toEqual(
      declined(422, `A group with id ${id} already exists`),
    )
    for (const where of [path(sent), path(` ${id}\u200b`)]) {
      expect(await team.get(where)).toEqual(created)
      expect(await said(team.send('PUT', where, {}))).toEqual({ status: 200, ...created })
      expect(await team.get(`${where}/runs`)).toEqual([])
    }
    await isEmpty(team.call('DELETE', path(sent)), 204)
  })

  const length = "id must be 3 to 32 characters, and none of them ':', '/' or a control character"
  it.each<[string, unknown, string]>([
    ['none', undefined, 'id is required'],
    ['null', null, 'id must be of type string'],
    ['an empty one', '', 'id is required'],
    ['a number', 777, 'id must be of type string'],
    ['a list', ['household'], 'id must be of type string'],
    ['2 characters', 'ab', length],
    ['2 emoji', emoji.repeat(2), length],
    ['33 characters', 'x'.repeat(33), length],
    ['33 emoji', emoji.repeat(33), length],
    ['a colon', 'a:bc', length],
    ['a slash', 'a/bc', length],
    ['a tab', 'a\tbc', length],
    ['a line feed at the end', 'abc\n', length],
    ['U+0000', 'a\0bc', length],
    ['U+007F', 'a\u007fbc', length],
    ['U+0085', 'a\u0085bc', length],
    ['half a character', 'abc\ud800', length],
    ['2 characters between blanks', '  ab  ', length],
    ['blanks alone', ' \u00a0\t ', 'id is required'],
    ['zero-width signs alone', '\u200b\u2060\u200d\u00ad', length],
    ['Hangul fillers alone', '\u3164\u3164\u3164', length],
    ['a zero-width sign within', 'a\u200bbc', 'id cannot have invisible characters within'],
  ])('refuses an id of %s', async (_, id, sentence) => {
    const team = await Team.open()
    expect(await said(team.send('POST', '/groups', { ...draft, id }))).toEqual(
      declined(422, sentence),
    )
    expect(await definitions(team)).toEqual([])
  })

  it('refuses an id that is taken, even where the workspace is full', async () => {
    const team = await Team.open()
    const created = await team.define(household)
    expect(
      await said(team.send('POST', '/groups', { ...household, description: 'again' })),
    ).toEqual(declined(422, 'A group with id household already exists'))
    expect(await definitions(team)).toEqual([created])
  })

  it('refuses a second definition', async () => {
    const team = await Team.open()
    const created = await team.define(household)
    for (const id of ['Household', 'other'])
      expect(await said(team.send('POST', '/groups', { ...household, id }))).toEqual(
        declined(422, 'The number of groups in a workspace is limited to 1'),
      )
    expect(await definitions(team)).toEqual([created])
  })

  it.each([
    ['of one id', () => 'household', /already exists$/],
    ['of different ids', (i: number) => `household ${i}`, /limited to 1$/],
  ])('lets one of several at the same time win: %s', async (_, idOf, sentence) => {
    const team = await Team.open()
    const answers = await Promise.all(
      [1, 2, 3].map((i) => said(team.send('POST', '/groups', { ...household, id: idOf(i) }))),
    )
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    for (const answer of answers.filter(({ status }) => status !== 200))
      expect(answer).toEqual(declined(422, expect.stringMatching(sentence)))
    expect((await definitions(team)).map(({ id }) => id)).toEqual(won.map(({ id }) => id))
  })
})

describe('PUT /groups/{group_id}', () => {
  const full = { ...household, description: 'what it was', attributes: many(2) }
  const { id: _, ...draftOf } = full

  it.each<[string, Json, Json]>([
    ['attributes alone, as the document does', { attributes: many(3) }, { attributes: many(3) }],
    ['no attributes', { attributes: [] }, { attributes: [] }],
    ['null for attributes', { attributes: null }, { attributes: [] }],
    ['a description', { description: 'new' }, { description: 'new' }],
    ['an empty description', { description: '' }, { description: '' }],
    ['null for a description', { description: null }, { description: '' }],
    ['a source', { source_user_attribute: 'phone' }, { source_user_attribute: 'phone' }],
    [
      'two of them',
      { description: 'new', source_user_attribute: 'phone' },
      { description: 'new', source_user_attribute: 'phone' },
    ],
  ])('changes what is named and leaves the rest: %s', async (_, change, changed) => {
    const team = await Team.open()
    const created = await team.define(full)
    const writer = await colleague(team, 'Ann Colleague')
    await scheduler.wait(5)
    const body = JSON.stringify({ ...change, id: 'other', created_by: 'nobody' })
    const { status, ...replaced } = await said(
      team.call('PUT', '/groups/household', { ...writer, body }),
    )
    expect(status).toBe(200)
    expect(replaced).toEqual({
      ...created,
      ...draftOf,
      ...changed,
      last_modified_on: replaced['last_modified_on'],
      last_modified_by: 'Ann Colleague',
    })
    expect(Date.parse(String(replaced['last_modified_on']))).toBeGreaterThan(
      Date.parse(String(created['created_on'])),
    )
    expect(await definitions(team)).toEqual([replaced])
  })

  it.each<[string, Json]>([
    ['nothing', {}],
    ['nothing that can change', { id: 'other', created_by: 'nobody' }],
  ])('that names %s changes nothing, and nobody has modified it', async (_, body) => {
    const team = await Team.open()
    const created = await team.define(full)
    const writer = await colleague(team, 'Ann Colleague')
    await scheduler.wait(5)
    const answer = team.call('PUT', '/groups/household', { ...writer, body: JSON.stringify(body) })
    expect(await said(answer)).toEqual({ status: 200, ...created })
    expect(await definitions(team)).toEqual([created])
  })

  it('that names nothing is not found where there is no definition', async () => {
    const team = await Team.open()
    expect(await said(team.send('PUT', '/groups/household', {}))).toEqual(notFound)
  })
})

describe('PATCH /groups/{group_id}', () => {
  it('replaces the list of attributes, and nothing else', async () => {
    const team = await Team.open()
    const created = await team.define({ ...household, attributes: many(10) })
    const writer = await colleague(team, 'Bob Colleague')
    await scheduler.wait(5)
    const attributes = [ofType('has_dog', 'sum'), ofType('a3')]
    const body = JSON.stringify({
      attributes,
      id: 'other',
      description: 'other',
      source_user_attribute: 'other',
    })
    const { status, ...patched } = await said(
      team.call('PATCH', '/groups/household', { ...writer, body }),
    )
    expect(status).toBe(200)
    expect(patched).toEqual({
      ...created,
      attributes,
      last_modified_on: patched['last_modified_on'],
      last_modified_by: 'Bob Colleague',
    })
    expect(Date.parse(String(patched['last_modified_on']))).toBeGreaterThan(
      Date.parse(String(created['created_on'])),
    )
    expect(await definitions(team)).toEqual([patched])
  })

  it('may leave none, or ten', async () => {
    const team = await Team.open()
    await team.define(household)
    for (const attributes of [[], many(10)])
      expect(await said(team.send('PATCH', '/groups/household', { attributes }))).toMatchObject({
        status: 200,
        attributes,
      })
  })

  it.each<[string, Json]>([
    ['left out', { description: 'x' }],
    ['null', { attributes: null }],
  ])('refuses a list that is %s', async (_, body) => {
    const team = await Team.open()
    const created = await team.define(household)
    const { status, errors } = await said(team.send('PATCH', '/groups/household', body))
    expect(status).toBe(422)
    expect(errors).toEqual([{ message: expect.stringMatching(/^attributes /) }])
    expect(await definitions(team)).toEqual([created])
  })
})

describe('DELETE /groups/{group_id}', () => {
  it('takes the definition and all below it from every reader at once', async () => {
    const team = await Team.open()
    await team.define(household)
    const run = await team.recompute()
    await isEmpty(team.call('DELETE', '/groups/household'), 204)
    expect(await definitions(team)).toEqual([])
    const gone: [string, string, unknown?][] = [
      ['GET', '/groups/household'],
      ['PUT', '/groups/household', draft],
      ['PATCH', '/groups/household', { attributes: [] }],
      ['DELETE', '/groups/household'],
      ['POST', '/groups/household/recompute'],
      ['GET', '/groups/household/runs'],
      ['GET', `/groups/household/runs/${String(run['id'])}`],
      ['GET', '/groups/household/instances'],
    ]
    for (const [method, where, body] of gone)
      expect(
        await said(body === undefined ? team.call(method, where) : team.send(method, where, body)),
        `${method} ${where}`,
      ).toEqual(notFound)
  })

  it('is done by one of two at the same time', async () => {
    const team = await Team.open()
    await team.define(household)
    const answers = await Promise.all([1, 2].map(() => team.call('DELETE', '/groups/household')))
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 404])
  })

  it('leaves nothing to one that is created again under the id', async () => {
    const team = await Team.open()
    await team.define(household)
    await team.user('john', { $address: '123 Main St', has_dog: true })
    await team.recompute()
    const { created_on } = await team.get('/groups/household')
    await isEmpty(team.call('DELETE', '/groups/household'), 204)
    await scheduler.wait(5)
    const again = await team.define({ ...household, description: 'again' })
    expect(again['created_on']).not.toBe(created_on)
    expect(await team.get('/groups/household/runs')).toEqual([])
    expect(await team.get('/groups/household/instances')).toEqual({ instances: [], next: null })
    expect(await team.profile('john')).toMatchObject({ groups: [] })
    expect((await team.profile('john'))['user_attributes']).toEqual({
      $address: '123 Main St',
      has_dog: true,
    })
    expect(
      await said(team.call('GET', '/users/john/attributes/household:has_dog/explain')),
    ).toEqual(notFound)
    expect(await team.recompute()).toMatchObject({ status: 'SUCCESSFUL', groups: 1 })
    expect((await team.profile('john'))['user_attributes']).toMatchObject({
      'household:has_dog': true,
    })
  })
})

const requests: [string, (team: Team, id: string) => Promise<Response>][] = [
  ['GET', (team, id) => team.call('GET', path(id))],
  ['PUT', (team, id) => team.send('PUT', path(id), draft)],
  ['PATCH', (team, id) => team.send('PATCH', path(id), { attributes: [] })],
  ['DELETE', (team, id) => team.call('DELETE', path(id))],
]

describe.each(requests)('a group id in the path of %s', (_, request) => {
  it('that is unknown is not found', async () => {
    const team = await Team.open()
    const created = await team.define(household)
    const ids = [
      'nowhere',
      'x',
      'Household',
      '__proto__',
      'constructor',
      "' OR '1'='1",
      emoji,
      '%',
      'a/b',
      'a:b',
      'a\0b',
      '*',
    ]
    for (const id of [...ids, 'x'.repeat(2000)])
      expect(await said(request(team, id)), id.slice(0, 20)).toEqual(notFound)
    expect(await definitions(team)).toEqual([created])
  })

  it('is that of its own workspace', async () => {
    const [team, other] = [await Team.open(), await Team.open()]
    const theirs = await other.define(household)
    expect(await said(request(team, 'household'))).toEqual(notFound)
    await team.define({ ...household, description: 'ours' })
    expect((await request(team, 'household')).status).toBeLessThan(300)
    expect(await definitions(other)).toEqual([theirs])
  })
})
