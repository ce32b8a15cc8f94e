import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { Bank, type Json } from '../support/api.ts'
import { part, send, storeIsEmpty, objects, opened, end } from '../support/uploads.ts'

const text = (content: string) => Uint8Array.from(new TextEncoder().encode(content))

function utf16(content: string, order: 'le' | 'be'): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.from(`\ufeff${content}`, 'utf16le')
  return Uint8Array.from(order === 'be' ? bytes.swap16() : bytes)
}

const gzip = (bytes: Uint8Array) => Uint8Array.from(gzipSync(bytes))

const errorsOf = async (bank: Bank, { jobId }: Json) =>
  (await bank.get(`/jobs/${String(jobId)}/errors`))['content'] as Json[]

describe('a file that is no list', () => {
  it.each<[what: string, bytes: Uint8Array<ArrayBuffer>]>([
    ['an Excel workbook', text('PK\x03\x04\x14\0\x06\0[Content_Types].xml')],
    ['an old Excel or Office document', Uint8Array.from(Buffer.from('d0cf11e0a1b11ae1', 'hex'))],
    ['a PDF document', text('%PDF-1.7\n1 0 obj')],
    ['a PNG image', Uint8Array.from(Buffer.from('89504e470d0a1a0a', 'hex'))],
    ['an HTML page', text('<!doctype html><p>Session expired</p>')],
    ['an XML document', text('<?xml version="1.0"?><people/>')],
    ['JSON', text('["ann", "bob"]')],
    ['JSON', utf16('{"error": "not found"}', 'le')],
    ['a ZIP archive', gzip(text('PK\x03\x04people.csv'))],
    ['a gzip file within a gzip file', gzip(gzip(text('ann\n')))],
  ])('is refused at once, and leaves nothing: %s', async (what, bytes) => {
    const { bank, group } = await opened()
    await bank.apply(group, 'ADD', 'ann\n')
    const answer = await bank.upload(group, 'REPLACE', bytes)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toEqual({
      code: '2000',
      message:
        `File content is not a list of participants: it looks like ${what}. ` +
        'Save it as CSV, one participant id to a line, and upload that.',
    })
    expect(await bank.members(group)).toEqual(['ann'])
    await storeIsEmpty()
  })

  it('fails before anything is live where a NUL byte comes late', async () => {
    const { bank, group } = await opened()
    await bank.apply(group, 'ADD', 'ann\n')
    const job = await bank.apply(group, 'REPLACE', `${'bob\n'.repeat(50_000)}c\0id\n`)
    expect(job).toMatchObject({ jobStatus: 'FAILED', addedCount: 0, successRecordsCount: 0 })
    expect(await errorsOf(bank, job)).toEqual([
      {
        lineNbr: 0,
        errorMsg: 'The file is not text: it has a NUL byte.  Save it as CSV in UTF-8.',
        value: 'byte 200001',
      },
    ])
    expect(await bank.members(group)).toEqual(['ann'])
  })

  it.each([
    ['cut short', (bytes: Uint8Array) => bytes.slice(0, -5)],
    ['broken within', (bytes: Uint8Array) => bytes.map((byte, i) => (i === 40 ? ~byte : byte))],
  ])('is refused where its gzip is %s', async (_, breaking) => {
    const { bank, group } = await opened()
    const whole = gzip(text(Array.from({ length: 500 }, () => crypto.randomUUID()).join('\n')))
    const answer = await bank.upload(group, 'ADD', Uint8Array.from(breaking(whole)))
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { code: '2000', message: 'The request body is not valid gzip' },
    ])
    expect(await objects()).toEqual([])
  })
})

