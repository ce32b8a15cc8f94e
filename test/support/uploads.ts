import { env } from 'cloudflare:workers'
import { expect, vi } from 'vitest'
import { findJob, type JobType } from '../../src/experience/jobs.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import type { UploadPart } from '../../src/jobs/upload.ts'
import type { Resources } from '../../src/resources.ts'
import { pageOf, said } from './answers.ts'
import { Bank } from './api.ts'

export const objects = async () => (await env.FILES.list()).objects.map(({ key }) => key)

/** A file that is uploaded, and its job as it waits. */
export async function uploaded(
  res: Resources,
  workspace: number,
  group: string,
  parts: AsyncIterable<UploadPart>,
) {
  const { key } = await receiveUpload(res, workspace, group, { createdBy: 'tester', parts })
  const job = await findJob(res.databaseOf(workspace), workspace, key)
  if (job?.source !== 'participants-file') throw new Error('the job is gone')
  return job
}

/** How a file's job ends by itself: as failed without a good row, or as a mostly bad REPLACE. */
export function endOf({ type, ids, badRows }: { type: JobType; ids: string[]; badRows: number }) {
  if (ids.length === 0 || (type === 'replace' && badRows > ids.length)) return 'failed'
  return badRows === 0 ? 'successful' : 'partial'
}

/** An ended job's file is deleted: tests of the whole store rely on it. */
export const storeIsEmpty = () =>
  vi.waitUntil(async () => (await objects()).length === 0, { timeout: 10_000 })

/** A part of a multipart body, whose boundary is `edge`. */
export const part = (
  name: string,
  content: string,
  { filename, type }: { filename?: string; type?: string } = {},
) =>
  `--edge\r\nContent-Disposition: form-data; name="${name}"` +
  `${filename === undefined ? '' : `; filename="${filename}"`}\r\n` +
  `${type === undefined ? '' : `Content-Type: ${type}\r\n`}\r\n${content}\r\n`
export const add = part('type', 'ADD')
export const csv = (content: string, name = 'fileName') =>
  part(name, content, { filename: 'people.csv', type: 'text/csv' })
export const end = '--edge--\r\n'

export const send = (
  bank: Bank,
  group: string,
  body: BodyInit,
  contentType: string | undefined = 'multipart/form-data; boundary=edge',
  method = 'PUT',
) =>
  bank.call(method, `/groups/${group}/participants`, {
    body,
    headers: contentType === '' ? {} : { 'content-type': contentType },
  })

export async function opened() {
  const bank = await Bank.open()
  return { bank, group: await bank.group() }
}

/** The upload is refused so, and neither job nor file is left. */
export async function leavesNothing(
  bank: Bank,
  group: string,
  answer: Promise<Response>,
  refusal: unknown,
) {
  expect(await said(answer)).toEqual(refusal)
  expect((await pageOf(bank, `/jobs?groupId=${group}`)).page['totalElements']).toBe(0)
  expect(await objects()).toEqual([])
}
