import { describe, expect, it } from 'vitest'
import { household, mondayIn, Team } from '../support/identity.ts'

describe('John and Jane Doe of 123 Main St', () => {
  it('both have a dog from Monday on, until they part', async () => {
    const team = await Team.open()
    expect(await team.define(household)).toMatchObject(household)
    await team.user('john', { $address: '123 Main St', has_dog: true })
    await team.user('jane', { $address: '123 Main St' })
    await team.user('ann', { $address: '5 Oak Ave', has_dog: false })
    await team.user('bob', { $address: '7 Elm St', has_dog: true })
    await team.user('tramp', { has_dog: true })
    expect(await team.profile('jane')).toMatchObject({
      user_attributes: { $address: '123 Main St' },
      groups: [],
    })

    expect(await team.monday(mondayIn(1))).toMatchObject({
      status: 'SUCCESSFUL',
      progress_percent: 100,
      users_seated: 4,
      groups: 3,
    })
    expect(await team.profile('john')).toMatchObject({
      user_attributes: { $address: '123 Main St', has_dog: true, 'household:has_dog': true },
      groups: [{ definition: 'household', value: '123 Main St' }],
    })
    expect((await team.profile('jane'))['user_attributes']).toEqual({
      $address: '123 Main St',
      'household:has_dog': true,
    })
    expect((await team.profile('ann'))['user_attributes']).toMatchObject({
      'household:has_dog': false,
    })
    expect((await team.profile('bob'))['user_attributes']).toMatchObject({
      'household:has_dog': true,
    })
    expect(await team.profile('tramp')).toMatchObject({
      user_attributes: { has_dog: true },
      groups: [],
    })

    expect(await team.get('/users/jane/attributes/household:has_dog/explain')).toMatchObject({
      attribute: 'household:has_dog',
      definition: 'household',
      group_value: '123 Main St',
      function: 'boolean_or',
      value: true,
      contributions: [
        { user_id: 'jane', value: null, last_updated_on: null, counts: false },
        { user_id: 'john', value: true, counts: true },
      ],
    })

    await team.send('PATCH', '/users/jane', { user_attributes: { $address: '9 Pine Rd' } })
    expect(await team.profile('jane')).toMatchObject({
      user_attributes: { $address: '9 Pine Rd', 'household:has_dog': true },
      groups: [{ definition: 'household', value: '123 Main St' }],
    })
    await team.monday(mondayIn(2))
    expect(await team.profile('jane')).toMatchObject({
      user_attributes: { $address: '9 Pine Rd', 'household:has_dog': false },
      groups: [{ definition: 'household', value: '9 Pine Rd' }],
    })
    expect((await team.profile('john'))['user_attributes']).toMatchObject({
      'household:has_dog': true,
    })
  })
})
