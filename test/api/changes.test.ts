import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { refused, said } from '../support/answers.ts'
import { Bank, lines, type Json } from '../support/api.ts'
import { held, people, published, sent } from '../support/held.ts'

let bank: Bank
beforeAll(async () => void (bank = await Bank.open()))

const asked = ({ jobId }: Json, query: string, init: RequestInit = {}, by = bank) =>
  by.call('GET', `/jobs/${String(jobId)}/changes?${query}`, init)
const list = (job: Json, kind: string, more = '') => said(asked(job, `kind=${kind}${more}`))
const file = async (job: Json, query: string) =>
  (await asked(job, query, { headers: { accept: 'text/csv' } })).text()
const nobody = { status: 200, participants: [], next: null }
const all = (participants: string[]) => ({ ...nobody, participants })
const unlisted = ({ jobId }: Json, why: string) =>
  refused(`The changes of jobId ${String(jobId)} cannot be listed: ${why}.`, '2001')
const cancel = (job: Json) => said(bank.call('POST', `/jobs/${String(job['jobId'])}/cancel`))

/** A group of three, and a job that would remove the first and add two. */
async function scene(mode: string) {
  const group = await bank.group()
  await bank.apply(group, 'ADD', lines(people(0, 3)))
  return { group, job: await held(bank, group, { type: 'REPLACE', mode }, people(1, 5)) }
}

describe('GET /jobs/{jobId}/changes', () => {
  it.each(['preview', 'apply'])('lists who joins and who leaves: mode %s', async (mode) => {
    const { job } = await scene(mode)
    expect(await list(job, 'added')).toEqual(all(people(3, 5)))
    expect(await list(job, 'removed')).toEqual(all(people(0, 1)))
  })

  it('goes on where the job is published', async () => {
    const { job } = await scene('preview')
    expect(await list(job, 'added', '&size=1')).toEqual({ ...all(people(3, 4)), next: 'p000003' })
    await published(bank, job)
    expect(await list(job, 'added', '&size=1&after=p000003')).toEqual({
      ...all(people(4, 5)),
      next: 'p000004',
    })
    expect(await list(job, 'added', '&size=1&after=p000004')).toEqual(nobody)
  })

  it('lists in the byte order of ids', async () => {
    const group = await bank.group()
    const ids = ['B', 'a', 'é', 'Z', '😀', '�', 'aa', '0']
    const job = await held(bank, group, { type: 'ADD', mode: 'preview' }, ids)
    const inOrder = ids.toSorted((a, b) => Buffer.from(a).compare(Buffer.from(b)))
    expect(await list(job, 'added')).toEqual(all(inOrder))
  })

  it('lists those of the live revision whom a later job takes back', async () => {
    const { group, job } = await scene('apply')
    const later = await held(bank, group, { type: 'REPLACE', mode: 'preview' }, people(1, 4))
    expect(await list(job, 'added')).toEqual(all(people(3, 5)))
    expect(await list(later, 'removed')).toEqual(all(people(4, 5)))
    await cancel(later)
    const waits = await bank.ended(await sent(bank, group, { type: 'ADD' }, ['one,two']))
    expect(waits).toMatchObject({ jobStatus: 'FAILED' })
    expect(await list(job, 'added')).toEqual(all(people(3, 5)))
    expect(await list(job, 'removed')).toEqual(all(people(0, 1)))
  })

  it('says why a job has no changes to list', async () => {
    const { group, job } = await scene('preview')
    const waiting = { jobId: await sent(bank, group, { type: 'ADD' }, ['zoe']) }
    expect(await list(waiting, 'added')).toEqual(unlisted(waiting, 'it has not begun'))
    await cancel(job)
    expect(await list(job, 'added')).toEqual(unlisted(job, 'it is cancelled'))
    await bank.ended(waiting.jobId)
    expect(await list(job, 'added')).toEqual(unlisted(job, 'it is cancelled'))
    const failed = await bank.apply(group, 'ADD', 'one,two\n')
    expect(await list(failed, 'added')).toEqual(unlisted(failed, 'it has failed'))
    expect(await list(waiting, 'added')).toEqual(all(['zoe']))
    await bank.apply(group, 'ADD', 'yan\n')
    const since = 'a later job has changed the group since'
    expect(await list(waiting, 'added')).toEqual(unlisted(waiting, since))
    for (const [state, why] of [
      ['writing', 'it goes on'],
      ['sweeping', 'it goes on'],
      ['undoing', 'it has failed'],
    ] as const) {
      await env.DB.prepare('UPDATE jobs SET state = ? WHERE id = ?')
        .bind(state, waiting.jobId)
        .run()
      expect(await list(waiting, 'added')).toEqual(unlisted(waiting, why))
    }
  })

  it.each([
    ['', 'kind is required'],
    ['kind=changed', 'kind must be added or removed'],
    ['kind=added&size=0', 'size must be at least 1'],
    ['kind=added&for=me', 'for must be upload or spreadsheet'],
  ])('refuses the query "%s"', async (query, message) => {
    const job = { jobId: crypto.randomUUID() }
    expect(await said(asked(job, query))).toEqual(refused(message))
  })

  it('knows no job of another workspace', async () => {
    const { job } = await scene('preview')
    const missing = refused(`jobId ${String(job['jobId'])} not found`)
    const stranger = await Bank.open()
    expect(await said(asked(job, 'kind=added', {}, stranger))).toEqual(missing)
    const headers = { accept: 'text/csv' }
    expect(await said(asked(job, 'kind=added', { headers }, stranger))).toEqual(missing)
  })

  it('knows no job of a deleted group', async () => {
    const { group, job } = await scene('preview')
    await bank.call('DELETE', `/groups/${group}`)
    expect(await list(job, 'added')).toEqual(refused(`jobId ${String(job['jobId'])} not found`))
  })
})

