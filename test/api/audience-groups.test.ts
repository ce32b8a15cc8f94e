import { describe, expect, it } from 'vitest'
import { declined, isEmpty, pageOf, said } from '../support/answers.ts'
import { cats, filledBy, held, opened, synced, syncWith, detach } from '../support/coupon.ts'
import type { Json } from '../support/api.ts'
import type { Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')
const notAttached = declined(422, 'The audience coupon is not attached to an experience group')

const attach = (team: Team, id: string, groupId: unknown) =>
  said(team.send('PUT', `/audiences/${id}/experience-group`, { groupId }))
const attachedTo = async (team: Team, id = 'coupon') =>
  (await team.get(`/audiences/${id}`))['experience_group']

describe('PUT /audiences/{id}/experience-group', () => {
  it('attaches the audience, a second time too, and leaves the group unchanged', async () => {
    const { team, bank, group } = await opened()
    await bank.apply(group, 'ADD', 'zoe\n')
    const before = await team.get('/audiences/coupon')
    const attached = { ...before, experience_group: group }
    for (const named of [group, group.toUpperCase()])
      expect(await attach(team, 'coupon', named)).toEqual({ status: 200, ...attached })
    expect(await team.get('/audiences/coupon')).toEqual(attached)
    expect(await team.get('/audiences')).toEqual([attached])
    expect(await bank.members(group)).toEqual(['zoe'])
    expect((await pageOf(bank, '/jobs')).page['totalElements']).toBe(1)
  })

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'groupId is required'],
    ['an empty text', '', 'groupId is required'],
    ['null', null, 'groupId must be a uuid'],
    ['a number', 7, 'groupId must be a uuid'],
    ['a name', 'owls', 'groupId must be a uuid'],
    ['a uuid in braces', `{${crypto.randomUUID()}}`, 'groupId must be a uuid'],
  ])('refuses %s', async (_, groupId, sentence) => {
    const { team, group } = await opened()
    await team.attach('coupon', group)
    expect(await attach(team, 'coupon', groupId)).toEqual(declined(422, sentence))
    expect(await attachedTo(team)).toBe(group)
  })

  it('does not find an unknown group or audience, and stays attached', async () => {
    const { team, bank, group } = await opened()
    await team.attach('coupon', group)
    const deleted = await bank.group()
    await bank.call('DELETE', `/groups/${deleted}`)
    for (const groupId of [deleted, crypto.randomUUID()])
      expect(await attach(team, 'coupon', groupId)).toEqual(notFound)
    expect(await attach(team, 'nowhere', group)).toEqual(notFound)
    expect(await attachedTo(team)).toBe(group)
  })

  it('refuses a group that another audience fills, names it, changes nothing', async () => {
    const { team, bank, group } = await opened()
    const own = await bank.group('own')
    await team.audience('other', cats)
    await team.attach('coupon', group)
    await team.attach('other', own)
    expect(await attach(team, 'other', group)).toEqual(
      declined(422, `The group ${group} is used by the audience coupon`),
    )
    expect([await attachedTo(team), await attachedTo(team, 'other')]).toEqual([group, own])
  })

  it('gives a group to only one of two audiences at once', async () => {
    const { team, group } = await opened()
    await team.audience('other', cats)
    const answers = await Promise.all(['coupon', 'other'].map((id) => attach(team, id, group)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 422])
    const winner = answers[0]?.['status'] === 200 ? 'coupon' : 'other'
    const loser = winner === 'coupon' ? 'other' : 'coupon'
    expect([await attachedTo(team, winner), await attachedTo(team, loser)]).toEqual([group, null])
  })

  it('detaches the group that it filled before, which keeps its members', async () => {
    const { team, bank, group } = await opened()
    const next = await bank.group('next')
    await team.attach('coupon', group)
    await synced(team, bank)
    expect(await team.attach('coupon', next)).toMatchObject({
      id: 'coupon',
      experience_group: next,
    })
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
    expect(await bank.apply(group, 'ADD', 'zoe\n')).toMatchObject({ jobStatus: 'SUCCESSFUL' })
    expect(await said(bank.upload(next, 'ADD', 'zoe\n'))).toEqual(filledBy('Coupon', 'coupon'))
    await team.audience('other', cats)
    await team.attach('other', group)
    expect(await synced(team, bank)).toMatchObject({ groupId: next, addedCount: 2 })
    expect([await bank.members(group), await bank.members(next)]).toEqual([
      ['ann', 'bob', 'zoe'],
      ['ann', 'bob'],
    ])
  })

  it('is as if it had not been once the group is deleted', async () => {
    const { team, bank, group } = await opened()
    await team.attach('coupon', group)
    await bank.call('DELETE', `/groups/${group}`)
    expect(await attachedTo(team)).toBeNull()
    expect(await said(detach(team))).toEqual(notAttached)
    expect(await said(team.call('POST', '/audiences/coupon/sync'))).toEqual(notAttached)
    const next = await bank.group()
    expect(await team.attach('coupon', next)).toMatchObject({ experience_group: next })
  })
})

