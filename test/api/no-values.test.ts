import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { said } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'

async function opened(more: Json = {}): Promise<Team> {
  const team = await Team.open()
  await team.define({ ...household, ...more })
  return team
}

/** Gives each address two users, who are strangers. */
async function settle(team: Team, addresses: unknown[]) {
  const batches = addresses.flatMap((address, i) =>
    ['a', 'b'].map((one) => ({
      user_identities: { customer_id: `${one}${i}` },
      environment: 'production',
      user_attributes: { $address: address, has_dog: one === 'a' },
    })),
  )
  for (let from = 0; from < batches.length; from += 100) {
    const answer = await team.report(batches.slice(from, from + 100), '/v2/bulkevents')
    expect(answer.status).toBe(202)
  }
}

const valuesOf = async (team: Team) =>
  (await team.get<{ instances: Json[] }>('/groups/household/instances?size=100')).instances.map(
    ({ value }) => value,
  )

describe('a value that is none', () => {
  const none = [
    ...['N/A', 'n/a', 'NA', 'null', 'NULL', '(null)', 'None', 'undefined', 'Unknown', 'unknown.'],
    ...['NaN', '-', '--', '?', '.', '[object Object]', '"N/A"', '<none>', 'Not Available', 'tbd'],
    ...['—', '…', '""', '{}', '', ' ', '\t', '\u00a0'],
  ]

  it('forms no group by default, and its users are counted', async () => {
    const team = await opened()
    await settle(team, [...none, '5 Oak Ave', 'Nanterre', ['N/A']])
    expect(await team.recompute()).toMatchObject({
      status: 'SUCCESSFUL',
      progress_percent: 100,
      users_seated: 4,
      users_over_limit: 0,
      users_without_value: 2 * none.length,
      groups: 2,
    })
    expect(await valuesOf(team)).toEqual(['5 Oak Ave', 'Nanterre'])
    const stranger = await team.profile('b0')
    expect(stranger).toMatchObject({ groups: [] })
    expect(stranger['user_attributes']).toEqual({ $address: 'N/A', has_dog: false })
  })

  it('takes a user out of the former group at the next run', async () => {
    const team = await opened({ ignore_values: [] })
    await settle(team, ['N/A', '5 Oak Ave', '7 Elm St'])
    expect(await team.recompute()).toMatchObject({ users_seated: 6, users_without_value: 0 })
    expect(await valuesOf(team)).toEqual(['5 Oak Ave', '7 Elm St', 'N/A'])

    await said(team.send('PUT', '/groups/household', { ignore_values: null }))
    await team.user('a1', { $address: 'unknown', has_dog: true })
    expect(await team.recompute()).toMatchObject({
      users_seated: 3,
      users_without_value: 3,
      groups: 2,
    })
    expect(await valuesOf(team)).toEqual(['5 Oak Ave', '7 Elm St'])
    expect(await team.profile('b0')).toMatchObject({ groups: [] })
    expect((await team.profile('b1'))['user_attributes']).toMatchObject({
      'household:has_dog': false,
    })
    expect(await team.recompute()).toMatchObject({ users_without_value: 3, rows_changed: 0 })
  })

  it('is counted too where more users have it than a group takes', async () => {
    const team = await opened()
    await settle(team, Array<string>(12).fill('N/A'))
    expect(await team.recompute()).toMatchObject({
      users_seated: 0,
      users_over_limit: 0,
      users_without_value: 24,
      largest_groups: [],
      groups: 0,
    })
  })
})

describe('ignore_values', () => {
  it('stands in place of the default', async () => {
    const team = await opened({ ignore_values: ['Head Office', '0', '-1'] })
    await settle(team, ['HEAD OFFICE', '(Head Office)', 0, '0', '-1', 1, 'N/A', 'Office', ' '])
    expect(await team.recompute()).toMatchObject({ users_without_value: 12, users_seated: 6 })
    expect(await valuesOf(team)).toEqual(['1', 'N/A', 'Office'])
  })

  it.each([null, 'normalized'])('matches %s in upper and lower case', async (matching) => {
    const team = await opened({ matching, ignore_values: ['Zürich Büro', 'ΟΔΟΣ'] })
    const none = ['ZÜRICH BÜRO', '\u200bzu\u0308rich büro\u00a0', '(Zürich Büro)', 'οδος']
    await settle(team, [...none, 'Zürich', 'N/A'])
    expect(await team.recompute()).toMatchObject({ users_without_value: 8, users_seated: 4 })
  })

  it('that is empty ignores nothing but blanks', async () => {
    const team = await opened({ ignore_values: [] })
    await settle(team, ['N/A', '-', ''])
    expect(await team.recompute()).toMatchObject({ users_without_value: 2, users_seated: 4 })
    expect(await valuesOf(team)).toEqual(['-', 'N/A'])
  })
})

