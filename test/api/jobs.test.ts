import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { pageOf, refused, said, type Page, uuid } from '../support/answers.ts'
import { Bank, lines, type Json } from '../support/api.ts'
import { opened } from '../support/uploads.ts'

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

const ids = ({ content }: Page) => content.map(({ jobId }) => jobId)
const rels = ({ links }: Page) => links.map(({ rel }) => rel)

/** A job of a group that nothing runs: what is uploaded after it waits. */
const hold = (group: string) =>
  env.DB.prepare(
    `INSERT INTO jobs (id, workspace_id, group_key, revision, type, state, file_name, file_key,
      file_size, slice_bytes, created_by, created_at, updated_at)
     SELECT ?1, workspace_id, key, 1, 'add', 'waiting', 'x', 'x', 1, 1, 'x', 0, 0 FROM experience_groups WHERE id = ?2`,
  )
    .bind(crypto.randomUUID(), group)
    .run()

describe('GET /jobs/{jobId}', () => {
  it('shows every field of a job that has ended', async () => {
    const bank = await Bank.open()
    const group = await bank.group('owls')
    const job = await bank.apply(group, 'ADD', 'ParticipantId\nann\nbob\nann\n')
    expect(job).toEqual({
      jobId: expect.stringMatching(uuid),
      groupId: group,
      groupName: 'owls',
      groupType: 'EXPERIENCE_GROUP',
      inputFileName: 'people.csv',
      workingFileName: expect.stringMatching(/./),
      fileSha256: expect.stringMatching(/^[\da-f]{64}$/),
      type: 'ADD',
      totalRecordsCount: 3,
      successRecordsCount: 3,
      failedRecordsCount: 0,
      addedCount: 2,
      removedCount: 0,
      unchangedCount: 1,
      progressPercent: 100,
      jobStatus: 'SUCCESSFUL',
      jobCreatedBy: 'tester',
      createdDateTime: expect.stringMatching(time),
      lastUpdatedDateTime: expect.stringMatching(time),
    })
    const [created, updated] = [
      Date.parse(String(job['createdDateTime'])),
      Date.parse(String(job['lastUpdatedDateTime'])),
    ]
    expect(Math.abs(Date.now() - created)).toBeLessThan(60_000)
    expect(updated).toBeGreaterThanOrEqual(created)
    expect(await bank.get(`/jobs/${String(job['jobId']).toUpperCase()}`)).toEqual(job)
  })

  it('shows a job that waits', async () => {
    const { bank, group } = await opened()
    await hold(group)
    const { jobId } = await said(bank.upload(group, 'REPLACE', 'ann\n'))
    const nothing = {
      totalRecordsCount: 0,
      successRecordsCount: 0,
      failedRecordsCount: 0,
      addedCount: 0,
      removedCount: 0,
      unchangedCount: 0,
    }
    const job = await bank.get(`/jobs/${String(jobId)}`)
    expect(job).toMatchObject({
      jobStatus: 'CREATED',
      type: 'REPLACE',
      progressPercent: 0,
      ...nothing,
    })
    expect(job).not.toHaveProperty('jobDetails')
    expect((await pageOf(bank, `/jobs/${String(jobId)}/errors`)).content).toEqual([])
  })

  it.each<
    [string, string[], string[], [total: number, added: number, removed: number, unchanged: number]]
  >([
    ['ADD', ['ann', 'dan', 'dan'], ['ann', 'bob', 'cid', 'dan'], [3, 1, 0, 2]],
    ['REMOVE', ['ann', 'ann', 'zoe'], ['bob', 'cid'], [3, 0, 1, 2]],
    ['REMOVE', ['ann', 'bob', 'cid'], [], [3, 0, 3, 0]],
    ['REPLACE', ['ann', 'dan', 'dan'], ['ann', 'dan'], [3, 1, 2, 2]],
    ['REPLACE', ['ann', 'bob', 'cid'], ['ann', 'bob', 'cid'], [3, 0, 0, 3]],
  ])(
    'counts what %s of %s changes',
    async (type, file, members, [total, added, removed, unchanged]) => {
      const { bank, group } = await opened()
      await bank.apply(group, 'ADD', lines(['ann', 'bob', 'cid']))
      expect(await bank.apply(group, type, lines(file))).toMatchObject({
        jobStatus: 'SUCCESSFUL',
        type,
        totalRecordsCount: total,
        successRecordsCount: total,
        failedRecordsCount: 0,
        addedCount: added,
        removedCount: removed,
        unchangedCount: unchanged,
      })
      expect(await bank.members(group)).toEqual(members)
      expect(await bank.count(group)).toBe(members.length)
    },
  )

  it('shows a file with bad rows, whose good rows are applied', async () => {
    const { bank, group } = await opened()
    await bank.apply(group, 'ADD', lines(['ann', 'bob']))
    expect(await bank.apply(group, 'REPLACE', 'ann\na,b\ncid\n')).toMatchObject({
      jobStatus: 'PARTIAL_SUCCESS',
      jobDetails: 'Partial Success.  See detailed report.',
      totalRecordsCount: 3,
      successRecordsCount: 2,
      failedRecordsCount: 1,
      addedCount: 1,
      removedCount: 1,
      unchangedCount: 1,
    })
    expect(await bank.members(group)).toEqual(['ann', 'cid'])
  })

  const useless: [string, string, number][] = [
    ['bad rows only', 'a,b\nc,d\n', 2],
    ['a header only', 'ParticipantId\n', 0],
    ['blank lines only', '\n  \r\n\n', 0],
    ['a header and bad rows', `ParticipantId\n${'x'.repeat(33)}\n`, 1],
  ]
  it.each(
    ['ADD', 'REMOVE', 'REPLACE'].flatMap((type) => useless.map((file) => [type, ...file] as const)),
  )('shows that %s of %s has failed, leaving the group unchanged', async (type, _, file, bad) => {
    const { bank, group } = await opened()
    await bank.apply(group, 'ADD', lines(['ann', 'bob']))
    expect(await bank.apply(group, type, file)).toMatchObject({
      jobStatus: 'FAILED',
      jobDetails: 'Import failed.  See detailed report.',
      totalRecordsCount: bad,
      successRecordsCount: 0,
      failedRecordsCount: bad,
      addedCount: 0,
      removedCount: 0,
      unchangedCount: 0,
      progressPercent: 100,
    })
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
    expect(await bank.count(group)).toBe(2)
  })
})

