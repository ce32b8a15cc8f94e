import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import { eraseGroup } from '../../src/experience/erase.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { Bank, lines } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous, parts } from '../support/hazard.ts'

const people = (count: number) => lines(Array.from({ length: count }, (_, i) => `person-${i}`))

const rowsOf = (workspace: number) =>
  homeDb
    .prepare(
      `SELECT (SELECT count(*) FROM members WHERE workspace_id = ?1) AS members,
      (SELECT count(*) FROM jobs WHERE workspace_id = ?1) AS jobs,
       (SELECT count(*) FROM experience_groups WHERE workspace_id = ?1) AS groups,
       (SELECT count(*) FROM job_problems WHERE job_key IN (SELECT key FROM jobs WHERE workspace_id = ?1)) AS problems`,
    )
    .bind(workspace)
    .first()

describe('deleting a group', () => {
  it('hides it at once, and deletes its rows in bounded steps', async () => {
    const bank = await Bank.open()
    const group = await bank.group('short-lived')
    const job = await bank.apply(group, 'ADD', people(25_000) + 'one,two\n')
    const { res, enqueued } = hazardous()

    await deleteGroup(res, bank.workspace, group)
    for (const path of [
      `/groups/${group}`,
      `/jobs/${job['jobId']}`,
      `/jobs/${job['jobId']}/errors`,
      `/jobs?groupId=${group}`,
    ])
      expect((await bank.call('GET', path)).status).toBe(400)
    expect(await bank.get('/groups')).toMatchObject({ content: [] })
    expect(await bank.get('/jobs')).toMatchObject({ content: [] })
    expect((await bank.upload(group, 'ADD', 'ann\n')).status).toBe(400)
    await bank.group('short-lived')
    expect(await rowsOf(bank.workspace)).toMatchObject({
      members: 25_000,
      jobs: 1,
      problems: 1,
      groups: 2,
    })

    const [message] = enqueued
    if (message?.kind !== 'erase') throw new Error('nothing was enqueued')
    const before = res.meter.rowsWritten
    // Twice at once, as it may be delivered.
    await Promise.all([
      eraseGroup(res, bank.workspace, message.group),
      eraseGroup(res, bank.workspace, message.group),
    ])
    expect(await rowsOf(bank.workspace)).toEqual({ members: 0, jobs: 0, problems: 0, groups: 1 })
    expect(res.meter.rowsWritten - before).toBeLessThan(2 * 25_000 + 100)
  })

  it('cancels its waiting jobs and the running one, whose file goes too', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const uploads = await Promise.all([
      bank.upload(group, 'ADD', people(50_000)),
      bank.upload(group, 'ADD', people(10)),
    ])
    expect(uploads.map(({ status }) => status)).toEqual([200, 200])
    expect(await (await bank.call('DELETE', `/groups/${group}`)).json()).toEqual({
      code: '1000',
      message: `groupId ${group} was successfully deleted`,
    })
    await vi.waitUntil(async () => (await rowsOf(bank.workspace))?.['groups'] === 0, {
      timeout: 20_000,
    })
    expect(await rowsOf(bank.workspace)).toEqual({ members: 0, jobs: 0, problems: 0, groups: 0 })
    expect((await env.FILES.list({ prefix: `uploads/${bank.workspace}/` })).objects).toEqual([])
  })

  it('leaves nothing behind of a job that was between two batches', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const { res, enqueued, fuse } = hazardous({ SLICE_BYTES: 64 })
    const job = await receiveUpload(res, bank.workspace, group, {
      createdBy: 'tester',
      parts: parts('ADD', people(100)),
    })
    let wakeUp = () => {}
    const until = new Promise<void>((resolve) => (wakeUp = resolve))
    const asleep = new Promise<void>((fallen) => fuse({ at: 8, until, fallen }))
    const run = runJob(res, { workspace: bank.workspace, job: job.key }, sourceOf)
    await asleep
    await deleteGroup(res, bank.workspace, group)
    const erase = enqueued.find((message) => message.kind === 'erase')
    if (erase?.kind !== 'erase') throw new Error('nothing was enqueued')
    await eraseGroup(res, bank.workspace, erase.group)
    wakeUp()
    await run
    expect(await rowsOf(bank.workspace)).toEqual({ members: 0, jobs: 0, problems: 0, groups: 0 })
  })
})
