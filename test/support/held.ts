import { said } from './answers.ts'
import { json, lines, type Bank, type Json } from './api.ts'

/** Ids from `from` up to `to`, which is none of them, in their order. */
export const people = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `p${String(from + i).padStart(6, '0')}`)

/** Uploads a file whose fields stand in the query, and gives the id of its job. */
export async function sent(
  bank: Bank,
  group: string,
  fields: Record<string, string>,
  rows: string[],
): Promise<string> {
  const query = new URLSearchParams(fields).toString()
  const { jobId, ...answer } = await said(
    bank.call('PUT', `/groups/${group}/participants?${query}`, {
      body: lines(rows),
      headers: { 'content-type': 'text/csv' },
    }),
  )
  if (typeof jobId !== 'string') throw new Error(JSON.stringify(answer))
  return jobId
}

/** The same, and waits until the job is held or has ended. */
export const held = async (...of: Parameters<typeof sent>): Promise<Json> =>
  of[0].ended(await sent(...of))

/** Publishes a job, with a body where one is given. */
export const published = (bank: Bank, { jobId }: Json, body?: object): Promise<Json> =>
  said(
    bank.call(
      'POST',
      `/jobs/${String(jobId)}/publish`,
      body === undefined ? {} : json('POST', body),
    ),
  )
