import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { applyAudience, sourceOf } from '../../src/audiences/apply.ts'
import { Invocation } from '../../src/jobs/invocation.ts'
import { findJob } from '../../src/experience/jobs.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { Failure } from '../../src/failure.ts'
import { claimJob } from '../../src/jobs/turn.ts'
import { attachAudience, detachAudience } from '../../src/audiences/attach.ts'
import {
  changeAudience,
  audienceScopes,
  crowd,
  deliverAll,
  filled,
  inStepsOf,
  jobsIn,
  invokeJob,
  people,
  rulesKept,
  teamIs,
} from '../support/audiences.ts'
import { Bank, lines, type Json } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { failures, parts, unlessCrash } from '../support/hazard.ts'
import { Team } from '../support/identity.ts'
import { everyCall } from '../support/property.ts'

const red = teamIs('red')

beforeEach(() => homeDb.prepare('DELETE FROM sync_rules').run()) // a failed test leaves rules behind

describe('a sync', () => {
  it('ends as after the earlier upload, whichever message comes first', async () => {
    const team = await Team.open(audienceScopes)
    const bank = await Bank.open(undefined, team.workspace)
    await crowd(team.workspace, people('red', 300))
    const group = await bank.group()
    await team.send('POST', '/audiences', { id: 'reds', name: 'Reds', rule: red })
    const upload = (
      await (await bank.upload(group, 'ADD', lines(people('other', 20_000)))).json<Json>()
    )['jobId']
    await team.send('PUT', '/audiences/reds/experience-group', { groupId: group })
    const sync = (await (await team.call('POST', '/audiences/reds/sync')).json<Json>())['job_id']
    expect((await bank.upload(group, 'ADD', 'late\n')).status).toBe(400)
    expect(await bank.ended(String(sync))).toMatchObject({
      jobStatus: 'SUCCESSFUL',
      addedCount: 300,
      removedCount: 20_000,
    })
    expect(await bank.ended(String(upload))).toMatchObject({
      jobStatus: 'SUCCESSFUL',
      addedCount: 20_000,
    })
    expect(await bank.members(group)).toEqual(people('red', 300))
    expect(await bank.count(group)).toBe(300)
  })

  it('comes after an upload during attachment, or the upload is refused', async () => {
    const ends = new Set<string>()
    for (let at = 0, fallen = true; fallen; at += everyCall) {
      const { bank, workspace, group, res, enqueued, fuse, sync } = await filled(people('red', 3), [
        'ann',
      ])
      await detachAudience(res, workspace, 'reds')
      const { promise, resolve } = Promise.withResolvers<void>()
      fallen = false
      const asleep = new Promise<void>((done) =>
        fuse({ at, until: promise, fallen: () => done(void (fallen = true)) }),
      )
      const upload = receiveUpload(res, workspace, group, {
        createdBy: 'tester',
        parts: parts('ADD', 'bob\n'),
      }).then(
        () => 'accepted',
        (error: unknown) => (error instanceof Failure ? error.facts.reason : Promise.reject(error)),
      )
      await Promise.race([asleep, upload])
      fuse(undefined)
      await attachAudience(res, workspace, 'reds', group)
      const before = await jobsIn(workspace)
      resolve()
      const end = await upload
      expect(end).toBe(before.length === 1 ? 'accepted' : 'filled-by-audience')
      ends.add(end)
      await sync()
      await deliverAll(res, enqueued)
      const percents = [
        ...(end === 'accepted' ? [{ audience: null, added: 1 }] : []),
        { audience: 'reds', added: 3 },
      ]
      expect(await jobsIn(workspace)).toMatchObject(percents)
      expect(await bank.members(group)).toEqual(people('red', 3))
      expect((await env.FILES.list({ prefix: `uploads/${workspace}/` })).objects).toEqual([])
    }
    expect([...ends]).toEqual(['filled-by-audience', 'accepted'])
  })

  it('does once what it does, wherever it dies', async () => {
    const users = [...people('red', 5), 'x'.repeat(33)]
    let deaths = 0
    for (const failure of failures(Infinity)) {
      const { bank, workspace, group, res, enqueued, fuse, meanwhile, sync } = await filled(users, [
        'red-00000',
        'gone',
      ])
      const { key, id } = await sync()
      meanwhile(async () => void (await inStepsOf(2, workspace)))
      await inStepsOf(2, workspace)
      fuse(failure)
      const dead = await invokeJob(res, workspace, key).then(
        () => false,
        (error: unknown) => (unlessCrash(error), true),
      )
      fuse(undefined)
      if (dead) deaths++
      for (let i = 0; i < 2; i++) await invokeJob(res, workspace, key)
      await deliverAll(res, enqueued)
      const counts = {
        totalRecordsCount: 6,
        failedRecordsCount: 1,
        addedCount: 4,
        removedCount: 1,
        unchangedCount: 1,
      }
      expect(await bank.get(`/jobs/${id}`)).toMatchObject({
        jobStatus: 'PARTIAL_SUCCESS',
        ...counts,
      })
      expect(await bank.members(group)).toEqual(people('red', 5))
      expect(await bank.count(group)).toBe(5)
      expect(await rulesKept()).toBe(0)
      if (!dead) break
    }
    expect(deaths).toBeGreaterThan(15 / everyCall)
  }, 120_000)

  it('works by the rule of the last request before it begins', async () => {
    const { bank, workspace, group, res, enqueued, sync } = await filled(people('red', 3), [])
    await crowd(workspace, ['bob', 'bea'], 'team', 'blue')
    await crowd(workspace, ['gil'], 'team', 'green')
    const first = await sync()
    await changeAudience(res, workspace, 'reds', teamIs('blue'))
    await deliverAll(res, enqueued)
    expect(await bank.members(group)).toEqual(people('red', 3))

    const second = await sync()
    await changeAudience(res, workspace, 'reds', teamIs('green'))
    expect((await sync()).id).toBe(second.id)
    expect(second.id).not.toBe(first.id)
    await changeAudience(res, workspace, 'reds', red)
    await deliverAll(res, enqueued)
    expect(await bank.members(group)).toEqual(['gil'])
    expect(await jobsIn(workspace)).toMatchObject([
      { state: 'successful' },
      { state: 'successful', added: 1, removed: 3 },
    ])
    expect(await rulesKept()).toBe(0)
  })

  it('goes on by its rule once begun, and another waits behind it', async () => {
    const { bank, workspace, group, res, enqueued, fuse, sync } = await filled(people('red', 9), [])
    await crowd(workspace, ['bob'], 'team', 'blue')
    const first = await sync()
    await inStepsOf(3, workspace)
    fuse({ at: 8, when: 'before' })
    await invokeJob(res, workspace, first.key).catch(unlessCrash)
    fuse(undefined)
    await changeAudience(res, workspace, 'reds', teamIs('blue'))
    const second = await sync()
    expect(second.id).not.toBe(first.id)
    await invokeJob(res, workspace, first.key)
    expect(await bank.members(group)).toEqual(people('red', 9))
    await deliverAll(res, enqueued)
    expect(await bank.members(group)).toEqual(['bob'])
  })

  it('begins an invocation with fewer users where the step before was long ago', async () => {
    const { workspace, res, sync } = await filled(people('red', 3000), [])
    const db = res.databaseOf(workspace)
    const waiting = await sync()
    const { key } = waiting
    await claimJob(res, waiting, sourceOf(waiting).starts)
    const stepAfter = async (ms: number) => {
      const job = await findJob(db, workspace, key)
      if (job?.source !== 'audience') throw new Error('the job is gone')
      const invocation = new Invocation({ ...res, now: () => ms })
      await applyAudience(res, { ...job, updatedAt: 0 }, invocation)
      return findJob(db, workspace, key)
    }
    await inStepsOf(4000, workspace)
    expect(await stepAfter(8000)).toMatchObject({
      cursor: 'red-00999',
      touched: 1000,
      batchIds: 1000,
    })
    expect(await stepAfter(3_600_000)).toMatchObject({
      cursor: 'red-01099',
      touched: 1100,
      batchIds: 100,
    })
    await inStepsOf(5000, workspace)
    expect(await stepAfter(10)).toMatchObject({ cursor: '', touched: 3000, offset: 3000 })
  })

  it('shows a progress that moves and never falls', async () => {
    const { bank, workspace, res, meanwhile, takes, sync } = await filled(
      people('red', 60),
      people('old', 40),
    )
    const { key, id } = await sync()
    takes(50)
    const percents: number[] = []
    meanwhile(async () => {
      await inStepsOf(7, workspace)
      percents.push(Number((await bank.get(`/jobs/${id}`))['progressPercent']))
    })
    await inStepsOf(7, workspace)
    await invokeJob(res, workspace, key)
    expect(percents).toEqual(percents.toSorted((a, b) => a - b))
    expect(new Set(percents).size).toBeGreaterThan(8)
    expect(percents.filter((percent) => percent < 75).length).toBeGreaterThan(8)
    expect([percents[0], percents.at(-1)]).toEqual([0, 100])
  })
})

describe('a sync of 20,000 users', () => {
  it('shows readers the old members or the new, never a mixture', async () => {
    const { bank, workspace, group, res, meanwhile, sync } = await filled(people('red', 20_000), [
      'red-00000',
      'old-1',
      'old-2',
    ])
    const { key } = await sync()
    const seen = new Set<string>()
    let between = 0
    meanwhile(async () => {
      between++
      const [count, first, last, old] = await Promise.all([
        bank.count(group),
        ...['red-00001', 'red-19999', 'old-1'].map((id) =>
          bank.get(`/groups/${group}/participants/${id}`),
        ),
      ])
      seen.add(JSON.stringify([count, first?.['member'], last?.['member'], old?.['member']]))
    })
    await invokeJob(res, workspace, key)
    expect(between).toBeGreaterThan(10)
    expect([...seen]).toEqual([
      JSON.stringify([3, false, false, true]),
      JSON.stringify([20_000, true, true, false]),
    ])
  })
})
