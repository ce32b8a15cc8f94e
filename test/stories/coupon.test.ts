import { expect, it } from 'vitest'
import { audienceScopes } from '../support/audiences.ts'
import { household, Team } from '../support/identity.ts'
import { Bank, type Json } from '../support/api.ts'

it('the coupon goes to all who live with a dog, nobody else', async () => {
  const team = await Team.open(audienceScopes)
  await team.define(household)
  await team.user('john', { $address: '123 Main St', has_dog: true })
  await team.user('jane', { $address: '123 Main St' })
  await team.user('walt', { $address: '1 Oak Ave', has_dog: 'true' })
  await team.user('cath', { $address: '2 Oak Ave', has_dog: false, has_cat: true })
  await team.user('nora', { has_dog: true })
  await team.recompute()

  const rule = { operator: 'equals', attribute: 'household:has_dog', value: true }
  const created = await team.send('POST', '/audiences', {
    id: 'coupon',
    name: 'Coupon',
    rule,
    refresh: 'weekly',
  })
  expect(await created.json()).toMatchObject({ id: 'coupon', rule, experience_group: null })
  expect(await team.get('/audiences/coupon/users')).toEqual({
    users: ['jane', 'john', 'walt'],
    next: null,
  })
  expect(await team.get('/audiences/coupon/count')).toMatchObject({ count: 3 })
  expect(await team.get('/audiences/coupon/users/jane')).toEqual({
    member: true,
    explain: { ...rule, result: true, saw: true },
  })
  expect(await team.get('/audiences/coupon/users/cath')).toEqual({
    member: false,
    explain: { ...rule, result: false, saw: false },
  })
  expect(await team.get('/audiences/coupon/users/nora')).toEqual({
    member: false,
    explain: { ...rule, result: false, saw: null },
  })

  const bank = await Bank.open(undefined, team.workspace)
  const group = await bank.group('Coupons')
  await bank.apply(group, 'ADD', 'cath\njane\n')
  expect(
    (await team.send('PUT', '/audiences/coupon/experience-group', { groupId: group })).status,
  ).toBe(200)
  const sync = await team.call('POST', '/audiences/coupon/sync')
  expect(sync.status).toBe(202)
  const job = await bank.ended(String((await sync.json<Json>())['job_id']))
  expect(job).toMatchObject({
    jobStatus: 'SUCCESSFUL',
    type: 'REPLACE',
    totalRecordsCount: 3,
    addedCount: 2,
    removedCount: 1,
    unchangedCount: 1,
  })
  expect(await bank.members(group)).toEqual(['jane', 'john', 'walt'])
})