describe('GET /jobs', () => {
  const filled = async () => {
    const bank = await Bank.open()
    const [b, a] = [await bank.group('b'), await bank.group('a')]
    const jobs: Json[] = []
    for (const [group, id] of [
      [b, '1'],
      [a, '2'],
      [b, '3'],
    ] as const)
      jobs.push(await bank.apply(group, 'ADD', lines([id])))
    return { bank, a, b, jobs, ids: jobs.map(({ jobId }) => jobId) }
  }

  it('lists every field of a job, newest first, each with its link', async () => {
    const { bank, jobs } = await filled()
    const found = await pageOf(bank, '/jobs')
    const links = (jobId: unknown) => [
      { rel: 'self', href: `https://coterie.test/groups/v3/jobs/${String(jobId)}` },
    ]
    expect(found.content).toEqual(
      jobs.toReversed().map((job) => ({ ...job, links: links(job['jobId']) })),
    )
    expect(found.page).toEqual({ size: 20, totalElements: 3, totalPages: 1, number: 0 })
    expect(rels(found)).toEqual(['self'])
  })

  it('lists the jobs of one group', async () => {
    const {
      bank,
      a,
      b,
      ids: [first, second, third],
    } = await filled()
    expect(ids(await pageOf(bank, `/jobs?groupId=${a}`))).toEqual([second])
    const found = await pageOf(bank, `/jobs?groupId=${b.toUpperCase()}&size=1`)
    expect(found).toMatchObject({
      content: [{ jobId: third }],
      page: { totalElements: 2, totalPages: 2 },
    })
    const next = new URL(found.links.find(({ rel }) => rel === 'next')?.href ?? '')
    expect(ids(await pageOf(bank, `/jobs${next.search}`))).toEqual([first])
  })

  it('sorts by time and by group both ways', async () => {
    const {
      bank,
      ids: [first, second, third],
    } = await filled()
    expect(ids(await pageOf(bank, '/jobs?sort=insertDateTime'))).toEqual([first, second, third])
    expect(ids(await pageOf(bank, '/jobs?sort=insertDateTime,desc'))).toEqual([
      third,
      second,
      first,
    ])
    // Within a group, in the order of the jobs.
    expect(ids(await pageOf(bank, '/jobs?sort=group.groupName'))).toEqual([second, first, third])
    expect(ids(await pageOf(bank, '/jobs?sort=group.groupName,desc'))).toEqual([
      third,
      first,
      second,
    ])
  })

  it.each([
    ['groupId=x', refused('Invalid groupId x')],
    ['size=0', refused('size must be a whole number from 1 to 2000')],
    ['page=x', refused('page must be a whole number from 0 to 1000000000')],
    [
      'sort=groupName',
      { status: 400, code: '2000', message: expect.stringMatching(/^sort must be /) },
    ],
  ])('refuses ?%s', async (query, refusal) => {
    expect(await said((await Bank.open()).call('GET', `/jobs?${query}`))).toEqual(refusal)
  })

  it("shows nothing of another workspace's or a deleted group's", async () => {
    const [{ bank, a, b }, other] = [await filled(), await Bank.open()]
    expect(await pageOf(other, '/jobs')).toMatchObject({ content: [], page: { totalElements: 0 } })
    const notFound = refused(`groupId ${a} not found or has been marked for deletion`)
    expect(await said(other.call('GET', `/jobs?groupId=${a}`))).toEqual(notFound)
    await bank.call('DELETE', `/groups/${b}`)
    expect(await pageOf(bank, '/jobs')).toMatchObject({
      content: [{ groupId: a }],
      page: { totalElements: 1 },
    })
  })
})

describe.each(['', '/errors'])('a job id before "%s"', (rest) => {
  it("is not found if unknown, another workspace's or a deleted group's", async () => {
    const [{ bank, group }, other] = [await opened(), await Bank.open()]
    const { jobId } = await bank.apply(group, 'ADD', 'a,b\nann\n')
    const request = (who: Bank, id: string) =>
      said(who.call('GET', `/jobs/${encodeURIComponent(id)}${rest}`))
    const notFound = (id: string) => refused(`jobId ${id} not found`)
    for (const id of [crypto.randomUUID(), '7', '__proto__', "' or '1'='1", '🎉', 'x'.repeat(1000)])
      expect(await request(bank, id)).toEqual(notFound(id))
    expect(await request(other, String(jobId))).toEqual(notFound(String(jobId)))
    expect(await request(bank, String(jobId))).toMatchObject({ status: 200 })
    await bank.call('DELETE', `/groups/${group}`)
    expect(await request(bank, String(jobId))).toEqual(notFound(String(jobId)))
  })
})
