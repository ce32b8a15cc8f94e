import { expect } from 'vitest'
import { bodyOf, type Answer, type Calls, type Person } from './safety-calls.ts'
import type { Deed } from './safety-deeds.ts'
import type { ModelGroup } from './safety-model.ts'
import { fileOf, keyOf, type Attempt, type Opening } from './safety-requests.ts'
import { creating, ofTus, partBytes, piece } from './tus.ts'

/** A file that is sent in pieces, as its sender knows it. */
export interface Sending {
  group: ModelGroup
  by: Person
  opening: Opening
  bytes: Buffer<ArrayBuffer>
  /** Its path, once that was answered. */
  path?: string
  offset: number
}

type Of<What extends Deed['what']> = Extract<Deed, { what: What }>

export const idOf = ({ path = '' }: Sending) => path.slice(path.lastIndexOf('/') + 1)

/** Creates an upload; `sending` has its path afterwards. */
export function create(
  calls: Calls,
  group: ModelGroup,
  by: Person,
  deed: Of<'creates'>,
): Attempt & { sending: Sending } {
  const { bytes, wish, fields } = fileOf(deed, by)
  const { fileName, ...more } = fields
  const opening: Opening = { group, wish, key: null }
  const sending: Sending = { group, by, opening, bytes, offset: 0 }
  const key = keyOf(deed.isKeyed)
  const headers = {
    ...creating(bytes.length, { ...more, filename: fileName }),
    ...(key !== null && { 'idempotency-key': key }),
  }
  return {
    ...{ group, sending },
    send: async () => {
      const path = `/groups/v3/groups/${group.id}/uploads`
      const answer = await calls.call(by, ['POST', path], { headers })
      if (answer.status !== 201) return answer
      const at = `${path}/${String(bodyOf(answer)['uploadId'])}`
      if (sending.path !== undefined) expect([at, key === null]).toEqual([sending.path, false])
      sending.path = at
      return answer
    },
    expects: () => (answer) => expect(answer.status, answer.text).toBe(201),
  }
}

/** Sends some of an upload. */
export function send(calls: Calls, sending: Sending, deed: Of<'sends'>): Attempt {
  const { group, by, path = '', bytes } = sending
  const { length } = bytes
  const from = Math.min(sending.offset + deed.off, length)
  const to = {
    rest: length,
    'too much': length,
    part: Math.min(from + partBytes, length),
    short: from + Math.floor(Math.min(length - from, partBytes) / 2),
  }[deed.amount]
  const extra = deed.amount === 'too much' ? 'more' : ''
  const body = Buffer.concat([bytes.subarray(from, to), Buffer.from(extra)])
  const status = () => {
    if (sending.opening.job !== undefined || from !== sending.offset) return 409
    if (extra !== '') return 413
    return to - from < Math.min(partBytes, length - from) ? 400 : 204
  }
  const expects = () => {
    const expected = status()
    const offset = to === length ? length : Math.floor(to / partBytes) * partBytes
    return (answer: Answer) => {
      expect(answer.status, answer.text).toBe(expected)
      if (expected !== 204) return
      expect(answer.headers.get('upload-offset')).toBe(String(offset))
      expect(answer.headers.get('job-id')).toBe(offset === length ? idOf(sending) : null)
    }
  }
  return {
    ...{ group, expects },
    send: () => calls.call(by, ['PATCH', path], piece(from, body)),
  }
}

/** Asks where an upload goes on. */
export async function lookAt(calls: Calls, sending: Sending): Promise<void> {
  const { by, path, bytes, opening } = sending
  if (path === undefined) return
  const { status, headers } = await calls.call(by, ['HEAD', path], { headers: ofTus })
  expect(status).toBe(200)
  const offset = Number(headers.get('upload-offset'))
  expect(offset).toBeGreaterThanOrEqual(sending.offset)
  expect(offset === bytes.length || offset % partBytes === 0).toBe(true)
  expect(headers.get('job-id')).toBe(opening.job ?? null)
  expect(offset === bytes.length).toBe(opening.job !== undefined)
  sending.offset = offset
}
