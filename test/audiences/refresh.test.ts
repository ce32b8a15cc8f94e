import { beforeEach, describe, expect, it, vi } from 'vitest'
import { periodOf } from '../../src/audiences/refresh-period.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { giveUpRun } from '../../src/identity/runs.ts'
import { attachAudience } from '../../src/audiences/attach.ts'
import {
  addAudience,
  changeAudience,
  deliverAll,
  filling,
  grouped,
  jobsIn,
} from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { defined } from '../support/weeks.ts'
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
  mondays,
  mornings,
  recompute,
  red,
  syncsOf,
  enqueuedBy,
  workspaceWith,
} from '../support/refresh.ts'
import { newWorkspace } from '../support/workspaces.ts'

beforeEach(clearAudiences)

describe('an audience of the week', () => {
  it('fills its group once, after the recompute of its workspace has ended', async () => {
    const { workspace, group } = await workspaceWith('weekly')
    const { workspace: other } = await workspaceWith('weekly')
    await enqueuedBy(everyFive, monday - 5 * minute)
    expect(await syncsOf(workspace, other)).toEqual([0, 0])

    const runs = await enqueuedBy(mondays, monday)
    await enqueuedBy(everyFive, monday + 5 * minute)
    expect(await syncsOf(workspace, other)).toEqual([0, 0])

    await recompute(runs.filter((message) => message.workspace === workspace))
    const enqueued = await enqueuedBy(everyFive, monday + 10 * minute)
    expect(await syncsOf(workspace, other)).toEqual([1, 0])

    await recompute(runs)
    for (let i = 3; i < 7; i++) await enqueuedBy(everyFive, monday + 5 * i * minute)
    await enqueuedBy(everyFive, monday + 6 * day)
    await enqueuedBy(mornings, monday + day + hour)
    expect(await syncsOf(workspace, other)).toEqual([1, 1])

    await deliverAll(hazardous().res, enqueued)
    const [job] = await jobsIn(workspace)
    expect(job).toMatchObject({ state: 'successful', added: 1, createdBy: 'refresh' })
    expect(
      await homeDb
        .prepare('SELECT participant_count AS n FROM experience_groups WHERE key = ?')
        .bind(group.key)
        .first('n'),
    ).toBe(1)

    await enqueuedBy(everyFive, monday + 7 * day - 5 * minute)
    expect(await syncsOf(workspace)).toEqual([1])
    await recompute(await enqueuedBy(mondays, monday + 7 * day))
    await enqueuedBy(everyFive, monday + 7 * day + 5 * minute)
    expect(await syncsOf(workspace)).toEqual([2])
  })

  it('waits for a recompute that the other cron of 03:00 opens later', async () => {
    const { workspace } = await workspaceWith('weekly')
    await enqueuedBy(everyFive, monday)
    expect(await syncsOf(workspace)).toEqual([0])
    await recompute(await enqueuedBy(mondays, monday))
    await enqueuedBy(everyFive, monday + 5 * minute)
    expect(await syncsOf(workspace)).toEqual([1])
  })

  it('fills its group although the recompute failed, or none exists', async () => {
    const { workspace } = await workspaceWith('weekly')
    const { workspace: alone } = await workspaceWith('weekly', false)
    for (const message of await enqueuedBy(mondays, monday))
      if (message.kind === 'recompute')
        await giveUpRun({ ...before, now: () => monday }, message.workspace, message.run)
    await enqueuedBy(everyFive, monday + 5 * minute)
    expect(await syncsOf(workspace, alone)).toEqual([1, 1])
  })

  it('waits for no definition that was made since the week began', async () => {
    const { workspace } = await workspaceWith('weekly', false)
    await defined(hazardousAt(monday + hour).res, workspace, 'later', 'street', [])
    await enqueuedBy(everyFive, monday + 2 * hour)
    expect(await syncsOf(workspace)).toEqual([1])
  })

  it('does so once although crons come at once', async () => {
    const all = await Promise.all([
      workspaceWith('weekly', false),
      workspaceWith('weekly', false),
      workspaceWith('daily'),
    ])
    await Promise.all(Array.from({ length: 4 }, () => enqueuedBy(everyFive, monday + hour)))
    await Promise.all([enqueuedBy(mornings, monday + hour), enqueuedBy(everyFive, monday + hour)])
    expect(await syncsOf(...all.map(({ workspace }) => workspace))).toEqual([1, 1, 1])
  })
})

