import { beforeAll, describe, expect, it } from 'vitest'
import { readIfMatch } from '../../src/api/if-match.ts'
import { inPieces, pageOf, refused, said } from '../support/answers.ts'
import { Bank, lines, type Json } from '../support/api.ts'
import { held, people, sent } from '../support/held.ts'
import { begun, creating, ofTus, piece } from '../support/tus.ts'
import { csv, end, leavesNothing, objects, part, storeIsEmpty } from '../support/uploads.ts'

let bank: Bank
beforeAll(async () => void (bank = await Bank.open()))

const upload = (group: string, ifMatch: string, body: BodyInit = 'ann\n', method = 'PUT') =>
  bank.call(method, `/groups/${group}/participants?type=ADD`, {
    body,
    headers: { 'content-type': 'text/csv', 'if-match': ifMatch },
  })
const publish = ({ jobId }: Json, headers: Record<string, string> = {}) =>
  bank.call('POST', `/jobs/${String(jobId)}/publish`, { headers })
const tagOf = async (group: string) =>
  (await bank.call('GET', `/groups/${group}`)).headers.get('etag')
const isAt = (live: number, expected: string) =>
  refused(`The group is at revision ${live}, not at ${expected}.`, '2001')
const isBefore = (jobId: unknown) =>
  refused(`jobId ${String(jobId)} has not ended, and may change the group before.`, '2001')

describe('If-Match', () => {
  it.each<[string, number[] | undefined]>([
    ['"3"', [3]],
    ['"0"', [0]],
    ['"3", "4"', [3, 4]],
    [' "3" ,\t, "4",', [3, 4]],
    ['*', undefined],
    [' * ', undefined],
    ['W/"3"', []],
    ['W/"3", "4"', [4]],
    ['"three"', []],
    ['""', []],
    ['"03"', []],
    ['"3,4"', []],
    ['"99999999999999999999"', []],
  ])('names, as %s, the revisions %o', (header, revisions) => {
    expect(readIfMatch(header)?.revisions).toEqual(revisions)
  })

  it.each(['', ' ', ',', '3', '"3', '3"', '"3" "4"', '"3""4"', '*, "3"', '"3", *', 'w/"3"', 'W/3'])(
    'is refused as %o',
    async (header) => {
      const group = await bank.group()
      const problem = refused('Header If-Match is invalid')
      expect(() => readIfMatch(header)).toThrow('header-invalid')
      if (header.trim() === '') return // no header arrives
      expect(await said(upload(group, header))).toEqual(problem)
      expect(await said(publish({ jobId: group }, { 'if-match': header }))).toEqual(problem)
    },
  )

  it('is refused as soon where it is a hostile one', () => {
    const began = Date.now()
    for (const text of ['"3",'.repeat(1e5) + 'x', ' '.repeat(1e5) + 'x', '"'.repeat(99_999)])
      expect(() => readIfMatch(text)).toThrow('header-invalid')
    expect(Date.now() - began).toBeLessThan(1000)
  })
})

describe('the ETag of a group', () => {
  it('is its live revision, after a publication too', async () => {
    const group = await bank.group()
    expect(await tagOf(group)).toBe('"0"')
    await bank.apply(group, 'ADD', 'ann\n')
    expect(await tagOf(group)).toBe('"1"')
    await bank.apply(group, 'ADD', 'one,two\n')
    const job = await held(bank, group, { type: 'ADD', mode: 'preview' }, ['bob'])
    expect(await tagOf(group)).toBe('"1"')
    const published = await publish(job)
    expect(published.headers.get('etag')).toBe('"3"')
    expect(published.headers.get('cache-control')).toBe('no-store, no-transform')
    expect(await tagOf(group)).toBe('"3"')
  })
})

