import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import type { SharedAttribute } from '../../src/db/schema.ts'
import { correct } from '../../src/identity/correct.ts'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { beginWeek } from '../../src/identity/monday.ts'
import { getProfile } from '../../src/identity/profiles.ts'
import { requestRecompute, runRecompute } from '../../src/identity/recompute.ts'
import { refreshGroups } from '../../src/identity/refresh.ts'
import { enqueueStalledMarks, tellRefreshed } from '../../src/identity/refreshed.ts'
import { listRuns } from '../../src/identity/runs.ts'
import { hazardous } from '../support/hazard.ts'
import { mondayIn } from '../support/identity.ts'
import { expectSame, groupsOf, seatAll } from '../support/town.ts'
import { defined, deliver, formed, momentOf, writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'
import { everyCall } from '../support/property.ts'

const shared: SharedAttribute[] = [{ id: 'dog', type: 'boolean_or' }]

const count = async (table: string, definition: number) =>
  (
    await env.DB.prepare(`SELECT count(*) AS n FROM ${table} WHERE definition_key = ?`)
      .bind(definition)
      .first<{ n: number }>()
  )?.n

/** A continuous definition, and its users. */
async function town(
  refresh: 'continuous' | null = 'continuous',
  matching: 'normalized' | null = null,
) {
  const workspace = newWorkspace()
  const hand = hazardous()
  const more = { refresh, matching }
  const { key } = await defined(hand.res, workspace, 'household', 'street', shared, more)
  await writeUsers(hand.res, workspace, [
    ['ann', { street: 'ash', dog: true }],
    ['bob', { street: 'ash' }],
    ['cid', { street: 'elm' }],
  ])
  await requestRecompute(hand.res, workspace, 'household')
  await deliver(hand.res, hand.enqueued, workspace)
  return { workspace, key, ...hand }
}

const move = (res: ReturnType<typeof hazardous>['res'], workspace: number, at = 2) =>
  writeUsers(res, workspace, [['bob', { street: 'elm' }]], at)

describe('a mark', () => {
  it('is one row, and enqueues its definition once until it is done', async () => {
    const { workspace, key, res, enqueued } = await town()
    for (let at = 2; at < 6; at++) await move(res, workspace, at)
    await writeUsers(res, workspace, [['cid', { dog: true }]], 9)
    expect(await count('group_marks', key)).toBe(1)
    expect(enqueued).toEqual([{ kind: 'refresh-groups', workspace, definition: key }])
    await deliver(res, enqueued, workspace)
    expect(await count('group_marks', key)).toBe(0)
    await move(res, workspace, 10)
    expect(enqueued).toEqual([])
  })

  it('is found by the cron of a minute where its message is lost', async () => {
    const { workspace, key, res, enqueued, silence } = await town()
    silence(true)
    await move(res, workspace)
    silence(false)
    await enqueueStalledMarks(res)
    expect(enqueued).toEqual([])
    await enqueueStalledMarks({ ...res, now: () => res.now() + 60_000 })
    const message = { kind: 'refresh-groups', workspace, definition: key, stalled: true }
    expect(enqueued.filter((one) => one.workspace === workspace)).toEqual([message])
    await deliver(res, enqueued, workspace)
    const groups = await formed(res, workspace, 'household')
    expect(groups.get('elm')).toEqual({ members: ['bob', 'cid'], shared: { dog: false } })
  })

  it('is none of a definition that is weekly', async () => {
    const { workspace, key, res, enqueued } = await town(null)
    await move(res, workspace)
    expect([await count('group_marks', key), enqueued]).toEqual([0, []])
  })
})

describe('who follows a user whose value becomes blank', () => {
  it('leaves, and no mark stays that nobody works on', async () => {
    const { workspace, key, res, enqueued } = await town()
    await correct(res, workspace, 'household', {
      user: 'cid',
      correction: { with: 'bob' },
      reason: null,
    })
    await deliver(res, enqueued, workspace)
    await writeUsers(res, workspace, [['bob', { street: '' }]], 2)
    await deliver(res, enqueued, workspace)
    const groups = await formed(res, workspace, 'household')
    expect([...groups].map(([value, { members }]) => [value, members])).toEqual([['ash', ['ann']]])
    expect(await count('group_marks', key)).toBe(0)
  })
})

describe('a member whose value becomes blank', () => {
  it('is counted once among those without one', async () => {
    const { workspace, res, enqueued } = await town('continuous', 'normalized')
    await writeUsers(res, workspace, [['bob', { street: '' }]], 2)
    await deliver(res, enqueued, workspace)
    await requestRecompute(res, workspace, 'household')
    await deliver(res, enqueued, workspace)
    const [run] = await listRuns(res.databaseOf(workspace), workspace, 'household')
    expect(run).toMatchObject({ changed: 0, seated: 2, withoutValue: 1 })
  })
})

describe('who moves to where many wait', () => {
  it('leaves the group before, also where nobody gets a seat', async () => {
    const workspace = newWorkspace()
    const { res, enqueued } = hazardous({ GROUP_USERS_MAX: 1 })
    await defined(res, workspace, 'household', 'street', shared, { refresh: 'continuous' })
    await writeUsers(res, workspace, [
      ...[...'abcdef'].map((user): [string, { street: string }] => [user, { street: 'elm' }]),
      ...[...'xyz'].map((user): [string, { street: string }] => [user, { street: `${user} road` }]),
    ])
    await deliver(res, enqueued, workspace)
    expect((await formed(res, workspace, 'household')).size).toBe(4)
    await writeUsers(
      res,
      workspace,
      [...'xyz'].map((user) => [user, { street: 'elm' }]),
      2,
    )
    await deliver(res, enqueued, workspace)
    const groups = await formed(res, workspace, 'household')
    expect([...groups].map(([value, { members }]) => [value, members])).toEqual([['elm', ['a']]])
  })
})

describe('an event of groups that are formed anew', () => {
  it('is one for all of a minute, and none where nothing was', async () => {
    const { workspace, key, res, enqueued } = await town()
    const events = async () =>
      (
        await env.DB.prepare(
          `SELECT data ->> 'run_id' AS run, data ->> 'definition_id' AS id FROM events
          WHERE workspace_id = ? AND type = 'household.recomputed' AND data ->> 'run_id' IS NULL`,
        )
          .bind(workspace)
          .all()
      ).results
    for (let at = 2; at < 5; at++) {
      await writeUsers(res, workspace, [['bob', { street: `${at}` }]], at)
      await deliver(res, enqueued, workspace)
    }
    await Promise.all([tellRefreshed(res), tellRefreshed(res)])
    await tellRefreshed(res)
    expect(await events()).toEqual([{ run: null, id: 'household' }])
    expect(await count('group_marks', key)).toBe(0)
  })
})

describe('a first correction', () => {
  it('is not undone by a run that has read before it', async () => {
    for (let at = 0; at < 8; at += everyCall) {
      const { workspace, res } = await town(null)
      const sleeping = hazardous()
      const { key: run } = await requestRecompute(sleeping.res, workspace, 'household')
      const { promise, resolve } = Promise.withResolvers<void>()
      const asleep = new Promise<void>((fallen) => sleeping.fuse({ at, until: promise, fallen }))
      const sleeper = runRecompute(sleeping.res, { workspace, run })
      await Promise.race([asleep, sleeper])
      sleeping.fuse(undefined)
      const hand = hazardous()
      const reason = null
      await correct(hand.res, workspace, 'household', {
        user: 'bob',
        correction: { with: 'cid' },
        reason,
      })
      await deliver(hand.res, hand.enqueued, workspace)
      resolve()
      await sleeper
      await runRecompute(sleeping.res, { workspace, run })
      expect((await formed(res, workspace, 'household')).get('elm')?.members).toEqual([
        'bob',
        'cid',
      ])
    }
  })
})

describe('a definition that is deleted', () => {
  it('leaves no mark, seat or correction, wherever its refresh sleeps', async () => {
    for (let at = 0; at < 5; at += everyCall) {
      const { workspace, key, res, enqueued, fuse } = await town()
      const correction = { value: 'elm' }
      await correct(res, workspace, 'household', { user: 'ann', correction, reason: null })
      enqueued.length = 0
      const { promise, resolve } = Promise.withResolvers<void>()
      const asleep = new Promise<void>((fallen) => fuse({ at, until: promise, fallen }))
      const sleeper = refreshGroups(res, { workspace, definition: key })
      await Promise.race([asleep, sleeper])
      fuse(undefined)
      await deleteDefinition(res, workspace, 'household')
      await deliver(res, enqueued, workspace)
      resolve()
      await sleeper
      for (const table of [
        'group_marks',
        'group_corrections',
        'identity_members',
        'group_attributes',
      ])
        expect([table, await count(table, key)]).toEqual([table, 0])
    }
  })
})

describe('twenty definitions of a workspace', () => {
  it('are at work together, and a profile has all of them at once', async () => {
    const workspace = newWorkspace()
    const { res, enqueued } = hazardous({ DEFINITIONS_MAX: 20, USERS_PER_STEP: 20 })
    const ids = Array.from({ length: 20 }, (_, i) => `definition-${i}`)
    for (const [i, id] of ids.entries()) {
      const refresh = i % 2 === 0 ? ('continuous' as const) : null
      await defined(res, workspace, id, `street-${i % 5}`, shared, { refresh })
    }
    const attributes = (n: number) =>
      Object.fromEntries(
        ids.slice(0, 5).map((_, i) => [`street-${i}`, `${(n * (i + 1)) % 17} Oak`]),
      )
    await writeUsers(
      res,
      workspace,
      Array.from({ length: 60 }, (_, n) => [`u${n}`, { ...attributes(n), dog: n % 3 === 0 }]),
    )
    await deliver(res, enqueued, workspace)
    await beginWeek(res, mondayIn(1))
    await deliver(res, enqueued, workspace)
    await writeUsers(res, workspace, [['u1', { ...attributes(9), dog: true }]], 2)
    await deliver(res, enqueued, workspace)
    const { town, definitions } = await momentOf(workspace)
    expect(definitions).toHaveLength(20)
    for (const [i, { seats, groups, source }] of definitions.entries()) {
      if (i % 2 === 1) continue
      expect(seatAll(town, seats, { source }, res.limits.groupUsersMax).seats).toEqual(seats)
      expectSame(groups, groupsOf(town, seats, shared))
    }
    const profile = await getProfile(res.databaseOf(workspace), workspace, 'u1')
    expect(profile.groups).toHaveLength(20)
    for (const id of ids) {
      const [run] = await listRuns(res.databaseOf(workspace), workspace, id)
      expect(run).toMatchObject({ state: 'successful' })
    }
  })
})
