import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { refused, said } from '../support/answers.ts'
import { Bank, lines, newClient, tokenOf, type Json } from '../support/api.ts'
import { held, people, published, sent } from '../support/held.ts'
import { csv, end, part, send } from '../support/uploads.ts'

let bank: Bank
beforeAll(async () => void (bank = await Bank.open()))

/** A group of so many people. */
async function groupOf(count: number, more: Json = {}): Promise<string> {
  const draft = { groupName: `group ${crypto.randomUUID()}`, ...more }
  const { groupId } = await (await bank.send('POST', '/groups', draft)).json<Json>()
  if (count > 0) await bank.apply(String(groupId), 'ADD', lines(people(0, count)))
  return String(groupId)
}

describe('a preview', () => {
  it('is held with exact counts, and nobody sees it', async () => {
    const group = await groupOf(3)
    const rows = ['ParticipantId', ...people(1, 5), 'one,two']
    const job = await held(bank, group, { type: 'REPLACE', mode: 'preview' }, rows)
    expect(job).toMatchObject({
      jobStatus: 'HELD',
      jobDetails: 'Preview.',
      addedCount: 2,
      removedCount: 1,
      unchangedCount: 2,
      failedRecordsCount: 1,
      totalRecordsCount: 5,
      progressPercent: 100,
    })
    expect(await bank.members(group)).toEqual(people(0, 3))
    expect(await bank.count(group)).toBe(3)
    const errors = await bank.get(`/jobs/${String(job['jobId'])}/errors`)
    expect(errors['content']).toMatchObject([{ lineNbr: 6, value: 'one,two' }])
  })

  it.each(['ADD', 'REMOVE'])('counts what an %s would change', async (type) => {
    const group = await groupOf(3)
    const job = await held(bank, group, { type, mode: 'preview' }, people(1, 5))
    const counts = { ADD: [2, 0, 2], REMOVE: [0, 2, 2] }[type]
    expect([job['addedCount'], job['removedCount'], job['unchangedCount']]).toEqual(counts)
  })

  it('may be asked for in the form', async () => {
    const group = await groupOf(0)
    const body = [part('mode', 'preview'), part('type', 'ADD'), csv('ann\n'), end].join('')
    const { jobId } = await said(send(bank, group, body))
    expect(await bank.ended(String(jobId))).toMatchObject({ jobStatus: 'HELD' })
  })

  it('makes later jobs of its group wait, and they say so', async () => {
    const group = await groupOf(0)
    const first = await held(bank, group, { type: 'ADD', mode: 'preview' }, ['ann'])
    const later = await sent(bank, group, { type: 'ADD' }, ['bob'])
    const waiting = await bank.get(`/jobs/${later}`)
    expect(waiting).toMatchObject({
      jobStatus: 'CREATED',
      jobDetails: `Waits for jobId ${String(first['jobId'])}, which is held.`,
    })
    await published(bank, first)
    expect(await bank.ended(later)).toMatchObject({ jobStatus: 'SUCCESSFUL' })
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
  })

  it('of a file without a good row fails', async () => {
    const group = await groupOf(1)
    const job = await held(bank, group, { type: 'REPLACE', mode: 'preview' }, ['one,two'])
    expect(job['jobStatus']).toBe('FAILED')
  })
})

describe('the fields of an upload', () => {
  it.each([
    ['mode=maybe', 'mode must be apply or preview'],
    ['mode=', 'mode must be apply or preview'],
    ['maxRemovePercent=101', 'maxRemovePercent must be a whole number from 0 to 100'],
    ['maxRemovePercent=-1', 'maxRemovePercent must be a whole number from 0 to 100'],
    ['maxRemovePercent=1.5', 'maxRemovePercent must be a whole number from 0 to 100'],
    ['maxRemovePercent=', 'maxRemovePercent must be a whole number from 0 to 100'],
    ['mode=preview&mode=apply', 'mode must be given once'],
  ])('are refused as %s', async (query, message) => {
    const group = await groupOf(0)
    const answer = bank.call('PUT', `/groups/${group}/participants?type=ADD&${query}`, {
      body: 'ann\n',
      headers: { 'content-type': 'text/csv' },
    })
    expect(await said(answer)).toEqual(refused(message))
  })
})

