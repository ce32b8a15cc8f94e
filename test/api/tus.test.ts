import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { inPieces, isEmpty, refused, said, uuid } from '../support/answers.ts'
import { Bank, call, lines, type Json } from '../support/api.ts'
import { people } from '../support/held.ts'
import { job as insertJob } from '../support/rows.ts'
import { begun, creating, metadata, ofTus, partBytes, piece, pieceType } from '../support/tus.ts'
import { objects, opened, storeIsEmpty } from '../support/uploads.ts'

let bank: Bank
let group: string
let path: string
beforeEach(async () => {
  await env.DB.prepare('DELETE FROM resumable_uploads').run()
  await storeIsEmpty()
  ;({ bank, group } = await opened())
  path = `/groups/${group}/uploads`
})

const unreadable = 'must be names and texts in Base64, joined by commas'
const add = { filename: 'people.csv', type: 'ADD' }
const create = (headers: Record<string, string>, body: BodyInit | null = null) =>
  bank.call('POST', path, { headers, body })
const begin = (length: number, fields: Record<string, string> = add) =>
  begun((...of) => bank.call(...of), path, length, fields)
const send = (id: string, offset: number, body: BodyInit | null) =>
  bank.call('PATCH', `${path}/${id}`, piece(offset, body))
const head = (id: string) => bank.call('HEAD', `${path}/${id}`, { headers: ofTus })

/** Few lines of so many bytes. */
const filler = (bytes: number) => Buffer.alloc(bytes, `ann${' '.repeat(8188)}\n`)
const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex')
const kept = () => env.DB.prepare('SELECT count(*) AS n FROM resumable_uploads').first<number>('n')

describe('OPTIONS /groups/{groupId}/uploads', () => {
  it('says to everybody what is offered', async () => {
    const answer = await call(`/groups/v3${path}`, { method: 'OPTIONS' })
    expect([answer.status, await answer.text()]).toEqual([204, ''])
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'tus-resumable': '1.0.0',
      'tus-version': '1.0.0',
      'tus-extension': 'creation,creation-with-upload,termination,expiration',
      'tus-max-size': '8589934592',
    })
  })
})

describe('every other operation', () => {
  it('wants the version 1.0.0, and names it in each answer', async () => {
    const id = await begin(4)
    for (const version of [{}, { 'tus-resumable': '0.2.2' }])
      for (const [method, at] of [
        ['POST', path],
        ['HEAD', `${path}/${id}`],
        ['PATCH', `${path}/${id}`],
        ['POST', `${path}/${id}`],
        ['DELETE', `${path}/${id}`],
      ] as const) {
        const answer = await bank.call(method, at, { headers: version })
        expect([method, answer.status]).toEqual([method, 412])
        expect(answer.headers.get('tus-version')).toBe('1.0.0')
        expect(answer.headers.get('tus-resumable')).toBe('1.0.0')
      }
    const nobody = await call(`/groups/v3${path}`, { method: 'POST' })
    expect([nobody.status, nobody.headers.get('tus-resumable')]).toEqual([401, '1.0.0'])
    expect((await head(id)).headers.get('upload-offset')).toBe('0')
  })

  it('finds no upload of another group or workspace', async () => {
    const id = await begin(4)
    const [other, elsewhere] = [await bank.group(), await Bank.open()]
    const requests = (of: Bank, at: string) => [
      of.call('GET', at, { headers: ofTus }),
      of.call('PATCH', at, piece(0, 'ann\n')),
      of.call('DELETE', at, { headers: ofTus }),
    ]
    for (const asked of [
      ...requests(elsewhere, `${path}/${id}`),
      ...requests(bank, `/groups/${other}/uploads/${id}`),
    ])
      expect(await said(asked)).toEqual(refused(`uploadId ${id} not found`, '2000', 404))
    await isEmpty(send(id, 0, 'ann\n'), 204)
  })
})

