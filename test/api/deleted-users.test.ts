import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { runUsersJob } from '../../src/identity/users-file.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { isEmpty } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import { ann, at } from '../support/events.ts'
import { fileParts, hazardous } from '../support/hazard.ts'
import { household, Team } from '../support/identity.ts'

const ways: [path: string, wrap: (batches: Json[]) => unknown[]][] = [
  ['/v2/events', (batches) => batches],
  ['/v2/bulkevents', (batches) => [batches]],
]
const minute = 60_000

const gone = async (team: Team, id = '1') => (await team.call('GET', `/users/${id}`)).status === 404
const deleted = (team: Team, id = '1') => isEmpty(team.call('DELETE', `/users/${id}`), 204)

describe.each(ways)('a user who was deleted, and a batch at POST %s', (path, wrap) => {
  const report = async (team: Team, ...batches: Json[]) => {
    for (const body of wrap(batches)) await isEmpty(team.report(body, path), 202)
  }

  it('is not brought back by what is older', async () => {
    const team = await Team.open()
    await team.user('1', { a: 1 })
    await deleted(team)
    const before = Date.now() - minute
    await report(
      team,
      ann({ a: 2 }, at(before)),
      ann({}, { ...at(before), deleted_user_attributes: ['b'] }),
      ann({}, at(before)),
      { ...ann({ a: 'theirs' }, at(before)), mpid: 2 },
    )
    expect(await gone(team)).toBe(true)
    expect(await team.profile('2')).toMatchObject({ user_attributes: { a: 'theirs' } })
    const { results } = await env.DB.prepare(
      "SELECT 1 FROM user_attributes WHERE workspace_id = ? AND user_id = '1'",
    )
      .bind(team.workspace)
      .all()
    expect(results).toEqual([])
  })

  it('comes back by what is newer, and by that alone', async () => {
    const team = await Team.open()
    await team.user('1', { a: 1, b: 1 })
    await deleted(team)
    await scheduler.wait(5)
    await report(team, ann({ a: 'new' }), ann({ a: 'old', b: 'old' }, at(Date.now() - minute)))
    expect(await team.profile('1')).toMatchObject({ user_attributes: { a: 'new' } })
    await report(team, ann({ b: 'older' }, at(Date.now() - minute)))
    expect(await team.profile('1')).toMatchObject({ user_attributes: { a: 'new' } })
  })

  it('comes back by PUT and PATCH, and what is older stays away', async () => {
    for (const method of ['PUT', 'PATCH']) {
      const team = await Team.open()
      await team.user('1', { a: 1, b: 1 })
      await deleted(team)
      const answer = await team.send(method, '/users/1', { user_attributes: { a: 2 } })
      expect(await answer.json()).toMatchObject({ user_attributes: { a: 2 } })
      await report(team, ann({ b: 'old' }, at(Date.now() - minute)))
      expect((await team.profile('1'))['user_attributes']).toEqual({ a: 2 })
    }
  })

  it('stays deleted where both come at once', async () => {
    const team = await Team.open()
    await team.user('1', { a: 1 })
    const before = Date.now() - minute
    await Promise.all([
      deleted(team),
      ...Array.from({ length: 5 }, (_, i) => report(team, ann({ a: i }, at(before)))),
    ])
    await report(team, ann({ a: 9 }, at(before)))
    expect(await gone(team)).toBe(true)
  })

  it('is another in another workspace', async () => {
    const [team, other] = [await Team.open(), await Team.open()]
    for (const one of [team, other]) await one.user('1', { a: 1 })
    await deleted(team)
    await report(other, ann({ b: 2 }, at(Date.now() - minute)))
    expect((await other.profile('1'))['user_attributes']).toEqual({ a: 1, b: 2 })
  })
})

describe('a user who was deleted', () => {
  it('is in no group again by what is older', async () => {
    const team = await Team.open()
    await team.define(household)
    for (const id of ['1', '2']) await team.user(id, { $address: 'a', has_dog: id === '1' })
    await team.recompute()
    await deleted(team)
    const old = at(Date.now() - minute)
    await isEmpty(team.report(ann({ $address: 'a', has_dog: true }, old)), 202)
    await team.recompute()
    expect(await team.get('/groups/household/instances')).toMatchObject({
      instances: [{ members: [{ user_id: '2' }], attributes: { 'household:has_dog': false } }],
    })
  })

  it('may be deleted again, and what lies between stays away', async () => {
    const team = await Team.open()
    await team.user('1', { a: 1 })
    await deleted(team)
    await scheduler.wait(5)
    const between = Date.now()
    await scheduler.wait(5)
    await team.user('1', { a: 2 })
    await deleted(team)
    expect((await team.call('DELETE', '/users/1')).status).toBe(404)
    await isEmpty(team.report(ann({ a: 3 }, at(between))), 202)
    expect(await gone(team)).toBe(true)
  })

  it('is not brought back by a file that was taken before', async () => {
    const team = await Team.open()
    const { res } = hazardous()
    await team.user('1', { plan: 'gold' })
    const file = () => fileParts('user_id,plan\n1,free\n2,free\n')
    const before = await receiveUsers(res, team.workspace, 'tester', file())
    await scheduler.wait(5)
    await deleted(team)
    await runUsersJob(res, team.workspace, before.key)
    expect(await gone(team)).toBe(true)
    expect(await team.profile('2')).toMatchObject({ user_attributes: { plan: 'free' } })
    expect(await team.get(`/imports/${before.id}`)).toMatchObject({ status: 'SUCCESSFUL' })

    await scheduler.wait(5)
    const after = await receiveUsers(res, team.workspace, 'tester', file())
    await runUsersJob(res, team.workspace, after.key)
    expect(await team.profile('1')).toMatchObject({ user_attributes: { plan: 'free' } })
  })

  it('stays away though nobody knew them when they were deleted', async () => {
    const team = await Team.open()
    const { res } = hazardous()
    const file = fileParts('user_id,plan\n1,free\n2,free\n')
    const { key } = await receiveUsers(res, team.workspace, 'tester', file)
    await scheduler.wait(5)
    expect((await team.call('DELETE', '/users/1')).status).toBe(404)
    await runUsersJob(res, team.workspace, key)
    expect(await gone(team)).toBe(true)
    expect(await team.profile('2')).toMatchObject({ user_attributes: { plan: 'free' } })
  })
})