describe('the changes of a job as a file', () => {
  it('are all of them under a header, and an event before', async () => {
    const { group, job } = await scene('preview')
    const answer = await asked(job, 'kind=added', { headers: { accept: 'text/csv' } })
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(answer.headers.get('content-disposition')).toBe(
      `attachment; filename="${String(job['jobId'])}-added.csv"`,
    )
    expect(await answer.text()).toBe(`ParticipantId\n${lines(people(3, 5))}`)
    expect(await file(job, 'kind=removed')).toBe('ParticipantId\np000000\n')
    expect(await file(job, 'kind=added&after=p000003')).toBe('ParticipantId\np000004\n')
    expect(await file(job, 'kind=added&after=p000004')).toBe('ParticipantId\n')
    const { results } = await env.DB.prepare(
      `SELECT data FROM events WHERE workspace_id = ? AND type = 'job.exported' AND object_id = ?
        ORDER BY key`,
    )
      .bind(bank.workspace, String(job['jobId']))
      .all<{ data: string }>()
    const exported = (what: string) => ({ job_id: job['jobId'], group_id: group, what })
    expect(results.map(({ data }) => JSON.parse(data) as Json)).toEqual(
      ['added', 'removed', 'added', 'added'].map(exported),
    )
  })

  it('can be uploaded again, or read by people', async () => {
    const group = await bank.group()
    const ids = ['=1+1', '"a,b"', "'c"]
    const job = await held(bank, group, { type: 'ADD', mode: 'preview' }, ids)
    expect(await file(job, 'kind=added')).toBe(`ParticipantId\n'c\n=1+1\n"a,b"\n`)
    expect(await file(job, 'kind=added&for=spreadsheet')).toBe(`ParticipantId\n''c\n'=1+1\n"a,b"\n`)
  })

  it('are refused where they cannot be told', async () => {
    const { job } = await scene('preview')
    await cancel(job)
    const headers = { accept: 'text/csv' }
    expect(await said(asked(job, 'kind=added', { headers }))).toEqual(
      unlisted(job, 'it is cancelled'),
    )
  })
})

describe('the changes of a revert', () => {
  it.each(['apply', 'preview'])(
    'are those of the live revision, taken back: mode %s',
    async (mode) => {
      const { group, job } = await scene('apply')
      const { jobId } = await said(bank.send('POST', `/groups/${group}/revert`, { mode }))
      const revert = await bank.ended(String(jobId))
      expect(await list(revert, 'added')).toEqual(all(people(0, 1)))
      expect(await list(revert, 'removed')).toEqual(all(people(3, 5)))
      const isLive = mode === 'preview'
      const since = unlisted(job, 'a later job has changed the group since')
      expect(await list(job, 'added')).toEqual(isLive ? all(people(3, 5)) : since)
      expect(await list(job, 'removed')).toEqual(isLive ? all(people(0, 1)) : since)
    },
  )
})