describe('POST /groups/{groupId}/uploads', () => {
  it('creates an upload, says where it is and until when', async () => {
    const answer = await create(creating(4, add))
    const uploadId = expect.stringMatching(uuid) as string
    const shown = await said(answer)
    expect(shown).toMatchObject({
      ...{ status: 201, uploadId, groupId: group, fileName: 'people.csv' },
      ...{ length: 4, offset: 0, jobId: null },
    })
    expect(answer.headers.get('location')).toBe(
      `https://coterie.test/groups/v3${path}/${String(shown['uploadId'])}`,
    )
    const expires = Date.parse(answer.headers.get('upload-expires') ?? '') - Date.now()
    expect(Math.abs(expires - 12 * 3_600_000)).toBeLessThan(60_000)
    expect(answer.headers.get('job-id')).toBeNull()
  })

  it('creates one upload for an Idempotency-Key, however often', async () => {
    const key = { 'idempotency-key': crypto.randomUUID() }
    const first = await create({ ...creating(4, add), ...key })
    const again = await create({ ...creating(4, add), ...key })
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    for (const name of ['location', 'upload-offset', 'tus-resumable'])
      expect([name, again.headers.get(name)]).toEqual([name, first.headers.get(name)])
    expect(await said(again)).toEqual(await said(first))
    expect(await said(create({ ...creating(5, add), ...key }))).toMatchObject({ status: 400 })
    const piece = { ...creating(4, add), ...key, 'content-type': pieceType }
    expect(await said(create(piece, 'ann\n'))).toMatchObject({ status: 201 })
    piece['idempotency-key'] = crypto.randomUUID()
    expect(await said(create(piece, 'ann\n'))).toEqual(
      refused('Idempotency-Key cannot come with the first piece'),
    )
    expect(await kept()).toBe(1)
  })

  it('takes the first piece with it, and all of a small file', async () => {
    const headers = { ...creating(8, add), 'content-type': pieceType }
    const answer = await create(headers, 'ann\nbob\n')
    const { jobId, offset, status } = await said(answer)
    expect([status, offset, answer.headers.get('upload-offset')]).toEqual([201, 8, '8'])
    expect(answer.headers.get('job-id')).toBe(jobId)
    await bank.ended(String(jobId))
    expect(await bank.members(group)).toEqual(['ann', 'bob'])

    const long = await create(
      { ...creating(partBytes + 4, add), 'content-type': pieceType },
      filler(partBytes),
    )
    expect([long.status, long.headers.get('upload-offset')]).toEqual([201, `${partBytes}`])
  })

  it('leaves nothing of one whose first piece is refused', async () => {
    const with_ = { ...creating(8, add), 'content-type': pieceType }
    expect(await said(create(with_, '%PDF-1.7'))).toMatchObject({ status: 400, code: '2000' })
    expect(await said(create(with_, 'ann\nbob\ncid\n'))).toMatchObject({ status: 413 })
    expect(await said(create({ ...with_, 'content-type': 'text/csv' }, 'ann\n'))).toMatchObject({
      status: 415,
    })
    expect(await said(create(with_, 'ann\n'))).toMatchObject({ status: 400 })
    expect([await kept(), await objects()]).toEqual([0, []])
  })

  it.each([
    ['no type', { filename: 'a.csv' }, 'Type parameter is required.'],
    [
      'another type',
      { type: 'MERGE' },
      'Invalid type value. Type value can only be ADD, REMOVE, or REPLACE.',
    ],
    ['two types', { type: 'ADD', operation: 'REMOVE' }, 'type must be given once'],
    ['another mode', { type: 'ADD', mode: 'dry' }, 'mode must be apply or preview'],
    [
      'no percentage',
      { type: 'ADD', maxRemovePercent: '101' },
      'maxRemovePercent must be a whole number from 0 to 100',
    ],
    ['another header', { type: 'ADD', header: 'yes' }, 'header must be auto, present or absent'],
    ['no list', { type: 'ADD', filetype: 'image/png' }, 'File type: image/png not allowed.'],
  ])('refuses %s as an upload in one request does', async (_, fields, sentence) => {
    expect(await said(create(creating(4, fields)))).toEqual(refused(sentence))
    expect(await kept()).toBe(0)
  })

  it('takes a type of file with parameters, as one request does', async () => {
    const fields = { ...add, filetype: 'Text/CSV; charset=utf-8' }
    expect(await said(create(creating(4, fields)))).toMatchObject({ status: 201 })
  })

  it.each([
    ['a name twice', 'type QURE,type QURE', 'must have each name once'],
    ['a name with two texts', 'type QURE REVE', unreadable],
    ['half of Base64', 'type Q', unreadable],
    ['a name that is empty', 'type QURE,', unreadable],
    ['bytes that are no text', 'type QURE,filename /w==', unreadable],
    ['too much', `type QURE,filename ${'QURE'.repeat(2500)}`, 'cannot exceed 8192 characters'],
  ])('refuses metadata with %s', async (_, text, problem) => {
    const answer = create({ ...ofTus, 'upload-length': '4', 'upload-metadata': text })
    expect(await said(answer)).toEqual(refused(`Upload-Metadata ${problem}`))
  })

  it('refuses a length that is none, or that no file may have', async () => {
    for (const length of ['', '-1', '1.5', 'x', '9'.repeat(16)])
      expect(await said(create({ ...creating(4, add), 'upload-length': length }))).toEqual(
        refused('Header Upload-Length is invalid'),
      )
    expect(await said(create(creating(0, add)))).toEqual(refused('Uploaded file data is empty.'))
    expect(await said(create(creating(2 ** 33 + 1, add)))).toEqual(
      refused('The file cannot be larger than 8589934592 bytes', '2000', 413),
    )
    for (const name of ['Upload-Defer-Length', 'Upload-Concat'])
      expect(await said(create({ ...creating(4, add), [name]: '1' }))).toEqual(
        refused(`Header ${name} is invalid`),
      )
  })

  it('refuses a group that is not there, or that an audience fills', async () => {
    const none = crypto.randomUUID()
    const at = (id: string) =>
      said(bank.call('POST', `/groups/${id}/uploads`, { headers: creating(4, add) }))
    const missing = refused(`groupId ${none} not found or has been marked for deletion`)
    expect(await at(none)).toEqual(missing)
    expect(await at('x')).toEqual(refused('Invalid groupId x'))
    await env.DB.prepare("UPDATE experience_groups SET audience_id = 'owls' WHERE id = ?")
      .bind(group)
      .run()
    expect(await at(group)).toMatchObject({ status: 400, code: '2001' })
  })

  it('refuses the hundred-and-first that is open', async () => {
    for (let i = 0; i < 100; i++) await begin(1)
    const sentence = 'There cannot be more than 100 unfinished uploads in a workspace.'
    expect(await said(create(creating(1, add)))).toEqual(refused(sentence, '2001'))
    const { uploadId } =
      (await env.DB.prepare('SELECT id AS uploadId FROM resumable_uploads').first<Json>()) ?? {}
    await isEmpty(send(String(uploadId), 0, 'a'), 204)
    await begin(1)
  })

  it('counts open uploads among the bytes that wait', async () => {
    for (let i = 0; i < 12; i++) await begin(2 ** 32)
    const refusal = await said(create(creating(2 ** 32, add)))
    expect(refusal).toMatchObject({ status: 400, code: '2001' })
    const team = await Bank.open(['groups:read'], bank.workspace)
    const usage = await call(`/platform/workspaces/${bank.workspace}/usage`, {
      headers: team.headers(),
    })
    expect(await usage.json()).toMatchObject({ waiting_bytes: { used: 12 * 2 ** 32 } })
  })
})