describe('matching: normalized', () => {
  it('makes one group of the spellings of a value', async () => {
    const team = await opened({ matching: 'normalized' })
    await settle(team, ['5 Oak Ave', '5 OAK AVE', '5  oak\tave', '5 Oak\u00a0Ave', 'n/a', '7 Elm'])
    expect(await team.recompute()).toMatchObject({
      users_seated: 10,
      users_without_value: 2,
      groups: 2,
    })
    expect(await valuesOf(team)).toEqual(['5 oak ave', '7 elm'])
    for (const value of ['5 Oak Ave', '5 oak ave', ' 5  OAK ave ']) {
      const query = new URLSearchParams({ value }).toString()
      expect(await team.get(`/groups/household/instances?${query}`)).toMatchObject({
        instances: [{ value: '5 oak ave', attributes: { 'household:has_dog': true } }],
      })
    }
    expect(await team.profile('b2')).toMatchObject({
      groups: [{ definition: 'household', value: '5 oak ave' }],
      user_attributes: { $address: '5  oak\tave', 'household:has_dog': true },
    })
    expect(await team.recompute()).toMatchObject({ users_seated: 10, rows_changed: 0 })
  })

  it('is that of every letter, and of letters with accents', async () => {
    const team = await opened({ matching: 'normalized' })
    await settle(team, ['Straße 1', 'STRASSE 1', '\u200bstraße\u00a01\ufeff', 'É 2', 'e\u0301 2 '])
    expect(await team.recompute()).toMatchObject({ users_seated: 10, groups: 2 })
    expect(await valuesOf(team)).toEqual(['strasse 1', 'é 2'])
  })

  it('takes effect, and ends, at the next run', async () => {
    const team = await opened()
    await settle(team, ['5 Oak', '5 OAK'])
    await team.recompute()
    await said(team.send('PUT', '/groups/household', { matching: 'normalized' }))
    expect(await valuesOf(team)).toEqual(['5 OAK', '5 Oak'])
    await team.recompute()
    expect(await valuesOf(team)).toEqual(['5 oak'])
    await said(team.send('PUT', '/groups/household', { matching: null }))
    expect(await valuesOf(team)).toEqual(['5 oak'])
    await team.recompute()
    expect(await valuesOf(team)).toEqual(['5 OAK', '5 Oak'])
  })
})

describe('a value as it is', () => {
  it('matches without what nobody sees at its ends, and in NFC', async () => {
    const team = await opened()
    await settle(team, ['5 Oak', ' 5 Oak\u00a0', '\u200b5 Oak', 'é', 'e\u0301', '5  Oak', '5 oak'])
    expect(await team.recompute()).toMatchObject({ users_seated: 14, groups: 4 })
    expect(await valuesOf(team)).toEqual(['5  Oak', '5 Oak', '5 oak', 'é'])
    const query = new URLSearchParams({ value: ' e\u0301\u200b' }).toString()
    expect(await team.get(`/groups/household/instances?${query}`)).toMatchObject({
      instances: [{ value: 'é' }],
    })
  })
})

describe('the largest groups of a run', () => {
  it('are the five values of most users beyond the limit', async () => {
    const team = await opened()
    const streets = { A: 6, B: 12, C: 7, D: 9, E: 11, F: 8, G: 5, H: 1 }
    await settle(
      team,
      Object.entries(streets).flatMap(([street, pairs]) => Array<string>(pairs).fill(street)),
    )
    const largest = [
      { value: 'B', users: 24 },
      { value: 'E', users: 22 },
      { value: 'D', users: 18 },
      { value: 'F', users: 16 },
      { value: 'C', users: 14 },
    ]
    for (const _ of ['first', 'again'])
      expect(await team.recompute()).toMatchObject({ largest_groups: largest })
  })

  it('and the cursor are hidden from who may not read users', async () => {
    const team = await opened()
    await settle(team, Array<string>(6).fill('7 Elm St'))
    const { id } = await team.recompute()
    await env.DB.prepare(
      "UPDATE recompute_runs SET state = 'failed', cursor = '7 Elm St' WHERE id = ?",
    )
      .bind(id)
      .run()
    const other = await Team.open(['groups:read', 'groups:write'], team.workspace)
    const path = '/groups/household/runs'
    for (const at of [path, `${path}/${String(id)}`]) {
      expect(await (await team.call('GET', at)).text()).toMatch(/(7 Elm St.*){2}/)
      expect(await (await other.call('GET', at)).text()).not.toContain('7 Elm St')
    }
  })

  it('are none where every group has a seat for each', async () => {
    const team = await opened()
    await settle(team, Array<string>(5).fill('A'))
    expect(await team.recompute()).toMatchObject({ largest_groups: [], users_over_limit: 0 })
  })
})
