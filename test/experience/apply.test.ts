import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runJob } from '../../src/experience/apply.ts'
import { createGroup } from '../../src/experience/groups.ts'
import { giveUp, type Job, type JobType } from '../../src/experience/jobs.ts'
import { receiveUpload, type UploadPart } from '../../src/experience/upload.ts'
import { membersOf } from '../support/api.ts'
import { Crash, hazardous } from '../support/hazard.ts'

interface File {
  type: JobType
  ids: string[]
  badRows: number
}

/** What happens next to the message of one of the unfinished jobs. */
type Delivery =
  | { what: 'delivered'; pick: number }
  | { what: 'twice-at-once'; pick: number }
  | { what: 'crash'; pick: number; at: number; when: 'before' | 'after' }
  | { what: 'dead'; pick: number }

const file: fc.Arbitrary<File> = fc.record({
  type: fc.constantFrom('add', 'remove', 'replace'),
  ids: fc.array(
    fc.nat(40).map((n) => `person-${n}`),
    { maxLength: 60 },
  ),
  badRows: fc.constantFrom(0, 0, 1, 3),
})

const pick = fc.nat(7)
const delivery: fc.Arbitrary<Delivery> = fc.oneof(
  fc.record({ what: fc.constant('delivered' as const), pick }),
  fc.record({ what: fc.constant('twice-at-once' as const), pick }),
  fc.record({ what: fc.constant('crash' as const), pick, at: fc.nat(12), when: fc.constantFrom('before' as const, 'after' as const) }),
  fc.record({ what: fc.constant('dead' as const), pick }),
)

async function* upload({ type, ids, badRows }: File): AsyncGenerator<UploadPart> {
  yield { field: 'type', value: type }
  yield { file: 'people.csv', contentType: 'text/csv' }
  const rows = [...ids, ...Array<string>(badRows).fill('one,two')]
  yield { bytes: new TextEncoder().encode('ParticipantId\n' + rows.map((row) => `${row}\n`).join('')) }
}

/** The same in memory: who is in the group after a file, and what of it changed. */
function model(before: ReadonlySet<string>, { type, ids }: File) {
  const named = new Set(ids)
  const after = ids.length === 0 ? before : type === 'add' ? before.union(named) : type === 'remove' ? before.difference(named) : named
  return { after, added: after.difference(before).size, removed: before.difference(after).size }
}

let workspaces = 1_000_000

async function jobsOf(workspace: number): Promise<Pick<Job, 'state' | 'failure' | 'rows' | 'badRows' | 'added' | 'removed'>[]> {
  const { results } = await env.DB.prepare(
    'SELECT state, failure, rows, bad_rows AS badRows, added, removed FROM jobs WHERE workspace_id = ? ORDER BY revision',
  )
    .bind(workspace)
    .all<Job>()
  return results
}

describe('a sequence of uploads to one group', () => {
  it('ends as if applied once and in order, whatever is delivered twice, at once, out of order, or dies', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(file, { minLength: 1, maxLength: 5 }),
        fc.array(delivery, { maxLength: 25 }),
        fc.constantFrom(64, 200, 100_000),
        fc.constantFrom(2, 7, 10_000),
        async (files, deliveries, sliceBytes, batchIds) => {
          const workspace = ++workspaces
          const { res, rung, fuse } = hazardous({ SLICE_BYTES: sliceBytes })
          const draft = { name: 'g', description: undefined, type: 'EXPERIENCE_GROUP', platform: 'RETAIL_BANKING' }
          const { id } = await createGroup(res.databaseOf(workspace), workspace, draft, res.limits, res.now())
          const keys: number[] = []
          for (const one of files) keys.push((await receiveUpload(res, workspace, id, 'tester', upload(one))).key)
          await env.DB.prepare('UPDATE jobs SET batch_ids = ? WHERE workspace_id = ?').bind(batchIds, workspace).run()

          /** Readers see the files of the jobs that have gone live, and nothing of the others. */
          const check = async () => {
            const jobs = await jobsOf(workspace)
            let expected: ReadonlySet<string> = new Set()
            jobs.forEach((job, i) => {
              const one = files[i]
              if (one === undefined || (job.state !== 'successful' && job.state !== 'partial')) return
              const { after, added, removed } = model(expected, one)
              expect(job).toMatchObject({ added, removed, rows: one.ids.length + one.badRows, badRows: one.badRows })
              expected = after
            })
            expect(await membersOf(workspace, id)).toEqual([...expected].sort())
            const count = await env.DB.prepare('SELECT participant_count AS n FROM experience_groups WHERE id = ?').bind(id).first('n')
            expect(count).toBe(expected.size)
            return jobs
          }

          for (const next of deliveries) {
            const key = keys[next.pick % keys.length] ?? 0
            if (next.what === 'delivered') await runJob(res, workspace, key)
            else if (next.what === 'twice-at-once') await Promise.all([runJob(res, workspace, key), runJob(res, workspace, key)])
            else if (next.what === 'dead') await giveUp(res.databaseOf(workspace), workspace, key, res.now())
            else {
              fuse({ at: next.at, when: next.when })
              await runJob(res, workspace, key).catch((error: unknown) => {
                if (!(error instanceof Crash) && !(error instanceof Error && error.cause instanceof Crash)) throw error
              })
              fuse(undefined)
            }
            await check()
          }
          // At least once: what was never answered is delivered until nothing is left.
          for (const key of [...keys, ...keys]) await runJob(res, workspace, key)
          for (let message = rung.pop(); message !== undefined; message = rung.pop())
            if (message.kind === 'job') await runJob(res, workspace, message.job)

          const jobs = await check()
          for (const [i, job] of jobs.entries()) {
            const one = files[i]
            if (job.failure === 'gave-up') expect(job).toMatchObject({ state: 'failed', added: 0, removed: 0 })
            else expect(job.state).toBe(one?.ids.length === 0 ? 'failed' : one?.badRows === 0 ? 'successful' : 'partial')
          }
          const { objects } = await env.FILES.list({ prefix: `uploads/${workspace}/` })
          expect(objects).toEqual([])
        },
      ),
      { numRuns: 40 },
    )
  }, 120_000)
})
