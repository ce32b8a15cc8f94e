import { describe, expect, it } from 'vitest'
import { isEmpty, said } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import { ann, at, environment, refusedEvents } from '../support/events.ts'
import { Team } from '../support/identity.ts'

const attributesOf = async (team: Team, id = '1') => (await team.profile(id))['user_attributes']

describe('POST /v2/bulkevents', () => {
  const now = Date.now()
  const bulk = (team: Team, batches: unknown) => team.report(batches, '/v2/bulkevents')

  it('takes a hundred batches, and no more', async () => {
    const team = await Team.open()
    const batches = Array.from({ length: 101 }, (_, i) => ({
      mpid: i,
      environment,
      user_attributes: { i },
    }))
    expect(await said(bulk(team, batches))).toEqual(
      refusedEvents('body cannot hold more than 100 batches'),
    )
    expect((await team.call('GET', '/users/0')).status).toBe(404)
    await isEmpty(bulk(team, batches.slice(0, 100)), 202)
    for (const i of [0, 50, 99]) expect(await attributesOf(team, String(i))).toEqual({ i })
    expect((await team.call('GET', '/users/100')).status).toBe(404)
  })

  it('refuses none, and what is no list', async () => {
    const team = await Team.open()
    expect(await said(bulk(team, []))).toEqual(refusedEvents('body must hold at least one batch'))
    for (const body of [ann({ a: 1 }), null, 7])
      expect(await said(bulk(team, body))).toEqual(refusedEvents('body must be a list'))
    expect((await team.call('GET', '/users/1')).status).toBe(404)
  })

  it.each<[string, Json]>([
    ['a shape that is wrong', { mpid: 3 }],
    ['an attribute that is wrong', { ...ann({ a: {} }), mpid: 3 }],
    ['an mpid that is wrong', ann({}, { mpid: 'x' })],
    ['no user', { environment }],
  ])('stores nothing of any batch where one has %s', async (_, bad) => {
    const team = await Team.open()
    await team.user('1', { before: 1 })
    for (const batches of [
      [ann({ a: 1 }), { ...ann({ a: 2 }), mpid: 2 }, bad],
      [bad, ann({ a: 1 }), { ...ann({ a: 2 }), mpid: 2 }],
    ])
      expect(await said(bulk(team, batches))).toEqual(refusedEvents(expect.stringMatching(/ /)))
    expect(await attributesOf(team)).toEqual({ before: 1 })
    expect((await team.call('GET', '/users/2')).status).toBe(404)
  })

  it('applies the batches of one user by time, whatever their order', async () => {
    const batches = [
      ann({ a: 'first', b: 'first', c: 'first' }, at(now - 3000)),
      ann({ a: 'second', b: null }, at(now - 2000)),
      ann({ a: 'third', c: 'third' }, at(now - 1000)),
    ]
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]
    for (const order of orders) {
      const team = await Team.open()
      await isEmpty(
        bulk(
          team,
          order.map((i) => batches[i]),
        ),
        202,
      )
      expect(await attributesOf(team), order.join()).toEqual({ a: 'third', c: 'third' })
    }
  })

  it('lets the last of several without a time hold', async () => {
    const team = await Team.open()
    await isEmpty(
      bulk(team, [ann({ a: 1, b: 1 }), ann({ a: 2 }), ann({ b: null }), ann({ a: 3 })]),
      202,
    )
    expect(await attributesOf(team)).toEqual({ a: 3 })
  })
})