describe('DELETE /audiences/{id}/experience-group', () => {
  it('detaches the group once; it keeps its members and takes uploads again', async () => {
    const { team, bank, group } = await opened()
    expect(await said(detach(team))).toEqual(notAttached)
    await team.attach('coupon', group)
    await synced(team, bank)
    await isEmpty(detach(team), 204)
    expect(await attachedTo(team)).toBeNull()
    expect(await said(detach(team))).toEqual(notAttached)
    expect(await said(detach(team, 'nowhere'))).toEqual(notFound)
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
    expect(await bank.apply(group, 'REMOVE', 'ann\n')).toMatchObject({ removedCount: 1 })
    expect(await bank.members(group)).toEqual(['bob'])
  })

  it('cancels a sync that waits, and no file of before', async () => {
    const { team, bank, group } = await opened()
    const { vars, letGo } = held()
    await team.attach('coupon', group)
    const { job_id } = await (await syncWith(vars, team)).json<Json>()
    await isEmpty(detach(team), 204)
    expect(await bank.get(`/jobs/${String(job_id)}`)).toMatchObject({ jobStatus: 'CANCELLED' })
    await letGo()
    await bank.apply(group, 'ADD', 'zoe\n')
    expect(await bank.members(group)).toEqual(['zoe'])
    expect(await bank.get(`/jobs/${String(job_id)}`)).toMatchObject({
      jobStatus: 'CANCELLED',
      addedCount: 0,
    })
  })
})

describe('DELETE /audiences/{id} of one that fills a group', () => {
  it('leaves the group its members, for uploads and for another audience', async () => {
    const { team, bank, group } = await opened()
    await team.attach('coupon', group)
    await synced(team, bank)
    await isEmpty(team.call('DELETE', '/audiences/coupon'), 204)
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
    expect(await bank.apply(group, 'ADD', 'zoe\n')).toMatchObject({
      addedCount: 1,
      unchangedCount: 0,
    })
    await team.audience('coupon', cats)
    expect(await attachedTo(team)).toBeNull()
    await team.attach('coupon', group)
    expect(await synced(team, bank)).toMatchObject({ addedCount: 1, removedCount: 3 })
    expect(await bank.members(group)).toEqual(['cid'])
  })

  it('is refused while another uses it, and leaves it attached', async () => {
    const { team, bank, group } = await opened()
    await team.attach('coupon', group)
    await team.audience('other', { operator: 'in_audience', audience: 'coupon' })
    expect(await said(team.call('DELETE', '/audiences/coupon'))).toEqual(
      declined(422, 'The audience coupon is used by the audience other'),
    )
    expect(await attachedTo(team)).toBe(group)
    expect(await said(bank.upload(group, 'ADD', 'zoe\n'))).toEqual(filledBy('Coupon', 'coupon'))
  })
})
