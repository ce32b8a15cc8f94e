import { describe, expect, it } from 'vitest'
import { declined, isEmpty, said } from '../support/answers.ts'
import { Bank, type Json } from '../support/api.ts'
import { synced } from '../support/coupon.ts'
import { Team } from '../support/identity.ts'

const dogs = { operator: 'exists', attribute: 'has_dog' }
const inGroup = (group: string) => ({ operator: 'in_group', group })
const using = (audience: string) => ({ operator: 'in_audience', audience })
const not = (expression: Json) => ({ operator: 'not', expression })
const and = (...expressions: Json[]) => ({ operator: 'and', expressions })

async function opened() {
  const team = await Team.open()
  const bank = await Bank.open(undefined, team.workspace)
  for (const id of ['ann', 'bob']) await team.user(id, { has_dog: true })
  return { team, bank, owls: await bank.group('owls'), larks: await bank.group('larks') }
}

const attach = (team: Team, id: string, groupId: string) =>
  said(team.send('PUT', `/audiences/${id}/experience-group`, { groupId }))
const change = (team: Team, id: string, rule: Json) =>
  said(team.send('PUT', `/audiences/${id}`, { name: id, rule }))
const circle = (audience: string, group: string) =>
  declined(
    422,
    `The audience ${audience} cannot fill the experience group ${group} and depend on it`,
  )

describe('an audience that fills a group', () => {
  it.each<[string, (group: string) => Json]>([
    ['itself', inGroup],
    ['negated', (group) => and(dogs, not(inGroup(group)))],
    [
      'of members',
      (group) => ({ operator: 'no_member', group: 'household', expression: inGroup(group) }),
    ],
  ])('cannot depend on that, whichever comes first: %s', async (_, ruleOf) => {
    const { team, bank, owls, larks } = await opened()
    const definition = { id: 'household', source_user_attribute: 'street' }
    await team.define(definition)
    await team.audience('coupon', ruleOf(owls))
    await team.attach('coupon', larks)
    expect(await attach(team, 'coupon', owls)).toEqual(circle('coupon', owls))
    expect(await team.get('/audiences/coupon')).toMatchObject({ experience_group: larks })

    await change(team, 'coupon', dogs)
    await team.attach('coupon', owls)
    const before = await team.get('/audiences/coupon')
    expect(await change(team, 'coupon', ruleOf(owls))).toEqual(circle('coupon', owls))
    expect(await team.get('/audiences/coupon')).toEqual(before)
    await synced(team, bank)
    expect(await bank.members(owls)).toEqual(['ann', 'bob'])
    // Detaching the group that it filled also frees it.
    expect((await change(team, 'coupon', ruleOf(larks)))['status']).toBe(200)
  })

  it('cannot depend on that through audiences', async () => {
    const { team, owls } = await opened()
    await team.audience('inner', not(inGroup(owls)))
    await team.audience('middle', using('inner'))
    await team.audience('coupon', and(dogs, using('middle')))
    expect(await attach(team, 'coupon', owls)).toEqual(circle('coupon', owls))
    await change(team, 'inner', dogs)
    await team.attach('coupon', owls)
    for (const rule of [inGroup(owls), and(dogs, not(inGroup(owls)))]) {
      expect(await change(team, 'inner', rule)).toEqual(circle('coupon', owls))
      expect(await change(team, 'middle', rule)).toEqual(circle('coupon', owls))
    }
    await team.audience('aside', inGroup(owls))
    expect(await change(team, 'middle', using('aside'))).toEqual(circle('coupon', owls))
  })

  it('cannot depend on that through a group that another audience fills', async () => {
    const { team, owls, larks } = await opened()
    await team.audience('one', not(inGroup(larks)))
    await team.audience('two', dogs)
    await team.attach('one', owls)
    await team.attach('two', larks)
    expect(await change(team, 'two', inGroup(owls))).toEqual(circle('two', larks))
    await isEmpty(team.call('DELETE', '/audiences/two/experience-group'), 204)
    expect((await change(team, 'two', inGroup(owls)))['status']).toBe(200)
    expect(await attach(team, 'two', larks)).toEqual(circle('two', larks))
  })

  it('may depend on others, and others on it', async () => {
    const { team, owls, larks } = await opened()
    await team.audience('coupon', not(inGroup(larks)))
    await team.attach('coupon', owls)
    await team.audience('other', inGroup(owls))
    await team.audience('third', and(using('other'), using('coupon')))
    const id = 'third'
    expect(await attach(team, id, larks)).toMatchObject({ status: 422 })
    const free = await (await Bank.open(undefined, team.workspace)).group()
    expect(await attach(team, id, free)).toMatchObject({ experience_group: free })
  })

  it('is of two that close a circle at once only one', async () => {
    const { team, owls } = await opened()
    for (let i = 0; i < 5; i++) {
      await team.audience('one', dogs)
      const answers = await Promise.all([
        change(team, 'one', not(inGroup(owls))),
        attach(team, 'one', owls),
      ])
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 422])
      await isEmpty(team.call('DELETE', '/audiences/one'), 204)
    }
  })
})
