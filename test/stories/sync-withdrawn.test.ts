import { createExecutionContext, createMessageBatch, getQueueResult } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { deleteAudience } from '../../src/audiences/audiences.ts'
import { eraseGroup } from '../../src/experience/erase.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import worker from '../../src/index.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import type { Message } from '../../src/messages.ts'
import { attachAudience, detachAudience } from '../../src/audiences/attach.ts'
import {
  deliverAll,
  filled,
  grouped,
  inStepsOf,
  jobsIn,
  invokeJob,
  people,
  rulesKept,
} from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { parts } from '../support/hazard.ts'
import { everyCall } from '../support/property.ts'

beforeEach(() => homeDb.prepare('DELETE FROM sync_rules').run()) // a failed test leaves rules behind

/** Hands a message to the Worker as its queue does. */
async function deliver(body: Message) {
  const batch = createMessageBatch<Message>('work', [
    { id: crypto.randomUUID(), timestamp: new Date(), attempts: 1, body },
  ])
  const context = createExecutionContext()
  await worker.queue(batch, env)
  return getQueueResult(batch, context)
}

describe('a sync whose group or audience goes', () => {
  /** Pauses a sync before its call `at` while `goes` happens; false if it made fewer calls. */
  async function overtaken(
    at: number,
    goes: (one: Awaited<ReturnType<typeof filled>>) => Promise<unknown>,
  ) {
    const one = await filled(people('red', 3), ['ann', 'red-00001'])
    const { key, id } = await one.sync()
    await inStepsOf(1, one.workspace)
    const { promise, resolve } = Promise.withResolvers<void>()
    let fallen = false
    const asleep = new Promise<void>((done) =>
      one.fuse({ at, until: promise, fallen: () => done(void (fallen = true)) }),
    )
    const running = invokeJob(one.res, one.workspace, key)
    await Promise.race([asleep, running])
    one.fuse(undefined)
    if (fallen) await goes(one)
    resolve()
    await running
    return { ...one, key, id, fallen }
  }

  it.each(['detached', 'deleted', 'attached to another group'] as const)(
    'ends CANCELLED where the audience is %s, and the next job runs',
    async (how) => {
      const error = vi.spyOn(console, 'error')
      let withdrawn = 0
      for (let at = 0, fallen = true; fallen; at += everyCall) {
        const one = await overtaken(at, async ({ workspace, group, res }) => {
          if (how === 'detached') await detachAudience(res, workspace, 'reds')
          else if (how === 'deleted') await deleteAudience(res, workspace, 'reds')
          else await attachAudience(res, workspace, 'reds', (await grouped(res, workspace)).id)
          await receiveUpload(res, workspace, group, {
            createdBy: 'tester',
            parts: parts('ADD', 'late\n'),
          })
        })
        const { bank, workspace, group, res, enqueued, id } = one
        fallen = one.fallen
        await deliverAll(res, enqueued)
        const { jobStatus } = await bank.get(`/jobs/${id}`)
        const members = jobStatus === 'CANCELLED' ? ['ann', 'red-00001'] : people('red', 3)
        if (fallen) members.push('late')
        expect(['CANCELLED', 'SUCCESSFUL']).toContain(jobStatus)
        if (jobStatus === 'CANCELLED') withdrawn++
        expect(await bank.members(group)).toEqual(members.toSorted())
        expect(await bank.count(group)).toBe(members.length)
        expect((await jobsIn(workspace)).filter(({ state }) => state === 'waiting')).toEqual([])
        expect(await rulesKept()).toBe(0)
      }
      expect(withdrawn).toBeGreaterThan(10 / everyCall)
      expect(error).not.toHaveBeenCalled()
      error.mockRestore()
    },
    120_000,
  )

  it.each([false, true])(
    'ends with its group, erased at once: %s',
    async (erased) => {
      const error = vi.spyOn(console, 'error')
      for (let at = 0, fallen = true; fallen; at += everyCall) {
        const one = await overtaken(at, async ({ workspace, group, res, enqueued }) => {
          await deleteGroup(res, workspace, group)
          if (erased)
            await deliverAll(
              res,
              enqueued.splice(0).filter(({ kind }) => kind === 'erase'),
            )
        })
        fallen = one.fallen
        if (!fallen) await deleteGroup(one.res, one.workspace, one.group)
        await deliverAll(one.res, one.enqueued)
        expect(
          (await deliver({ kind: 'job', workspace: one.workspace, job: one.key })).explicitAcks,
        ).toHaveLength(1)
        const left = homeDb.prepare(
          `SELECT (SELECT count(*) FROM members WHERE workspace_id = ?1)
            + (SELECT count(*) FROM jobs WHERE workspace_id = ?1) AS n`,
        )
        expect(await left.bind(one.workspace).first('n')).toBe(0)
        expect(await rulesKept()).toBe(0)
      }
      expect(error).not.toHaveBeenCalled()
      error.mockRestore()
    },
    120_000,
  )

  it('keeps why it failed where it is being undone already', async () => {
    const { workspace, res, enqueued, sync } = await filled(people('red', 3), ['ann'])
    const { key } = await sync()
    await giveUp(res, workspace, key)
    await detachAudience(res, workspace, 'reds')
    await deliverAll(res, enqueued)
    expect(await jobsIn(workspace)).toMatchObject([{ state: 'failed', failure: 'gave-up' }])
  })

  it('leaves no rule behind where it never began', async () => {
    const { workspace, group, groupKey, res, enqueued, sync } = await filled(people('red', 3), [
      'ann',
    ])
    await sync()
    expect(await rulesKept()).toBe(1)
    await deleteGroup(res, workspace, group)
    enqueued.length = 0
    await eraseGroup(res, workspace, groupKey)
    expect(await rulesKept()).toBe(0)
  })

  it('and another invocation has ended already, reports no error', async () => {
    const error = vi.spyOn(console, 'error')
    for (let at = 0, fallen = true; fallen; at += everyCall) {
      const one = await overtaken(at, async ({ res, workspace }) => {
        for (const { key } of await jobsIn(workspace)) await invokeJob(res, workspace, key)
        expect(await jobsIn(workspace)).toMatchObject([{ state: 'successful' }])
      })
      fallen = one.fallen
      expect(await one.bank.get(`/jobs/${one.id}`)).toMatchObject({
        jobStatus: 'SUCCESSFUL',
        addedCount: 2,
        removedCount: 1,
      })
      expect(await rulesKept()).toBe(0)
    }
    expect(error).not.toHaveBeenCalled()
    error.mockRestore()
  }, 120_000)
})
