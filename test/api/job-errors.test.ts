import { describe, expect, it } from 'vitest'
import { pageOf, said, type Page } from '../support/answers.ts'
import { Bank, type Json } from '../support/api.ts'
import { opened } from '../support/uploads.ts'

const columns = 'Incorrect number of columns.  File should only contain 1 column for ParticipantId'
const tooLong = 'ParticipantId cannot be larger than 32 characters'
const format = 'Invalid participant ID format'

const rels = ({ links }: Page) => links.map(({ rel }) => rel)
const errorsOf = (bank: Bank, { jobId }: Json, query = '?size=2000') =>
  pageOf(bank, `/jobs/${String(jobId)}/errors${query}`)
const lineNumbers = ({ content }: Page) => content.map(({ lineNbr }) => lineNbr)

describe('GET /jobs/{jobId}/errors', () => {
  const utf8 = (text: string) => [...new TextEncoder().encode(text)]
  const bytes = Uint8Array.from([
    ...utf8(`ParticipantId\r\nann\r\na,b\r\n\r\n${'x'.repeat(33)}\r\na\u0007b\r\na"b\r\n`), // lines 1 to 7
    ...[0x61, 0xff, 0x0d, 0x0a], // 8, no UTF-8
    ...[...utf8('🎉').slice(0, 3), 0x0a], // 9, cut short
    ...utf8(`bob\n"two\nlines"\nc,,\n${'é'.repeat(32)}`), // 10 to 14, where 11 and 12 are one row
  ])
  const expected = [
    { lineNbr: 3, errorMsg: columns, value: 'a,b' },
    { lineNbr: 5, errorMsg: tooLong, value: 'x'.repeat(33) },
    { lineNbr: 6, errorMsg: format, value: 'a␇b' },
    { lineNbr: 7, errorMsg: format, value: 'a"b' },
    { lineNbr: 8, errorMsg: format, value: 'a\ufffd' },
    { lineNbr: 9, errorMsg: format, value: '\ufffd' },
    { lineNbr: 11, errorMsg: format, value: '"two␊lines"' },
    { lineNbr: 13, errorMsg: columns, value: 'c,,' },
  ]

  it("names each bad row's line and problem, the header being line 1", async () => {
    const { bank, group } = await opened()
    const job = await bank.apply(group, 'ADD', bytes)
    expect(job).toMatchObject({
      jobStatus: 'PARTIAL_SUCCESS',
      totalRecordsCount: 11,
      failedRecordsCount: 8,
      addedCount: 3,
    })
    const found = await errorsOf(bank, job, '')
    expect(found.content).toEqual(expected)
    expect(found.page).toEqual({ size: 20, totalElements: 8, totalPages: 1, number: 0 })
    expect(rels(found)).toEqual(['self'])
    expect(await bank.members(group)).toEqual(['ann', 'bob', 'é'.repeat(32)])
  })

  it('counts a file without a header from its first row', async () => {
    const { bank, group } = await opened()
    const job = await bank.apply(group, 'ADD', 'a,b\nid\nc,d')
    expect(job).toMatchObject({ totalRecordsCount: 3, failedRecordsCount: 2 })
    expect(lineNumbers(await errorsOf(bank, job))).toEqual([1, 3])
  })

  it('sorts by line and by sentence both ways, in pages', async () => {
    const { bank, group } = await opened()
    const job = await bank.apply(group, 'ADD', bytes)
    const sorted = async (query: string) => lineNumbers(await errorsOf(bank, job, `?${query}`))
    expect(await sorted('sort=lineNbr')).toEqual([3, 5, 6, 7, 8, 9, 11, 13])
    expect(await sorted('sort=lineNbr,desc')).toEqual([13, 11, 9, 8, 7, 6, 5, 3])
    expect(await sorted('sort=errorMsg,asc')).toEqual([3, 13, 6, 7, 8, 9, 11, 5])
    expect(await sorted('sort=errorMsg,desc')).toEqual([5, 6, 7, 8, 9, 11, 3, 13])
    const second = await errorsOf(bank, job, '?sort=errorMsg&page=1&size=3')
    expect(lineNumbers(second)).toEqual([7, 8, 9])
    expect(second.page).toEqual({ size: 3, totalElements: 8, totalPages: 3, number: 1 })
    expect(rels(second)).toEqual(['first', 'prev', 'self', 'next', 'last'])
    for (const { href } of second.links)
      expect(href).toContain(`/groups/v3/jobs/${String(job['jobId'])}/errors?`)
    for (const query of ['sort=line', 'size=2001', 'page=-1'])
      expect(
        await said(bank.call('GET', `/jobs/${String(job['jobId'])}/errors?${query}`)),
      ).toMatchObject({ status: 400, code: '2000' })
  })

  it('keeps the first 10,000 problems of more, and counts them all', async () => {
    const { bank, group } = await opened()
    const job = await bank.apply(group, 'ADD', `ann\n${'a,b\n'.repeat(12_345)}bob\n`)
    expect(job).toMatchObject({
      totalRecordsCount: 12_347,
      successRecordsCount: 2,
      failedRecordsCount: 12_345,
      jobStatus: 'PARTIAL_SUCCESS',
    })
    const last = await errorsOf(bank, job, '?page=4&size=2000')
    expect(last.page).toEqual({ size: 2000, totalElements: 10_000, totalPages: 5, number: 4 })
    expect(lineNumbers(last)).toEqual(Array.from({ length: 2000 }, (_, i) => 8002 + i))
    expect((await errorsOf(bank, job, '?page=5&size=2000')).content).toEqual([])
  })
})
