import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Db } from '../../src/db/connect.ts'
import { exportMembers, RevisionChanged } from '../../src/membership/export.ts'
import { membersOf } from '../support/api.ts'
import { deeds, everybody, groupHistory, type Deed } from '../support/group-history.ts'
import { plansOf } from '../support/plans.ts'
import { runs } from '../support/property.ts'

/** Histories that end in each way, whatever others are drawn. */
const goesOn: Deed = { what: 'goes on', calls: undefined }
const oneGoesLive: Deed[] = [{ what: 'uploads', type: 'remove', ids: ['person-1'] }, goesOn]
const between = (...first: Deed[][]) => [...first, ...Array<Deed[]>(8).fill([])].slice(0, 8)
const examples: [Deed[], Deed[][], number][] = [
  [[], between(), 4],
  [[], between([], oneGoesLive), 4],
  [[], between([], oneGoesLive, oneGoesLive), 4],
]

/** Counts each kind of end over all runs, as each must occur. */
const ends = { whole: 0, 'whole after one went live': 0, 'broken off': 0 }

describe('a file that has begun', () => {
  it('is of its revision or breaks off, whatever is uploaded meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(
        deeds(4),
        fc.array(deeds(4), { minLength: 8, maxLength: 8 }),
        fc.integer({ min: 2, max: 9 }),
        async (before, between, piece) => {
          const { workspace, db, group, jobs, does, live } = await groupHistory()
          await does({ what: 'uploads', type: 'add', ids: everybody })
          await does({ what: 'goes on', calls: undefined })
          for (const one of before) await does(one)

          const expected = await membersOf(workspace, group.id)
          const begun = await exportMembers(db, workspace, group.id, { after: '', piece })
          expect(begun.revision).toBe(await live())
          const reader = begun.file.getReader()
          const received: string[] = []
          for (let page = 0; ; page++) {
            if (page > 0) for (const one of between[page % 8] ?? []) await does(one)
            const later = (await jobs()).filter(({ revision }) => revision > begun.revision)
            const written = later.filter(({ state }) => state !== 'waiting')
            const read = await reader.read().catch((error: unknown) => error)
            if (read instanceof RevisionChanged) {
              // Not without need: two have written, and one of them has gone live.
              expect(written.length).toBeGreaterThan(1)
              expect(await live()).toBeGreaterThan(begun.revision)
              ends['broken off']++
              break
            }
            const { done, value } = read as ReadableStreamReadResult<Uint8Array> // it throws otherwise
            if (done) {
              expect(received.slice(1)).toEqual(expected)
              ends[(await live()) > begun.revision ? 'whole after one went live' : 'whole']++
              break
            }
            received.push(...new TextDecoder().decode(value).split('\n').slice(0, -1))
            expect(received.slice(1)).toEqual(expected.slice(0, received.length - 1))
          }
        },
      ),
      { ...runs(8), examples },
    )
    for (const count of Object.values(ends)) expect(count).toBeGreaterThan(0)
  }, 120_000)

  it('is read on by seeks in indexes', async () => {
    const { workspace, group, does } = await groupHistory()
    await does({ what: 'uploads', type: 'add', ids: ['ann', 'bob'] })
    await does({ what: 'goes on', calls: undefined })
    const plans = await plansOf(async (db: Db) => {
      const range = { after: '', piece: 1 }
      const { file } = await exportMembers(db, workspace, group.id, range)
      const reader = file.getReader()
      await reader.read()
      await reader.read()
    })
    const steps = plans.slice(-2).flatMap(({ plan }) => plan)
    expect(steps.filter((step) => step.startsWith('SEARCH'))).toEqual([
      'SEARCH g USING INDEX experience_groups_by_id (workspace_id=? AND id=?)',
      'SEARCH j USING INDEX jobs_by_group (group_key=? AND revision>?)',
      'SEARCH g USING INDEX experience_groups_by_id (workspace_id=? AND id=?)',
      'SEARCH m USING INDEX members_by_group (group_key=? AND participant_id>?)',
    ])
    expect(steps.filter((step) => /TEMP B-TREE|^SCAN [gjm]\b/.test(step))).toEqual([])
  })
})
