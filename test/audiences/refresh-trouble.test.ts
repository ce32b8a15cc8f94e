import { beforeEach, describe, expect, it, vi } from 'vitest'
import { refreshDue } from '../../src/audiences/refresh.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { attachAudience } from '../../src/audiences/attach.ts'
import {
  addAudience,
  changeAudience,
  deliverAll,
  filling,
  grouped,
  jobsIn,
  rulesKept,
  teamIs,
} from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { failures, hazardous, parts, unlessCrash } from '../support/hazard.ts'
import {
  before,
  day,
  end,
  everyFive,
  clearAudiences,
  hazardousAt,
  hour,
  minute,
  monday,
  red,
  syncsOf,
  enqueuedBy,
  workspaceWith,
} from '../support/refresh.ts'
import { newWorkspace } from '../support/workspaces.ts'

beforeEach(clearAudiences)

describe('a week or a day is not lost', () => {
  const at = monday + hour

  /** Two due audiences, a cron up to call `calls` of the database, and what follows. */
  async function onceAfter(calls: number, when: 'before' | 'after' | 'never'): Promise<number> {
    await clearAudiences()
    const all = [await workspaceWith('weekly', false), await workspaceWith('daily', false)].map(
      ({ workspace }) => workspace,
    )
    const { res, fuse, enqueued, meanwhile } = hazardousAt(at)
    let called = 0
    meanwhile(async () => void called++)
    if (when !== 'never') fuse({ at: calls, when })
    await refreshDue(res, at).catch(unlessCrash)
    fuse(undefined)
    await enqueuedBy(everyFive, at + 5 * minute)
    expect(await syncsOf(...all)).toEqual([1, 1])
    await deliverAll(hazardous().res, enqueued)
    for (const workspace of all) await end(workspace)
    await enqueuedBy(everyFive, at + 10 * minute)
    expect(await syncsOf(...all)).toEqual([1, 1])
    expect(await rulesKept()).toBe(0)
    return called
  }

  it('and has one job, wherever a cron dies', async () => {
    const calls = await onceAfter(0, 'never')
    expect(calls).toBeGreaterThan(6)
    for (const { at, when } of failures(calls)) await onceAfter(at, when)
  })

  it('while its group has too many jobs: the next cron tries again', async () => {
    const workspace = newWorkspace()
    const { res, enqueued } = hazardousAt(monday - 2 * day)
    const group = await grouped(res, workspace)
    for (let i = 0; i < 20; i++)
      await receiveUpload(res, workspace, group.id, {
        createdBy: 'tester',
        parts: parts('ADD', `ann-${i}\n`),
      })
    await addAudience(res, workspace, 'reds', red, 'weekly')
    await attachAudience(res, workspace, 'reds', group.id)
    await enqueuedBy(everyFive, at)
    await enqueuedBy(everyFive, at + 5 * minute)
    expect(await syncsOf(workspace)).toEqual([0])
    await deliverAll(res, enqueued)
    await enqueuedBy(everyFive, at + 10 * minute)
    expect(await syncsOf(workspace)).toEqual([1])
  })

  it('where many of a workspace are due at once, daily and weekly ones', async () => {
    const workspace = newWorkspace()
    for (let i = 0; i < 60; i++)
      await filling(before, workspace, `reds-${i}`, red, i % 2 === 0 ? 'weekly' : 'daily')
    await enqueuedBy(everyFive, at)
    await enqueuedBy(everyFive, at + 5 * minute)
    expect(await syncsOf(workspace)).toEqual([60])
    expect(new Set((await jobsIn(workspace)).map(({ audience }) => audience)).size).toBe(60)
  })

  it('by an attachment that is refused', async () => {
    const { workspace } = await workspaceWith('weekly', false)
    const { id: taken } = await filling(before, workspace, 'others', red)
    const reason = { reason: 'in-use', what: 'group', id: taken, by: ['others'] }
    await expect(
      attachAudience(hazardousAt(at).res, workspace, 'reds', taken),
    ).rejects.toMatchObject({
      facts: reason,
    })
    await enqueuedBy(everyFive, at)
    expect(await syncsOf(workspace)).toEqual([1])
  })

  it('nor repeated by a change of the audience that a cron overtakes', async () => {
    const { workspace } = await workspaceWith('weekly', false)
    const { res, fuse } = hazardousAt(at)
    const { promise, resolve } = Promise.withResolvers<void>()
    const asleep = new Promise<void>((fallen) => fuse({ at: 2, until: promise, fallen }))
    const changing = changeAudience(res, workspace, 'reds', teamIs('blue'), 'weekly')
    await Promise.race([asleep, changing])
    fuse(undefined)
    await deliverAll(hazardous().res, await enqueuedBy(everyFive, at))
    expect(await syncsOf(workspace)).toEqual([1])
    resolve()
    await changing
    await enqueuedBy(everyFive, at + 5 * minute)
    expect(await syncsOf(workspace)).toEqual([1])
  })
})

describe('the trouble of one workspace does not hold up another', () => {
  const at = monday + hour

  it('where as many groups as an invocation takes have too many jobs', async () => {
    const [full, well] = [newWorkspace(), newWorkspace()]
    const { res } = hazardousAt(monday - 2 * day)
    for (let i = 0; i < 50; i++) {
      const group = await grouped(res, full)
      await receiveUpload(res, full, group.id, {
        createdBy: 'tester',
        parts: parts('ADD', 'ann\n'),
      })
      await addAudience(res, full, `reds-${i}`, red, 'weekly')
      await attachAudience(res, full, `reds-${i}`, group.id)
    }
    await filling(res, well, 'reds', red, 'weekly')
    for (let i = 0; i < 3; i++)
      await enqueuedBy(everyFive, at + 5 * i * minute, { JOBS_WAITING_MAX: 1 })
    expect(await syncsOf(full, well)).toEqual([0, 1])
  })

  it('where a rule has become too large, which is not retried forever', async () => {
    const [refused, well] = [newWorkspace(), newWorkspace()]
    await addAudience(before, refused, 'used', red)
    await filling(before, refused, 'reds', { operator: 'in_audience', audience: 'used' }, 'weekly')
    await filling(before, well, 'reds', red, 'weekly')
    await homeDb
      .prepare(`UPDATE audiences SET rule = ? WHERE workspace_id = ? AND id = 'used'`)
      .bind(
        JSON.stringify({ operator: 'or', expressions: Array.from({ length: 101 }, () => red) }),
        refused,
      )
      .run()
    const error = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    await enqueuedBy(everyFive, at)
    await enqueuedBy(everyFive, at + 5 * minute)
    expect(error.mock.calls.map(([line]) => JSON.parse(String(line)) as unknown)).toEqual([
      expect.objectContaining({
        event: 'refresh-refused',
        workspace: refused,
        audience: 'reds',
        reason: 'rule-refused',
      }),
    ])
    error.mockRestore()
    expect(await syncsOf(refused, well)).toEqual([0, 1])
  })

  it('where the database cannot execute its query', async () => {
    const [broken, well] = [newWorkspace(), newWorkspace()]
    await filling(before, broken, 'reds', red, 'weekly')
    await filling(before, well, 'reds', red, 'weekly')
    await homeDb
      .prepare('UPDATE audiences SET rule = ? WHERE workspace_id = ?')
      .bind('{', broken)
      .run()
    const error = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const onResults = await enqueuedBy(everyFive, at).then(
      () => error.mock.calls.length > 0,
      () => true,
    )
    expect(onResults).toBe(true)
    error.mockRestore()
    expect(await syncsOf(broken, well)).toEqual([0, 1])
  })
})
