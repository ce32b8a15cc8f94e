import { beforeEach, describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { requestSync } from '../../src/audiences/sync.ts'
import { cancelJob, publishJob } from '../../src/experience/held.ts'
import { renameGroup } from '../../src/experience/groups.ts'
import { membersOf } from '../support/api.ts'
import { changeAudience, deliverAll, held, jobsIn, people, teamIs } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import {
  before,
  clearAudiences,
  day,
  end,
  enqueuedBy,
  everyFive,
  hour,
  minute,
  monday,
  mornings,
  workspaceWith,
} from '../support/refresh.ts'

beforeEach(clearAudiences)

/** A group of a hundred, which an audience of one person fills each day, and which is guarded. */
async function guarded() {
  const { workspace, group } = await workspaceWith('daily', false)
  await held({ workspace, key: group.key }, people('crowd', 100))
  await renameGroup(before, workspace, group.id, { maxRemovePercent: 50 })
  const morning = async (n: number) => {
    const at = monday + hour + n * day
    for (const [cron, later] of [
      [mornings, 0],
      [everyFive, 5 * minute],
      [everyFive, 23 * hour],
    ] as const)
      await enqueuedBy(cron, at + later)
    await end(workspace)
  }
  const states = async () => (await jobsIn(workspace)).map(({ state }) => state)
  const first = async () => {
    const id = await homeDb
      .prepare('SELECT id FROM jobs WHERE workspace_id = ? ORDER BY key')
      .bind(workspace)
      .first<string>('id')
    return id ?? ''
  }
  return { workspace, group, morning, states, first, members: () => membersOf(workspace, group.id) }
}

describe('a refresh that would remove too many', () => {
  it('is held, and one alone waits behind it, day after day', async () => {
    const { workspace, morning, states, members } = await guarded()
    await morning(0)
    expect(await states()).toEqual(['held'])
    const [job] = await jobsIn(workspace)
    expect(job).toMatchObject({ added: 1, removed: 100, createdBy: 'refresh' })
    for (let n = 1; n < 6; n++) {
      await morning(n)
      expect(await states()).toEqual(['held', 'waiting'])
    }
    expect(await members()).toHaveLength(100)
  })

  it('goes live once it is published, then the one behind it', async () => {
    const { workspace, morning, states, first, members } = await guarded()
    await morning(0)
    await changeAudience(before, workspace, 'reds', teamIs('blue'), 'daily')
    await morning(1)
    await morning(2)
    const { res, enqueued } = hazardous()
    await publishJob(res, workspace, await first(), { expectedRemoved: 100, sourceOf })
    expect(await members()).toEqual(['ann'])
    await deliverAll(res, enqueued)
    expect(await states()).toEqual(['successful', 'successful'])
    expect(await members()).toEqual(['bob'])
    await morning(3)
    expect(await states()).toEqual(['successful', 'successful', 'successful'])
  })

  it('is undone once it is cancelled, and the one behind it is held', async () => {
    const { workspace, morning, states, first, members } = await guarded()
    await morning(0)
    await morning(1)
    const { res, enqueued } = hazardous()
    await cancelJob(res, workspace, await first())
    await deliverAll(res, enqueued)
    expect(await states()).toEqual(['cancelled', 'held'])
    expect(await members()).toHaveLength(100)
  })

  it('takes no preview that waits for its own', async () => {
    const { workspace, morning, states } = await guarded()
    await morning(0)
    const { res } = hazardous()
    const preview = await requestSync(res, workspace, 'reds', { by: 'ann', mode: 'preview' })
    await morning(1)
    expect(await states()).toEqual(['held', 'waiting', 'waiting'])
    const jobs = await jobsIn(workspace)
    expect(jobs.map(({ createdBy }) => createdBy)).toEqual(['refresh', 'ann', 'refresh'])
    expect(jobs[1]).toMatchObject({ key: preview.key })
  })
})
