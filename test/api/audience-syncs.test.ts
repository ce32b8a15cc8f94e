import { describe, expect, it } from 'vitest'
import { declined, isEmpty, pageOf, said, time, uuid } from '../support/answers.ts'
import { lines, type Json } from '../support/api.ts'
import {
  cats,
  dogs,
  filledBy,
  held,
  opened,
  sync,
  synced,
  syncWith,
  detach,
} from '../support/coupon.ts'
import { callWith } from '../support/door.ts'
import { storeIsEmpty } from '../support/uploads.ts'

const notFound = declined(404, 'Not found')
const notAttached = declined(422, 'The audience coupon is not attached to an experience group')

describe('POST /audiences/{id}/sync', () => {
  it('opens a job of the group, listed like that of a file', async () => {
    const { team, bank, group } = await opened()
    await bank.apply(group, 'ADD', 'bob\nzoe\n')
    await team.attach('coupon', group)
    const shown = await sync(team)
    expect(shown).toEqual({
      job_id: expect.stringMatching(uuid) as string,
      group_id: group,
      status: 'CREATED',
      created_on: expect.stringMatching(time) as string,
    })
    const job = await bank.ended(String(shown['job_id']))
    expect(job).toEqual({
      jobId: shown['job_id'],
      groupId: group,
      groupName: 'owls',
      groupType: 'EXPERIENCE_GROUP',
      type: 'REPLACE',
      inputFileName: 'audience coupon',
      workingFileName: 'coupon',
      totalRecordsCount: 2,
      successRecordsCount: 2,
      failedRecordsCount: 0,
      addedCount: 1,
      removedCount: 1,
      unchangedCount: 1,
      progressPercent: 100,
      jobStatus: 'SUCCESSFUL',
      jobCreatedBy: 'tester',
      createdDateTime: shown['created_on'],
      lastUpdatedDateTime: expect.stringMatching(time) as string,
    })
    const { content, page } = await pageOf(bank, `/jobs?groupId=${group}`)
    expect(page['totalElements']).toBe(2)
    expect(content).toContainEqual({ ...job, links: [expect.anything()] })
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
    expect(await bank.count(group)).toBe(2)
  })

  it('is refused where the audience is unknown or attached to no group', async () => {
    const { team, bank } = await opened()
    expect(await said(team.call('POST', '/audiences/coupon/sync'))).toEqual(notAttached)
    expect(await said(team.call('POST', '/audiences/nowhere/sync'))).toEqual(notFound)
    expect((await pageOf(bank, '/jobs')).page['totalElements']).toBe(0)
  })

  it('has one job wait, with the rule of the last request', async () => {
    const { team, bank, group } = await opened()
    const { vars, letGo } = held()
    await team.attach('coupon', group)
    const first = await (await syncWith(vars, team)).json<Json>()
    await team.send('PUT', '/audiences/coupon', { name: 'Coupon', rule: cats })
    const second = await syncWith(vars, team)
    expect([second.status, await second.json()]).toEqual([202, first])
    expect((await pageOf(bank, '/jobs')).page['totalElements']).toBe(1)
    // A later rule is for the next job.
    await team.send('PUT', '/audiences/coupon', { name: 'Coupon', rule: dogs })
    await letGo()
    expect(await bank.ended(String(first['job_id']))).toMatchObject({
      jobStatus: 'SUCCESSFUL',
      totalRecordsCount: 1,
    })
    expect(await bank.members(group)).toEqual(['cid'])
    const third = await synced(team, bank)
    expect(third['jobId']).not.toBe(first['job_id'])
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
  })

  it('waits in line with files, and counts toward their limit', async () => {
    const { team, bank, group } = await opened()
    const { vars, letGo } = held()
    const upload = await callWith(vars, `/groups/v3/groups/${group}/participants?type=ADD`, {
      method: 'PUT',
      headers: { ...bank.headers(), 'content-type': 'text/csv' },
      body: 'zoe\n',
    })
    expect(upload.status).toBe(200)
    await team.attach('coupon', group)
    expect(await said(syncWith({ ...vars, JOBS_WAITING_MAX: 1 }, team))).toEqual(
      declined(422, 'There are 1 unfinished jobs already; try again when one has ended'),
    )
    const { job_id } = await (await syncWith({ ...vars, JOBS_WAITING_MAX: 2 }, team)).json<Json>()
    await letGo()
    expect(await bank.ended(String(job_id))).toMatchObject({
      addedCount: 2,
      removedCount: 1,
      unchangedCount: 0,
    })
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
  })

  it('names users who cannot be participants, by their place in the audience', async () => {
    const { team, bank, group } = await opened()
    await team.user(`b${'x'.repeat(32)}`, { has_dog: true })
    await team.attach('coupon', group)
    const job = await synced(team, bank)
    expect(job).toMatchObject({
      jobStatus: 'PARTIAL_SUCCESS',
      totalRecordsCount: 3,
      failedRecordsCount: 1,
      addedCount: 2,
    })
    expect((await pageOf(bank, `/jobs/${String(job['jobId'])}/errors`)).content).toMatchObject([
      { lineNbr: 3 },
    ])
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
  })

  it('puts in who was named with blanks around the id', async () => {
    const { team, bank, group } = await opened()
    await team.user(' cid ', { has_dog: true })
    await team.attach('coupon', group)
    expect(await synced(team, bank)).toMatchObject({
      jobStatus: 'SUCCESSFUL',
      totalRecordsCount: 3,
      failedRecordsCount: 0,
    })
    expect(await bank.members(group)).toEqual(['ann', 'bob', 'cid'])
  })

  it('empties the group of an audience to which nobody belongs', async () => {
    const { team, bank, group } = await opened()
    await bank.apply(group, 'ADD', lines(['ann', 'zoe']))
    await team.attach('coupon', group)
    await team.send('PUT', '/audiences/coupon', {
      name: 'Coupon',
      rule: { operator: 'exists', attribute: 'has_horse' },
    })
    expect(await synced(team, bank)).toMatchObject({
      jobStatus: 'SUCCESSFUL',
      totalRecordsCount: 0,
      removedCount: 2,
    })
    expect(await bank.members(group)).toEqual([])
  })
})

