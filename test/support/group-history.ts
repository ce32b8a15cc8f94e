import fc from 'fast-check'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import { createGroup } from '../../src/experience/groups.ts'
import { cancelJob, publishJob } from '../../src/experience/held.ts'
import { pruneGroup } from '../../src/experience/prune.ts'
import { revertGroup } from '../../src/experience/revert.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { Failure } from '../../src/failure.ts'
import type { JobRow } from '../../src/jobs/job.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import { lines } from './api.ts'
import { homeDb } from './databases.ts'
import { hazardous, parts, unlessCrash } from './hazard.ts'
import { newWorkspace } from './workspaces.ts'

type Mode = 'apply' | 'preview'

/** What may happen to a group. */
export type Deed =
  | { what: 'uploads'; type: 'add' | 'remove' | 'replace'; ids: string[]; mode?: Mode }
  | { what: 'reverts'; mode: Mode }
  /** What is held is published or cancelled, by somebody. */
  | { what: 'decides'; by: 'publish' | 'cancel' }
  /** Carries the first unended job on, to its end or for some calls of the database. */
  | { what: 'goes on'; calls: number | undefined }
  | { what: 'fails for good' }
  | { what: 'is cancelled' }
  | { what: 'prunes' }

/** Everybody whom files may name. */
export const everybody = Array.from({ length: 25 }, (_, n) => `person-${n}`)

const ids = fc.array(
  fc.nat(24).map((n) => `person-${n}`),
  { maxLength: 25, size: 'max' },
)
const mode = fc.constantFrom<Mode>('apply', 'apply', 'preview')
const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant('uploads' as const),
      type: fc.constantFrom('add' as const, 'remove' as const, 'replace' as const),
      ...{ ids, mode },
    }),
  },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('reverts' as const), mode }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('decides' as const),
      by: fc.constantFrom('publish' as const, 'cancel' as const),
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
export const deeds = (maxLength: number) => fc.array(deed, { maxLength, size: 'max' })

type JobOfHistory = Pick<
  JobRow,
  'key' | 'id' | 'revision' | 'state' | 'failure' | 'added' | 'removed' | 'rows' | 'endedAt'
>

/** There may be nothing to revert, or too many jobs wait. */
function unlessRefused(error: unknown): undefined {
  if (!(error instanceof Failure)) throw error
}

/** A group of its own, its jobs, what is done to it, and its live revision. */
export async function groupHistory() {
  const workspace = newWorkspace()
  const { res, fuse } = hazardous({ SLICE_BYTES: 100 })
  const db = res.databaseOf(workspace)
  const draft = { name: 'g', type: 'EXPERIENCE_GROUP', platform: 'RETAIL_BANKING' }
  const group = await createGroup(res, workspace, draft)

  const jobs = async () => {
    const { results } = await homeDb
      .prepare(
        `SELECT key, id, revision, state, failure, added, removed, rows, ended_at AS endedAt FROM jobs
        WHERE workspace_id = ? ORDER BY revision`,
      )
      .bind(workspace)
      .all<JobOfHistory>()
    return results
  }
  const first = async () => (await jobs()).find(({ endedAt }) => endedAt === null)

  /** What each job, by its key, was asked to do. */
  const asked = new Map<number, Deed>()
  const opened = async (key: number, deed: Deed) => {
    asked.set(key, deed)
    await homeDb.prepare('UPDATE jobs SET batch_ids = 3 WHERE key = ?').bind(key).run()
  }

  const does = async (deed: Deed) => {
    if (deed.what === 'prunes') return pruneGroup(res, { workspace, group: group.key, after: '' })
    if (deed.what === 'uploads') {
      const content = lines(['ParticipantId', ...deed.ids, 'one,two'])
      const file = async function* () {
        yield { field: 'mode', value: deed.mode ?? 'apply' }
        yield* parts(deed.type, content)
      }
      const { key } = await receiveUpload(res, workspace, group.id, {
        createdBy: 'tester',
        parts: file(),
      })
      return opened(key, deed)
    }
    if (deed.what === 'reverts') {
      const draft = { mode: deed.mode, maxRemovePercent: null, createdBy: 'tester' }
      const id = await revertGroup(res, workspace, group.id, draft).catch(unlessRefused)
      const last = (await jobs()).at(-1)
      return void (id !== undefined && last !== undefined && (await opened(last.key, deed)))
    }
    if (deed.what === 'decides') {
      const held = (await jobs()).find(({ state }) => state === 'held')
      if (held === undefined) return
      if (deed.by === 'cancel') await cancelJob(res, workspace, held.id)
      else await publishJob(res, workspace, held.id, { expectedRemoved: undefined, sourceOf })
      return
    }
    const job = await first()
    if (job === undefined) return
    if (deed.what === 'fails for good')
      return void (await giveUp({ ...res, now: () => 1 }, workspace, job.key))
    if (deed.what === 'is cancelled') {
      const waiting = (await jobs()).findLast(({ state }) => state === 'waiting')
      await homeDb
        .prepare("UPDATE jobs SET state = 'cancelled', ended_at = 1 WHERE key = ?")
        .bind(waiting?.key ?? 0)
        .run()
      return
    }
    if (deed.calls !== undefined) fuse({ at: deed.calls, when: 'after' })
    await runJob(res, { workspace, job: job.key }, sourceOf).catch(unlessCrash)
    fuse(undefined)
  }
  const live = async () =>
    (await homeDb
      .prepare('SELECT revision FROM experience_groups WHERE key = ?')
      .bind(group.key)
      .first<number>('revision')) ?? 0
  return { workspace, res, db, group, jobs, asked, does, live }
}
