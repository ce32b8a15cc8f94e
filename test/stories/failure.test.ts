import { createExecutionContext, createMessageBatch, getQueueResult } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import { getGroup } from '../../src/experience/groups.ts'
import { findJob } from '../../src/experience/jobs.ts'
import worker from '../../src/index.ts'
import type { Message } from '../../src/messages.ts'
import { Bank, lines } from '../support/api.ts'
import { hazardous, parts } from '../support/hazard.ts'
import { unmoved } from '../support/rows.ts'
import { uploaded } from '../support/uploads.ts'

const message = (body: Message, attempts = 1) => ({
  id: crypto.randomUUID(),
  timestamp: new Date(),
  attempts,
  body,
})

/** Hands a message to the Worker as its queue does, and returns the outcome. */
async function deliver(queue: string, body: Message, attempts?: number) {
  const batch = createMessageBatch<Message>(queue, [message(body, attempts)])
  const context = createExecutionContext()
  await worker.queue(batch, env)
  return getQueueResult(batch, context)
}

describe('a job that fails for good', () => {
  it.each(['ADD', 'REMOVE', 'REPLACE'])(
    'is FAILED by the dead-letter queue, and its %s is undone',
    async (type) => {
      const bank = await Bank.open()
      const id = await bank.group()
      await bank.apply(id, 'ADD', lines(['ann', 'bob', 'cid']))
      await bank.apply(id, 'REMOVE', lines(['cid']))

      // Half of the file is applied, then its run dies for good.
      const { res, fuse } = hazardous({ SLICE_BYTES: 8 })
      const job = await uploaded(
        res,
        bank.workspace,
        id,
        parts(type, lines(['bob', 'cid', 'dan', 'eve'])),
      )
      fuse({ at: 5, when: 'before' })
      await expect(
        runJob(res, { workspace: bank.workspace, job: job.key }, sourceOf),
      ).rejects.toThrow()
      fuse(undefined)
      const db = res.databaseOf(bank.workspace)
      expect(await findJob(db, bank.workspace, job.key)).toMatchObject({
        state: 'applying',
        offset: 8,
      })
      expect(await bank.members(id)).toEqual(['ann', 'bob'])

      const later = await bank.upload(id, 'ADD', lines(['fay']))
      const body: Message = { kind: 'job', workspace: bank.workspace, job: job.key }
      await unmoved('jobs', job.key)
      expect((await deliver('work-dead', body)).explicitAcks).toHaveLength(1)

      const failed = await bank.ended(job.id)
      expect(failed).toMatchObject({
        jobStatus: 'FAILED',
        successRecordsCount: 0,
        addedCount: 0,
        removedCount: 0,
      })
      expect(failed['jobDetails']).toBe('Import failed.  Nothing of the file was applied.')
      expect(await env.FILES.head(job.fileKey)).toBeNull()

      // The next job of the group goes on, on what was before.
      await bank.ended(String(((await later.json()) as { jobId: string }).jobId))
      expect(await bank.members(id)).toEqual(['ann', 'bob', 'fay'])
      expect((await getGroup(db, bank.workspace, id)).participantCount).toBe(3)
    },
  )

  it('is tried again with growing delay before that', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const { res } = hazardous()
    const job = await uploaded(res, bank.workspace, group, parts('ADD', 'ann\n'))
    await env.FILES.delete(job.fileKey)
    const body: Message = { kind: 'job', workspace: bank.workspace, job: job.key }
    expect(await deliver('work', body, 3)).toMatchObject({ explicitAcks: [], retryMessages: [{}] })
  })
})

describe('a message for nothing', () => {
  it('is answered, as what it names may be gone', async () => {
    for (const body of [
      { kind: 'job', workspace: 1, job: 999_999 },
      { kind: 'erase', workspace: 1, group: 999_999 },
      { kind: 'prune', workspace: 1, group: 999_999, after: '' },
    ] satisfies Message[])
      expect((await deliver('work', body)).explicitAcks).toHaveLength(1)
  })
})
