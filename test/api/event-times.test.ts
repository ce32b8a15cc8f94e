import { describe, expect, it } from 'vitest'
import { isEmpty } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import { ann, at } from '../support/events.ts'
import { household, Team } from '../support/identity.ts'

const attributesOf = async (team: Team, id = '1') => (await team.profile(id))['user_attributes']

describe('the time of a batch', () => {
  const now = Date.now()
  const report = (team: Team, batch: Json) => isEmpty(team.report(batch), 202)

  it('keeps older news from overwriting newer, attribute by attribute', async () => {
    const team = await Team.open()
    await report(team, ann({ a: 'new', b: 'old' }, at(now - 1000)))
    await report(team, ann({ b: 'new', c: 'new' }, at(now - 500)))
    await report(team, ann({ a: 'older', b: 'older', c: 'older', d: 'first' }, at(now - 2000)))
    expect(await attributesOf(team)).toEqual({ a: 'new', b: 'new', c: 'new', d: 'first' })
    await report(team, ann({ a: null }, { ...at(now - 1500), deleted_user_attributes: ['b', 'd'] }))
    expect(await attributesOf(team)).toEqual({ a: 'new', b: 'new', c: 'new' })
  })

  it('keeps older news from bringing back what is deleted', async () => {
    const team = await Team.open()
    await report(team, ann({ a: 1, b: 1 }, at(now - 3000)))
    await report(
      team,
      ann({ a: null }, { ...at(now - 1000), deleted_user_attributes: ['b', 'unheard of'] }),
    )
    await report(team, ann({ a: 2, b: 2, 'unheard of': 2 }, at(now - 2000)))
    expect(await attributesOf(team)).toEqual({})
    await report(team, ann({ a: 3 }, at(now - 500)))
    expect(await attributesOf(team)).toEqual({ a: 3 })
  })

  it('keeps older news from overwriting what a PUT or a PATCH said', async () => {
    const team = await Team.open()
    await report(team, ann({ gone: 1 }, at(now - 2000)))
    await team.user('1', { a: 'put' })
    await team.send('PATCH', '/users/1', { user_attributes: { b: 'patched', c: null } })
    await report(team, ann({ a: 'older', b: 'older', c: 'older', gone: 'older' }, at(now - 1000)))
    expect(await attributesOf(team)).toEqual({ a: 'put', b: 'patched' })
  })

  it('counts as now if in the future, so that later news counts', async () => {
    const team = await Team.open()
    await report(team, ann({ a: 'ahead' }, at(now + 86_400_000)))
    expect(Date.parse(String((await team.profile('1'))['last_modified_on']))).toBeLessThan(
      Date.now() + 1000,
    )
    await scheduler.wait(5)
    await report(team, ann({ a: 'now' }))
    expect(await attributesOf(team)).toEqual({ a: 'now' })
    await report(team, ann({ a: 'absurd' }, at(Number.MAX_SAFE_INTEGER)))
    await scheduler.wait(5)
    await team.user('1', { a: 'later' })
    expect(await attributesOf(team)).toEqual({ a: 'later' })
  })

  it('may be as old as 1973', async () => {
    const team = await Team.open()
    await report(team, ann({ a: 1 }, at(100_000_000_000)))
    expect(await attributesOf(team)).toEqual({ a: 1 })
  })

  it('decides who is the latest of a group, whatever arrives first', async () => {
    const team = await Team.open()
    await team.define({ ...household, attributes: [{ id: 'city', type: 'latest' }] })
    await report(team, { ...ann({ $address: 'A', city: 'new' }, at(now - 1000)), mpid: 2 })
    await report(team, { ...ann({ $address: 'A', city: 'old' }, at(now - 2000)), mpid: 1 })
    await team.recompute()
    expect(await attributesOf(team, '1')).toMatchObject({ city: 'old', 'household:city': 'new' })
  })
})
