import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { inPieces, pageOf, refused, said } from '../support/answers.ts'
import { lines } from '../support/api.ts'
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

/** The uploads that were begun in the store take no more parts. */
async function wereAborted(begun: { mock: { results: { value: unknown }[] } }) {
  expect(begun.mock.results).toHaveLength(1)
  for (const { value } of begun.mock.results) {
    const { key, uploadId } = (await value) as R2MultipartUpload
    await vi.waitFor(() =>
      expect(env.FILES.resumeMultipartUpload(key, uploadId).uploadPart(1, 'x')).rejects.toThrow(
        /not exist/,
      ),
    )
  }
}

describe('a file larger than a part of its storage', () => {
  const mebibyte = (text: string) => text.repeat(Math.ceil(2 ** 20 / text.length))
  const nineMebibytes = Array.from({ length: 9 }, () => mebibyte('ann\n'))
  const head = csv('').replace(/\r\n$/, '')

  it('is applied completely', async () => {
    const { bank, group } = await opened()
    const ids = Array.from({ length: 30_000 }, (_, i) => String(i).padStart(32, '0'))
    // What stands behind an id is trimmed.
    const blanks = ' '.repeat(320)
    const job = await bank.apply(group, 'ADD', lines(ids.map((id) => id + blanks)))
    expect(job).toMatchObject({
      jobStatus: 'SUCCESSFUL',
      totalRecordsCount: 30_000,
      addedCount: 30_000,
      failedRecordsCount: 0,
    })
    expect(await bank.count(group)).toBe(30_000)
    const { results } = await env.DB.prepare(
      'SELECT min(participant_id) AS least, max(participant_id) AS most FROM members WHERE workspace_id = ?',
    )
      .bind(bank.workspace)
      .all()
    expect(results).toEqual([{ least: ids.at(0), most: ids.at(-1) }])
  })

  it.each<[string, string[], string]>([
    [
      'the request ends too early',
      [add + head, ...nineMebibytes],
      'The request body is not valid multipart',
    ],
    ['its type is missing', [head, ...nineMebibytes, `\r\n${end}`], 'Type parameter is required.'],
    [
      'its type is wrong',
      [head, ...nineMebibytes, `\r\n${part('type', 'x')}${end}`],
      'Invalid type value. Type value can only be ADD, REMOVE, or REPLACE.',
    ],
  ])('leaves nothing where %s', async (_, pieces, sentence) => {
    const { bank, group } = await opened()
    const begun = vi.spyOn(env.FILES, 'createMultipartUpload')
    await leavesNothing(bank, group, send(bank, group, inPieces(pieces)), refused(sentence))
    await wereAborted(begun)
  })

  it.each(['multipart/form-data; boundary=edge', 'text/csv'])(
    'leaves nothing where the sender of a %s breaks off',
    async (contentType) => {
      const { bank, group } = await opened()
      const begun = vi.spyOn(env.FILES, 'createMultipartUpload')
      const { readable, writable } = new FixedLengthStream(20_000_000)
      const sender = writable.getWriter()
      const sending = (async () => {
        for (const piece of [add + head, ...nineMebibytes])
          await sender.write(new TextEncoder().encode(piece))
        await sender.abort(new Error('gone'))
      })()
      const path = `/groups/${group}/participants?type=ADD`
      const answer = await bank.call('PUT', path, {
        body: readable,
        headers: { 'content-type': contentType },
      })
      await sending.catch(() => undefined)
      expect(await said(answer)).toEqual(refused('The request body ended before it was complete'))
      await wereAborted(begun)
      expect((await pageOf(bank, `/jobs?groupId=${group}`)).page['totalElements']).toBe(0)
      expect(await objects()).toEqual([])
    },
  )
})
