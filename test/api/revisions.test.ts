import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { listRevisions } from '../../src/experience/revisions.ts'
import { pageOf, refused, said } from '../support/answers.ts'
import { Bank, lines, type Json } from '../support/api.ts'
import { plansOf } from '../support/plans.ts'

/** A group of four revisions that went live, and jobs that have left none. */
async function changed() {
  const bank = await Bank.open()
  const group = await bank.group('owls')
  const add = await bank.apply(group, 'ADD', lines(['ann', 'bob', 'cid']))
  await bank.apply(group, 'ADD', 'one,two\n')
  const remove = await bank.apply(group, 'REMOVE', lines(['bob', 'nobody']) + 'one,two\n')
  const replace = await bank.apply(group, 'REPLACE', lines(['ann', 'dan', 'eve', 'fay']))
  await bank.apply(group, 'REPLACE', 'gus\none,two\nthree,four\n')
  const again = await bank.apply(group, 'ADD', lines(['ann']))
  return { bank, group, jobs: [again, replace, remove, add].map(({ jobId }) => jobId) }
}

const list = (bank: Bank, group: string, query = '') =>
  pageOf(bank, `/groups/${group}/revisions${query}`)

/** In place of what the sweep does after thirty days. */
const forget = (condition: string, ...values: unknown[]) =>
  env.DB.prepare(`DELETE FROM jobs WHERE ${condition}`)
    .bind(...values)
    .run()

describe('GET /groups/{groupId}/revisions', () => {
  it('lists what went live, newest first, each with its job', async () => {
    const { bank, group, jobs } = await changed()
    const { content, page } = await list(bank, group)
    expect(content.map(({ jobId }) => jobId)).toEqual(jobs)
    expect(page).toEqual({ size: 20, totalElements: 4, totalPages: 1, number: 0 })
    const { createdDateTime, fileSha256 } = await bank.get(`/jobs/${String(jobs[2])}`)
    expect(fileSha256).toMatch(/^[\da-f]{64}$/)
    expect(content[2]).toEqual({
      ...{ revision: 3, jobId: jobs[2], type: 'REMOVE', jobCreatedBy: 'tester', createdDateTime },
      ...{ inputFileName: 'people.csv', fileSha256, addedCount: 0, removedCount: 1 },
      ...{ participantCount: 2, live: false },
    })
  })

  it('counts the participants that the group had at each', async () => {
    const { bank, group } = await changed()
    const { content } = await list(bank, group)
    const counts = content.map(({ revision, addedCount, removedCount, participantCount }) => [
      ...[revision, addedCount, removedCount, participantCount],
    ])
    expect(counts).toEqual([
      [6, 0, 0, 4],
      [4, 3, 1, 4],
      [3, 0, 1, 2],
      [1, 3, 0, 3],
    ])
    expect(content.map(({ live }) => live)).toEqual([true, false, false, false])
    expect(await bank.count(group)).toBe(4)
  })

  it('counts the same on each page', async () => {
    const { bank, group } = await changed()
    const all = (await list(bank, group)).content
    const pages = await Promise.all([0, 1, 2].map((at) => list(bank, group, `?size=2&page=${at}`)))
    expect(pages.map(({ content }) => content)).toEqual([all.slice(0, 2), all.slice(2), []])
    expect(pages.map(({ page }) => page['totalElements'])).toEqual([4, 4, 4])
    expect(pages[0]?.links.map(({ rel }) => rel)).toEqual(['first', 'self', 'next', 'last'])
  })

  it('leaves out jobs that have not ended', async () => {
    const { bank, group } = await changed()
    await env.DB.prepare(
      `INSERT INTO jobs (id, workspace_id, group_key, revision, type, state, file_name, file_key,
        file_size, slice_bytes, created_by, created_at, updated_at, added)
      SELECT 'later', workspace_id, key, 7, 'add', 'undoing', '', '', 1, 1, '', 0, 0, 5
      FROM experience_groups WHERE id = ?`,
    )
      .bind(group)
      .run()
    const { content } = await list(bank, group)
    expect(content.map(({ revision }) => revision)).toEqual([6, 4, 3, 1])
    expect(content[3]).toMatchObject({ participantCount: 3 })
  })

  it('ends where jobs are no longer kept, so that all counts hold', async () => {
    const { bank, group, jobs } = await changed()
    const left = async () => (await list(bank, group)).content.map(({ revision }) => revision)
    await forget('id = ?', jobs[2])
    expect(await left()).toEqual([6, 4])
    await forget('revision = 5 AND workspace_id = ?', bank.workspace)
    expect((await list(bank, group)).page['totalElements']).toBe(1)
    await forget('id = ?', jobs[0])
    expect(await left()).toEqual([])
  })

  it('lists jobs of earlier versions without a hash, and syncs without a file', async () => {
    const { bank, group, jobs } = await changed()
    await env.DB.prepare('UPDATE jobs SET file_sha256 = NULL, actor = NULL WHERE id = ?')
      .bind(jobs[0])
      .run()
    expect((await list(bank, group)).content[0]).toMatchObject({ fileSha256: null, live: true })
    const job: Json = await bank.get(`/jobs/${String(jobs[0])}`)
    expect(job).not.toHaveProperty('fileSha256')
  })

  it('is empty for a group that nothing has changed', async () => {
    const bank = await Bank.open()
    const { content, page } = await list(bank, await bank.group())
    expect([content, page['totalElements']]).toEqual([[], 0])
  })

  it('refuses groups that are not there, and pages that are none', async () => {
    const { bank, group } = await changed()
    const other = await Bank.open()
    const request = (by: Bank, path: string) => said(by.call('GET', `/groups/${path}`))
    expect(await request(other, `${group}/revisions`)).toEqual(
      refused(`groupId ${group} not found or has been marked for deletion`),
    )
    expect(await request(bank, 'x/revisions')).toEqual(refused('Invalid groupId x'))
    expect(await request(bank, `${group}/revisions?size=0`)).toEqual(
      refused('size must be a whole number from 1 to 2000'),
    )
  })

  it('seeks the jobs of the group in their order', async () => {
    const id = crypto.randomUUID()
    const read = (db: Parameters<typeof listRevisions>[0]) =>
      listRevisions(db, 1, id, { page: 0, size: 20 }).catch(() => undefined)
    const plan = (await plansOf(read)).flatMap((one) => one.plan)
    const seeks = plan.filter((step) => /SEARCH (j|g|jobs|experience_groups) /.test(step))
    expect(new Set(seeks)).toEqual(
      new Set([
        'SEARCH g USING INDEX experience_groups_by_id (workspace_id=? AND id=?)',
        'SEARCH j USING INDEX jobs_by_group (group_key=? AND revision<?)',
      ]),
    )
    expect(plan.filter((step) => step.includes('TEMP B-TREE'))).toEqual([])
  })
})