describe('an upload with If-Match', () => {
  it.each(['PUT', 'POST'])('is accepted at its revision alone, by %s', async (method) => {
    const group = await bank.group()
    const taken = await said(upload(group, '"0"', 'ann\n', method))
    await bank.ended(String(taken['jobId']))
    expect(await said(upload(group, '"0"', 'bob\n', method))).toEqual(isAt(1, '"0"'))
    expect(await said(upload(group, 'W/"1"', 'bob\n', method))).toEqual(isAt(1, 'W/"1"'))
    for (const [tag, id] of [
      ['"1"', 'bob'],
      ['"9", "2"', 'cid'],
      ['*', 'dan'],
    ] as const) {
      const { jobId } = await said(upload(group, tag, `${id}\n`, method))
      expect(await bank.ended(String(jobId))).toMatchObject({ jobStatus: 'SUCCESSFUL' })
    }
    expect(await bank.members(group)).toEqual(['ann', 'bob', 'cid', 'dan'])
  })

  it('is refused before its file is read, and leaves nothing', async () => {
    const group = await bank.group()
    let read = 0
    const pieces = function* () {
      for (; read < 1000; read++) yield 'x'.repeat(32) + '\n'
    }
    await storeIsEmpty()
    await leavesNothing(bank, group, upload(group, '"7"', inPieces(pieces())), isAt(0, '"7"'))
    expect(read).toBeLessThan(10)
  })

  it('is refused where a job under way may go live before', async () => {
    const group = await bank.group()
    const first = await held(bank, group, { type: 'ADD', mode: 'preview' }, ['ann'])
    const second = await sent(bank, group, { type: 'ADD' }, ['bob'])
    expect(await said(upload(group, '"0"'))).toEqual(isBefore(first['jobId']))
    await said(bank.call('POST', `/jobs/${String(first['jobId'])}/cancel`))
    await bank.ended(second)
    expect(await said(upload(group, '"0"'))).toEqual(isAt(2, '"0"'))
    expect(await said(upload(group, '"2"'))).toMatchObject({ status: 200 })
  })

  it('is one alone of several at once', async () => {
    const group = await bank.group()
    const body = () => [part('type', 'ADD'), csv('ann\n'), end].join('')
    const headers = { 'content-type': 'multipart/form-data; boundary=edge', 'if-match': '"0"' }
    const send = () =>
      said(bank.call('PUT', `/groups/${group}/participants`, { body: body(), headers }))
    const answers = await Promise.all(Array.from({ length: 5 }, send))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect((await pageOf(bank, `/jobs?groupId=${group}`)).page['totalElements']).toBe(1)
    for (const { status, code } of answers) if (status !== 200) expect(code).toBe('2001')
    await storeIsEmpty()
  })

  it('is refused where another is first while its file arrives', async () => {
    const group = await bank.group()
    const pieces = ['ann\n', 'bob\n']
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const piece = pieces.shift()
          if (piece === undefined) return controller.close()
          if (pieces.length === 0) await bank.apply(group, 'ADD', 'zoe\n')
          controller.enqueue(new TextEncoder().encode(piece))
        },
      },
      { highWaterMark: 0 },
    )
    expect(await said(upload(group, '"0"', body))).toEqual(isAt(1, '"0"'))
    expect(await bank.members(group)).toEqual(['zoe'])
    await storeIsEmpty()
  })

  it('is answered again by its Idempotency-Key, also at once', async () => {
    const group = await bank.group()
    const send = () =>
      said(
        bank.call('PUT', `/groups/${group}/participants?type=ADD`, {
          body: 'ann\n',
          headers: { 'content-type': 'text/csv', 'if-match': '"0"', 'idempotency-key': 'once' },
        }),
      )
    const [first, ...others] = await Promise.all(Array.from({ length: 4 }, send))
    expect(first).toMatchObject({ status: 200 })
    await bank.ended(String(first?.['jobId']))
    for (const answer of [...others, await send()]) expect(answer).toEqual(first)
    const key = { 'idempotency-key': 'twice', 'content-type': 'text/csv', 'if-match': '"0"' }
    const late = { body: 'bob\n', headers: key }
    const path = `/groups/${group}/participants?type=ADD`
    expect(await said(bank.call('PUT', path, late))).toEqual(isAt(1, '"0"'))
  })

  it('knows no group of another workspace', async () => {
    const stranger = await Bank.open()
    const group = await stranger.group()
    const missing = refused(`groupId ${group} not found or has been marked for deletion`)
    expect(await said(upload(group, '"0"'))).toEqual(missing)
  })
})