describe('a file that is a list in other clothes', () => {
  const zurich = 'Zürich\nann\n李雷\n😀\n'
  const members = ['Zürich', 'ann', '李雷', '😀']

  it.each<[how: string, bytes: Uint8Array<ArrayBuffer>]>([
    ['gzip', gzip(text(zurich))],
    [
      'gzip of several members',
      Buffer.concat([gzip(text('Zürich\nann\n')), gzip(text('李雷\n😀'))]),
    ],
    ['UTF-8 with a byte order mark', text(`\ufeff${zurich}`)],
    ['UTF-16, little-endian', utf16(zurich, 'le')],
    ['UTF-16, big-endian', utf16(zurich, 'be')],
    ['gzip of UTF-16', gzip(utf16(zurich, 'be'))],
    ['lines that end with CR', text(zurich.replaceAll('\n', '\r'))],
    ['lines that end with CRLF', text(zurich.replaceAll('\n', '\r\n'))],
    ['trailing semicolons', text(zurich.replaceAll('\n', ';\n'))],
    ['a separator that is named', text(`sep=;\r\nUser ID;\r\n${zurich.replaceAll('\n', ';\r\n')}`)],
    ['tabs and a header', text(`customer_id\t\n${zurich.replaceAll('\n', '\t\n')}`)],
    ['the invisible around ids', text(zurich.replace('ann', '\u200bann\u2060\u00ad\u00a0'))],
    ['letters and their accents', text(zurich.normalize('NFD'))],
  ])('is read: %s', async (_, bytes) => {
    const { bank, group } = await opened()
    expect(await bank.apply(group, 'REPLACE', Uint8Array.from(bytes))).toMatchObject({
      jobStatus: 'SUCCESSFUL',
      totalRecordsCount: 4,
      addedCount: 4,
    })
    expect(await bank.members(group)).toEqual(members)
  })

  it.each(['gzip', 'GZIP', 'x-gzip'])('is unpacked where its body is %s', async (encoding) => {
    const { bank, group } = await opened()
    const headers = { 'content-type': 'text/csv', 'content-encoding': encoding }
    const path = `/groups/${group}/participants?type=ADD`
    const answer = await bank.call('PUT', path, { body: gzip(text('ann\nbob\n')), headers })
    expect(answer.status).toBe(200)
    await bank.ended(String((await answer.json<Json>())['jobId']))
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
  })

  it.each(['br', 'deflate', 'gzip, br'])('is refused where its body is %s', async (encoding) => {
    const { bank, group } = await opened()
    const headers = { 'content-type': 'text/csv', 'content-encoding': encoding }
    const path = `/groups/${group}/participants?type=ADD`
    const answer = await bank.call('PUT', path, { body: 'ann\n', headers })
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { code: '2000', message: 'Content-Encoding must be gzip or identity' },
    ])
  })

  it.each([
    ['half a character', [0xff, 0xfe, 0x61, 0, 0x00, 0xd8, 0x0a, 0, 0x62, 0, 0x0a, 0]],
    ['half a unit at its end', [0xff, 0xfe, 0x62, 0, 0x0a, 0, 0x61, 0, 0x61]],
  ])('has a row refused for %s of UTF-16', async (_, bytes) => {
    const { bank, group } = await opened()
    const job = await bank.apply(group, 'ADD', Uint8Array.from(bytes))
    expect(job).toMatchObject({ jobStatus: 'PARTIAL_SUCCESS', failedRecordsCount: 1 })
    expect(await bank.members(group)).toEqual(['b'])
  })
})

