import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { inPieces, pageOf, refused, said } from '../support/answers.ts'
import { Bank } from '../support/api.ts'
import {
  add,
  csv,
  end,
  leavesNothing,
  objects,
  opened,
  part,
  send,
  storeIsEmpty,
} from '../support/uploads.ts'

beforeEach(storeIsEmpty)
afterEach(() => vi.restoreAllMocks())

/** The upload is accepted, and its job ends with these members. */
async function fills(bank: Bank, group: string, answer: Response, members: string[]) {
  const { status, jobId } = await said(answer)
  expect(status).toBe(200)
  expect(await bank.ended(String(jobId))).toMatchObject({ jobStatus: 'SUCCESSFUL' })
  expect(await bank.members(group)).toEqual(members)
}

describe.each(['PUT', 'POST'])('%s /groups/{groupId}/participants', (method) => {
  it('answers as the contract has it', async () => {
    const { bank, group } = await opened()
    const { jobId, fileSha256, ...rest } = await said(
      send(bank, group, add + csv('ann\nbob\n') + end, undefined, method),
    )
    expect(jobId).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
    expect(rest).toEqual({
      status: 200,
      code: '1000',
      message: `File upload for file: people.csv and group: ${group} was successful with jobId: ${String(jobId)}`,
      jobStatus: 'CREATED',
    })
    const job = await bank.ended(String(jobId))
    expect(job).toMatchObject({
      jobId,
      fileSha256,
      groupId: group,
      type: 'ADD',
      inputFileName: 'people.csv',
      jobStatus: 'SUCCESSFUL',
    })
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
  })
})

