import { describe, expect, it } from 'vitest'
import { requestSync } from '../../src/audiences/sync.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { enqueueStalled } from '../../src/experience/stalled.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import { atOnce, scheduledAtOnce } from '../../src/jobs/turn.ts'
import type { Message } from '../../src/messages.ts'
import type { Resources } from '../../src/resources.ts'
import { lines } from '../support/api.ts'
import { filling, grouped, jobsIn, people, teamIs } from '../support/audiences.ts'
import { consume, keeping } from '../support/bindings.ts'
import { homeDb, homeResources, sentAtHome } from '../support/databases.ts'
import { fileParts, hazardous, parts, unlessCrash } from '../support/hazard.ts'
import { answer, answerAll } from '../support/stale.ts'
import { newWorkspace } from '../support/workspaces.ts'

const upload = (res: Resources, workspace: number, group: string, ids = ['ann']) =>
  receiveUpload(res, workspace, group, { createdBy: 'tester', parts: parts('ADD', lines(ids)) })

/** Uploads to as many new groups, oldest first. */
async function uploads(res: Resources, workspace: number, count: number, ids?: string[]) {
  const opened = []
  for (let i = 0; i < count; i++) {
    const group = await grouped(res, workspace)
    opened.push({ group, ...(await upload(res, workspace, group.id, ids)) })
  }
  return opened
}

/** The keys of jobs that have begun and not ended, oldest first. */
async function underWay(workspace: number): Promise<number[]> {
  const { results } = await homeDb
    .prepare(
      `SELECT key FROM jobs WHERE workspace_id = ? AND ended_at IS NULL AND state <> 'waiting'
      ORDER BY key`,
    )
    .bind(workspace)
    .all<{ key: number }>()
  return results.map(({ key }) => key)
}

const keys = (jobs: { key: number }[]) => jobs.map(({ key }) => key)
const jobsOf = (messages: Message[]) =>
  messages.flatMap((message) =>
    message.kind === 'job' || message.kind === 'import' ? [message.job] : [],
  )

/** Begins the job of a message, whose invocation then dies. */
async function begin({ res, fuse }: ReturnType<typeof hazardous>, message: Message) {
  fuse({ at: 2, when: 'before' })
  await answer(res, message).catch(unlessCrash)
  fuse(undefined)
}

/** A workspace of which as many jobs are under way as may be, and others wait. */
async function busy(waiting: number) {
  const workspace = newWorkspace()
  const hazard = hazardous()
  const jobs = await uploads(hazard.res, workspace, atOnce + waiting)
  for (const message of hazard.enqueued.splice(0)) await begin(hazard, message)
  expect(await underWay(workspace)).toEqual(keys(jobs.slice(0, atOnce)))
  const go = (job: number) => answer(hazard.res, { kind: 'job', workspace, job })
  return { ...hazard, workspace, jobs, go }
}

describe('a hundred uploads of one workspace', () => {
  it('do not delay an upload of another workspace', { timeout: 120_000 }, async () => {
    const { bound, work } = keeping({ SLICE_BYTES: 64 })
    const res = homeResources(bound)
    const [many, one] = [newWorkspace(), newWorkspace()]
    await uploads(res, many, 100, people('person', 8))
    const [last] = await uploads(res, one, 1)

    /** What had ended when the message of a job had been delivered. */
    let before: number | undefined
    let begun = 0
    const ended = async () =>
      (await jobsIn(many)).filter(({ state }) => state === 'successful').length
    const consumer = async () => {
      for (let next = work.shift(); next !== undefined; next = work.shift()) {
        await (
          await consume('work', [next.message], bound)
        )()
        begun = Math.max(begun, (await underWay(many)).length)
        if (next.message.workspace === one) before ??= await ended()
      }
    }
    await Promise.all(Array.from({ length: 10 }, consumer))
    console.log(`${before} of a hundred had ended before it`)
    expect(await jobsIn(one)).toMatchObject([{ key: last?.key, state: 'successful' }])
    expect(before).toBeLessThan(10)
    expect(begun).toBeLessThanOrEqual(atOnce)
    expect(await ended()).toBe(100)
  })
})