describe('an audience of the day', () => {
  it('fills its group once a day, from 04:00 UTC, whatever is recomputed', async () => {
    const { workspace } = await workspaceWith('daily')
    const tuesday = monday + day - 3 * hour // 00:00
    await enqueuedBy(mondays, monday)
    const seen: number[] = []
    for (const at of [
      tuesday + 4 * hour,
      tuesday + 4 * hour,
      tuesday + 5 * hour,
      tuesday + 23 * hour,
      tuesday + day + 4 * hour - 5 * minute,
    ]) {
      await enqueuedBy(at === tuesday + 4 * hour ? mornings : everyFive, at)
      seen.push(...(await syncsOf(workspace)))
    }
    expect(seen).toEqual([1, 1, 1, 1, 1])
    await end(workspace)
    await enqueuedBy(everyFive, tuesday + day + 4 * hour - 5 * minute)
    expect(await syncsOf(workspace)).toEqual([1])
    await enqueuedBy(mornings, tuesday + day + 4 * hour)
    expect(await syncsOf(workspace)).toEqual([2])
  })

  it('does not do so again for a late cron of yesterday', async () => {
    const { workspace } = await workspaceWith('daily')
    await enqueuedBy(mornings, monday + hour)
    await end(workspace)
    await enqueuedBy(everyFive, monday + hour - 5 * minute)
    await end(workspace)
    await enqueuedBy(everyFive, monday + hour + 5 * minute)
    expect(await syncsOf(workspace)).toEqual([1])
  })
})

describe('an audience is not due', () => {
  const later = monday + hour
  const due = async (workspace: number) => {
    for (const [cron, at] of [
      [everyFive, later],
      [mornings, later],
      [everyFive, later + day],
    ] as const)
      await enqueuedBy(cron, at)
    return (await syncsOf(workspace))[0]
  }

  it('that fills its group only on demand', async () => {
    const { workspace } = await workspaceWith('on_demand', false)
    expect(await due(workspace)).toBe(0)
  })

  it('that fills no group', async () => {
    const workspace = newWorkspace()
    await addAudience(before, workspace, 'reds', red, 'weekly')
    expect(await due(workspace)).toBe(0)
  })

  it('whose group was deleted', async () => {
    const { workspace, group } = await workspaceWith('daily', false)
    await deleteGroup(before, workspace, group.id)
    const error = vi.spyOn(console, 'error')
    expect(await due(workspace)).toBe(0)
    expect(error).not.toHaveBeenCalled()
    error.mockRestore()
  })

  it.each(['weekly', 'daily'] as const)(
    'that was made, attached or made %s during it, until the next',
    async (refresh) => {
      const now = hazardousAt(later).res
      const next = later + (refresh === 'daily' ? day : 7 * day)
      const [made, attached, changed] = [newWorkspace(), newWorkspace(), newWorkspace()]
      await filling(now, made, 'reds', red, refresh)
      await addAudience(before, attached, 'reds', red, refresh)
      await attachAudience(now, attached, 'reds', (await grouped(now, attached)).id)
      await filling(before, changed, 'reds', red)
      await changeAudience(now, changed, 'reds', red, refresh)
      for (const at of [later, later + 5 * minute, next - hour - 5 * minute])
        await enqueuedBy(everyFive, at)
      expect(await syncsOf(made, attached, changed)).toEqual([0, 0, 0])
      await enqueuedBy(everyFive, next)
      expect(await syncsOf(made, attached, changed)).toEqual([1, 1, 1])
    },
  )
})

describe('periodOf', () => {
  it('begins a week on Monday 03:00 UTC, a day at 04:00 UTC', () => {
    const ends = (refresh: 'weekly' | 'daily', at: number) =>
      periodOf(refresh, at - 1) !== periodOf(refresh, at)
    const hours = Array.from({ length: 14 * 24 }, (_, i) => monday - 7 * day + i * hour)
    expect(hours.filter((at) => ends('weekly', at))).toEqual([monday - 7 * day, monday])
    expect(hours.filter((at) => ends('daily', at)).map((at) => new Date(at).getUTCHours())).toEqual(
      Array<number>(14).fill(4),
    )
    expect(periodOf('on_demand', monday)).toBeNull()
  })
})
