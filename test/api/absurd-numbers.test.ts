import { describe, expect, it } from 'vitest'
import { declined, refused, said } from '../support/answers.ts'
import { asAdmin, Bank, call, eventually, hasEnded, type Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'

const asJson = { 'content-type': 'application/json' }

/** Numbers that are longer than each that counts. */
const absurd: [what: string, digits: string][] = [
  ['401 digits', '7'.repeat(401)],
  ['401 characters after the point', `-0.${'3'.repeat(398)}`],
  ['an exponent of 1,000 digits', `1e${'0'.repeat(999)}1`],
  ['nearly a body of digits', '9'.repeat(250_000)],
]

const tooLong = (field: string) =>
  `The user attribute ${field} cannot be a number of over 400 characters`

describe.each(absurd)('a number of %s', (_, digits) => {
  it('is refused as an attribute, by its name', async () => {
    const team = await Team.open()
    const attributes = `"user_attributes":{"a":1,"n":${digits}}`
    for (const method of ['PUT', 'PATCH'])
      expect(
        await said(team.call(method, '/users/1', { body: `{${attributes}}`, headers: asJson })),
      ).toEqual(declined(400, tooLong('n')))
    const body = `{"mpid":1,"environment":"production",${attributes}}`
    const event = { method: 'POST', body, headers: { ...asJson, ...team.basic() } }
    expect(await said(call('/v2/events', event))).toEqual({
      status: 400,
      errors: [{ code: 'BAD_REQUEST', message: tooLong('n') }],
    })
    expect((await team.call('GET', '/users/1')).status).toBe(404)
  })

  it.each([
    ['mpid', 'mpid must be a whole number'],
    ['timestamp_unixtime_ms', 'timestamp_unixtime_ms must be of type number'],
  ])('is refused as %s', async (field, message) => {
    const team = await Team.open()
    const body = `{"environment":"production","user_attributes":{},"mpid":1,"${field}":${digits}}`
    const event = { method: 'POST', body, headers: { ...asJson, ...team.basic() } }
    expect(await said(call('/v2/events', event))).toEqual({
      status: 400,
      errors: [{ code: 'BAD_REQUEST', message }],
    })
  })

  it('is refused in a rule, by where it stands', async () => {
    const team = await Team.open()
    const preview = (rule: string) =>
      said(team.call('POST', '/audiences/preview', { body: `{"rule":${rule}}`, headers: asJson }))
    const at = (pointer: string): Json => ({
      status: 422,
      errors: [{ message: `${pointer} cannot exceed 400 characters`, pointer }],
    })
    expect(await preview(`{"operator":"equals","attribute":"n","value":${digits}}`)).toEqual(
      at('/rule/value'),
    )
    expect(await preview(`{"operator":"in","attribute":"n","value":[1,${digits}]}`)).toEqual(
      at('/rule/value/1'),
    )
  })

  it('is refused as the workspace of a client', async () => {
    const body = `{"workspace_id":${digits},"name":"x","scopes":["groups:read"]}`
    const answer = await said(
      call('/oauth/clients', asAdmin({ method: 'POST', body, headers: asJson })),
    )
    expect(answer).toMatchObject({ status: 400, error: 'invalid_request' })
    expect(answer['error_description']).toMatch(/^workspace_id must be of type/)
  })

  it('is refused as a name', async () => {
    const bank = await Bank.open()
    const init = { body: `{"groupName":${digits}}`, headers: asJson }
    expect(await said(bank.call('POST', '/groups', init))).toEqual(
      refused('groupName must be of type string'),
    )
  })
})

it('a number of 400 characters is one', async () => {
  const team = await Team.open()
  const n = `0.${'1'.repeat(398)}`
  const body = `{"user_attributes":{"n":${n}}}`
  expect((await team.call('PUT', '/users/1', { body, headers: asJson })).status).toBe(200)
  expect(await team.profile('1')).toMatchObject({ user_attributes: { n: 0.1111111111111111 } })
})

it('a value in a file is text, however many digits it has', async () => {
  const team = await Team.open()
  const digits = '8'.repeat(4096)
  const headers = { 'content-type': 'text/csv' }
  const body = `user_id,n\nann,${digits}\nbob,${digits}8\n`
  const { id } = await said(team.call('PUT', '/users', { body, headers }))
  const job = await eventually(() => team.get(`/imports/${String(id)}`), hasEnded)
  expect(job).toMatchObject({ rows: 2, rows_refused: 1, status: 'PARTIAL_SUCCESS' })
  expect(await team.profile('ann')).toMatchObject({ user_attributes: { n: digits } })
  // Text compares as a number where a double has it.
  await team.audience('rich', { operator: 'greater_than', attribute: 'n', value: 5 })
  expect(await team.get('/audiences/rich/users')).toMatchObject({ users: [] })
})

const ofBank = ['page', 'size'].flatMap((field) =>
  ['/groups', '/jobs'].map((path): [string, string] => [path, field]),
)
const ofTeam: [string, string][] = [
  ['/imports', 'size'],
  ['/imports', 'before'],
  ['/groups/household/instances', 'size'],
  ['/audiences/any/users', 'size'],
  ['/events', 'size'],
]

/** What is no number in digits, though JavaScript reads most of it as one. */
const strange = [
  '0x10',
  '0b1',
  '1e1',
  '1e9999',
  '+5',
  ' 5',
  '5 ',
  '5.0',
  '.5',
  '٣',
  '５',
  '1_0',
  'Infinity',
]
const wrong = [...strange, '1'.repeat(400), `0${'1'.repeat(17)}`]

describe('a number in a query', () => {
  it.each(ofBank)('%s?%s= has digits alone', async (path, field) => {
    const bank = await Bank.open()
    for (const value of wrong)
      expect(
        await said(bank.call('GET', `${path}?${field}=${encodeURIComponent(value)}`)),
        value,
      ).toEqual(refused(expect.stringMatching(`^${field} must be a whole number from`) as string))
    expect((await bank.call('GET', `${path}?${field}=007`)).status).toBe(200)
  })

  it.each(ofTeam)('%s?%s= has digits alone', async (path, field) => {
    const team = await Team.open()
    await team.define(household)
    await team.audience('any', { operator: 'exists', attribute: 'x' })
    for (const value of wrong)
      expect(
        await said(team.call('GET', `${path}?${field}=${encodeURIComponent(value)}`)),
        value,
      ).toEqual(declined(422, `${field} must be a whole number`))
    expect((await team.call('GET', `${path}?${field}=007`)).status).toBe(200)
  })

  it.each(['size', 'workspace_id'])('/oauth/clients?%s= has digits alone', async (field) => {
    for (const value of wrong)
      expect(
        await said(call(`/oauth/clients?${field}=${encodeURIComponent(value)}`, asAdmin())),
        value,
      ).toEqual({
        status: 400,
        error: 'invalid_request',
        error_description: `${field} must be a whole number`,
      })
  })
})