describe('a file for a group that an audience fills', () => {
  it("is refused with the audience's name, and accepted once that is detached", async () => {
    const { team, bank, group } = await opened()
    await team.attach('coupon', group)
    const raw = (method: string) =>
      bank.call(method, `/groups/${group}/participants?type=ADD`, {
        body: 'zoe\n',
        headers: { 'content-type': 'text/csv' },
      })
    for (const type of ['ADD', 'REMOVE', 'REPLACE'])
      expect(await said(bank.upload(group, type, 'zoe\n')), type).toEqual(
        filledBy('Coupon', 'coupon'),
      )
    for (const method of ['PUT', 'POST'])
      expect(await said(raw(method)), method).toEqual(filledBy('Coupon', 'coupon'))
    await team.send('PUT', '/audiences/coupon', { name: 'Bons "à" 🎉', rule: dogs })
    expect(await said(raw('PUT'))).toEqual(filledBy('Bons "à" 🎉', 'coupon'))
    expect((await pageOf(bank, '/jobs')).page['totalElements']).toBe(0)
    // Others are free, and this one's name too.
    expect(await bank.apply(await bank.group('larks'), 'ADD', 'zoe\n')).toMatchObject({
      addedCount: 1,
    })
    expect((await bank.send('PUT', `/groups/${group}`, { groupName: 'barn owls' })).status).toBe(
      200,
    )
    await isEmpty(detach(team), 204)
    expect(await bank.apply(group, 'ADD', 'zoe\n')).toMatchObject({
      jobStatus: 'SUCCESSFUL',
      addedCount: 1,
    })
  })

  it('is refused where the audience gets the group while the file arrives', async () => {
    const { team, bank, group } = await opened()
    const pieces = ['zoe\n', 'yan\n']
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const piece = pieces.shift()
          if (piece === undefined) return controller.close()
          // The group is checked before the rest of the body is read.
          if (pieces.length === 0) await team.attach('coupon', group)
          controller.enqueue(new TextEncoder().encode(piece))
        },
      },
      { highWaterMark: 0 },
    )
    const init = { body, headers: { 'content-type': 'text/csv' } }
    expect(await said(bank.call('PUT', `/groups/${group}/participants?type=ADD`, init))).toEqual(
      filledBy('Coupon', 'coupon'),
    )
    expect((await pageOf(bank, '/jobs')).page['totalElements']).toBe(0)
    await storeIsEmpty()
  })
})
