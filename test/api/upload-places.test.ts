import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { uploadsMost, uploadsOfWorkspaceMost } from '../../src/jobs/upload-places.ts'
import { declined, isEmpty, refused, said } from '../support/answers.ts'
import { Bank, call } from '../support/api.ts'
import { ask, keeping } from '../support/bindings.ts'
import { Team } from '../support/identity.ts'
import { begun as begunInPieces, piece } from '../support/tus.ts'
import { objects, opened, storeIsEmpty } from '../support/uploads.ts'

beforeEach(storeIsEmpty)

const open = new Set<() => Promise<void>>()
afterEach(async () => {
  for (const close of open) await close()
})

/** An upload that has begun, and goes on as the test says. */
async function begun(bank: Bank, group: string, to = call) {
  const { readable, writable } = new IdentityTransformStream()
  const writer = writable.getWriter()
  const answer = to(`/groups/v3/groups/${group}/participants?type=ADD`, {
    method: 'PUT',
    body: readable,
    headers: { ...bank.headers(), 'content-type': 'text/csv' },
  })
  const ends = async () => {
    open.delete(ends)
    await writer.close().catch(() => undefined)
    await answer.catch(() => undefined)
  }
  open.add(ends)
  // More than is held on the way: once it is written, it is being read. Of few rows, as blanks are trimmed.
  const rows = `ann${' '.repeat(996)}\n`.repeat(400)
  await writer.write(new TextEncoder().encode(rows)).catch(() => undefined)
  return { answer, writer, ends }
}

const many = (count: number, bank: Bank, group: string) =>
  Promise.all(Array.from({ length: count }, () => begun(bank, group)))

/** An upload of one line, which ends as soon as it has a place. */
const short = ({ bank, group }: Awaited<ReturnType<typeof opened>>) =>
  bank.upload(group, 'ADD', 'bob\n')

const tooMany = 'There are too many uploads in progress: try again in a few seconds.'

describe('uploads in flight', () => {
  it('are four of a workspace, and more wait, then are refused', { timeout: 60_000 }, async () => {
    const at = await opened()
    const [first] = await many(uploadsOfWorkspaceMost, at.bank, at.group)
    const refusal = await short(at)
    expect(refusal.headers.get('retry-after')).toBe('5')
    expect(await said(refusal)).toEqual(refused(tooMany, '2001'))

    const waits = short(at)
    await first?.ends()
    expect(await said(waits)).toMatchObject({ status: 200 })
  })

  it('of other workspaces go on meanwhile, up to eight in all', { timeout: 60_000 }, async () => {
    const [one, two, three] = [await opened(), await opened(), await opened()]
    await many(uploadsOfWorkspaceMost, one.bank, one.group)
    expect(await said(short(two))).toMatchObject({ status: 200 })
    const [ofTwo] = await many(uploadsMost - uploadsOfWorkspaceMost, two.bank, two.group)
    expect(await said(short(three))).toEqual(refused(tooMany, '2001'))

    // Who has none goes before who has some.
    const [again, other] = [short(two), short(three)]
    await ofTwo?.ends()
    expect(await said(other)).toMatchObject({ status: 200 })
    expect(await said(again)).toMatchObject({ status: 200 })
  })

  it('of users are counted too, and refused as Group Identity does', async () => {
    const at = await opened()
    const team = await Team.open(undefined, at.bank.workspace)
    await many(uploadsOfWorkspaceMost, at.bank, at.group)
    const refusal = await team.call('PUT', '/users', {
      body: 'user_id,town\nann,Ulm\n',
      headers: { 'content-type': 'text/csv' },
    })
    expect(refusal.headers.get('retry-after')).toBe('5')
    const sentence = 'There are too many uploads in progress; try again in a few seconds'
    expect(await said(refusal)).toEqual(declined(429, sentence))
  })

  it('in pieces are refused as clients of tus try again', async () => {
    const at = await opened()
    const path = `/groups/${at.group}/uploads`
    const id = await begunInPieces((...of) => at.bank.call(...of), path, 4, { type: 'ADD' })
    const uploads = await many(uploadsOfWorkspaceMost, at.bank, at.group)
    const send = () => at.bank.call('PATCH', `${path}/${id}`, piece(0, 'bob\n'))
    const refusal = await send()
    expect(refusal.headers.get('retry-after')).toBe('5')
    expect(await said(refusal)).toEqual(refused(tooMany.slice(0, -1), '2001', 423))
    for (const { ends } of uploads) await ends()
    await isEmpty(send(), 204)
  })

  it('free their place where the client goes away', async () => {
    const at = await opened()
    const uploads = await many(uploadsOfWorkspaceMost, at.bank, at.group)
    for (const { writer, answer } of uploads) {
      await writer.abort(new Error('gone'))
      await answer.catch(() => undefined)
    }
    expect(await said(short(at))).toMatchObject({ status: 200 })
  })
})

describe('an upload of which nothing comes', () => {
  it('ends, leaves nothing, and frees its place', async () => {
    const at = await opened()
    const { bound } = keeping({ UPLOAD_IDLE_SECONDS: 0.2 })
    const to = (path: string, init: RequestInit = {}) => ask(path, init, bound)
    const idle = await Promise.all(
      Array.from({ length: uploadsOfWorkspaceMost }, () => begun(at.bank, at.group, to)),
    )
    for (const { answer } of idle)
      expect(await said(answer)).toEqual(
        refused('The upload has ended, as nothing came for 0.2 seconds'),
      )
    expect(await objects()).toEqual([])
    expect(await said(short(at))).toMatchObject({ status: 200 })
  })
})