describe('HEAD /groups/{groupId}/uploads/{uploadId}', () => {
  it('says how far the upload is, and what was said of it', async () => {
    const fields = { ...add, note: 'für alle', empty: '' }
    const id = await begin(partBytes + 4, fields)
    await isEmpty(send(id, 0, filler(partBytes)), 204)
    const answer = await head(id)
    expect([answer.status, await answer.text()]).toEqual([200, ''])
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'upload-offset': `${partBytes}`,
      'upload-length': `${partBytes + 4}`,
      'upload-metadata': metadata(fields).trim(),
      'cache-control': 'no-store',
      'upload-expires': expect.stringMatching(/ GMT$/) as string,
    })
    expect(answer.headers.get('job-id')).toBeNull()
  })

  it('names the job once the file is there', async () => {
    const id = await begin(4)
    const answer = await send(id, 0, 'ann\n')
    const job = answer.headers.get('job-id') ?? ''
    expect(await bank.ended(job)).toMatchObject({
      ...{ addedCount: 1, inputFileName: 'people.csv', jobCreatedBy: 'tester' },
      ...{ fileSha256: sha256('ann\n') },
    })
    const shown = await head(id)
    expect(shown.headers.get('job-id')).toBe(job)
    expect(shown.headers.get('upload-offset')).toBe('4')
    expect(shown.headers.get('upload-expires')).toBeNull()
  })
})

