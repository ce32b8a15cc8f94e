import { describe, expect, it } from 'vitest'
import { eventually, hasEnded, type Json } from '../support/api.ts'
import { Team } from '../support/identity.ts'

const send = (team: Team, body: BodyInit) =>
  team.call('PUT', '/users', { body, headers: { 'content-type': 'text/csv' } })

async function ended(team: Team, answering: Promise<Response>): Promise<Json> {
  const answer = await answering
  expect(answer.status).toBe(202)
  const location = answer.headers.get('location') ?? ''
  const path = location.replace(`/platform/workspaces/${team.workspace}`, '')
  return eventually(() => team.get(path), hasEnded)
}

describe('a file of users', () => {
  it('is merged into what is known of them', async () => {
    const team = await Team.open()
    await team.user('ann', { plan: 'free', city: 'Rome' })
    const job = await ended(
      team,
      send(team, 'user_id,plan,$address\nann,gold,\nbob,,"1, Main St"\n'),
    )
    expect(job).toMatchObject({
      status: 'SUCCESSFUL',
      rows: 2,
      rows_refused: 0,
      users_created: 1,
      attributes_changed: 2,
      progress_percent: 100,
    })
    expect((await team.profile('ann'))['user_attributes']).toEqual({ plan: 'gold', city: 'Rome' })
    expect((await team.profile('bob'))['user_attributes']).toEqual({ $address: '1, Main St' })
  })

  it('lists its bad rows by line and applies the others', async () => {
    const team = await Team.open()
    const job = await ended(
      team,
      send(
        team,
        `user_id,plan\nann,gold,x\n,free\n${'x'.repeat(65)},free\nbob,"fr"ee"\ncid,${'y'.repeat(4097)}\ndan,free\n`,
      ),
    )
    expect(job).toMatchObject({
      status: 'PARTIAL_SUCCESS',
      rows: 6,
      rows_refused: 5,
      users_created: 1,
    })
    expect(await team.get(`/imports/${String(job['id'])}/errors`)).toMatchObject({
      total: 5,
      errors: [
        { line: 2, message: expect.stringContaining('columns') },
        { line: 3 },
        { line: 4 },
        { line: 5 },
        { line: 6 },
      ],
    })
    expect((await team.profile('dan'))['user_attributes']).toEqual({ plan: 'free' })
  })

  it.each(['id,plan\nann,gold\n', 'user_id,plan,plan\nann,gold,x\n', 'user_id,\nann,gold\n'])(
    'fails whose header is wrong: %j',
    async (file) => {
      const team = await Team.open()
      const job = await ended(team, send(team, file))
      expect(job).toMatchObject({ status: 'FAILED', details: expect.stringContaining('user_id') })
      expect((await team.call('GET', '/users/ann')).status).toBe(404)
    },
  )
})
