import { describe, expect, it } from 'vitest'
import { isEmpty, said } from '../support/answers.ts'
import { ann, at, environment, refusedEvents } from '../support/events.ts'
import { Team } from '../support/identity.ts'

const ways: [path: string, wrap: (batch: unknown) => unknown, field: (name: string) => string][] = [
  ['/v2/events', (batch) => batch, (name) => name],
  // The batch that is wrong is the second of two.
  ['/v2/bulkevents', (batch) => [ann({ a: 0 }, { mpid: 2 }), batch], (name) => `1.${name}`],
]

const spellings = [
  'customer_id',
  'customerid',
  'customerId',
  'CustomerId',
  'CustomerID',
  'customer-id',
  'Customer ID',
  'CUSTOMER_ID',
]

const of = (user_identities: unknown, more = {}) => ({
  environment,
  user_identities,
  user_attributes: { a: 1 },
  ...more,
})

const placeholders = [
  'null',
  'NULL',
  'undefined',
  'Undefined',
  'None',
  'NaN',
  'nil',
  'N/A',
  'n/a',
  'NA',
  '#N/A',
  'unknown',
  'UNKNOWN',
  '(null)',
  '<null>',
  '"null"',
  "'undefined'",
  '[object Object]',
  '[Object object]',
  '-',
  '--',
  ' null ',
  '\u200bnull\u00a0',
  'null.',
]

describe.each(ways)('the identities of a batch at POST %s', (path, wrap, field) => {
  const send = (team: Team, batch: unknown) => team.report(wrap(batch), path)

  it.each(spellings)('name the user by %s', async (name) => {
    const team = await Team.open()
    await isEmpty(send(team, of({ [name]: '123456', email: 'null', other: 'x' })), 202)
    expect(await team.profile('123456')).toMatchObject({ user_attributes: { a: 1 } })
  })

  it('are read as ids everywhere are', async () => {
    const team = await Team.open()
    await isEmpty(send(team, of({ customerid: ' \ufeffjose\u0301\u200b' })), 202)
    expect(await team.profile('jos\u00e9')).toMatchObject({ user_id: 'jos\u00e9' })
  })

  it('may name one user twice, and not two', async () => {
    const team = await Team.open()
    await isEmpty(
      send(team, of({ customer_id: 'ann', customerid: ' ann ', CustomerId: null })),
      202,
    )
    expect(await team.profile('ann')).toMatchObject({ user_attributes: { a: 1 } })
    for (const more of [{}, { mpid: 7 }])
      expect(await said(send(team, of({ customer_id: 'ann', customerid: 'bob' }, more)))).toEqual(
        refusedEvents(field('user_identities.customerid names another user than customer_id')),
      )
    for (const id of ['bob', '7', '2'])
      expect((await team.call('GET', `/users/${id}`)).status, id).toBe(
        id === '2' && path.includes('bulk') ? 200 : 404,
      )
  })

  it.each(placeholders)('cannot be a placeholder: %j', async (id) => {
    const team = await Team.open()
    for (const name of ['customer_id', 'customerid'])
      for (const more of [{}, { mpid: 7 }])
        expect(await said(send(team, of({ [name]: id }, more)))).toEqual(
          refusedEvents(
            field(`user_identities.${name} cannot be ${JSON.stringify(id)}, which names no user`),
          ),
        )
    expect(await said(send(team, of({}, { mpid: id })))).toEqual(
      refusedEvents('mpid must be a whole number'),
    )
    for (const user of [id, '7', '2'])
      expect((await team.call('GET', `/users/${encodeURIComponent(user)}`)).status).toBe(404)
  })

  it.each(['', ' ', '\u200b'])('cannot be empty: %j', async (id) => {
    const team = await Team.open()
    for (const more of [{}, { mpid: 7 }])
      expect(await said(send(team, of({ customerid: id }, more)))).toEqual(
        refusedEvents('user_identities.customerid must be 1 to 64 characters'),
      )
  })

  it.each([5, true, {}, ['ann']])('cannot be no text: %j', async (id) => {
    const team = await Team.open()
    expect(await said(send(team, of({ customerid: id })))).toEqual(
      refusedEvents(field('user_identities.customerid must be of type string')),
    )
  })

  it('may be anything where they are not of the customer', async () => {
    const team = await Team.open()
    const others = { email: 'null', other: '', facebook: 5, customer: 'x', customer_id_2: 'null' }
    await isEmpty(send(team, of(others, { mpid: 7 })), 202)
    await isEmpty(send(team, of(null, { mpid: 8 })), 202)
    expect(await said(send(team, of(others)))).toEqual(refusedEvents('mpid is required'))
  })

  it.each(['nullable', 'nona', 'unknown1', 'na-1', 'undefined-user', 'Nan Li', 'none@example.com'])(
    'may begin as a placeholder does: %s',
    async (id) => {
      const team = await Team.open()
      await isEmpty(send(team, of({ customerid: id })), 202)
      expect(await team.profile(id)).toMatchObject({ user_id: id })
    },
  )

  it.each([0, 1, -1, -1_700_000_000_000, 1_700_000_000, 9_999_999_999, 99_999_999_999])(
    'come with milliseconds, and not with %s',
    async (time) => {
      const team = await Team.open()
      expect(await said(send(team, ann({ a: 1 }, at(time))))).toEqual(
        refusedEvents(
          field('timestamp_unixtime_ms must be in milliseconds since 1970: it is in seconds'),
        ),
      )
      for (const user of ['1', '2'])
        expect((await team.call('GET', `/users/${user}`)).status).toBe(404)
    },
  )

  it('may be as old as 100,000,000,000 milliseconds', async () => {
    const team = await Team.open()
    await isEmpty(send(team, ann({ a: 1 }, at(100_000_000_000))), 202)
    expect(await team.profile('1')).toMatchObject({ user_attributes: { a: 1 } })
  })
})