describe('columns and headers', () => {
  it.each([
    ['semicolons', 'ann;Ann B\nbob;Bob C\n'],
    ['tabs', 'ann\tAnn B\nbob\tBob C\n'],
    ['bars', 'ann|Ann B\nbob|Bob C\n'],
    ['commas', 'ann,Ann B\nbob,Bob C\n'],
  ])('several are refused, whatever separates them: %s', async (_, file) => {
    const { bank, group } = await opened()
    await bank.apply(group, 'ADD', 'ann\n')
    const job = await bank.apply(group, 'REMOVE', file)
    expect(job).toMatchObject({ jobStatus: 'FAILED', failedRecordsCount: 2 })
    const problem =
      'Incorrect number of columns.  File should only contain 1 column for ParticipantId'
    expect(await errorsOf(bank, job)).toEqual(
      file
        .trim()
        .split('\n')
        .map((value, i) => ({
          lineNbr: i + 1,
          errorMsg: problem,
          value: value.replace('\t', '␉'),
        })),
    )
    expect(await bank.members(group)).toEqual(['ann'])
  })

  it('of operations are refused with a sentence that says so', async () => {
    const { bank, group } = await opened()
    const job = await bank.apply(group, 'ADD', 'ParticipantId,Operation\nann,ADD\nbob,remove\n')
    expect(job).toMatchObject({ jobStatus: 'FAILED', totalRecordsCount: 2 })
    expect((await errorsOf(bank, job))[0]).toMatchObject({
      lineNbr: 2,
      errorMsg: expect.stringContaining('the operation is the type of the upload, not a column'),
    })
  })

  it.each([
    ['auto', 'user_id\nann\n', ['ann']],
    ['auto', 'nobody\nann\n', ['ann', 'nobody']],
    ['present', 'nobody\nann\n', ['ann']],
    ['PRESENT', 'nobody\nann\n', ['ann']],
    ['absent', 'user_id\nann\n', ['ann', 'user_id']],
  ])('header=%s of %j', async (header, file, members) => {
    const { bank, group } = await opened()
    const form = new FormData()
    form.set('fileName', new File([file], 'people.csv', { type: 'text/csv' }))
    form.set('operation', 'add')
    form.set('header', header)
    const answer = await bank.call('PUT', `/groups/${group}/participants`, { body: form })
    expect(answer.status).toBe(200)
    await bank.ended(String((await answer.json<Json>())['jobId']))
    expect(await bank.members(group)).toEqual(members)
  })

  it('an export comes back as it went, whatever stands in its ids', async () => {
    const { bank, group } = await opened()
    const ids = ['a;b', 'a|1', 'ann', 'b,c', 'd e', 'email', 'id', 'login']
    const file = `ParticipantId\n${ids.map((id) => `"${id}"\n`).join('')}`
    await bank.apply(group, 'ADD', file)
    const members = await bank.members(group)
    const headers = { accept: 'text/csv' }
    const exported = await bank.call('GET', `/groups/${group}/participants`, { headers })
    const job = await bank.apply(group, 'REPLACE', await exported.text())
    expect(job).toMatchObject({ jobStatus: 'SUCCESSFUL', removedCount: 0, addedCount: 0 })
    expect(await bank.members(group)).toEqual(members)
  })

  it.each([
    ['a header of commas above semicolons', 'ParticipantId,Name\nann;Ann\nbob;Bob\n'],
    ['an empty column of ids', 'ParticipantId,Name\n,Ann B\n,Bob C\n'],
    ['a title above', 'Customers, as of May\nann;Ann B\nbob;Bob C\n'],
  ])('nobody is taken from %s', async (_, file) => {
    const { bank, group } = await opened()
    await bank.apply(group, 'ADD', 'ann\n')
    expect(await bank.apply(group, 'REPLACE', file)).toMatchObject({ jobStatus: 'FAILED' })
    expect(await bank.members(group)).toEqual(['ann'])
  })

  it('a header that stands again in the middle is refused', async () => {
    const { bank, group } = await opened()
    const job = await bank.apply(group, 'ADD', 'User ID\nann\nuser_id\nbob\n')
    expect(job).toMatchObject({ jobStatus: 'PARTIAL_SUCCESS', addedCount: 2 })
    expect(await errorsOf(bank, job)).toEqual([
      { lineNbr: 3, errorMsg: 'A header stands in the middle of the file.', value: 'user_id' },
    ])
  })
})

describe('a REPLACE that is mostly bad', () => {
  it.each([
    ['more than half of it', 'a\nb\nx,y\nx,y\nx,y\n', 'FAILED', ['ann']],
    ['half of it', 'a\nb\nx,y\nx,y\n', 'PARTIAL_SUCCESS', ['a', 'b']],
  ])('changes nothing where %s is refused', async (_, file, jobStatus, members) => {
    const { bank, group } = await opened()
    await bank.apply(group, 'ADD', 'ann\n')
    const job = await bank.apply(group, 'REPLACE', file)
    expect(job).toMatchObject({ jobStatus })
    expect(await bank.members(group)).toEqual(members)
    expect(await bank.count(group)).toBe(members.length)
    expect((await errorsOf(bank, job)).length).toBe(Number(job['failedRecordsCount']))
  })

  it('says so, and an ADD of the same goes on', async () => {
    const { bank, group } = await opened()
    const file = 'a\nx,y\nx,y\nx,y\n'
    expect(await bank.apply(group, 'REPLACE', file)).toMatchObject({
      jobStatus: 'FAILED',
      jobDetails:
        'Import failed.  Too many rows were refused, so nothing was changed.  See detailed report.',
      successRecordsCount: 0,
      failedRecordsCount: 3,
      addedCount: 0,
    })
    expect(await bank.apply(group, 'ADD', file)).toMatchObject({ jobStatus: 'PARTIAL_SUCCESS' })
    expect(await bank.members(group)).toEqual(['a'])
  })
})

