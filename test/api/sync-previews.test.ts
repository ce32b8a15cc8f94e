import { describe, expect, it } from 'vitest'
import { declined, said } from '../support/answers.ts'
import { lines, type Json } from '../support/api.ts'
import { cats, dogs, opened, sync } from '../support/coupon.ts'
import { people, published } from '../support/held.ts'
import type { Team } from '../support/identity.ts'

const request = (team: Team, body: unknown) =>
  said(team.send('POST', '/audiences/coupon/sync', body))
const jobOf = ({ job_id }: Json): Json => ({ jobId: job_id })

/** A group that the audience fills, as it was before. */
async function filled(before: string[]) {
  const scene = await opened()
  const { team, bank, group } = scene
  if (before.length > 0) await bank.apply(group, 'ADD', lines(before))
  await team.attach('coupon', group)
  return scene
}

describe('POST /audiences/{id}/sync', () => {
  it('in mode preview holds a job with exact counts', async () => {
    const { team, bank, group } = await filled(['bob', 'zoe'])
    const answer = await request(team, { mode: 'preview' })
    expect(answer).toMatchObject({ status: 'CREATED', group_id: group })
    const job = await bank.ended(String(answer['job_id']))
    expect(job).toMatchObject({
      jobStatus: 'HELD',
      jobDetails: 'Preview.',
      addedCount: 1,
      removedCount: 1,
      unchangedCount: 1,
    })
    const changes = (kind: string) => bank.get(`/jobs/${String(job['jobId'])}/changes?kind=${kind}`)
    expect(await changes('added')).toEqual({ participants: ['ann'], next: null })
    expect(await changes('removed')).toEqual({ participants: ['zoe'], next: null })
    expect(await bank.members(group)).toEqual(['bob', 'zoe'])
    expect(await published(bank, job)).toMatchObject({ status: 200, jobStatus: 'SUCCESSFUL' })
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
  })

  it.each([undefined, {}, { mode: 'apply' }])('applies with the body %o', async (body) => {
    const { team, bank, group } = await filled([])
    const { job_id } = body === undefined ? await sync(team) : await request(team, body)
    expect(await bank.ended(String(job_id))).toMatchObject({ jobStatus: 'SUCCESSFUL' })
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
  })

  it.each([
    [{ mode: 'maybe' }, 'mode must be apply or preview'],
    [{ mode: null }, 'mode must be apply or preview'],
    [[], 'body must be an object'],
  ])('refuses %o', async (body, message) => {
    const { team } = await filled([])
    expect(await request(team, body)).toEqual(declined(422, message))
  })

  it('makes no preview an apply, nor the reverse', async () => {
    const { team, bank, group } = await filled([])
    const first = await request(team, { mode: 'preview' })
    await bank.ended(String(first['job_id']))
    const [apply, preview] = [await request(team, {}), await request(team, { mode: 'preview' })]
    expect(apply['job_id']).not.toBe(preview['job_id'])
    // Those that wait take the rule of now, each of its own mode.
    await team.send('PUT', '/audiences/coupon', { name: 'Coupon', rule: cats })
    for (const [mode, waiting] of [
      ['apply', apply],
      ['preview', preview],
    ] as const)
      expect(await request(team, { mode })).toMatchObject({ job_id: waiting['job_id'] })
    expect(await bank.get('/jobs')).toMatchObject({ page: { totalElements: 3 } })
    await published(bank, jobOf(first))
    expect(await bank.ended(String(apply['job_id']))).toMatchObject({
      ...{ jobStatus: 'SUCCESSFUL', addedCount: 1, removedCount: 2 },
    })
    expect(await bank.members(group)).toEqual(['cid'])
    expect(await bank.ended(String(preview['job_id']))).toMatchObject({
      ...{ jobStatus: 'HELD', addedCount: 0, removedCount: 0, unchangedCount: 1 },
    })
  })

  it('is an event of the request for the job of its mode', async () => {
    const { team, bank } = await filled([])
    const first = await request(team, { mode: 'preview' })
    await bank.ended(String(first['job_id']))
    const asked = [
      first,
      await request(team, {}),
      await request(team, { mode: 'preview' }),
      await request(team, {}),
    ]
    const { events } = await team.get<{ events: { data: Json }[] }>('/events?types=sync.requested')
    expect(events.map(({ data }) => data['job_id'])).toEqual(asked.map(({ job_id }) => job_id))
  })

  it('is guarded by the group that it fills', async () => {
    const { team, bank, group } = await filled(people(0, 100))
    await bank.send('PUT', `/groups/${group}`, { maxRemovePercent: 50 })
    const { job_id } = await sync(team)
    const job = await bank.ended(String(job_id))
    expect(job).toMatchObject({
      jobStatus: 'HELD',
      jobDetails: 'Would remove 100 of 100 members, more than 50 %.',
    })
    expect(await bank.count(group)).toBe(100)
    expect(await published(bank, job, { expectedRemoved: 100 })).toMatchObject({ status: 200 })
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
  })

  it('is undone, held too, once its audience is detached', async () => {
    const { team, bank, group } = await filled(['zoe'])
    const { job_id } = await request(team, { mode: 'preview' })
    await bank.ended(String(job_id))
    await team.call('DELETE', '/audiences/coupon/experience-group')
    expect(await bank.ended(String(job_id))).toMatchObject({ jobStatus: 'CANCELLED' })
    expect(await bank.members(group)).toEqual(['zoe'])
    expect(await bank.apply(group, 'ADD', 'yan\n')).toMatchObject({ jobStatus: 'SUCCESSFUL' })
  })

  it('says that its audience is as before while its job is held', async () => {
    const { team, bank } = await filled([])
    const before = await team.get('/audiences/coupon')
    const { job_id } = await request(team, { mode: 'preview' })
    await bank.ended(String(job_id))
    expect(await team.get('/audiences/coupon')).toEqual(before)
    expect(before).toMatchObject({ rule: dogs })
  })
})
