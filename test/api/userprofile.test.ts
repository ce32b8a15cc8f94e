import { describe, expect, it } from 'vitest'
import { declined, said } from '../support/answers.ts'
import { call } from '../support/api.ts'
import { household, Team } from '../support/identity.ts'

const own = { $address: '123 Main St', has_dog: true }
const inherited = { ...own, 'household:has_dog': true }

const show = (team: Team, mpid: string, query = '', workspace: string | number = team.workspace) =>
  said(
    call(`/userprofile/v1/1/2/${workspace}/${encodeURIComponent(mpid)}${query}`, {
      headers: { authorization: `Bearer ${team.token}` },
    }),
  )

async function settled(mpid = '7'): Promise<Team> {
  const team = await Team.open()
  await team.define(household)
  await team.user(mpid, own)
  await team.recompute()
  return team
}

describe('GET /userprofile/v1/{org_id}/{account_id}/{workspace_id}/{mpid}', () => {
  it.each(['7', '9223372036854775807', 'a/b', '__proto__', '🎉'])(
    'shows own and inherited attributes in one object, of %s',
    async (mpid) => {
      const team = await settled(mpid)
      expect(await show(team, mpid)).toEqual({
        status: 200,
        mpid,
        user_attributes: inherited,
        audience_memberships: [],
      })
    },
  )

  it.each<[string, object]>([
    ['?fields=user_attributes', { user_attributes: inherited }],
    ['?fields=audience_memberships', { audience_memberships: [] }],
    [
      '?fields=user_attributes,audience_memberships',
      { user_attributes: inherited, audience_memberships: [] },
    ],
    [
      '?fields=audience_memberships,user_attributes,device_identities',
      { user_attributes: inherited, audience_memberships: [] },
    ],
    ['?fields=user_attributes&more=x', { user_attributes: inherited }],
    ['?fields=__proto__', {}],
  ])('shows the requested parts: %s', async (query, shown) => {
    const team = await settled()
    expect(await show(team, '7', query)).toEqual({ status: 200, mpid: '7', ...shown })
  })

  it('takes any organisation and account, and no other workspace', async () => {
    const [team, other] = [await settled(), await settled()]
    const headers = { authorization: `Bearer ${team.token}` }
    for (const before of ['1/2', '0/x', '__proto__/constructor'])
      expect(
        await said(call(`/userprofile/v1/${before}/${team.workspace}/7`, { headers })),
        before,
      ).toMatchObject({ status: 200 })
    for (const workspace of [
      other.workspace,
      `0${team.workspace}`,
      `${team.workspace}.0`,
      'x',
      '__proto__',
      '%20',
    ])
      expect(await show(team, '7', '', workspace), String(workspace)).toEqual(
        declined(403, 'Forbidden'),
      )
  })

  it('finds nobody who is not there', async () => {
    const team = await settled()
    for (const mpid of ['8', '07', '__proto__', '🎉'])
      expect(await show(team, mpid)).toEqual(declined(404, 'Not found'))
    expect(await show(team, ' ')).toEqual(declined(400, 'No user ID provided'))
  })
})
