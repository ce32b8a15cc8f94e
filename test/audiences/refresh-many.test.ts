import { beforeEach, describe, expect, it, vi } from 'vitest'
import { refreshDue } from '../../src/audiences/refresh.ts'
import { periodOf } from '../../src/audiences/refresh-period.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { clearAudiences, day, hour, monday, red } from '../support/refresh.ts'

const at = monday + hour

beforeEach(async () => {
  await clearAudiences()
  await homeDb.batch(
    ['experience_groups', 'cron_places', 'group_definitions'].map((table) =>
      homeDb.prepare(`DELETE FROM ${table}`),
    ),
  )
})

/** So many audiences, ten to a workspace, which have not been refreshed for a day or a week. */
const seed = (count: number, { attached = true, rule = JSON.stringify(red) } = {}) => {
  const numbers = 'WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)'
  const audiences = homeDb
    .prepare(
      `${numbers} INSERT INTO audiences (workspace_id, id, name, description, rule, uses, refresh,
      refreshed, created_on, created_by, last_modified_on, last_modified_by)
    SELECT 1 + i / 10, 'reds ' || i, '', '', ?2, '[]', iif(i % 2, 'daily', 'weekly'),
      iif(i % 2, '${periodOf('daily', at - day)}', '${periodOf('weekly', at - 7 * day)}'),
      0, '', 0, '' FROM n`,
    )
    .bind(count, rule)
  const groups = homeDb
    .prepare(
      `${numbers} INSERT INTO experience_groups (id, workspace_id, name, type, platform, created_at,
      updated_at, audience_id)
    SELECT 'group ' || i, 1 + i / 10, 'group ' || i, '', '', 0, 0, 'reds ' || i FROM n`,
    )
    .bind(count)
  return homeDb.batch(attached ? [audiences, groups] : [audiences])
}

/** What an invocation opens, and what that costs. */
async function comes(now = at) {
  const { res, enqueued } = hazardous({}, { now: () => now })
  await refreshDue(res, now)
  const jobs = enqueued.map((message) => (message.kind === 'job' ? message.job : 0))
  expect(res.meter.statements).toBeLessThan(1000)
  return { jobs, ...res.meter }
}

const count = (what: string) =>
  homeDb.prepare(`SELECT count(*) AS n FROM ${what}`).first<number>('n')

describe('30,000 audiences that are due', () => {
  it('have their syncs opened within twenty minutes', { timeout: 300_000 }, async () => {
    await seed(30_000)
    const opened: number[] = []
    const all = new Set<number>()
    for (let crons = 0; crons < 4; crons++) {
      const { jobs, statements, rowsRead } = await comes()
      console.log(`${jobs.length} opened, ${statements} statements, ${rowsRead} rows read`)
      expect(rowsRead).toBeLessThan(50 * jobs.length + 100)
      for (const job of jobs) all.add(job)
      opened.push(jobs.length)
    }
    expect(opened.at(0)).toBeGreaterThan(10_000)
    expect(opened.at(-1)).toBe(0)
    expect(all.size).toBe(30_000)
    expect(await count('jobs')).toBe(30_000)
    expect(await count('(SELECT DISTINCT group_key FROM jobs)')).toBe(30_000)
    expect(await count(`sync_rules WHERE rule = '${JSON.stringify(red)}'`)).toBe(30_000)
  })
})

describe('10,000 audiences', () => {
  it('that wait for the recomputes read one row each', async () => {
    await seed(10_000)
    await homeDb.prepare("UPDATE audiences SET refresh = 'weekly', refreshed = '2020-W01'").run()
    await homeDb
      .prepare(
        `INSERT INTO group_definitions (workspace_id, id, description, source_user_attribute,
        attributes, created_on, created_by, last_modified_on, last_modified_by)
      SELECT DISTINCT workspace_id, 'household', '', 'town', '[]', 0, '', 0, '' FROM audiences`,
      )
      .run()
    const { jobs, rowsRead, statements } = await comes()
    console.log(`${statements} statements, ${rowsRead} rows read`)
    expect(jobs).toEqual([])
    expect(rowsRead).toBeLessThan(100_000)
  })

  it('that fill no group are looked at once a day or a week', { timeout: 60_000 }, async () => {
    await seed(10_000, { attached: false })
    expect((await comes()).jobs).toEqual([])
    const again = await comes()
    expect([again.jobs.length, again.statements]).toEqual([0, 4])
    expect(again.rowsRead).toBeLessThan(10)
    await homeDb.prepare("UPDATE audiences SET refresh = 'daily'").run()
    expect((await comes(at + 23 * hour)).rowsRead).toBeLessThan(10)
  })

  it('whose rules are broken hold the others up only for a while', async () => {
    await seed(300, { rule: '{' })
    await homeDb
      .prepare("UPDATE audiences SET rule = ? WHERE id GLOB 'reds *99'")
      .bind(JSON.stringify(red))
      .run()
    const error = vi.spyOn(console, 'error').mockReturnValue()
    const jobs = new Set<number>()
    for (let crons = 0; crons < 12; crons++) for (const job of (await comes()).jobs) jobs.add(job)
    error.mockRestore()
    expect(jobs.size).toBe(3)
  })
})
