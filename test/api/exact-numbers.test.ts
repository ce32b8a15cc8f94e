import { describe, expect, it } from 'vitest'
import { declined, isEmpty, said } from '../support/answers.ts'
import { call } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'
import { allWritten } from '../support/taken.ts'

const beyond = '9007199254740993'

/** Numbers as they are sent, and as they are shown. */
const numbers: [sent: string, shown: string][] = [
  [beyond, beyond],
  [`-${beyond}`, `-${beyond}`],
  ['9007199254740992', '9007199254740992'],
  ['9007199254740994', '9007199254740994'],
  ['18446744073709551617', '18446744073709551617'],
  [`1${'0'.repeat(307)}1`, `1${'0'.repeat(307)}1`],
  ['9007199254740991', '9007199254740991'],
  ['0', '0'],
  ['-0', '0'],
  ['1E5', '100000'],
  ['1e21', '1e+21'],
  ['1.50', '1.5'],
  // Of a number that is not whole, a double keeps what it can.
  ['0.1234567890123456789', '0.12345678901234568'],
  ['9007199254740993.0', '9007199254740992'],
]

/** The text of a body or an answer in which the attribute has these digits. */
const body = (digits: string) => `{"user_attributes":{"n":${digits}}}`
const json = { 'content-type': 'application/json' }

const ways: [string, (team: Team, digits: string) => Promise<unknown>][] = [
  [
    'PUT',
    async (team, n) =>
      expect((await team.call('PUT', '/users/1', { body: body(n), headers: json })).status).toBe(
        200,
      ),
  ],
  [
    'PATCH',
    async (team, n) =>
      expect((await team.call('PATCH', '/users/1', { body: body(n), headers: json })).status).toBe(
        200,
      ),
  ],
  ...(['/v2/events', '/v2/bulkevents'] as const).map(
    (path): [string, (team: Team, digits: string) => Promise<unknown>] => [
      path,
      async (team, n) => {
        const batch = `{"mpid":1,"environment":"production",${body(n).slice(1)}`
        await isEmpty(
          call(path, {
            method: 'POST',
            body: path.includes('bulk') ? `[${batch}]` : batch,
            headers: { ...json, ...team.basic() },
          }),
          202,
        )
        await allWritten()
      },
    ],
  ),
]

const textOf = async (team: Team, path: string) => (await team.call('GET', path)).text()

describe.each(ways)('a number that comes by %s', (_, write) => {
  it.each(numbers)('keeps the digits of a whole number: %s', async (sent, shown) => {
    const team = await Team.open()
    await write(team, sent)
    expect(await textOf(team, '/users/1')).toContain(`"n":${shown}}`)
    const face = `/userprofile/v1/1/2/${team.workspace}/1`
    const answer = await call(face, { headers: { authorization: `Bearer ${team.token}` } })
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await answer.text()).toContain(`"n":${shown}}`)
  })
})

describe.each(['PUT', 'PATCH'])('the answer of %s', (method) => {
  it.each(numbers)('shows what was kept of %s', async (sent, shown) => {
    const team = await Team.open()
    const answer = await team.call(method, '/users/1', { body: body(sent), headers: json })
    expect(await answer.text()).toContain(`"n":${shown}}`)
  })

  it.each(['1e400', '-1e400', `1${'0'.repeat(309)}`])(
    'refuses what is not finite: %s',
    async (n) => {
      const team = await Team.open()
      expect(await said(team.call(method, '/users/1', { body: body(n), headers: json }))).toEqual(
        declined(400, 'The user attribute n must be a finite number'),
      )
    },
  )
})

describe('a number that is inherited', () => {
  it('keeps its digits in the profile, in instances and in explanations', async () => {
    const team = await Team.open()
    await team.define({ ...household, attributes: [{ id: 'n', type: 'latest' }] })
    for (const id of ['1', '2'])
      await team.call('PUT', `/users/${id}`, {
        body: `{"user_attributes":{"$address":"a","n":${beyond}}}`,
        headers: json,
      })
    await team.recompute()
    expect(await textOf(team, '/users/2')).toContain(`"household:n":${beyond}`)
    expect(await textOf(team, '/groups/household/instances')).toContain(`"household:n":${beyond}`)
    const explained = await textOf(team, '/users/1/attributes/household:n/explain')
    expect(explained.match(new RegExp(`"value":${beyond}`, 'g'))).toHaveLength(3)
  })

  it('keeps its digits where an audience explains its result', async () => {
    const team = await Team.open()
    await team.call('PUT', '/users/1', { body: body(beyond), headers: json })
    await team.audience('rich', { operator: 'exists', attribute: 'n' })
    expect(await textOf(team, '/audiences/rich/users/1')).toContain(`"result":true`)
    await team.audience('poor', { operator: 'less_than', attribute: 'n', value: 5 })
    expect(await textOf(team, '/audiences/poor/users/1')).toContain(`"saw":${beyond}`)
  })
})

describe('a number in a rule', () => {
  it('keeps its digits when stored, evaluated and explained', async () => {
    const team = await Team.open()
    await team.call('PUT', '/users/1', { body: body(beyond), headers: json })
    await team.call('PUT', '/users/2', { body: body('9007199254740992'), headers: json })
    const rule = `{"operator":"in","attribute":"n","value":[${beyond},-${beyond}]}`
    const answer = await team.call('POST', '/audiences', {
      body: `{"id":"rich","name":"Rich","rule":${rule}}`,
      headers: json,
    })
    expect(answer.status).toBe(200)
    const kept = `"value":[${beyond},-${beyond}]`
    for (const shown of [
      await answer.text(),
      await textOf(team, '/audiences/rich'),
      await textOf(team, '/audiences'),
      await textOf(team, '/audiences/rich/users/1'),
    ])
      expect(shown).toContain(kept)
    expect(await team.get('/audiences/rich/users')).toMatchObject({ users: ['1'] })
  })
})
