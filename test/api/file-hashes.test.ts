import { createHash, randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { inPieces, said } from '../support/answers.ts'
import { Bank, eventually, hasEnded, lines, type Json } from '../support/api.ts'
import { Team } from '../support/identity.ts'
import { add, end, opened, part, send } from '../support/uploads.ts'

const sha256 = (file: string | Uint8Array) => createHash('sha256').update(file).digest('hex')

const people = 'ParticipantId\r\nann\r\nbob\r\n'

/** Six MiB of few people, as what stands behind an id is trimmed; packed, it is large too. */
const blanks = () =>
  Buffer.from(randomBytes(4096).map((byte) => (byte % 2 ? 32 : 9))).toString('latin1')
const many = lines(Array.from({ length: 1536 }, (_, i) => `person-${i}${blanks()}`))

describe('PUT /groups/{groupId}/participants', () => {
  it.each<[string, string | Uint8Array<ArrayBuffer>]>([
    ['text', people],
    ['a byte order mark', `\ufeff${people}`],
    ['gzip', Uint8Array.from(gzipSync(people))],
    ['gzip of two members', Uint8Array.from([...gzipSync('ann\n'), ...gzipSync('bob\n')])],
    ['UTF-16', Uint8Array.from(Buffer.from(`\ufeff${people}`, 'utf16le'))],
    ['several parts of R2', many],
    ['several parts of R2 as gzip', Uint8Array.from(gzipSync(many))],
  ])('tells the hash of the bytes that were sent: %s', async (_, file) => {
    const { bank, group } = await opened()
    const { jobId, fileSha256 } = await said(bank.upload(group, 'ADD', file))
    expect(fileSha256).toBe(sha256(file))
    expect(await bank.ended(String(jobId))).toMatchObject({ jobStatus: 'SUCCESSFUL', fileSha256 })
  })

  it('tells that of a body, without its encoding', async () => {
    const { bank, group } = await opened()
    const request = (body: BodyInit, headers: Record<string, string> = {}) =>
      said(
        bank.call('PUT', `/groups/${group}/participants?type=ADD`, {
          body,
          headers: { 'content-type': 'text/csv', ...headers },
        }),
      )
    const expected = { status: 200, fileSha256: sha256(people) }
    expect(await request(people)).toMatchObject(expected)
    const packed = Uint8Array.from(gzipSync(people))
    expect(await request(packed, { 'content-encoding': 'gzip' })).toMatchObject(expected)
    expect(await request(packed)).toMatchObject({ fileSha256: sha256(packed) })
  })

  it('hashes the file alone, however it comes in pieces', async () => {
    const { bank, group } = await opened()
    const form =
      add + part('note', 'x') + part('fileName', people, { filename: 'a.csv' }) + part('x', 'y')
    for (const body of [form + end, inPieces(form + end)])
      expect(await said(send(bank, group, body))).toMatchObject({ fileSha256: sha256(people) })
  })

  it('hashes a file of which all rows are refused', async () => {
    const { bank, group } = await opened()
    const fileSha256 = sha256('a,b\n')
    const job = await bank.apply(group, 'ADD', 'a,b\n')
    expect(job).toMatchObject({ jobStatus: 'FAILED', fileSha256 })
    const { content } = await bank.get(`/jobs?groupId=${group}`)
    expect(content).toMatchObject([{ fileSha256 }])
  })
})

describe('PUT /platform/workspaces/{workspace_id}/users', () => {
  it.each<[string, string | Uint8Array<ArrayBuffer>]>([
    ['text', 'user_id,city\nann,Zürich\n'],
    ['gzip', Uint8Array.from(gzipSync('user_id,city\nann,Zürich\n'))],
  ])('tells the hash of the bytes that were sent: %s', async (_, body) => {
    const team = await Team.open()
    const headers = { 'content-type': 'text/csv' }
    const { id, file_sha256 } = await said(team.call('PUT', '/users', { body, headers }))
    expect(file_sha256).toBe(sha256(body))
    const shown = await eventually(() => team.get<Json>(`/imports/${String(id)}`), hasEnded)
    expect(shown).toMatchObject({ status: 'SUCCESSFUL', file_sha256 })
    expect(await team.get('/imports')).toMatchObject({ imports: [{ file_sha256 }] })
  })
})

describe('the sync of an audience and the job of an erasure', () => {
  it('have no file, and no hash', async () => {
    const { team, bank, group } = await synced()
    await bank.apply(await bank.group('larks'), 'ADD', 'ann\n')
    await team.erase('ann')
    const { content } = await bank.get('/jobs')
    const jobs = content as Json[] // the page of a test that checks its items
    const named = jobs.map(({ inputFileName, fileSha256 }) => [inputFileName, typeof fileSha256])
    expect(new Map(named as [string, string][])).toEqual(
      new Map([
        ['erasure', 'undefined'],
        ['people.csv', 'string'],
        ['audience owners', 'undefined'],
      ]),
    )
    expect(await bank.get(`/groups/${group}/revisions`)).toMatchObject({
      content: [{ inputFileName: 'audience owners', type: 'REPLACE', fileSha256: null }],
    })
  })
})

async function synced() {
  const team = await Team.open()
  const bank = await Bank.open(undefined, team.workspace)
  const group = await bank.group('owls')
  await team.user('bob', { has_dog: true })
  await team.audience('owners', { operator: 'equals', attribute: 'has_dog', value: true })
  await team.attach('owners', group)
  const { job_id } = await said(team.call('POST', '/audiences/owners/sync'))
  await bank.ended(String(job_id))
  return { team, bank, group }
}
