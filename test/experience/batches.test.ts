import { describe, expect, it } from 'vitest'
import { isPruneDue, pruneGroup } from '../../src/experience/prune.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { firstItems, nextItems } from '../../src/jobs/batch-size.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import { createWebhook } from '../../src/webhooks/subscriptions.ts'
import { lines } from '../support/api.ts'
import { filled, grouped, inStepsOf, invokeJob, jobsIn, people } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous, parts, unlessCrash } from '../support/hazard.ts'
import { newWorkspace } from '../support/workspaces.ts'

describe('the batches of a file', () => {
  /** The ids that each batch writes, of so many at first, if each statement takes so long. */
  async function batches(begin: number, ms: number): Promise<number[]> {
    const workspace = newWorkspace()
    const { res, takes, meanwhile } = hazardous()
    const group = await grouped(res, workspace)
    const file = parts('add', lines(['id', ...people('person', 9000)]))
    const { key } = await receiveUpload(res, workspace, group.id, {
      createdBy: 'tester',
      parts: file,
    })
    await inStepsOf(begin, workspace)
    takes(ms)
    const touched: number[] = [0]
    meanwhile(async () => {
      const job = homeDb.prepare('SELECT touched FROM jobs WHERE key = ?').bind(key)
      const now = await job.first<number>('touched')
      if (now !== null && now !== touched.at(-1)) touched.push(now)
    })
    await invokeJob(res, workspace, key)
    return touched.slice(1).map((now, i) => now - (touched[i] ?? 0))
  }

  // A batch here has three statements: ids, their count, and the job's own row.
  it.each([
    [1000, 0, [1000, 2000, 4000, 2000]],
    [1000, 8, [1000, 2000, 4000, 2000]],
    [6000, 50, [6000, 2000, 666, 222, 100, 12]],
    [8000, 1000, [8000, 1000]],
  ])('of %i ids, each statement of %i ms, become %j', async (begin, ms, sizes) => {
    expect(await batches(begin, ms)).toEqual(sizes)
  })
})

describe('a slice of many bad rows, whose problems take long', () => {
  it.each(['good', 'bad'])('is followed by the next, after %s ones', async (first) => {
    const workspace = newWorkspace()
    const { res, takes, enqueued } = hazardous({ SLICE_BYTES: 8192 })
    const group = await grouped(res, workspace)
    const bad = Array.from({ length: 1100 }, () => 'a,b')
    const good = people('person', 900)
    const { key } = await receiveUpload(res, workspace, group.id, {
      createdBy: 'tester',
      parts: parts(
        'add',
        lines(['id', ...(first === 'good' ? good.slice(0, 9) : []), ...bad, ...good]),
      ),
    })
    takes(30)
    enqueued.length = 0
    await invokeJob(res, workspace, key)
    expect(await jobsIn(workspace)).toMatchObject([{ state: 'partial', badRows: 1100 }])
    expect(enqueued).toEqual([])
  })
})

describe('a slice that a lower limit of ids makes smaller than what is applied', () => {
  it('fails, so that its job is undone and never goes round', async () => {
    const workspace = newWorkspace()
    const { res, fuse } = hazardous()
    const group = await grouped(res, workspace)
    const { key } = await receiveUpload(res, workspace, group.id, {
      createdBy: 'tester',
      parts: parts('add', lines(['id', 'z1', ...people('person', 9)])),
    })
    await inStepsOf(4, workspace)
    fuse({ at: 2, only: 'writes', when: 'before' })
    await invokeJob(res, workspace, key).catch(unlessCrash)
    fuse(undefined)
    const lower = hazardous({ PARTICIPANT_MAX: 5 }).res
    await expect(invokeJob(lower, workspace, key)).rejects.toThrow('fewer items')
    await giveUp(res, workspace, key)
    await invokeJob(lower, workspace, key)
    expect(await jobsIn(workspace)).toMatchObject([{ state: 'failed', failure: 'gave-up' }])
    const members = homeDb.prepare('SELECT count(*) AS n FROM members WHERE workspace_id = ?')
    expect(await members.bind(workspace).first('n')).toBe(0)
  })
})

describe('the next batch', () => {
  it.each([
    [100, 0, 200],
    [100, 25, 200],
    [100, 40, 125],
    [4000, 50, 4000],
    [4000, 100, 2000],
    [4000, 9000, 1000],
    [150, 9000, 100],
    [7, 9000, 7],
    [40_000, 0, 50_000],
    [60_000, 0, 50_000],
  ])('after one of %i items in %i ms has %i', (items, ms, next) => {
    expect(nextItems(items, ms)).toBe(next)
  })
})

describe('the first batch of an invocation', () => {
  it.each([
    [4000, 2000, 4000],
    [4000, 4000, 2000],
    [4000, 3_600_000, 100],
    [7, 3_600_000, 7],
    [0, 1, 1],
  ])('of a job with batches of %i, %i ms after the last, has %i', (items, ms, first) => {
    expect(firstItems(items, ms)).toBe(first)
  })
})

describe('pruning', () => {
  it('is due once more rows are dead than alive, and a thousand', () => {
    expect(isPruneDue({ groupCount: 7, groupRemoved: 1007 })).toBe(false)
    expect(isPruneDue({ groupCount: 7, groupRemoved: 1008 })).toBe(true)
  })

  it('leaves whom the live revision and the one before it show', async () => {
    const { res, groupKey, workspace } = await filled([], [])
    const rows: [id: string, added: number, removed: number | null][] = [
      ['alive', 1, null],
      ['dead', 1, 3],
      ['long dead', 1, 2],
      ['removed by the live one', 1, 4],
      ['removed by one to come', 1, 5],
      ['added by one to come', 5, null],
    ]
    await homeDb.batch([
      homeDb
        .prepare(
          `INSERT INTO members (workspace_id, participant_id, group_key, added_rev, removed_rev, seen_rev)
          SELECT ?, value ->> 0, ?, value ->> 1, value ->> 2, 0 FROM json_each(?)`,
        )
        .bind(workspace, groupKey, JSON.stringify(rows)),
      homeDb.prepare('UPDATE experience_groups SET revision = 4 WHERE key = ?').bind(groupKey),
    ])
    await pruneGroup(res, { workspace, group: groupKey, after: '' })
    const { results } = await homeDb
      .prepare('SELECT participant_id AS id FROM members WHERE group_key = ? ORDER BY id')
      .bind(groupKey)
      .all<{ id: string }>()
    expect(results.map(({ id }) => id)).toEqual([
      'added by one to come',
      'alive',
      'removed by one to come',
      'removed by the live one',
    ])
  })
})

describe('two events of one job', () => {
  it('enqueue one message to the webhook that listens', async () => {
    const { res, sync, workspace, deliveriesEnqueued } = await filled(['ann'], [])
    const draft = { url: 'https://hooks.shop.com/', description: '', eventTypes: null }
    const { key: webhook } = await createWebhook(res, workspace, draft, 'tester')
    const { key } = await sync()
    await invokeJob(res, workspace, key)
    const events = homeDb.prepare('SELECT count(*) AS n FROM deliveries WHERE webhook_key = ?')
    expect(await events.bind(webhook).first('n')).toBe(2)
    expect(deliveriesEnqueued).toEqual([{ kind: 'deliver', workspace, webhook }])
  })
})
