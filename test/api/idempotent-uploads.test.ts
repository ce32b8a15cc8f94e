import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { declined, inPieces, refused, said } from '../support/answers.ts'
import { Bank, lines, type Json } from '../support/api.ts'
import { Team } from '../support/identity.ts'
import { answered, keysOf } from '../support/keys.ts'

const reused = 'The Idempotency-Key was sent with another request before'

interface Sent {
  key: string
  file?: string
  fileName?: string
  type?: string
  method?: string
}

/** An upload as a form, whose boundary is another each time. */
function upload(bank: Bank, group: string, { key, ...sent }: Sent): Promise<Response> {
  const { file = 'ann\nbob\n', fileName = 'people.csv', type = 'ADD', method = 'PUT' } = sent
  const form = new FormData()
  form.set('type', type)
  form.set('fileName', new File([file], fileName, { type: 'text/csv' }))
  const headers = { 'idempotency-key': key }
  return bank.call(method, `/groups/${group}/participants`, { body: form, headers })
}

const jobsOf = async (bank: Bank) => (await bank.get('/jobs'))['content'] as Json[]

const filesOf = async (workspace: number) =>
  (await env.FILES.list({ prefix: `uploads/${workspace}/` })).objects.length

async function opened() {
  const bank = await Bank.open()
  return { bank, group: await bank.group() }
}

describe('PUT /groups/{groupId}/participants with an Idempotency-Key', () => {
  it('opens one job, and answers again as it has', async () => {
    const { bank, group } = await opened()
    const first = await answered(upload(bank, group, { key: 'one' }))
    expect(first).toMatchObject({ status: 200, replayed: false })
    expect(await answered(upload(bank, group, { key: '"one"' }))).toEqual({
      ...first,
      replayed: true,
    })
    const { jobId } = JSON.parse(first.body) as Json
    await bank.ended(String(jobId))
    expect(await answered(upload(bank, group, { key: 'one' }))).toEqual({
      ...first,
      replayed: true,
    })
    expect(await jobsOf(bank)).toHaveLength(1)
    expect(await filesOf(bank.workspace)).toBe(0)
  })

  it.each<[string, Partial<Sent>]>([
    ['another file', { file: 'ann\nbod\n' }],
    ['another name of the file', { fileName: 'others.csv' }],
    ['another type', { type: 'REPLACE' }],
    ['another method', { method: 'POST' }],
  ])('refuses %s under the key, and stores nothing', async (_, other) => {
    const { bank, group } = await opened()
    const { jobId } = await said(upload(bank, group, { key: 'one' }))
    await bank.ended(String(jobId))
    expect(await said(upload(bank, group, { key: 'one', ...other }))).toEqual(refused(reused))
    expect(await said(upload(bank, await bank.group(), { key: 'one' }))).toEqual(refused(reused))
    expect(await jobsOf(bank)).toHaveLength(1)
    expect(await filesOf(bank.workspace)).toBe(0)
  })

  it('compares a body that is the file itself, in any pieces', async () => {
    const { bank, group } = await opened()
    const file = lines(Array.from({ length: 40_000 }, (_, i) => `person-${i}`))
    const send = (body: BodyInit, fileName = 'a.csv') =>
      bank.call('PUT', `/groups/${group}/participants?type=ADD&fileName=${fileName}`, {
        body,
        headers: { 'content-type': 'text/csv', 'idempotency-key': 'one' },
      })
    const first = await answered(send(file))
    const pieces = inPieces([file.slice(0, 100_001), file.slice(100_001)])
    expect(await answered(send(pieces))).toEqual({ ...first, replayed: true })
    expect(await said(send(`${file}one-more\n`))).toEqual(refused(reused))
    expect(await said(send(file, 'b.csv'))).toEqual(refused(reused))
    expect(await jobsOf(bank)).toHaveLength(1)
  })

  it('is answered though no other job may wait', async () => {
    const { bank, group } = await opened()
    const preview = { key: 'held', type: 'ADD' }
    const held = await bank.call('PUT', `/groups/${group}/participants?mode=preview`, {
      body: formOf('ann\n'),
    })
    await bank.ended(String((await held.json<Json>())['jobId']))
    const first = await answered(upload(bank, group, preview))
    for (let waiting = 2; waiting < 20; waiting++)
      expect((await bank.upload(group, 'ADD', 'cid\n')).status).toBe(200)
    expect(await said(bank.upload(group, 'ADD', 'cid\n'))).toMatchObject({ code: '2001' })
    expect(await answered(upload(bank, group, preview))).toEqual({ ...first, replayed: true })
  })

  it('leaves nothing of a refused upload: the key may be sent again', async () => {
    const { bank, group } = await opened()
    expect((await upload(bank, group, { key: 'one', file: '' })).status).toBe(400)
    expect(await keysOf(bank.workspace)).toEqual([])
    expect(await answered(upload(bank, group, { key: 'one' }))).toMatchObject({
      status: 200,
      replayed: false,
    })
  })
})

