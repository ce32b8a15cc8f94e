import { expect } from 'vitest'
import type { Bank, Json } from './api.ts'

/** An id as we give it. */
export const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

/** A moment as answers show it. */
export const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** A request whose body is said to be JSON, and may not be. */
export const jsonText = (body: BodyInit): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body,
})

/** An answer's status and the members of its JSON body, to compare with a refusal. */
export async function said(answering: Response | Promise<Response>): Promise<Json> {
  const answer = await answering
  return { status: answer.status, ...(await answer.json<Json>()) }
}

/** A refusal of Experience Groups, as `said` returns it. */
export const refused = (message: string, code = '2000', status = 400): Json => ({
  status,
  code,
  message,
})

export const unauthorized = refused('Invalid Authorization', '2003', 401)

/** A refusal of Group Identity, as `said` returns it. */
export const declined = (status: number, message: unknown): Json => ({
  status,
  errors: [{ message }],
})

/** Nothing but a status. */
export async function isEmpty(answering: Promise<Response>, status: number): Promise<void> {
  const answer = await answering
  expect([answer.status, await answer.text()]).toEqual([status, ''])
}

/** A list as Experience Groups envelop it. */
export interface Page {
  links: { rel: string; href: string }[]
  content: Json[]
  page: Json
}

/** Cast, as the tests of the lists check the shape. */
export const pageOf = async (bank: Bank, path: string) => (await bank.get(path)) as unknown as Page

/** JSON as deep as no honest caller sends it. */
export const deepJson = (depth = 10_000) => '['.repeat(depth) + ']'.repeat(depth)

/** A body that comes in pieces and so without a length. */
export const inPieces = (pieces: Iterable<string | Uint8Array>): ReadableStream<Uint8Array> => {
  const iterator = pieces[Symbol.iterator]()
  return new ReadableStream({
    pull(controller) {
      const { done, value } = iterator.next()
      if (done) controller.close()
      else controller.enqueue(typeof value === 'string' ? new TextEncoder().encode(value) : value)
    },
  })
}