describe('an upload in pieces with If-Match', () => {
  const create = (group: string, more: Record<string, string>) =>
    bank.call('POST', `/groups/${group}/uploads`, {
      headers: { ...creating(4, { type: 'ADD' }), ...more },
    })
  const begin = (group: string, ifMatch: string) =>
    begun(
      (method, path, init) =>
        bank.call(method, path, {
          ...init,
          headers: { ...(init?.headers as Record<string, string>), 'if-match': ifMatch },
        }),
      `/groups/${group}/uploads`,
      4,
      { type: 'ADD' },
    )
  const send = (group: string, id: string) =>
    bank.call('PATCH', `/groups/${group}/uploads/${id}`, piece(0, 'bob\n'))
  const head = (group: string, id: string) =>
    bank.call('HEAD', `/groups/${group}/uploads/${id}`, { headers: ofTus })

  it('is created at its revision alone, with an Idempotency-Key too', async () => {
    const group = await bank.group()
    await bank.apply(group, 'ADD', 'ann\n')
    for (const key of [{}, { 'idempotency-key': 'pieces' }]) {
      expect(await said(create(group, { ...key, 'if-match': '"0"' }))).toEqual(isAt(1, '"0"'))
      expect(await said(create(group, { ...key, 'if-match': '1' }))).toEqual(
        refused('Header If-Match is invalid'),
      )
    }
    const key = { 'idempotency-key': 'pieces', 'if-match': '"1"' }
    const { uploadId } = await said(create(group, key))
    const sent = await send(group, String(uploadId))
    await bank.ended(sent.headers.get('job-id') ?? '')
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
    expect(await said(create(group, key))).toMatchObject({ status: 201, uploadId })
  })

  it('is refused at its end where another was first, and leaves nothing', async () => {
    const group = await bank.group()
    const id = await begin(group, '"0"')
    await bank.apply(group, 'ADD', 'ann\n')
    await storeIsEmpty()
    expect(await said(send(group, id))).toEqual(isAt(1, '"0"'))
    expect((await head(group, id)).status).toBe(404)
    expect(await objects()).toEqual([])
    expect(await bank.members(group)).toEqual(['ann'])
  })

  it('may end once the job before it is cancelled', async () => {
    const group = await bank.group()
    const id = await begin(group, '"0"')
    const { jobId } = await held(bank, group, { type: 'ADD', mode: 'preview' }, ['ann'])
    expect(await said(send(group, id))).toEqual(isBefore(jobId))
    await said(bank.call('POST', `/jobs/${String(jobId)}/cancel`))
    await bank.ended(String(jobId))
    const sent = await send(group, id)
    expect(await bank.ended(sent.headers.get('job-id') ?? '')).toMatchObject({ addedCount: 1 })
    expect(await bank.members(group)).toEqual(['bob'])
  })

  it('is one alone of several that end at once', async () => {
    const group = await bank.group()
    const ids = await Promise.all(Array.from({ length: 3 }, () => begin(group, '"0"')))
    const statuses = await Promise.all(ids.map(async (id) => (await send(group, id)).status))
    expect(statuses.sort()).toEqual([204, 400, 400])
    expect((await pageOf(bank, `/jobs?groupId=${group}`)).page['totalElements']).toBe(1)
  })
})

describe('a revert with If-Match', () => {
  const revert = (group: string, ifMatch: string) =>
    said(bank.call('POST', `/groups/${group}/revert`, { headers: { 'if-match': ifMatch } }))

  it('needs the revision that the group is at, and no job before it', async () => {
    const group = await bank.group()
    await bank.apply(group, 'ADD', 'ann\n')
    await bank.apply(group, 'ADD', 'bob\n')
    expect(await revert(group, '"1"')).toEqual(isAt(2, '"1"'))
    expect(await revert(group, '2')).toEqual(refused('Header If-Match is invalid'))
    const job = await held(bank, group, { type: 'ADD', mode: 'preview' }, ['cid'])
    expect(await revert(group, '"2"')).toEqual(isBefore(job['jobId']))
    await bank.call('POST', `/jobs/${String(job['jobId'])}/cancel`)
    await bank.ended(String(job['jobId']))
    const answers = await Promise.all([revert(group, '"2"'), revert(group, '"2"')])
    const [taken, ...others] = answers.filter(({ status }) => status === 200)
    expect(others).toEqual([])
    await bank.ended(String(taken?.['jobId']))
    expect(await bank.members(group)).toEqual(['ann'])
  })
})

describe('a publication with If-Match', () => {
  it('needs the revision that the group is at', async () => {
    const group = await bank.group()
    await bank.apply(group, 'ADD', lines(people(0, 3)))
    const job = await held(bank, group, { type: 'REMOVE', mode: 'preview' }, people(0, 1))
    for (const tag of ['"2"', 'W/"1"', '"0", "3"'])
      expect(await said(publish(job, { 'if-match': tag }))).toEqual(isAt(1, tag))
    expect(await bank.count(group)).toBe(3)
    expect(await said(publish(job, { 'if-match': '"0", "1"' }))).toMatchObject({ status: 200 })
    expect(await bank.count(group)).toBe(2)
  })

  it('says first that the job is not held', async () => {
    const group = await bank.group()
    const job = await bank.apply(group, 'ADD', 'ann\n')
    const message = `jobId ${String(job['jobId'])} cannot be published: its changes are live.`
    expect(await said(publish(job, { 'if-match': '"7"' }))).toEqual(refused(message, '2001'))
  })
})