describe('an upload', () => {
  it.each<[string, string]>([
    ['the type before the file', add + csv('ann\n') + end],
    ['the type after the file', csv('ann\n') + add + end],
    ['the file in a part named file', add + csv('ann\n', 'file') + end],
    ['a type in small letters', part('type', 'add') + csv('ann\n') + end],
    ['other fields beside', part('note', 'x') + add + part('__proto__', 'y') + csv('ann\n') + end],
    [
      'another file beside, of which nothing is read',
      add + part('photo', 'zoe\n', { filename: 'x.png', type: 'image/png' }) + csv('ann\n') + end,
    ],
    ['words around its parts', `before\r\n${add}${csv('ann\n')}${end}after`],
    ['a file without a final line feed', add + csv('ann') + end],
  ])('may have %s', async (_, body) => {
    const { bank, group } = await opened()
    await fills(bank, group, await send(bank, group, body), ['ann'])
  })

  it('may be multipart/mixed, and its boundary quoted', async () => {
    const { bank, group } = await opened()
    await fills(
      bank,
      group,
      await send(bank, group, add + csv('ann\n') + end, 'multipart/mixed; boundary="edge"'),
      ['ann'],
    )
  })

  it('may come in pieces of one byte', async () => {
    const { bank, group } = await opened()
    const bytes = Uint8Array.from(
      new TextEncoder().encode(csv('ann\né\n') + add + end),
      (byte) => byte,
    )
    await fills(
      bank,
      group,
      await send(bank, group, inPieces(Array.from(bytes, (byte) => Uint8Array.of(byte)))),
      ['ann', 'é'],
    )
  })

  it.each([
    'text/csv',
    'Text/CSV; charset=utf-8',
    'application/vnd.ms-excel',
    'text/plain',
    'application/octet-stream',
    undefined,
  ])('may hold a file of type %s', async (type) => {
    const { bank, group } = await opened()
    const file = part('fileName', 'ann\n', {
      filename: 'people.csv',
      ...(type !== undefined && { type }),
    })
    await fills(bank, group, await send(bank, group, add + file + end), ['ann'])
  })

  it.each([
    'application/pdf',
    'image/png',
    'application/json',
    'text/csvx',
    'application/x-zip-compressed',
  ])('may not hold a file of type %s', async (type) => {
    const { bank, group } = await opened()
    const file = part('fileName', 'ann\n', { filename: 'people.csv', type })
    await leavesNothing(
      bank,
      group,
      send(bank, group, add + file + end),
      refused(`File type: ${type} not allowed.`),
    )
    await leavesNothing(
      bank,
      group,
      send(bank, group, file + add + end),
      refused(`File type: ${type} not allowed.`),
    )
  })

  it.each(['naïve 🎉.csv', 'secret', '__proto__', "O'Neill.CSV", 'a b,c;d.csv'])(
    'keeps the file name %s',
    async (name) => {
      const { bank, group } = await opened()
      const { status, jobId, message } = await said(bank.upload(group, 'ADD', 'ann\n', name))
      expect(status).toBe(200)
      expect(message).toBe(
        `File upload for file: ${name} and group: ${group} was successful with jobId: ${String(jobId)}`,
      )
      expect(await bank.ended(String(jobId))).toMatchObject({
        inputFileName: name,
        jobStatus: 'SUCCESSFUL',
      })
    },
  )

  const wrongType = 'Invalid type value. Type value can only be ADD, REMOVE, or REPLACE.'
  it.each<[string, string, string]>([
    ['no type', csv('ann\n') + end, 'Type parameter is required.'],
    ['an empty type', part('type', '') + csv('ann\n') + end, 'Type parameter is required.'],
    ['an unknown type', part('type', 'DROP') + csv('ann\n') + end, wrongType],
    ['an unknown type after the file', csv('ann\n') + part('type', 'ADDREMOVE') + end, wrongType],
    [
      'a type that is a prototype member',
      part('type', 'constructor') + csv('ann\n') + end,
      wrongType,
    ],
    ['an empty file', add + csv('') + end, 'Uploaded file data is empty.'],
    ['no file', add + end, 'fileName is required'],
    ['two files', add + csv('ann\n') + csv('bob\n', 'file') + end, 'fileName must be one file'],
    ['no closing boundary', add + csv('ann\n'), 'The request body is not valid multipart'],
    [
      'an end inside the file',
      add + csv('ann\nbob\n').slice(0, -8),
      'The request body is not valid multipart',
    ],
    [
      "an end inside a part's headers",
      add + csv('ann\n').slice(0, 40),
      'The request body is not valid multipart',
    ],
    ['no parts', end, 'Type parameter is required.'],
    [
      'another boundary than it says',
      (add + csv('ann\n') + end).replaceAll('--edge', '--ledge'),
      'The request body is not valid multipart',
    ],
    ['no body', '', 'The request body is not valid multipart'],
    [
      'a name in broken percent-encoding',
      add + csv('ann\n').replace('people.csv"', "x\"; filename*=UTF-8''%E0%A4%A"),
      'The request body is not valid multipart',
    ],
  ])('is refused with %s', async (_, body, sentence) => {
    const { bank, group } = await opened()
    await leavesNothing(bank, group, send(bank, group, body), refused(sentence))
  })

  it.each([
    'application/json',
    'application/x-www-form-urlencoded',
    'application/octet-stream',
    'multipartx/form-data',
    'multipart/related; boundary=edge',
    '',
  ])('is refused as %s', async (contentType) => {
    const { bank, group } = await opened()
    const body = new TextEncoder().encode(add + csv('ann\n') + end) // bytes: a text would name a type of its own
    const refusal = refused('Content-Type must be multipart/form-data or multipart/mixed')
    await leavesNothing(bank, group, send(bank, group, body, contentType), refusal)
  })

  it('is refused without the boundary that parts its parts', async () => {
    const { bank, group } = await opened()
    await leavesNothing(
      bank,
      group,
      send(bank, group, add + csv('ann\n') + end, 'multipart/form-data'),
      refused('The request body is not valid multipart'),
    )
  })

  it('is refused for a group unknown, deleted, foreign or no uuid', async () => {
    const [{ bank, group }, other] = [await opened(), await opened()]
    const deleted = await bank.group()
    await bank.call('DELETE', `/groups/${deleted}`)
    const stored = vi.spyOn(env.FILES, 'put')
    for (const id of [crypto.randomUUID(), deleted, other.group]) {
      const refusal = refused(`groupId ${id} not found or has been marked for deletion`)
      await leavesNothing(bank, group, send(bank, id, add + csv('ann\n') + end), refusal)
    }
    await leavesNothing(
      bank,
      group,
      send(bank, 'x', add + csv('ann\n') + end),
      refused('Invalid groupId x'),
    )
    expect((await pageOf(other.bank, '/jobs')).page['totalElements']).toBe(0)
    expect(stored).not.toHaveBeenCalled()
  })
})

