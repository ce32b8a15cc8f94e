import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { listRevisions, recentCounts, recentMost } from '../../src/experience/revisions.ts'
import { membersOf } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { group as groupRow, job } from '../support/rows.ts'
import { watched } from '../support/plans.ts'
import { deeds, everybody, groupHistory, type Deed } from '../support/group-history.ts'
import { runs } from '../support/property.ts'

const goesOn: Deed = { what: 'goes on', calls: undefined }

/** More revisions than one page has. */
const several = everybody
  .slice(3, 15)
  .flatMap((id): Deed[] => [{ what: 'uploads', type: 'add', ids: [id] }, goesOn])

describe('the revisions of a group', () => {
  it('are those that readers saw, with as many members', async () => {
    let listed = 0
    await fc.assert(
      fc.asyncProperty(deeds(12), fc.integer({ min: 1, max: 4 }), async (history, size) => {
        const { workspace, db, group, does, live } = await groupHistory()
        const seen = new Map<number, number>()
        await does({ what: 'uploads', type: 'add', ids: everybody })
        await does({ what: 'uploads', type: 'remove', ids: everybody.slice(0, 3) })
        for (const one of [goesOn, ...history, ...Array.from({ length: 8 }, () => goesOn)]) {
          await does(one)
          const at = await live()
          const { length } = await membersOf(workspace, group.id)
          if (at > 0) seen.set(at, length)
        }
        const expected = [...seen].sort(([a], [b]) => b - a)
        const pages = Array.from({ length: Math.ceil((seen.size + 1) / size) }, (_, page) => page)
        const shown = []
        for (const page of pages) {
          const { items, total } = await listRevisions(db, workspace, group.id, { page, size })
          expect(total).toBe(seen.size)
          shown.push(...items)
        }
        expect(shown.map(({ revision, members }) => [revision, members])).toEqual(expected)
        expect(shown.map(({ isLive }) => isLive)).toEqual(shown.map((_, i) => i === 0))
        const counts = await recentCounts(db, workspace, [group.id, 'nobody’s'])
        const [before, ...recent] = counts.get(group.id) ?? []
        expect(recent).toEqual(expected.map(([, members]) => members).reverse())
        expect([before, counts.size]).toEqual([0, 1])
        listed += shown.length
      }),
      { ...runs(10), examples: [[several, 3]] },
    )
    expect(listed).toBeGreaterThan(20)
  }, 120_000)

  it('cost a few rows for each job that is kept', async () => {
    const key = 10_000_000 // beyond those of groups that other tests create in the same database
    const revisions = Array.from({ length: 200 }, (_, i) => i + 1)
    const ended = { state: 'successful', ended_at: 1, added: 2, removed: 1 }
    await homeDb.batch([
      groupRow(key, { revision: 200, participant_count: 200 }),
      ...revisions.map((revision) => job(key + revision, key, { revision, ...ended })),
    ])
    const { db, meter } = watched()
    const { items, total } = await listRevisions(db, 1, `group ${key}`, { page: 2, size: 10 })
    expect([total, items[0]?.members, items.at(-1)?.revision]).toEqual([200, 180, 171])
    expect(meter.rowsRead).toBeLessThan(4 * revisions.length)

    const recent = watched()
    const counts = await recentCounts(recent.db, 1, [`group ${key}`])
    expect(counts.get(`group ${key}`)).toEqual(
      Array.from({ length: recentMost + 1 }, (_, i) => 200 - recentMost + i),
    )
    expect(recent.meter.rowsRead).toBeLessThan(2 * recentMost)
  })
})