describe('POST /jobs/{jobId}/publish', () => {
  it('makes all changes live at once', async () => {
    const group = await groupOf(3)
    const job = await held(bank, group, { type: 'REPLACE', mode: 'preview' }, people(1, 5))
    expect(await published(bank, job)).toMatchObject({
      status: 200,
      jobId: job['jobId'],
      jobStatus: 'SUCCESSFUL',
      addedCount: 2,
      removedCount: 1,
      unchangedCount: 2,
    })
    expect(await bank.members(group)).toEqual(people(1, 5))
    expect(await bank.count(group)).toBe(4)
  })

  it('refuses another number than the job removes', async () => {
    const group = await groupOf(3)
    const job = await held(bank, group, { type: 'REMOVE', mode: 'preview' }, people(0, 2))
    const message = 'The job would remove 2 members, not 3.'
    expect(await published(bank, job, { expectedRemoved: 3 })).toEqual(refused(message, '2001'))
    expect(await published(bank, job, { expectedRemoved: '2' })).toMatchObject({ status: 400 })
    expect(await published(bank, job, { expectedRemoved: 2 })).toMatchObject({ status: 200 })
  })

  it('says what has become of a job that is not held', async () => {
    const group = await groupOf(0)
    const job = await held(bank, group, { type: 'ADD', mode: 'preview' }, ['ann'])
    const later = { jobId: await sent(bank, group, { type: 'ADD' }, ['bob']) }
    const problem = ({ jobId }: Json, is: string) =>
      refused(`jobId ${String(jobId)} cannot be published: ${is}.`, '2001')
    expect(await published(bank, later)).toEqual(problem(later, 'it is not held'))
    await published(bank, job)
    expect(await published(bank, job)).toEqual(problem(job, 'its changes are live'))
    const failed = await bank.apply(group, 'ADD', 'one,two\n')
    expect(await published(bank, failed)).toEqual(problem(failed, 'it has failed'))
    const unknown = { jobId: crypto.randomUUID() }
    expect(await published(bank, unknown)).toEqual(refused(`jobId ${unknown.jobId} not found`))
    const foreign = await Bank.open()
    expect(await published(foreign, job)).toEqual(
      refused(`jobId ${String(job['jobId'])} not found`),
    )
  })
})

describe('POST /jobs/{jobId}/cancel', () => {
  const cancelled = ({ jobId }: Json) => said(bank.call('POST', `/jobs/${String(jobId)}/cancel`))

  it('undoes a held job, and lets the next one go on', async () => {
    const group = await groupOf(3)
    const job = await held(bank, group, { type: 'REPLACE', mode: 'preview' }, people(1, 5))
    const later = await sent(bank, group, { type: 'ADD' }, ['zoe'])
    expect(await cancelled(job)).toMatchObject({ status: 200, jobStatus: 'CANCELLED' })
    expect(await bank.ended(later)).toMatchObject({ jobStatus: 'SUCCESSFUL', addedCount: 1 })
    expect(await bank.members(group)).toEqual([...people(0, 3), 'zoe'])
    expect(await bank.get(`/jobs/${String(job['jobId'])}`)).toMatchObject({
      jobStatus: 'CANCELLED',
      addedCount: 0,
      removedCount: 0,
      progressPercent: 100,
    })
    const message = `jobId ${String(job['jobId'])} cannot be cancelled: it is cancelled.`
    expect(await cancelled(job)).toEqual(refused(message, '2001'))
    const late = `jobId ${String(job['jobId'])} cannot be published: it is cancelled.`
    expect(await published(bank, job)).toEqual(refused(late, '2001'))
  })

  it('ends a job that waits', async () => {
    const group = await groupOf(0)
    const job = await held(bank, group, { type: 'ADD', mode: 'preview' }, ['ann'])
    const later = { jobId: await sent(bank, group, { type: 'ADD' }, ['bob']) }
    expect(await cancelled(later)).toMatchObject({ status: 200, jobStatus: 'CANCELLED' })
    await published(bank, job)
    expect(await bank.members(group)).toEqual(['ann'])
  })

  it('refuses a job that has ended', async () => {
    const job = await bank.apply(await groupOf(0), 'ADD', 'ann\n')
    const message = `jobId ${String(job['jobId'])} cannot be cancelled: its changes are live.`
    expect(await cancelled(job)).toEqual(refused(message, '2001'))
  })
})

