import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import type { Db } from '../../src/db/connect.ts'
import { runJob } from '../../src/experience/apply.ts'
import { createGroup } from '../../src/experience/groups.ts'
import { pruneGroup } from '../../src/experience/prune.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { exportMembers, RevisionChanged } from '../../src/membership/export.ts'
import type { JobRow } from '../../src/jobs/job.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import { lines, membersOf } from '../support/api.ts'
import { hazardous, parts, unlessCrash } from '../support/hazard.ts'
import { plansOf } from '../support/plans.ts'
import { runs } from '../support/property.ts'
import { newWorkspace } from '../support/workspaces.ts'

type Deed =
  | { what: 'uploads'; type: 'add' | 'remove' | 'replace'; ids: string[] }
  /** Carries the first unended job on, to its end or for some calls of the database. */
  | { what: 'goes on'; calls: number | undefined }
  | { what: 'fails for good' }
  | { what: 'is cancelled' }
  | { what: 'prunes' }

const ids = fc.array(
  fc.nat(24).map((n) => `person-${n}`),
  { maxLength: 25, size: 'max' },
)
const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant('uploads' as const),
      type: fc.constantFrom('add' as const, 'remove' as const, 'replace' as const),
      ids,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant('goes on' as const),
      calls: fc.option(fc.nat(14), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('fails for good' as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('is cancelled' as const) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('prunes' as const) }) },
)
const deeds = (maxLength: number) => fc.array(deed, { maxLength, size: 'max' })

async function scene() {
  const workspace = newWorkspace()
  const { res, fuse } = hazardous({ SLICE_BYTES: 100 })
  const db = res.databaseOf(workspace)
  const draft = { name: 'g', type: 'EXPERIENCE_GROUP', platform: 'RETAIL_BANKING' }
  const group = await createGroup(res, workspace, draft)

  const jobs = async () => {
    const { results } = await env.DB.prepare(
      'SELECT key, revision, state, ended_at AS endedAt FROM jobs WHERE workspace_id = ? ORDER BY revision',
    )
      .bind(workspace)
      .all<Pick<JobRow, 'key' | 'revision' | 'state' | 'endedAt'>>()
    return results
  }
  const first = async () => (await jobs()).find(({ endedAt }) => endedAt === null)

  const does = async (deed: Deed) => {
    if (deed.what === 'prunes') return pruneGroup(res, { workspace, group: group.key, after: '' })
    if (deed.what === 'uploads') {
      const content = lines(['ParticipantId', ...deed.ids, 'one,two'])
      await receiveUpload(res, workspace, group.id, {
        createdBy: 'tester',
        parts: parts(deed.type, content),
      })
      await db.run('UPDATE jobs SET batch_ids = 3')
      return
    }
    const job = await first()
    if (job === undefined) return
    if (deed.what === 'fails for good')
      return void (await giveUp({ ...res, now: () => 1 }, workspace, job.key))
    if (deed.what === 'is cancelled') {
      const waiting = (await jobs()).findLast(({ state }) => state === 'waiting')
      await env.DB.prepare("UPDATE jobs SET state = 'cancelled', ended_at = 1 WHERE key = ?")
        .bind(waiting?.key ?? 0)
        .run()
      return
    }
    if (deed.calls !== undefined) fuse({ at: deed.calls, when: 'after' })
    await runJob(res, { workspace, job: job.key }, sourceOf).catch(unlessCrash)
    fuse(undefined)
  }
  const live = async () =>
    (await env.DB.prepare('SELECT revision FROM experience_groups WHERE key = ?')
      .bind(group.key)
      .first<number>('revision')) ?? 0
  return { workspace, db, group, jobs, does, live }
}

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
          const { workspace, db, group, jobs, does, live } = await scene()
          const everybody = Array.from({ length: 25 }, (_, n) => `person-${n}`)
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
      runs(25),
    )
    for (const count of Object.values(ends)) expect(count).toBeGreaterThan(0)
  }, 120_000)

  it('is read on by seeks in indexes', async () => {
    const { workspace, group, does } = await scene()
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
