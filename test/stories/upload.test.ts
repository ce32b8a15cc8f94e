import { describe, expect, it } from 'vitest'
import { Bank, lines } from '../support/api.ts'

describe('an upload', () => {
  it('goes from the front door to the members', async () => {
    const bank = await Bank.open()
    const group = await bank.group('night owls')
    const job = await bank.apply(group, 'ADD', 'ParticipantId\nann\nbob\r\n\n"cid"\n')
    expect(job).toMatchObject({
      jobStatus: 'SUCCESSFUL',
      totalRecordsCount: 3,
      addedCount: 3,
      unchangedCount: 0,
      progressPercent: 100,
    })
    expect(await bank.members(group)).toEqual(['ann', 'bob', 'cid'])
    expect(await bank.count(group)).toBe(3)

    expect(await bank.apply(group, 'remove', lines(['bob', 'zoe']))).toMatchObject({
      removedCount: 1,
      unchangedCount: 1,
    })
    expect(await bank.members(group)).toEqual(['ann', 'cid'])

    expect(await bank.apply(group, 'Replace', lines(['bob', 'cid', 'dan', 'dan']))).toMatchObject({
      addedCount: 2,
      removedCount: 1,
      unchangedCount: 2,
      successRecordsCount: 4,
    })
    expect(await bank.members(group)).toEqual(['bob', 'cid', 'dan'])
    expect(await bank.count(group)).toBe(3)
  })
})

describe('two workspaces', () => {
  it('with the same group names and participant ids never see each other', async () => {
    const [one, other] = [await Bank.open(), await Bank.open()]
    const [ours, theirs] = [await one.group('owls'), await other.group('owls')]
    await one.apply(ours, 'ADD', lines(['ann', 'bob', 'cid']))
    await other.apply(theirs, 'ADD', lines(['ann', 'bob', 'dan']))
    await one.apply(ours, 'REMOVE', lines(['ann', 'dan']))
    await other.apply(theirs, 'REPLACE', lines(['bob', 'eve']))
    expect(await one.members(ours)).toEqual(['bob', 'cid'])
    expect(await other.members(theirs)).toEqual(['bob', 'eve'])
    expect([await one.count(ours), await other.count(theirs)]).toEqual([2, 2])
    expect(await one.get('/jobs')).toMatchObject({ page: { totalElements: 2 } })
    expect((await other.upload(ours, 'ADD', 'mallory\n')).status).toBe(400)
    expect(await one.members(ours)).toEqual(['bob', 'cid'])
  })
})