describe('a field of an upload', () => {
  const file = part('fileName', 'ann\n', { filename: 'people.csv', type: 'text/csv' })
  const field = (name: string, value: string) => part(name, value)

  it.each([
    ['type twice', '', field('type', 'ADD') + field('type', 'REMOVE') + file, 'type'],
    ['type twice alike', '', field('type', 'ADD') + field('type', 'ADD') + file, 'type'],
    ['type and operation', '', field('type', 'ADD') + file + field('operation', 'REMOVE'), 'type'],
    ['another type in the query', '?type=REMOVE', field('type', 'ADD') + file, 'type'],
    ['another operation in the query', '?operation=REMOVE', file + field('type', 'ADD'), 'type'],
    ['two in the query', '?type=ADD&operation=REMOVE', file, 'type'],
    [
      'header twice',
      '?header=present',
      field('type', 'ADD') + field('header', 'absent') + file,
      'header',
    ],
  ])('has one answer: %s', async (_, query, parts, name) => {
    const { bank, group } = await opened()
    const answer = await bank.call('PUT', `/groups/${group}/participants${query}`, {
      body: parts + end,
      headers: { 'content-type': 'multipart/form-data; boundary=edge' },
    })
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { code: '2000', message: `${name} must be given once` },
    ])
    expect(await objects()).toEqual([])
  })

  it.each(['?type=add', '?operation=ADD'])('may say the same in the query: %s', async (query) => {
    const { bank, group } = await opened()
    const path = `/groups/${group}/participants${query}`
    const headers = { 'content-type': 'multipart/form-data; boundary=edge' }
    for (const body of [file + end, field('type', 'Add') + file + end])
      expect((await bank.call('PUT', path, { body, headers })).status).toBe(200)
  })

  it.each(['base64', 'quoted-printable'])('no part of a form is %s', async (encoding) => {
    const { bank, group } = await opened()
    const encoded = file.replace('\r\n\r\n', `\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`)
    const answer = await send(bank, group, field('type', 'ADD') + encoded + end)
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { code: '2000', message: 'Content-Transfer-Encoding must be binary, 8bit or 7bit' },
    ])
    await storeIsEmpty()
  })

  it('is refused twice in the query; other fields may repeat', async () => {
    const { bank, group } = await opened()
    const headers = { 'content-type': 'multipart/form-data; boundary=edge' }
    const path = `/groups/${group}/participants`
    const twice = await bank.call('PUT', `${path}?type=ADD&type=REMOVE`, {
      body: file + end,
      headers,
    })
    expect(await twice.json()).toEqual({ code: '2000', message: 'type must be given once' })
    const body = field('type', 'ADD') + field('note', 'a') + field('note', 'b') + file + end
    expect((await bank.call('PUT', path, { body, headers })).status).toBe(200)
  })

  it('header is refused where it is none of the three', async () => {
    const { bank, group } = await opened()
    const body = field('type', 'ADD') + field('header', 'maybe') + file + end
    const answer = await send(bank, group, body)
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { code: '2000', message: 'header must be auto, present or absent' },
    ])
  })
})

describe('a job that failed', () => {
  it.each([
    ['a header alone', 'ParticipantId\n', 0, 'The file has no participant.'],
    ['blank lines', '\n \n\n', 0, 'The file has no participant.'],
    ['a bad row', 'a\u0007b\n', 1, 'Invalid participant ID format'],
  ])('has an error that says why: %s', async (_, file, lineNbr, errorMsg) => {
    const { bank, group } = await opened()
    const job = await bank.apply(group, 'ADD', file)
    expect(job['jobStatus']).toBe('FAILED')
    const page = await bank.get(`/jobs/${String(job['jobId'])}/errors`)
    expect(page['content']).toEqual([{ lineNbr, errorMsg, value: lineNbr === 0 ? null : 'a␇b' }])
    expect(page['page']).toMatchObject({ totalElements: 1 })
  })
})

it('an id of up to 64 characters is refused by default', async () => {
  const { bank, group } = await opened()
  const job = await bank.apply(group, 'ADD', `${crypto.randomUUID()}\nann\n`)
  expect(await errorsOf(bank, job)).toMatchObject([
    { errorMsg: 'ParticipantId cannot be larger than 32 characters' },
  ])
})
