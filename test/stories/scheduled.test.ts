import { describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { refreshDue } from '../../src/audiences/refresh.ts'
import { requestSync } from '../../src/audiences/sync.ts'
import { runJob } from '../../src/experience/apply.ts'
import { beginWeek } from '../../src/identity/monday.ts'
import { requestRecompute, runRecompute } from '../../src/identity/recompute.ts'
import type { Message } from '../../src/messages.ts'
import type { Resources } from '../../src/resources.ts'
import { jobsIn } from '../support/audiences.ts'
import { consume, keeping, type Kept } from '../support/bindings.ts'
import { atHome, homeDb, homeResources } from '../support/databases.ts'
import { mondayIn } from '../support/identity.ts'
import { outAfter } from '../support/outage.ts'
import { hour, workspaceWith } from '../support/refresh.ts'

const monday = mondayIn(1)
const isAcked = { acked: [0], retried: [] }

/** A workspace whose week begins, and its sync or its recompute, which a cron or a person opened. */
async function opened() {
  const kept = keeping()
  const { workspace } = await workspaceWith('daily')
  const res: Resources = { ...homeResources(kept.bound), now: () => monday }
  const taken = (queue: Kept[]) =>
    queue.splice(0).flatMap(({ message }) => (message.workspace === workspace ? [message] : []))
  const all = () => ({ work: taken(kept.work), scheduled: taken(kept.scheduled) })
  return { ...kept, workspace, res, all }
}

const kinds = {
  sync: {
    table: 'jobs',
    byCron: (res: Resources) => refreshDue(res, monday + hour),
    requested: (res: Resources, workspace: number) =>
      requestSync(res, workspace, 'reds', { by: 'ann' }),
  },
  recompute: {
    table: 'recompute_runs',
    byCron: (res: Resources) => beginWeek(res, monday),
    requested: (res: Resources, workspace: number) => requestRecompute(res, workspace, 'household'),
  },
} as const

const keyOf = (message: Message) => {
  if (message.kind === 'job') return message.job
  if (message.kind === 'recompute') return message.run
  throw new Error(`a message of ${message.kind}`)
}

const goOn = (res: Resources, message: Message) =>
  message.kind === 'job'
    ? runJob(res, message, sourceOf)
    : message.kind === 'recompute'
      ? runRecompute(res, message)
      : undefined

describe.each(Object.entries(kinds))('a %s that a cron opened', (_, { table, ...opens }) => {
  /** Its message. */
  async function begun() {
    const scene = await opened()
    await opens.byCron(scene.res)
    const { work, scheduled } = scene.all()
    expect(work).toEqual([])
    const [message, ...others] = scheduled
    if (message === undefined || others.length > 0) throw new Error('not one message')
    return { ...scene, message }
  }

  it('goes to the queue of scheduled work, one that was requested does not', async () => {
    const { message, res, workspace, all } = await begun()
    expect(message).toMatchObject({ scheduled: true })
    await opens.requested(res, workspace)
    const { work, scheduled } = all()
    expect(scheduled).toEqual([])
    expect(work).toEqual([{ ...message, scheduled: undefined }])
  })

  it('stays there when an invocation is out of time', async () => {
    const { message, res, all } = await begun()
    let now = monday
    await goOn({ ...res, now: () => (now += 30_000) }, message)
    expect(all()).toEqual({ work: [], scheduled: [message] })
    await goOn({ ...res, now: () => (now += 30_000) }, { ...message, scheduled: undefined })
    expect(all()).toEqual({ work: [{ ...message, scheduled: undefined }], scheduled: [] })
  })

  it('stays there when the database is out', async () => {
    const { message, bound, all } = await begun()
    const outcome = await consume('scheduled', [message], { ...bound, ...atHome(outAfter(0).db) })
    expect(await outcome()).toEqual(isAcked)
    expect(all()).toEqual({ work: [], scheduled: [{ ...message, waited: 1 }] })
  })

  it('stays there when it is given up, and is carried on by its consumer', async () => {
    const { message, bound, all } = await begun()
    await homeDb
      .prepare(`UPDATE ${table} SET updated_at = 1 WHERE key = ?`)
      .bind(keyOf(message))
      .run()
    expect(await (await consume('scheduled-dead', [message], bound))()).toEqual(isAcked)
    expect(all()).toEqual({ work: [], scheduled: [message] })
    expect(await (await consume('scheduled', [message], bound))()).toEqual(isAcked)
    const ended = await homeDb
      .prepare(`SELECT state FROM ${table} WHERE key = ?`)
      .bind(keyOf(message))
      .first('state')
    expect(ended).toBe('failed')
  })
})

describe('a sync that a cron opened', () => {
  it('is that of who requests it while it waits', async () => {
    const { res, workspace } = await opened()
    await refreshDue(res, monday + hour)
    await requestSync(res, workspace, 'reds', { by: 'ann' })
    expect(await jobsIn(workspace)).toMatchObject([{ state: 'waiting', createdBy: 'ann' }])
  })
})

describe('what follows work that has ended', () => {
  it('goes to the queue of its own kind', async () => {
    const { res, workspace, all } = await opened()
    const requested = await requestRecompute(res, workspace, 'household')
    await beginWeek(res, monday)
    const [weekly] = all().scheduled
    await runRecompute(res, { workspace, run: requested.key })
    expect(all()).toEqual({ work: [], scheduled: [weekly] })
  })
})
