import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { enqueueBusyGroups, enqueueQuietGroups, pruneGroup } from '../../src/experience/prune.ts'
import { Bank, lines } from '../support/api.ts'
import { keeping, tickEverywhere } from '../support/bindings.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { group, insert, job, member } from '../support/rows.ts'
import { planOf, watched } from '../support/plans.ts'

const hour = 3_600_000
const [now, quiet] = [Date.now() + 100 * hour, 12 * hour]

beforeEach(async () => {
  const used = ['cron_places', 'experience_groups', 'jobs', 'members']
  await homeDb.batch(used.map((table) => homeDb.prepare(`DELETE FROM ${table}`)))
})
afterEach(() => void vi.useRealTimers())

/** A group whose third revision is live; each has removed one, and those of two may go. */
const withDeadRows = (key: number, changedAt: number) =>
  homeDb.batch([
    group(key, { revision: 3, updated_at: changedAt, removed_since_prune: 2 }),
    ...[1, 2, 3, 4].map((rev) => member(key, `removed by ${rev}`, { removed_rev: rev })),
    member(key, 'alive'),
    ...[1, 2, 3].map((rev) =>
      insert('jobs', {
        ...{ key: 100 * key + rev, id: `job ${key} ${rev}`, workspace_id: 1, group_key: key },
        ...{ revision: rev, type: 'remove', state: 'successful', file_name: '', file_key: '' },
        ...{ file_size: 1, slice_bytes: 1, created_by: '', created_at: 0, updated_at: 0 },
        ...{ ended_at: 1, removed: 1 },
      }),
    ),
  ])

const left = async (key: number) => {
  const [members, groups] = await homeDb.batch<Record<string, unknown>>([
    homeDb
      .prepare(`SELECT participant_id AS id FROM members WHERE group_key = ? ORDER BY removed_rev`)
      .bind(key),
    homeDb
      .prepare('SELECT removed_since_prune AS n FROM experience_groups WHERE key = ?')
      .bind(key),
  ])
  return { ids: members?.results.map(({ id }) => id), dead: groups?.results[0]?.['n'] }
}

/** Has a cron come, and answers what it enqueues. */
async function comes(cron: string) {
  vi.setSystemTime(now)
  const { bound, scheduled } = keeping()
  await tickEverywhere(cron, bound)
  const { res } = hazardous({}, { now: () => now })
  const groups = []
  for (const { message } of scheduled)
    if (message.kind === 'prune') {
      groups.push(message.group)
      await pruneGroup(res, message)
    }
  return groups
}

describe('dead rows', () => {
  const kept = ['alive', 'removed by 3', 'removed by 4']

  it('go once nothing has changed the group for twelve hours', async () => {
    await withDeadRows(1, now - quiet - 1)
    expect(await comes('*/5 * * * *')).toEqual([1])
    expect(await left(1)).toEqual({ ids: kept, dead: 0 })
    for (const cron of ['*/5 * * * *', '0 4 * * *']) expect(await comes(cron)).toEqual([])
  })

  it('of a group that changes often go once a day', async () => {
    await withDeadRows(1, now - quiet + 1)
    expect(await comes('*/5 * * * *')).toEqual([])
    expect(await comes('0 4 * * *')).toEqual([1])
    expect(await left(1)).toEqual({ ids: kept, dead: 0 })
  })

  it('that the live revision removed stay, though an older message names it', async () => {
    await withDeadRows(1, now - quiet - 1)
    const { res } = hazardous({}, { now: () => now })
    await pruneGroup(res, { workspace: 1, group: 1, after: '', through: 3 })
    expect(await left(1)).toEqual({ ids: kept, dead: 0 })
  })

  it('are counted from the going live of the next revision on', async () => {
    const { bank, group: id } = await Bank.withGroup('owls', lines(['ann', 'bob', 'cid']))
    const counted = async () => {
      const row = homeDb.prepare(
        'SELECT removed_since_prune AS n FROM experience_groups WHERE id = ?',
      )
      return row.bind(id).first('n')
    }
    await bank.apply(id, 'REMOVE', lines(['bob', 'cid']))
    expect(await counted()).toBe(0)
    await bank.apply(id, 'ADD', lines(['dan']))
    expect(await counted()).toBe(2)
    await bank.apply(id, 'REMOVE', lines(['dan']))
    expect(await counted()).toBe(2)
  })

  it('of a revision that goes live meanwhile stay, and are counted', async () => {
    await withDeadRows(1, now - quiet - 1)
    const { res, meanwhile } = hazardous({}, { now: () => now })
    meanwhile(async () => {
      meanwhile(undefined)
      await homeDb.batch([
        homeDb.prepare('UPDATE experience_groups SET revision = 4, updated_at = ?').bind(now),
        job(104, 1, { revision: 4, state: 'successful', ended_at: 1, removed: 1 }),
      ])
    })
    await pruneGroup(res, { workspace: 1, group: 1, after: '' })
    expect(await left(1)).toEqual({ ids: kept, dead: 1 })
  })

  it('are gone within bounds, however many invocations it takes', async () => {
    await withDeadRows(1, now - quiet - 1)
    await homeDb
      .prepare(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
      INSERT INTO members (workspace_id, participant_id, group_key, added_rev, removed_rev, seen_rev)
      SELECT 1, 'person ' || i, 1, 1, 2, 1 FROM n`,
      )
      .run()
    let time = now
    // An invocation has time for one step.
    const { res, enqueued } = hazardous({}, { now: () => (time += 9000) })
    await pruneGroup(res, { workspace: 1, group: 1, after: '', scheduled: true })
    expect(enqueued).toMatchObject([{ kind: 'prune', group: 1, through: 2, scheduled: true }])
    expect((await left(1)).dead).toBe(2)
    let invocations = 1
    for (let next = enqueued.shift(); next?.kind === 'prune'; next = enqueued.shift()) {
      if (++invocations > 10) throw new Error('it does not end')
      await pruneGroup(res, next)
    }
    expect(await left(1)).toEqual({ ids: kept, dead: 0 })
  })

  it('are found by an index alone', async () => {
    const { db, statements } = watched()
    const res = { ...hazardous().res, database: db }
    await enqueueQuietGroups(res)
    await enqueueBusyGroups(res)
    const plans = await Promise.all(
      statements.filter(({ query }) => query.includes('removed_since_prune')).map(planOf),
    )
    expect(plans).toHaveLength(2)
    for (const plan of plans) expect(plan.join()).toMatch(/INDEX experience_groups_to_prune \(/)
    for (const plan of plans) expect(plan.join()).not.toContain('TEMP B-TREE')
  })

  it('change nothing for readers, counts and later files', async () => {
    const { bank, group: id } = await Bank.withGroup('owls', lines(['ann', 'bob', 'cid']))
    await bank.apply(id, 'REMOVE', lines(['bob']))
    await bank.apply(id, 'ADD', lines(['eve']))
    await homeDb
      .prepare('UPDATE experience_groups SET updated_at = ?')
      .bind(now - 13 * hour)
      .run()
    expect(await comes('*/5 * * * *')).toHaveLength(1)
    vi.useRealTimers()
    expect(await bank.members(id)).toEqual(['ann', 'cid', 'eve'])
    await bank.apply(id, 'ADD', lines(['bob', 'dan']))
    expect(await bank.members(id)).toEqual(['ann', 'bob', 'cid', 'dan', 'eve'])
    expect(await bank.count(id)).toBe(5)
  })
})