describe('a job of a workspace that has enough under way', () => {
  it('waits, and begins when one has ended: the oldest first', async () => {
    const { jobs, go, enqueued, workspace } = await busy(3)
    const [first, second] = keys(jobs)
    const [next, afterNext, last] = keys(jobs.slice(atOnce))
    for (const { key } of jobs.slice(atOnce)) await go(key)
    expect(await underWay(workspace)).toHaveLength(atOnce)
    expect(enqueued).toEqual([])
    await go(first ?? 0)
    expect(jobsOf(enqueued.splice(0))).toEqual([next])
    await go(second ?? 0)
    expect(jobsOf(enqueued.splice(0))).toEqual([next, afterNext])
    // A message that only finds the end makes one other, or messages would multiply.
    await go(second ?? 0)
    expect(jobsOf(enqueued.splice(0))).toEqual([next])
    await go(last ?? 0) // whoever comes first
    expect(jobsOf(enqueued)).toEqual([next, afterNext])
  })

  it('a file of users waits for its turn too', async () => {
    const { res, workspace, jobs, go, enqueued } = await busy(0)
    const users = await receiveUsers(res, workspace, 'tester', fileParts('user_id,a\nann,b\n'))
    const message = { kind: 'import', workspace, job: users.key } as const
    enqueued.length = 0
    await answer(res, message)
    expect(await underWay(workspace)).toEqual(keys(jobs))
    await go(jobs[0]?.key ?? 0)
    expect(enqueued.splice(0)).toEqual([sentAtHome(message)])
    await answer(res, message)
    expect(await jobsIn(workspace)).toMatchObject([
      ...[{ state: 'successful' }, ...Array<object>(atOnce - 1).fill({ state: 'writing' })],
      { key: users.key, state: 'successful' },
    ])
  })

  it('begins though another invocation has died before it enqueued it', async () => {
    const { jobs, fuse, go, enqueued } = await busy(1)
    const [first = 0, waits = 0] = [jobs[0]?.key, jobs.at(-1)?.key]
    fuse({ of: 'files', at: 1, when: 'before' })
    await expect(go(first)).rejects.toThrow()
    fuse(undefined)
    expect(enqueued).toEqual([])
    await go(first)
    expect(jobsOf(enqueued)).toEqual([waits])
  })

  it('begins when a group is deleted whose job was under way', async () => {
    const { res, workspace, jobs, enqueued } = await busy(1)
    await deleteGroup(res, workspace, jobs[0]?.group.id ?? '')
    await answerAll(res, enqueued)
    expect((await jobsIn(workspace)).at(-1)).toMatchObject({ state: 'successful' })
  })

  it('does not wait for ever for one that cannot be undone', async () => {
    const { res, workspace, jobs, enqueued } = await busy(1)
    const waits = jobs.at(-1)?.key ?? 0
    for (const { key } of jobs.slice(0, atOnce)) await giveUp(res, workspace, key)
    await answer(res, { kind: 'job', workspace, job: waits })
    expect((await jobsIn(workspace)).at(-1)).toMatchObject({ state: 'waiting' })
    const later = { ...res, now: () => Date.now() + 11 * 60_000 }
    await enqueueStalled(later)
    expect(jobsOf(enqueued)).toContain(waits)
    await answer(later, { kind: 'job', workspace, job: waits })
    expect((await jobsIn(workspace)).at(-1)).toMatchObject({ state: 'successful' })
  })
})

describe('syncs that a cron opened', () => {
  it('leave places for uploads', async () => {
    const workspace = newWorkspace()
    const hazard = hazardous()
    const { res, enqueued } = hazard
    const names = Array.from({ length: 6 }, (_, i) => `reds-${i}`)
    for (const name of names) {
      await filling(res, workspace, name, teamIs('red'))
      await requestSync(res, workspace, name, { by: 'refresh' })
    }
    const syncs = await jobsIn(workspace)
    const sent = enqueued.splice(0)
    for (const message of sent) await begin(hazard, message)
    expect(await underWay(workspace)).toEqual(keys(syncs.slice(0, scheduledAtOnce)))
    const jobs = await uploads(res, workspace, 3)
    for (const message of enqueued.splice(0)) await begin(hazard, message)
    expect(await underWay(workspace)).toEqual(
      keys([...syncs.slice(0, scheduledAtOnce), ...jobs.slice(0, atOnce - scheduledAtOnce)]),
    )
    for (const [message] of [sent]) if (message !== undefined) await answer(res, message)
    expect(enqueued).toEqual([
      sentAtHome({ kind: 'job', workspace, job: jobs[2]?.key }),
      sentAtHome({ kind: 'job', workspace, job: syncs[2]?.key, scheduled: true }),
    ])
    for (const { key } of jobs) await answer(res, { kind: 'job', workspace, job: key })
    await answer(res, sent[1] ?? { kind: 'job', workspace, job: 0 })
    await answerAll(res, enqueued)
    expect((await jobsIn(workspace)).map(({ state }) => state)).toEqual(Array(9).fill('successful'))
  })
})