function formOf(file: string): FormData {
  const form = new FormData()
  form.set('type', 'ADD')
  form.set('fileName', new File([file], 'people.csv', { type: 'text/csv' }))
  return form
}

describe('PUT /users with an Idempotency-Key', () => {
  it('opens one import, and answers again with its Location', async () => {
    const team = await Team.open()
    const send = (body: string) =>
      team.call('PUT', '/users', {
        body,
        headers: { 'content-type': 'text/csv', 'idempotency-key': 'one' },
      })
    const first = await answered(send('user_id,team\nann,red\n'))
    expect(first).toMatchObject({
      status: 202,
      location: expect.stringContaining('/imports/') as string,
    })
    expect(await answered(send('user_id,team\nann,red\n'))).toEqual({ ...first, replayed: true })
    expect(await said(send('user_id,team\nann,blue\n'))).toEqual(declined(422, reused))
    expect((await team.get<{ imports: Json[] }>('/imports')).imports).toHaveLength(1)
  })
})

describe('an upload whose twin is slower', () => {
  it('is the only one, and its file the only one that is kept', async () => {
    const { bank, group } = await opened()
    const held = Promise.withResolvers<void>()
    const pieces = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode('ann\n'))
        await held.promise
        controller.enqueue(new TextEncoder().encode('bob\n'))
        controller.close()
      },
    })
    const send = (body: BodyInit) =>
      bank.call('PUT', `/groups/${group}/participants?type=ADD&mode=preview`, {
        body,
        headers: { 'content-type': 'text/csv', 'idempotency-key': 'twins' },
      })
    const slower = answered(send(pieces))
    const first = await answered(send('ann\nbob\n'))
    expect(first).toMatchObject({ status: 200, replayed: false })
    held.resolve()
    expect(await slower).toEqual({ ...first, replayed: true })
    const jobs = await bank.get(`/jobs?groupId=${group}`)
    expect(jobs).toMatchObject({ page: { totalElements: 1 } })
    const { jobId } = JSON.parse(first.body) as Json
    await bank.ended(String(jobId))
    const { objects } = await env.FILES.list({ prefix: `uploads/${bank.workspace}/` })
    expect(objects).toEqual([])
  })

  it('is another where it has another file', async () => {
    const { bank, group } = await opened()
    const held = Promise.withResolvers<void>()
    const pieces = new ReadableStream<Uint8Array>({
      async start(controller) {
        await held.promise
        controller.enqueue(new TextEncoder().encode('cid\n'))
        controller.close()
      },
    })
    const send = (body: BodyInit) =>
      bank.call('PUT', `/groups/${group}/participants?type=ADD`, {
        body,
        headers: { 'content-type': 'text/csv', 'idempotency-key': 'others' },
      })
    const slower = said(send(pieces))
    expect((await send('ann\n')).status).toBe(200)
    held.resolve()
    expect(await slower).toEqual(refused(reused))
    expect(await bank.get(`/jobs?groupId=${group}`)).toMatchObject({ page: { totalElements: 1 } })
  })
})
