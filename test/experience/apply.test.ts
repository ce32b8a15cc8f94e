import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import { cancelJob, publishJob } from '../../src/experience/held.ts'
import { createGroup } from '../../src/experience/groups.ts'
import type { JobType } from '../../src/experience/jobs.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { Failure } from '../../src/failure.ts'
import type { JobRow } from '../../src/jobs/job.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import type { UploadPart } from '../../src/jobs/upload.ts'
import { lines, membersOf } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous, insisting, parts, unlessCrash, type Fault } from '../support/hazard.ts'
import { deliveries, faults, type Delivery } from '../support/deliveries.ts'
import { runs } from '../support/property.ts'
import { inBytes } from '../support/town.ts'
import { endOf } from '../support/uploads.ts'
import { newWorkspace } from '../support/workspaces.ts'

interface File {
  type: JobType
  ids: string[]
  badRows: number
  /** Whose group it is for: two workspaces have one of the same name. */
  whose: number
  isPreview: boolean
  /** The request dies of it, and is repeated. */
  fault: Fault | null
}

type Step =
  | Delivery
  /** Its run pauses before a call, while another job runs, and it is given up or somebody asks. */
  | { what: 'sleeps'; pick: number; at: number; other: number; by: 'dead' | Asked | null }
  /** Two people publish or cancel it, perhaps at once; the first may die. */
  | { what: 'asked'; pick: number; by: [Asked, Asked]; fault: Fault | null }

type Asked = 'publish' | 'cancel'

const file: fc.Arbitrary<File> = fc.record({
  type: fc.constantFrom('add', 'remove', 'replace'),
  ids: fc.array(
    fc.nat(60).map((n) => `${['person', 'é', 'Ω', '漢', '🎉'][n % 5]}-${n}`),
    { maxLength: 120, size: 'max' },
  ),
  badRows: fc.constantFrom(0, 0, 1, 3),
  whose: fc.constantFrom(0, 0, 0, 1),
  isPreview: fc.constantFrom(false, false, true),
  fault: fc.option(faults(fc.nat(2))),
})

const pick = fc.nat(7)
const at = fc.nat(12)
const asked = fc.constantFrom<Asked>('publish', 'cancel', 'publish')
const what = <What extends Step['what']>(name: What) => fc.constant(name)
const delivery: fc.Arbitrary<Step> = fc.oneof(
  ...deliveries(3, at),
  {
    weight: 4,
    arbitrary: fc.record({
      what: what('sleeps'),
      pick,
      at,
      other: pick,
      by: fc.constantFrom('dead', 'publish', 'cancel', null),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ what: what('asked'), pick, fault: fc.option(faults(at)) },
      by: fc.tuple(asked, asked),
    }),
  },
)

async function* upload({ type, ids, badRows, isPreview }: File): AsyncGenerator<UploadPart> {
  const rows = ['ParticipantId', ...ids, ...Array<string>(badRows).fill('one,two')]
  if (isPreview) yield { field: 'mode', value: 'preview' }
  yield* parts(type, lines(rows))
}

/** The same in memory: the group after a file, and the counts. */
function model(before: ReadonlySet<string>, { type, ids }: File) {
  const named = new Set(ids)
  const after =
    ids.length === 0
      ? before
      : type === 'add'
        ? before.union(named)
        : type === 'remove'
          ? before.difference(named)
          : named
  return { after, added: after.difference(before).size, removed: before.difference(after).size }
}

/** The lines of its bad rows, or 0 if it has no row at all. */
const badLinesOf = ({ ids, badRows }: File): number[] =>
  ids.length + badRows === 0 ? [0] : Array.from({ length: badRows }, (_, i) => 2 + ids.length + i)

/** A job and, as JSON, the lines of its problems. */
type Shown = Pick<JobRow, 'state' | 'failure' | 'rows' | 'badRows' | 'added' | 'removed'> & {
  lines: string
}

async function jobsOf(workspace: number): Promise<Shown[]> {
  const { results } = await homeDb
    .prepare(
      `SELECT state, failure, rows, bad_rows AS badRows, added, removed,
      (SELECT json_group_array(line ORDER BY line) FROM job_problems WHERE job_key = key) AS lines
    FROM jobs WHERE workspace_id = ? ORDER BY revision`,
    )
    .bind(workspace)
    .all<Shown>()
  return results
}