describe('a file as the body itself', () => {
  const raw = (bank: Bank, group: string, query: string, body: string, type = 'text/csv') =>
    bank.call('PUT', `/groups/${group}/participants${query}`, {
      body,
      headers: { 'content-type': type },
    })

  it('is applied as its query says', async () => {
    const { bank, group } = await opened()
    const { status, jobId, message } = await said(
      raw(
        bank,
        group,
        '?type=add&fileName=my%20people.csv',
        'ParticipantId\nann\n',
        'text/csv; charset=utf-8',
      ),
    )
    expect({ status, message }).toEqual({
      status: 200,
      message: `File upload for file: my people.csv and group: ${group} was successful with jobId: ${String(jobId)}`,
    })
    expect(await bank.ended(String(jobId))).toMatchObject({
      type: 'ADD',
      inputFileName: 'my people.csv',
      totalRecordsCount: 1,
    })
    await fills(bank, group, await raw(bank, group, '?type=REPLACE', 'bob'), ['bob'])
  })

  it.each<[string, string, string, string]>([
    ['no type', '', 'ann\n', 'Type parameter is required.'],
    ['an empty type', '?type=', 'ann\n', 'Type parameter is required.'],
    [
      'an unknown type',
      '?type=DROP',
      'ann\n',
      'Invalid type value. Type value can only be ADD, REMOVE, or REPLACE.',
    ],
    ['no bytes', '?type=ADD', '', 'Uploaded file data is empty.'],
  ])('is refused with %s', async (_, query, body, sentence) => {
    const { bank, group } = await opened()
    await leavesNothing(bank, group, raw(bank, group, query, body), refused(sentence))
  })
})

describe('the jobs waiting on a group', () => {
  it('are twenty at most', async () => {
    const { bank, group } = await opened()
    // Nineteen that nothing will ever run.
    await env.DB.prepare(
      `INSERT INTO jobs (id, workspace_id, group_key, revision, type, state, file_name, file_key,
        file_size, slice_bytes, created_by, created_at, updated_at)
       SELECT 'held-' || value, workspace_id, g.key, value, 'add', 'waiting', 'x', 'x', 1, 1, 'x', 0, 0
       FROM experience_groups AS g, json_each(?) WHERE g.id = ?`,
    )
      .bind(JSON.stringify(Array.from({ length: 19 }, (_, i) => i + 1)), group)
      .run()
    const upload = (to = group) => said(bank.upload(to, 'ADD', 'ann\n'))
    const refusal = refused(
      'There are import jobs in process, need to wait for them to finish.',
      '2001',
    )
    const answers = await Promise.all([upload(), upload(), upload()])
    expect(answers.filter(({ jobStatus }) => jobStatus === 'CREATED')).toHaveLength(1)
    expect(answers.filter(({ code }) => code === '2001')).toEqual([refusal, refusal])
    const waiting = await objects()
    expect(waiting).toHaveLength(1)

    const stored = vi.spyOn(env.FILES, 'put')
    expect(await upload()).toEqual(refusal)
    expect(stored).not.toHaveBeenCalled()
    expect(await objects()).toEqual(waiting)
    expect((await pageOf(bank, `/jobs?groupId=${group}`)).page['totalElements']).toBe(20)

    expect(await upload(await bank.group())).toMatchObject({ status: 200 })
    await env.DB.prepare(
      `UPDATE jobs SET state = 'cancelled', ended_at = 1 WHERE id = 'held-1'`,
    ).run()
    expect(await upload()).toMatchObject({ status: 200 })
    expect(await upload()).toEqual(refusal)
    await bank.call('DELETE', `/groups/${group}`)
  })
})
