import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'
import config from '../../wrangler.toml?raw'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { enqueueStalled } from '../../src/experience/stalled.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { retryDelay, revivedWithin } from '../../src/messages.ts'
import { Bank, lines } from '../support/api.ts'
import { grouped } from '../support/audiences.ts'
import { tickEverywhere } from '../support/bindings.ts'
import { homeDb, sentAtHome } from '../support/databases.ts'
import { fileParts, hazardous, parts } from '../support/hazard.ts'

describe('every five minutes', () => {
  it('a job whose message was never sent, or lost, goes on', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    // The queue of `hazardous` keeps what is sent: nobody enqueues this job.
    const { res } = hazardous()
    const job = await receiveUpload(res, bank.workspace, group, {
      createdBy: 'tester',
      parts: parts('ADD', 'ann\n'),
    })
    await homeDb
      .prepare('UPDATE jobs SET updated_at = updated_at - 700000 WHERE id = ?')
      .bind(job.id)
      .run()
    await tickEverywhere('*/5 * * * *', env)
    expect(await bank.ended(job.id)).toMatchObject({ jobStatus: 'SUCCESSFUL', addedCount: 1 })
  })

  it('a deleted group whose message was lost is erased', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    await homeDb
      .prepare('UPDATE experience_groups SET deleted_at = 1 WHERE id = ?')
      .bind(group)
      .run()
    await tickEverywhere('*/5 * * * *', env)
    const left = () =>
      homeDb
        .prepare('SELECT count(*) AS n FROM experience_groups WHERE id = ?')
        .bind(group)
        .first('n')
    await vi.waitUntil(async () => (await left()) === 0, { timeout: 5000, interval: 50 })
  })

  it('only work that has not moved for ten minutes is enqueued', async () => {
    let now = Date.now()
    const { res, enqueued } = hazardous({}, { now: () => now })
    const bank = await Bank.open()
    const { workspace } = bank
    const group = await bank.group()
    const send = (to: string) =>
      receiveUpload(res, workspace, to, { createdBy: 'tester', parts: parts('ADD', 'ann\n') })
    const ended = await send(group)
    await runJob(res, { workspace, job: ended.key }, sourceOf)
    const [first] = [await send(group), await send(group)]
    const users = await receiveUsers(res, workspace, 'tester', fileParts('user_id,a\nann,b\n'))
    const { id, key } = await grouped(res, workspace)
    await deleteGroup(res, workspace, id)
    const stalled = async () => {
      enqueued.length = 0
      await enqueueStalled(res)
      return enqueued.filter((message) => message.workspace === workspace)
    }
    now += 10 * 60_000
    expect(await stalled()).toEqual([])
    now += 1
    expect(await stalled()).toEqual(
      [
        { kind: 'job', stalled: true, workspace, job: first.key },
        { kind: 'import', stalled: true, workspace, job: users.key },
        { kind: 'erase', stalled: true, workspace, group: key },
      ].map(sentAtHome),
    )
  })

  it('an upload is accepted although the queue is silent', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const { res } = hazardous()
    const silent = { ...res.work, send: () => Promise.reject(new Error('the queue is silent')) }
    const job = await receiveUpload(
      { ...res, work: silent as unknown as typeof res.work },
      bank.workspace,
      group,
      { createdBy: 'tester', parts: parts('ADD', 'ann\n') },
    )
    expect(await bank.get(`/jobs/${job.id}`)).toMatchObject({ jobStatus: 'CREATED' })
  })
})

describe('a long job', () => {
  it('enqueues the rest before D1 has run 1,000 statements for one', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const { res } = hazardous({ SLICE_BYTES: 16 })
    const ids = Array.from({ length: 240 }, (_, i) => `person-${i}`)
    const job = await receiveUpload(res, bank.workspace, group, {
      createdBy: 'tester',
      parts: parts('ADD', lines(ids)),
    })
    let invocations = 0
    for (let state = ''; state !== 'SUCCESSFUL'; invocations++) {
      const invocation = hazardous({ SLICE_BYTES: 16 })
      await runJob(invocation.res, { workspace: bank.workspace, job: job.key }, sourceOf)
      expect(invocation.res.meter.statements).toBeLessThan(1000)
      state = String((await bank.get(`/jobs/${job.id}`))['jobStatus'])
      expect(invocation.enqueued).toEqual(
        state === 'SUCCESSFUL'
          ? []
          : [sentAtHome({ kind: 'job', workspace: bank.workspace, job: job.key })],
      )
    }
    expect(invocations).toBeGreaterThan(1)
    expect(await bank.count(group)).toBe(240)
  })
})

describe('wrangler.toml', () => {
  const blocks = config.split(/^\[\[/m).map((block) => block.replaceAll(/#.*$/gm, ''))
  const consumers = blocks.filter((block) => block.startsWith('queues.consumers'))
  const field = (block: string, name: string) =>
    new RegExp(`^${name} = "?([^"\\n]+)"?`, 'm').exec(block)?.[1]

  it('names Monday, as Cloudflare counts Sunday as 1', () => {
    expect(/^crons = (.*)$/m.exec(config)?.[1]).toBe(
      '["0 3 * * MON", "0 4 * * *", "*/5 * * * *", "* * * * *"]',
    )
  })

  it('gives each queue a consumed dead-letter queue, batches, retries and concurrency', () => {
    const read = consumers.map((block) => field(block, 'queue'))
    expect(read).toEqual(
      ['work', 'scheduled', 'deliveries', 'events'].flatMap((queue) => [queue, `${queue}-dead`]),
    )
    for (const block of consumers) {
      for (const name of ['max_batch_size', 'max_batch_timeout', 'max_retries', 'max_concurrency'])
        expect(field(block, name)).toMatch(/^\d+/)
      const queue = field(block, 'queue') ?? ''
      if (queue === 'work' || queue === 'scheduled')
        expect(1000 * retryDelay(Number(field(block, 'max_retries')))).toBe(revivedWithin)
      if (queue.endsWith('-dead')) continue
      expect(field(block, 'max_batch_size')).toBe(queue === 'events' ? '100' : '1')
      expect(field(block, 'dead_letter_queue')).toBe(`${queue}-dead`)
    }
  })
})