describe('a sequence of uploads to one group', () => {
  it('ends as if applied once, in order, whatever repeats, overlaps or dies', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(file, { minLength: 2, maxLength: 5, size: 'max' }),
        fc.array(delivery, { maxLength: 12, size: 'max' }),
        fc.constantFrom(64, 200, 100_000),
        fc.constantFrom(2, 7, 10_000),
        async (files, deliveries, sliceBytes, batchIds) => {
          const hazard = hazardous({ SLICE_BYTES: sliceBytes })
          const { res, enqueued, fuse } = hazard
          const draft = {
            name: 'g',
            description: undefined,
            type: 'EXPERIENCE_GROUP',
            platform: 'RETAIL_BANKING',
          }
          const places: { workspace: number; id: string; files: File[] }[] = []
          for (const whose of [0, 1]) {
            const workspace = newWorkspace()
            const { id } = await createGroup(res, workspace, draft)
            places.push({ workspace, id, files: files.filter((one) => one.whose === whose) })
          }
          const keys: { workspace: number; key: number; id: string }[] = []
          for (const one of files) {
            const { workspace = 0, id = '' } = places[one.whose] ?? {}
            const opened = await insisting(hazard, one.fault, () =>
              receiveUpload(res, workspace, id, { createdBy: 'tester', parts: upload(one) }),
            )
            keys.push({ workspace, ...opened })
          }
          for (const { workspace } of places)
            await homeDb
              .prepare('UPDATE jobs SET batch_ids = ? WHERE workspace_id = ?')
              .bind(batchIds, workspace)
              .run()

          /** Readers see the files of live jobs, and nothing of others. */
          const checkAt = async ({ workspace, id, files }: (typeof places)[number]) => {
            const jobs = await jobsOf(workspace)
            let expected: ReadonlySet<string> = new Set()
            jobs.forEach((job, i) => {
              const one = files[i]
              if (one === undefined || (job.state !== 'successful' && job.state !== 'partial'))
                return
              const { after, added, removed } = model(expected, one)
              expect(job).toMatchObject({
                added,
                removed,
                rows: one.ids.length + one.badRows,
                badRows: one.badRows,
              })
              expected = after
            })
            expect(await membersOf(workspace, id)).toEqual([...expected].sort(inBytes))
            const count = await homeDb
              .prepare('SELECT participant_count AS n FROM experience_groups WHERE id = ?')
              .bind(id)
              .first('n')
            expect(count).toBe(expected.size)
          }
          const check = async () => {
            for (const place of places) await checkAt(place)
          }

          const keyOf = (pick: number) =>
            keys[pick % keys.length] ?? { workspace: 0, key: 0, id: '' }
          const run = (pick: number) => {
            const { workspace, key } = keyOf(pick)
            return runJob(res, { workspace, job: key }, sourceOf)
          }
          const buried = (pick: number) => {
            const { workspace, key } = keyOf(pick)
            return giveUp(res, workspace, key)
          }
          /** Whether it was done; false where it was told why not. */
          const ask = async (pick: number, by: Asked): Promise<boolean> => {
            const { workspace, id } = keyOf(pick)
            try {
              if (by === 'cancel') await cancelJob(res, workspace, id)
              else await publishJob(res, workspace, id, { expectedRemoved: undefined, sourceOf })
              return true
            } catch (error) {
              if (error instanceof Failure && error.facts.reason === 'job-state') return false
              throw error
            }
          }
          for (const next of deliveries) {
            if (next.what === 'delivered') await run(next.pick)
            else if (next.what === 'twice at once')
              await Promise.all([run(next.pick), run(next.pick)])
            else if (next.what === 'fails for good') await buried(next.pick)
            else if (next.what === 'asked') {
              fuse(next.fault === null ? undefined : { ...next.fault })
              const [one, other] = next.by
              const done = await Promise.all([
                ask(next.pick, one).catch(unlessCrash),
                ask(next.pick, other).catch(unlessCrash),
              ])
              fuse(undefined)
              expect(done.filter((is) => is === true).length).toBeLessThan(2)
            } else if (next.what === 'dies') {
              fuse({ ...next.fault })
              await run(next.pick).catch(unlessCrash)
              fuse(undefined)
            } else {
              const { promise, resolve } = Promise.withResolvers<void>()
              const asleep = new Promise<void>((fallen) =>
                fuse({ at: next.at, until: promise, fallen }),
              )
              const sleeper = run(next.pick)
              await Promise.race([asleep, sleeper])
              fuse(undefined)
              if (next.by === 'dead') await buried(next.pick)
              else if (next.by !== null) await ask(next.pick, next.by)
              await run(next.other)
              resolve()
              await sleeper
            }
            await check()
          }
          // At least once: what was never answered is delivered until nothing is left.
          for (const { workspace, key } of [...keys, ...keys])
            await runJob(res, { workspace, job: key }, sourceOf)
          for (let message = enqueued.pop(); message !== undefined; message = enqueued.pop())
            if (message.kind === 'job') await runJob(res, message, sourceOf)

          // Then what is held is published, the first of each group first.
          for (const [pick] of keys.entries()) {
            await ask(pick, 'publish')
            for (const { workspace, key } of keys)
              await runJob(res, { workspace, job: key }, sourceOf)
          }

          await check()
          for (const { workspace, files } of places) {
            for (const [i, job] of (await jobsOf(workspace)).entries()) {
              const one = files[i]
              if (job.failure === 'gave-up')
                expect(job).toMatchObject({ state: 'failed', added: 0, removed: 0 })
              else if (job.failure === 'cancelled')
                expect(job).toMatchObject({ state: 'cancelled', added: 0, removed: 0 })
              else {
                expect(job.state).toBe(one && endOf(one))
                expect(JSON.parse(job.lines)).toEqual(one && badLinesOf(one))
              }
            }
            const { objects } = await env.FILES.list({ prefix: `uploads/${workspace}/` })
            expect(objects).toEqual([])
          }
        },
      ),
      runs(6),
    )
  }, 120_000)
})