describe('maxRemovePercent', () => {
  const details = 'Would remove 51 of 100 members, more than 50 %.'

  it('holds a job that would remove a larger share', async () => {
    const group = await groupOf(100)
    const fields = { type: 'REPLACE', maxRemovePercent: '50' }
    const job = await held(bank, group, fields, people(51, 110))
    expect(job).toMatchObject({ jobStatus: 'HELD', jobDetails: details, addedCount: 10 })
    expect(await bank.count(group)).toBe(100)
    const message = 'The job would remove 51 members: publish it with {"expectedRemoved": 51}.'
    expect(await published(bank, job)).toEqual(refused(message, '2001'))
    expect(await published(bank, job, { expectedRemoved: 51 })).toMatchObject({
      status: 200,
      jobStatus: 'SUCCESSFUL',
    })
    expect(await bank.count(group)).toBe(59)
  })

  it.each([
    ['the share itself', 100, 50],
    ['more of a group of 99', 99, 60],
  ])('lets %s be removed', async (_, count, removed) => {
    const group = await groupOf(count)
    const fields = { type: 'REMOVE', maxRemovePercent: '50' }
    const job = await held(bank, group, fields, people(0, removed))
    expect(job).toMatchObject({ jobStatus: 'SUCCESSFUL', removedCount: removed })
  })

  it('of the group holds uploads that say nothing else', async () => {
    const group = await groupOf(100, { maxRemovePercent: 50 })
    const job = await held(bank, group, { type: 'REMOVE' }, people(0, 51))
    expect(job).toMatchObject({ jobStatus: 'HELD', jobDetails: details })
    await said(bank.call('POST', `/jobs/${String(job['jobId'])}/cancel`))
    await bank.send('PUT', `/groups/${group}`, { maxRemovePercent: 51 })
    const other = await held(bank, group, { type: 'REMOVE', maxRemovePercent: '50' }, people(0, 51))
    expect(other).toMatchObject({ jobStatus: 'HELD', jobDetails: details })
    await said(bank.call('POST', `/jobs/${String(other['jobId'])}/cancel`))
    const last = await held(bank, group, { type: 'REMOVE' }, people(0, 51))
    expect(last).toMatchObject({ jobStatus: 'SUCCESSFUL' })
  })

  it('of a group is shown where it is set', async () => {
    const group = await groupOf(0, { maxRemovePercent: 0 })
    const shown = () => bank.get(`/groups/${group}`)
    expect(await shown()).toMatchObject({ maxRemovePercent: 0 })
    await bank.send('PUT', `/groups/${group}`, { groupDescription: 'stays' })
    expect(await shown()).toMatchObject({ maxRemovePercent: 0 })
    const removed = bank.send('PUT', `/groups/${group}`, { maxRemovePercent: null })
    expect(await said(removed)).not.toHaveProperty('maxRemovePercent')
    expect(await shown()).not.toHaveProperty('maxRemovePercent')
    expect(await bank.get(`/groups/${await groupOf(0)}`)).not.toHaveProperty('maxRemovePercent')
  })

  it.each([-1, 101, 1.5, '50', true])('of a group is refused as %o', async (maxRemovePercent) => {
    const draft = { groupName: 'guarded', maxRemovePercent }
    const sent = await said(bank.send('POST', '/groups', draft))
    expect(sent).toEqual(refused('maxRemovePercent must be a whole number from 0 to 100'))
  })

  it('says of a preview why publishing it needs the number', async () => {
    const group = await groupOf(100)
    const fields = { type: 'REMOVE', maxRemovePercent: '50', mode: 'preview' }
    const job = await held(bank, group, fields, people(0, 51))
    expect(job).toMatchObject({ jobDetails: details })
    expect(await published(bank, job)).toMatchObject({ status: 400 })
  })
})

describe('the events of a held job', () => {
  it('tell who has published or cancelled it', async () => {
    const scopes = ['groups:read', 'groups:write']
    const one = await Bank.open(scopes)
    const other = await newClient(scopes, one.workspace, { name: 'second pair of eyes' })
    const headers = { authorization: `Bearer ${await tokenOf(other)}` }
    const group = await one.group()
    for (const end of ['publish', 'cancel']) {
      const { jobId } = await held(one, group, { type: 'ADD', mode: 'preview' }, [end])
      await one.call('POST', `/jobs/${String(jobId)}/${end}`, { headers })
    }
    const { results } = await env.DB.prepare(
      `SELECT type, actor ->> 'name' AS name FROM events WHERE workspace_id = ? AND type IN
        ('job.held', 'job.published', 'job.cancelled', 'group.participants.changed') ORDER BY key`,
    )
      .bind(one.workspace)
      .all()
    expect(results).toEqual([
      { type: 'job.held', name: 'tester' },
      { type: 'job.published', name: 'second pair of eyes' },
      { type: 'group.participants.changed', name: 'second pair of eyes' },
      { type: 'job.held', name: 'tester' },
      { type: 'job.cancelled', name: 'second pair of eyes' },
    ])
  })
})
