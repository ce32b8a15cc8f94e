import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import { cancelJob, publishJob } from '../../src/experience/held.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { Failure } from '../../src/failure.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import { measureState } from '../../src/jobs/state.ts'
import { othersWait } from '../../src/jobs/others.ts'
import type { UploadPart } from '../../src/jobs/upload.ts'
import type { Resources } from '../../src/resources.ts'
import { lines, membersOf } from '../support/api.ts'
import { grouped } from '../support/audiences.ts'
import { homeDb, sentAtHome } from '../support/databases.ts'
import { failures, hazardous, parts, unlessCrash } from '../support/hazard.ts'
import { people } from '../support/held.ts'
import { day, enqueuedBy, everyFive } from '../support/refresh.ts'
import { newWorkspace } from '../support/workspaces.ts'

beforeEach(async () => void (await homeDb.prepare('DELETE FROM jobs').run()))

async function* preview(type: string, content: string): AsyncGenerator<UploadPart> {
  yield { field: 'mode', value: 'preview' }
  yield* parts(type, content)
}

const stateOf = (key: number) =>
  homeDb.prepare('SELECT state FROM jobs WHERE key = ?').bind(key).first<string>('state')
const run = (res: Resources, workspace: number, job: number) =>
  runJob(res, { workspace, job }, sourceOf)

const scenes = { ADD: [[], ['ann', 'bob']] as const, REPLACE: [['ann'], ['bob']] as const }

/** A held job of a group, and how it is published and cancelled. */
async function scene(type: 'ADD' | 'REPLACE' = 'ADD') {
  const hazard = hazardous()
  const { res } = hazard
  const workspace = newWorkspace()
  const { id: group } = await grouped(res, workspace)
  const [before, after] = scenes[type]
  const upload = async (file: AsyncGenerator<UploadPart>) => {
    const job = await receiveUpload(res, workspace, group, { createdBy: 'tester', parts: file })
    await run(res, workspace, job.key)
    return job
  }
  if (before.length > 0) await upload(parts('ADD', lines([...before])))
  const { id, key } = await upload(preview(type, lines([...after])))
  const to = { expectedRemoved: undefined, sourceOf }
  return {
    ...{ ...hazard, workspace, group, id, key, before, after, upload },
    publish: () => publishJob(res, workspace, id, to),
    cancel: () => cancelJob(res, workspace, id),
    settle: async () => {
      for (let times = 0; times < 3; times++) await run(res, workspace, key)
      return { state: await stateOf(key), members: await membersOf(workspace, group) }
    },
  }
}

const isTold = (error: unknown) => error instanceof Failure && error.facts.reason === 'job-state'
type Move = 'publish' | 'cancel'

/** Who has won says what it did, and the other that it was told. */
const outcomeOf = (move: Move, by: () => Promise<unknown>): Promise<Move | 'told'> =>
  by().then(
    () => move,
    (error: unknown) => (isTold(error) ? 'told' : Promise.reject(error as Error)), // as it came
  )

const races: [one: Move, other: Move][] = [
  ['publish', 'cancel'],
  ['cancel', 'publish'],
  ['publish', 'publish'],
  ['cancel', 'cancel'],
]

describe.each(races)('a %s beside a %s', (one, other) => {
  it('has one winner, and the other is told', async () => {
    for (let at = 0; at < 4; at++) {
      const { fuse, settle, before, after, ...by } = await scene('REPLACE')
      const { promise, resolve } = Promise.withResolvers<void>()
      const asleep = new Promise<void>((fallen) => fuse({ at, until: promise, fallen }))
      const sleeper = outcomeOf(one, by[one])
      await Promise.race([asleep, sleeper])
      fuse(undefined)
      const second = await outcomeOf(other, by[other])
      resolve()
      const both = [await sleeper, second]
      expect(both.filter((what) => what === 'told')).toHaveLength(1)
      const winner = both.find((what) => what !== 'told')
      expect(await settle()).toEqual(
        winner === 'publish'
          ? { state: 'successful', members: [...after] }
          : { state: 'cancelled', members: [...before] },
      )
    }
  })
})

describe('an answer that is lost', () => {
  it.each<Move>(['publish', 'cancel'])('leaves %s done or not at all', async (move) => {
    for (const fault of failures(4)) {
      const { fuse, settle, before, after, ...by } = await scene('REPLACE')
      fuse(fault)
      await by[move]().catch(unlessCrash)
      fuse(undefined)
      await by[move]().catch((error: unknown) => {
        if (!isTold(error)) throw error
      })
      expect(await settle()).toEqual(
        move === 'publish'
          ? { state: 'successful', members: [...after] }
          : { state: 'cancelled', members: [...before] },
      )
    }
  })
})

