import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { said } from '../support/answers.ts'
import { eventually, hasEnded, type Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'

/** Gives a user one attribute by way of a door. */
type Door = (team: Team, user: string, name: string, value: string) => Promise<unknown>

const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`

async function byFile(team: Team, user: string, name: string, value: string): Promise<void> {
  const body = `user_id,${quoted(name)}\n${quoted(user)},${quoted(value)}\n`
  const answer = await team.call('PUT', '/users', { body, headers: { 'content-type': 'text/csv' } })
  const { id } = await answer.json<Json>()
  await eventually(() => team.get(`/imports/${String(id)}`), hasEnded)
}

const doors: [string, Door][] = [
  ['PUT', (team, user, name, value) => team.user(user, { [name]: value })],
  [
    'PATCH',
    (team, user, name, value) =>
      team.send('PATCH', `/users/${user}`, { user_attributes: { [name]: value } }),
  ],
  [
    'an event',
    (team, user, name, value) =>
      team.report({
        user_identities: { customer_id: user },
        user_attributes: { [name]: value },
        environment: 'production',
      }),
  ],
  ['a file', byFile],
]

const attributesOf = async (team: Team, user: string) =>
  (await team.profile(user))['user_attributes'] as Json

/** Who of the team's users belongs to the audience of a rule. */
async function found(team: Team, rule: Json): Promise<string[]> {
  const answer = await said(team.send('POST', '/audiences/preview', { rule }))
  return answer['sample'] as string[]
}

const streets = [
  '123 Main St',
  ' 123 Main St ',
  '\t123 Main St',
  '123 Main St\u00a0',
  '\u200b123 Main St\u2060',
  '\ufeff123 Main St',
  '\u202a123 Main St\u202c',
]

describe.each(doors)('a text that comes by %s', (_, give) => {
  it('is in the household of its trimmed form, but shown as sent', async () => {
    const team = await Team.open()
    await team.define({ ...household, attributes: [{ id: '$address', type: 'latest' }] })
    const texts = [...streets, 'Cafe\u0301 1', 'Caf\u00e9 1', ' Caf\u00e9 1']
    for (const [i, text] of texts.entries()) await give(team, `u${i}`, '$address', text)
    await team.recompute()
    for (const [i, text] of texts.entries())
      expect(await team.profile(`u${i}`)).toMatchObject({
        user_attributes: { $address: text },
        groups: [{ definition: 'household', value: i < 7 ? '123 Main St' : 'Caf\u00e9 1' }],
      })
    expect((await attributesOf(team, 'u0'))['household:$address']).toBe(streets.at(-1))
  })

  it('shows its newest spelling, where only blanks or form differ', async () => {
    const team = await Team.open()
    for (const text of ['x', ' x', 'x\u00a0', 'x', 'e\u0301', '\u00e9', 'É', '']) {
      await give(team, 'ann', 'a', text)
      // A cell that is empty says nothing.
      if (give !== byFile || text !== '')
        expect(await attributesOf(team, 'ann')).toEqual({ a: text })
    }
  })

  it.each(['TRUE', 'True', 'true', ' true ', '\ttRuE\n', '\u00a0TRUE\u200b'])(
    'is true as %j, in boolean_or and in rules',
    async (text) => {
      const team = await Team.open()
      await team.define(household)
      await give(team, 'ann', 'has_dog', text)
      await team.send('PATCH', '/users/ann', { user_attributes: { $address: 'A' } })
      await team.user('bob', { $address: 'A', has_dog: 'yes' })
      await team.recompute()
      expect(await attributesOf(team, 'bob')).toMatchObject({ 'household:has_dog': true })
      const is = (attribute: string) => ({ operator: 'equals', attribute, value: true })
      expect(await found(team, is('has_dog'))).toEqual(['ann'])
      expect(await found(team, is('household:has_dog'))).toEqual(['ann', 'bob'])
      const { contributions } = await team.get('/users/bob/attributes/household%3Ahas_dog/explain')
      expect(contributions).toMatchObject([
        { user_id: 'ann', value: text, counts: true, not_counted_because: null },
        { user_id: 'bob', counts: false, not_counted_because: '"yes" is not true' },
      ])
    },
  )

  it.each([
    ['9007199254740993', '9007199254740992'],
    ['9223372036854775808', '9223372036854775809'],
    ['-100000000000000000000000000000', '-100000000000000000000000000001'],
  ])('keeps the digits of %s apart from its neighbour', async (digits, neighbour) => {
    const team = await Team.open()
    await team.define(household)
    await give(team, 'ann', '$address', digits)
    await give(team, 'bob', '$address', neighbour)
    await team.recompute()
    expect(await team.profile('ann')).toMatchObject({
      user_attributes: { $address: digits },
      groups: [{ value: digits }],
    })
    expect(await team.profile('bob')).toMatchObject({ groups: [{ value: neighbour }] })
    const is = { operator: 'equals', attribute: '$address', value: digits }
    expect(await found(team, is)).toEqual(['ann'])
  })
})

describe('an explanation', () => {
  it.each<[type: string, value: unknown, why: string | null]>([
    ['sum', 5, null],
    ['sum', ' 5\u00a0', null],
    ['sum', '1,000', '"1,000" is not a number'],
    ['sum', '', '"" is not a number'],
    ['sum', 'N/A\u200b\n', '"N/A\\u{200b}\\n" is not a number'],
    ['sum', '1e999', '"1e999" is too large a number'],
    ['sum', true, 'true is not a number'],
    ['sum', ['5'], 'A list is not a number'],
    ['average', '5 kg', '"5 kg" is not a number'],
    ['average', 'x'.repeat(65), `"${'x'.repeat(64)}…" is not a number`],
    ['average', null, 'The user has no value'],
    ['boolean_or', false, 'false is not true'],
    ['boolean_or', 1, '1 is not true'],
    ['boolean_or', 'yes', '"yes" is not true'],
    ['boolean_or', ['true'], 'A list is not true'],
    ['boolean_or', null, 'The user has no value'],
    ['latest', 'old', 'The value of another member is the latest'],
    ['latest', null, 'The user has no value'],
  ])('of %s says of %j why it does not count: %j', async (type, value, why) => {
    const team = await Team.open()
    await team.define({ ...household, attributes: [{ id: 'a', type }] })
    await team.user('ann', { $address: 'A', a: value })
    await scheduler.wait(2)
    await team.user('bob', { $address: 'A', a: type === 'boolean_or' ? true : 7 })
    await team.recompute()
    const { contributions } = await team.get('/users/ann/attributes/household%3Aa/explain')
    expect(contributions).toMatchObject([
      { user_id: 'ann', value, counts: why === null, not_counted_because: why },
      { user_id: 'bob', counts: true, not_counted_because: null },
    ])
  })
})

describe('a rule', () => {
  const values: Record<string, unknown> = {
    number: 18,
    text: ' 18.0 ',
    word: 'N/A',
    nothing: '',
    zip: '01234',
    exponent: '1E5',
    city: 'Zürich',
    capitals: 'ZU\u0308RICH',
    list: ['x', 'ZÜRICH', '2026-11-01T12:00:00+01:00'],
    date: '2026-11-01',
    offset: '2026-11-01T01:30:00+02:00',
    no_date: '2026-02-30',
    large: '9007199254740993',
  }
  let team: Team
  beforeAll(async () => {
    team = await Team.open()
    await team.define({ ...household, attributes: [{ id: 'own', type: 'latest' }] })
    for (const [user, own] of Object.entries(values)) await team.user(user, { $address: user, own })
    await team.recompute()
  })

  it.each<[operator: string, value: unknown, users: string[]]>([
    ['equals', 18, ['number', 'text']],
    ['less_than', 18, []],
    ['less_than_equal', 18, ['number', 'text']],
    ['greater_than', 18, ['exponent', 'large', 'zip']],
    ['in', [1234, 100000], ['exponent', 'zip']],
    ['equals', '18', ['number']],
    ['equals', '1234', []],
    ['equals', '01234', ['zip']],
    ['equals', '100000', []],
    ['equals', '1e5', ['exponent']],
    ['equals', 'zÜrich', ['capitals', 'city', 'list']],
    ['in', ['ZÜRICH', 'x'], ['capitals', 'city', 'list']],
    ['contains', 'Ü', ['capitals', 'city', 'list']],
    ['starts_with', 'zu\u0308', ['capitals', 'city', 'list']],
    ['matches', 'z?RICH', ['capitals', 'city', 'list']],
    ['equals', '2026-11-01T00:00Z', ['date']],
    ['less_than', '2026-11-01', ['offset']],
    ['greater_than', '2026-10-31T23:00:00-01:00', ['list']],
    ['greater_than_equal', '2026-10-31', ['date', 'list', 'offset']],
    ['equals', '2026-02-30', ['no_date']],
  ])('%s %j holds for own and inherited values alike', async (operator, value, users) => {
    expect(await found(team, { operator, attribute: 'own', value })).toEqual(users)
    expect(await found(team, { operator, attribute: 'household:own', value })).toEqual(users)
    if (operator !== 'equals' && operator !== 'in' && operator !== 'contains') return
    const others = Object.keys(values).filter((user) => !users.includes(user))
    const not = { operator: `not_${operator}`, attribute: 'household:own', value }
    expect(await found(team, not)).toEqual(others.sort().slice(0, 10))
  })

  it('takes no number for greater than itself, nor for equal to another', async () => {
    const team = await Team.open()
    await team.define({ ...household, attributes: [{ id: 'spent', type: 'sum' }] })
    await team.user('ann', { $address: 'A', spent: 0.1 })
    await team.user('bob', { $address: 'A', spent: 0.2 })
    await team.recompute()
    const holds = async (operator: string, value: number) =>
      (await found(team, { operator, attribute: 'household:spent', value })).length > 0
    for (const [value, equal, greater] of [
      [0.3, false, true],
      [0.1 + 0.2, true, false],
    ] as const) {
      expect(await holds('equals', value)).toBe(equal)
      expect(await holds('greater_than', value)).toBe(greater)
      expect(await holds('greater_than_equal', value)).toBe(true)
      expect(await holds('less_than_equal', value)).toBe(equal)
    }
    expect(await attributesOf(team, 'ann')).toMatchObject({ 'household:spent': 0.1 + 0.2 })
  })
})

describe('what the version before has stored', () => {
  it('is shown, shared and found as before', async () => {
    const team = await Team.open()
    await team.define({
      ...household,
      attributes: [
        { id: 'has_dog', type: 'boolean_or' },
        { id: 'city', type: 'latest' },
        { id: 'n', type: 'sum' },
      ],
    })
    await team.user('ann', {})
    const old = { $address: ' A ', has_dog: ' true', city: 'ÉZE', n: ' 5 ', list: '["É","x"]' }
    await env.DB.prepare(
      `INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at)
        SELECT ?, 'ann', key, value, iif(key = 'list', 'list', 'string'), 1 FROM json_each(?)`,
    )
      .bind(team.workspace, JSON.stringify(old))
      .run()
    await team.recompute()
    expect(await attributesOf(team, 'ann')).toEqual({
      ...old,
      list: ['É', 'x'],
      'household:has_dog': true,
      'household:city': 'ÉZE',
      'household:n': 5,
    })
    for (const [operator, attribute, value] of [
      ['equals', 'city', 'Éze'],
      ['equals', 'household:city', 'ÉZE'],
      ['starts_with', 'city', 'Éz'],
      ['matches', 'city', 'É*E'],
      ['equals', 'list', 'É'],
      ['equals', 'has_dog', true],
      ['less_than', 'n', 6],
    ])
      expect(await found(team, { operator, attribute, value }), attribute as string).toEqual([
        'ann',
      ])
    // Sent again, they are as new.
    await team.send('PATCH', '/users/ann', { user_attributes: { ...old, list: ['É', 'x'] } })
    for (const attribute of ['city', 'list'])
      expect(await found(team, { operator: 'contains', attribute, value: 'é' })).toEqual(['ann'])
  })
})