describe('PATCH /groups/{groupId}/uploads/{uploadId}', () => {
  it('applies a file that came in parts as one that came whole', async () => {
    const ids = people(0, 3)
    const file = Buffer.concat([filler(2 * partBytes), Buffer.from(lines(ids))])
    const id = await begin(file.length, { ...add, type: 'replace' })
    const offsets: (string | null)[] = []
    for (let at = 0; at < file.length;) {
      const answer = await send(id, at, file.subarray(at, at + partBytes))
      offsets.push(answer.headers.get('upload-offset'))
      at = Number(offsets.at(-1))
    }
    expect(offsets).toEqual([partBytes, 2 * partBytes, file.length].map(String))
    const job = (await head(id)).headers.get('job-id') ?? ''
    expect(await bank.ended(job)).toMatchObject({
      ...{ jobStatus: 'SUCCESSFUL', fileSha256: sha256(file) },
    })
    expect(await bank.members(group)).toEqual(['ann', ...ids])
  })

  it('keeps whole parts, and hands the tail of a piece back', async () => {
    const id = await begin(3 * partBytes)
    const answer = await send(id, 0, filler(2 * partBytes + 1000))
    expect([answer.status, answer.headers.get('upload-offset')]).toEqual([204, `${2 * partBytes}`])
  })

  it('refuses a piece that fills no part', async () => {
    const id = await begin(2 * partBytes)
    const sentence = 'A request must send at least 8388608 bytes, or all that are left of the file'
    expect(await said(send(id, 0, filler(1000)))).toEqual(refused(sentence))
    expect(await said(send(id, 0, inPieces(['ann\n', 'bob\n'])))).toEqual(refused(sentence))
    expect(await said(send(id, 0, null))).toEqual(refused(sentence))
    expect((await head(id)).headers.get('upload-offset')).toBe('0')
  })

  it('refuses more bytes than the file has', async () => {
    const id = await begin(4)
    const sentence = 'The upload has 4 bytes, and the request would send more'
    expect(await said(send(id, 0, 'ann\nbob\n'))).toEqual(refused(sentence, '2000', 413))
    expect(await said(send(id, 0, inPieces(['ann\nbob\n'])))).toEqual(
      refused(sentence, '2000', 413),
    )
    const job = (await send(id, 0, inPieces(['cid\n']))).headers.get('job-id') ?? ''
    await bank.ended(job)
    expect(await bank.members(group)).toEqual(['cid'])
  })

  it('refuses another offset, another type, and what is no offset', async () => {
    const id = await begin(4)
    const elsewhere = 'The upload is at another offset: HEAD says where it goes on'
    expect(await said(send(id, 1, 'nn\n'))).toEqual(refused(elsewhere, '2000', 409))
    const at = (headers: Record<string, string>) =>
      said(
        bank.call('PATCH', `${path}/${id}`, { body: 'ann\n', headers: { ...ofTus, ...headers } }),
      )
    expect(await at({ 'content-type': 'text/csv', 'upload-offset': '0' })).toEqual(
      refused('Content-Type must be application/offset+octet-stream', '2000', 415),
    )
    for (const offset of ['', '-1', 'x'])
      expect(await at({ 'content-type': pieceType, 'upload-offset': offset })).toEqual(
        refused('Header Upload-Offset is invalid'),
      )
    expect(
      await at({ 'content-type': pieceType, 'upload-offset': '0', 'content-encoding': 'gzip' }),
    ).toEqual(refused('Header Content-Encoding is invalid'))
    await isEmpty(send(id, 0, 'ann\n'), 204)
    expect(await said(send(id, 0, 'ann\n'))).toEqual(refused(elsewhere, '2000', 409))
  })

  it('refuses what is no list, and ends its upload', async () => {
    const id = await begin(partBytes + 100)
    const pdf = Buffer.concat([Buffer.from('%PDF-1.7\n'), filler(partBytes)])
    expect(await said(send(id, 0, pdf))).toEqual(
      refused(
        'File content is not a list of participants: it looks like a PDF document. ' +
          'Save it as CSV, one participant id to a line, and upload that.',
      ),
    )
    expect((await head(id)).status).toBe(404)
    expect(await objects()).toEqual([])
  })

  it.each([
    ['gzip', gzipSync(lines(people(0, 5)))],
    ['UTF-16', Buffer.from(`\ufeff${lines(people(0, 5))}`, 'utf16le')],
  ])('unpacks %s at its end, and keeps the hash of what was sent', async (_, file) => {
    const id = await begin(file.length)
    const job = (await send(id, 0, file)).headers.get('job-id') ?? ''
    expect(await bank.ended(job)).toMatchObject({ addedCount: 5, fileSha256: sha256(file) })
    await storeIsEmpty()
  })

  it('refuses gzip that is none, or that no list is packed in', async () => {
    for (const file of [gzipSync('%PDF-1.7\n'), Buffer.from('\x1f\x8bann\n', 'latin1')]) {
      const id = await begin(file.length)
      expect(await said(send(id, 0, file))).toMatchObject({ status: 400, code: '2000' })
      expect((await head(id)).status).toBe(404)
    }
    expect(await objects()).toEqual([])
  })

  it('fails the job of a file with a NUL byte', async () => {
    const file = Buffer.concat([filler(partBytes), Buffer.from('a\0b\n')])
    const id = await begin(file.length)
    await isEmpty(send(id, 0, file.subarray(0, partBytes)), 204)
    const job = (await send(id, partBytes, file.subarray(partBytes))).headers.get('job-id') ?? ''
    expect(await bank.ended(job)).toMatchObject({ jobStatus: 'FAILED' })
  })

  it('holds a preview, as its metadata says', async () => {
    const id = await begin(4, { ...add, mode: 'Preview' })
    const job = (await send(id, 0, 'ann\n')).headers.get('job-id') ?? ''
    expect(await bank.ended(job)).toMatchObject({ jobStatus: 'HELD', addedCount: 1 })
    const cancelled = bank.call('POST', `/jobs/${job}/cancel`)
    expect(await said(cancelled)).toMatchObject({ jobStatus: 'CANCELLED' })
  })

  it('finds no upload of a group that is deleted', async () => {
    const id = await begin(4)
    await bank.call('DELETE', `/groups/${group}`)
    const gone = refused(`uploadId ${id} not found`, '2000', 404)
    expect(await said(send(id, 0, 'ann\n'))).toEqual(gone)
  })

  it('takes the end again once there is room for its job', async () => {
    const id = await begin(4)
    const held = { workspace_id: bank.workspace, state: 'held' }
    const row = await env.DB.prepare('SELECT key FROM experience_groups WHERE id = ?')
      .bind(group)
      .first<{ key: number }>()
    await env.DB.batch(
      Array.from({ length: 20 }, (_, i) => insertJob(70_000 + i, row?.key ?? 0, held)),
    )
    const waiting = 'There are import jobs in process, need to wait for them to finish.'
    expect(await said(send(id, 0, 'ann\n'))).toEqual(refused(waiting, '2001'))
    await env.DB.prepare('DELETE FROM jobs WHERE key >= 70000').run()
    const sent = await send(id, 0, 'ann\n')
    expect(await bank.ended(sent.headers.get('job-id') ?? '')).toMatchObject({ addedCount: 1 })
  })
})