describe('a held job', () => {
  it('is not given up, and its messages change nothing', async () => {
    const { res, workspace, key, settle, publish } = await scene()
    expect(await giveUp(res, workspace, key)).toBe(false)
    expect(await settle()).toEqual({ state: 'held', members: [] })
    await publish()
    expect(await settle()).toEqual({ state: 'successful', members: ['ann', 'bob'] })
  })

  it('is not measured as open work', async () => {
    const { res } = await scene()
    const points: unknown[] = []
    await measureState({ ...res, measure: (point) => void points.push(point) })
    expect(points).toMatchObject([{ kind: 'state', jobs: 0, oldestJob: 0 }])
  })

  it('keeps no file', async () => {
    const { workspace } = await scene()
    expect((await env.FILES.list({ prefix: `uploads/${workspace}/` })).objects).toEqual([])
  })

  it('leaves its place to jobs of other groups', async () => {
    const { res, workspace } = await scene()
    for (let held = 1; held < 5; held++) {
      const { id } = await grouped(res, workspace, `g${held}`)
      const file = preview('ADD', lines(['ann']))
      const job = await receiveUpload(res, workspace, id, { createdBy: 'tester', parts: file })
      await run(res, workspace, job.key)
      expect(await stateOf(job.key)).toBe('held')
    }
  })

  it('enqueues a job that has waited for its place', async () => {
    const { res, enqueued, workspace, key } = await scene()
    const { id } = await grouped(res, workspace, 'other')
    const file = parts('ADD', lines(['ann']))
    const next = await receiveUpload(res, workspace, id, { createdBy: 'tester', parts: file })
    enqueued.length = 0
    await run(res, workspace, key)
    expect(enqueued).toEqual([sentAtHome({ kind: 'job', workspace, job: next.key })])
  })

  it('makes no other workspace let those go first who wait behind it', async () => {
    const { res, upload, workspace } = await scene()
    const { key } = await upload(parts('ADD', lines(['zoe'])))
    expect(await stateOf(key)).toBe('waiting')
    expect(await othersWait(res, newWorkspace())).toBe(false)
    const { id } = await grouped(res, workspace, 'other')
    const file = parts('ADD', lines(['ann']))
    await receiveUpload(res, workspace, id, { createdBy: 'tester', parts: file })
    expect(await othersWait(res, newWorkspace())).toBe(true)
  })

  it('is cancelled after HELD_DAYS, not before', async () => {
    const { res, workspace, key, group, settle } = await scene('REPLACE')
    const heldFor = (days: number) =>
      homeDb
        .prepare('UPDATE jobs SET updated_at = ? WHERE key = ?')
        .bind(Date.now() - days * day, key)
        .run()
    const enqueued = async () =>
      (await enqueuedBy(everyFive, Date.now())).filter(({ kind }) => kind === 'job')
    await heldFor(6.9)
    expect(await enqueued()).toEqual([])
    await run(res, workspace, key)
    expect(await stateOf(key)).toBe('held')
    await heldFor(7.1)
    expect(await enqueued()).toMatchObject([{ workspace, job: key }])
    expect(await settle()).toEqual({ state: 'cancelled', members: ['ann'] })
    const { results } = await homeDb
      .prepare(
        `SELECT actor ->> 'name' AS name, data ->> 'group_id' AS "group" FROM events
        WHERE workspace_id = ? AND type = 'job.cancelled'`,
      )
      .bind(workspace)
      .all()
    expect(results).toEqual([{ name: res.actor.name, group }])
  })

  it('fails at its publication where members would be too many', async () => {
    const { res, workspace, id, settle } = await scene('ADD')
    const small = { ...res, limits: { ...res.limits, membersMax: 1 } }
    await publishJob(small, workspace, id, { expectedRemoved: undefined, sourceOf })
    expect(await settle()).toEqual({ state: 'failed', members: [] })
  })
})

describe('a preview', () => {
  it('and its publication write a few rows more than the upload', async () => {
    const extra: number[] = []
    const publishing: number[] = []
    for (const count of [100, 10_000]) {
      const { res } = hazardous()
      const workspace = newWorkspace()
      const billed = async (group: string, file: AsyncGenerator<UploadPart>) => {
        const job = await receiveUpload(res, workspace, group, { createdBy: 't', parts: file })
        const before = res.meter.rowsWritten
        await run(res, workspace, job.key)
        return { ...job, rows: res.meter.rowsWritten - before }
      }
      const [before, after] = [people(0, count), people(count / 2, count * 2)].map(lines)
      const [plain, careful] = [await grouped(res, workspace), await grouped(res, workspace)]
      for (const { id } of [plain, careful]) await billed(id, parts('ADD', before ?? ''))
      const upload = await billed(plain.id, parts('REPLACE', after ?? ''))
      const held = await billed(careful.id, preview('REPLACE', after ?? ''))
      const written = res.meter.rowsWritten
      await publishJob(res, workspace, held.id, { expectedRemoved: count / 2, sourceOf })
      publishing.push(res.meter.rowsWritten - written)
      extra.push(held.rows + (publishing.at(-1) ?? 0) - upload.rows)
    }
    // Larger files take more batches or fewer, as time allows.
    expect({ publishing, extra: extra[0] }).toEqual({ publishing: [12, 12], extra: 13 })
  })
})