describe('POST /groups/{groupId}/uploads/{uploadId}', () => {
  const as = (method: string, id: string, init: RequestInit) =>
    bank.call('POST', `${path}/${id}`, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), 'x-http-method-override': method },
    })

  it('is the method that its header names', async () => {
    const id = await begin(4)
    const sent = await as('PATCH', id, piece(0, 'ann\n'))
    expect([sent.status, sent.headers.get('upload-offset')]).toEqual([204, '4'])
    await isEmpty(as('DELETE', id, { headers: ofTus }), 204)
    expect((await head(id)).status).toBe(404)
  })

  it('is no operation by itself', async () => {
    const id = await begin(4)
    const none = refused(`There is no operation POST /groups/v3${path}/${id}`)
    expect(await said(bank.call('POST', `${path}/${id}`, piece(0, 'ann\n')))).toEqual(none)
    expect(await said(as('PUT', id, piece(0, 'ann\n')))).toEqual(none)
  })
})

describe('DELETE /groups/{groupId}/uploads/{uploadId}', () => {
  it('deletes an upload and what is stored of it', async () => {
    const id = await begin(partBytes + 4)
    await isEmpty(send(id, 0, filler(partBytes)), 204)
    await isEmpty(bank.call('DELETE', `${path}/${id}`, { headers: ofTus }), 204)
    expect([await kept(), await objects()]).toEqual([0, []])
    expect((await send(id, partBytes, 'ann\n')).status).toBe(404)
  })

  it('leaves the job of a finished one', async () => {
    const id = await begin(4)
    const job = (await send(id, 0, 'ann\n')).headers.get('job-id') ?? ''
    await isEmpty(bank.call('DELETE', `${path}/${id}`, { headers: ofTus }), 204)
    expect(await bank.ended(job)).toMatchObject({ jobStatus: 'SUCCESSFUL' })
  })
})
