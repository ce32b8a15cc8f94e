import { describe, expect, it } from 'vitest'
import { deleteUser } from '../../src/identity/delete-user.ts'
import { getProfile, mergeUser, replaceUser } from '../../src/identity/profiles.ts'
import { takeReports, writeReports } from '../../src/identity/reports.ts'
import { runUsersJob } from '../../src/identity/users-file.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { findUsersJob } from '../../src/identity/users-jobs.ts'
import { readAttributes } from '../../src/identity/attributes.ts'
import type { ReportsMessage } from '../../src/messages.ts'
import type { Env } from '../../src/resources.ts'
import { declined, said } from '../support/answers.ts'
import { json, lines } from '../support/api.ts'
import { people } from '../support/audiences.ts'
import { ask, keeping } from '../support/bindings.ts'
import { homeDb } from '../support/databases.ts'
import { fileParts, hazardous } from '../support/hazard.ts'
import { Team } from '../support/identity.ts'
import { newWorkspace } from '../support/workspaces.ts'

const counted = (workspace: number) =>
  homeDb
    .prepare(
      `SELECT coalesce((SELECT users FROM workspaces WHERE workspace_id = ?1), 0) AS counted,
      (SELECT count(*) FROM users WHERE workspace_id = ?1) AS there`,
    )
    .bind(workspace)
    .first<{ counted: number; there: number }>()

const named = (from: number, to: number, value: string | null = 'x') =>
  Object.fromEntries(Array.from({ length: to - from }, (_, i) => [`a${from + i}`, value]))

function stage(vars: Partial<Env>) {
  const workspace = newWorkspace()
  const hazard = hazardous(vars)
  const { res, reportsEnqueued, fuse } = hazard
  const attributesOf = async (user: string) =>
    (await getProfile(res.databaseOf(workspace), workspace, user)).attributes.length
  return {
    ...hazard,
    workspace,
    attributesOf,
    has: async (count: number) =>
      expect(await counted(workspace)).toEqual({ counted: count, there: count }),
    put: (user: string, attributes: object = {}) =>
      replaceUser(res, workspace, user, readAttributes(attributes)),
    patch: (user: string, attributes: object) =>
      mergeUser(res, workspace, user, readAttributes(attributes)),
    take: (users: string[], attributes: object = { town: 'Ulm' }) =>
      takeReports(
        res,
        workspace,
        users.map((user) => ({ user, at: Date.now(), changes: readAttributes(attributes) })),
      ),
    written: async () => {
      res.meter.statements = 0
      const messages = reportsEnqueued.splice(0) as ReportsMessage[] // nothing else is in that queue
      return writeReports(res, messages)
    },
    /** Applies a file, and gives its job and its problems. */
    file: async (text: string, fault?: Parameters<typeof fuse>[0]) => {
      const { key } = await receiveUsers(res, workspace, 'tester', fileParts(text))
      fuse(fault)
      await runUsersJob(res, workspace, key).catch(() => undefined)
      fuse(undefined)
      await runUsersJob(res, workspace, key)
      const { results } = await homeDb
        .prepare('SELECT line, problem, value FROM job_problems WHERE job_key = ? ORDER BY line')
        .bind(key)
        .all()
      const job = await findUsersJob(res.databaseOf(workspace), workspace, key)
      return { job, problems: results }
    },
  }
}

const limit = (what: string, max: number) => ({ facts: { reason: 'limit', what, max } })

describe('the users of a workspace', () => {
  it('are counted by each way to write and delete them', async () => {
    const { put, patch, take, written, file, has, res, workspace } = stage({})
    await has(0)
    await Promise.all(['ann', 'bob', 'ann'].map((user) => put(user)))
    await patch('cat', { town: 'Ulm' })
    await take(['ann', 'dan', 'eve', 'dan'])
    await written()
    await has(5)
    await file(`user_id,town\n${lines(['ann', 'fay', 'gil', 'fay'].map((id) => `${id},Bonn`))}`)
    await file('user_id,town\nfay,Ulm\nhal,Ulm\n', { at: 4, when: 'after' })
    await has(8)
    await deleteUser(res, workspace, 'ann')
    await expect(deleteUser(res, workspace, 'ann')).rejects.toMatchObject({
      facts: { reason: 'not-found' },
    })
    await has(7)
  })

  it('cannot be more than so many, also where several are written at once', async () => {
    const { put, has } = stage({ USERS_MAX: 3 })
    const outcomes = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((user) => put(user)))
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(2)
    await has(3)
  })

  it('may be changed where there are enough, and replaced once one is deleted', async () => {
    const { put, patch, has, res, workspace } = stage({ USERS_MAX: 1 })
    await put('ann', { town: 'Ulm' })
    await expect(put('bob')).rejects.toMatchObject(limit('users', 1))
    expect(await patch('ann', { town: 'Bonn' })).toMatchObject({ attributes: [['town', 'Bonn']] })
    await deleteUser(res, workspace, 'ann')
    await put('bob')
    await has(1)
  })

  it('are refused in a file, each with its line, and those that are there are written', async () => {
    const { put, file, has, attributesOf } = stage({ USERS_MAX: 3 })
    await put('ann')
    const text = `user_id,town\n${lines(['zoe', 'ann', 'bob', 'cat', 'zoe'].map((id) => `${id},Ulm`))}`
    const { job, problems } = await file(text)
    expect(job).toMatchObject({ state: 'partial', rows: 5, badRows: 2, usersCreated: 2 })
    expect(problems).toEqual([
      { line: 2, problem: 'limit', value: 'zoe' },
      { line: 6, problem: 'limit', value: 'zoe' },
    ])
    expect(await attributesOf('ann')).toBe(1)
    await has(3)
  })

  it('are refused in a file of many columns with long names', async () => {
    const { file, has } = stage({ USERS_MAX: 1 })
    const names = Array.from({ length: 100 }, (_, i) => `${i}`.padEnd(250, '-'))
    const rows = people('person', 200).map((id) => [id, ...names.map(() => 'x')].join())
    const { job } = await file(`user_id,${names.join()}\n${lines(rows)}`)
    expect(job).toMatchObject({ state: 'partial', rows: 200, badRows: 199 })
    await has(1)
  })

  it('stay within where a file has several batches and dies', async () => {
    const { file, has } = stage({ USERS_MAX: 700, SLICE_BYTES: 4000 })
    const text = `user_id,town\n${lines(people('person', 1500).map((id) => `${id},Ulm`))}`
    const { job, problems } = await file(text, { at: 9, when: 'after' })
    expect(job).toMatchObject({ state: 'partial', rows: 1500, badRows: 800, usersCreated: 700 })
    expect(problems).toHaveLength(800)
    await has(700)
  })

  it('are refused in an event at the door, and those that are there are taken', async () => {
    const { put, take, written, has, reportsEnqueued } = stage({ USERS_MAX: 2 })
    await put('ann')
    await put('bob')
    await expect(take(['ann', 'cat'])).rejects.toMatchObject(limit('users', 2))
    expect(reportsEnqueued).toEqual([])
    await take(['ann', 'bob'])
    expect(await written()).toEqual(new Map())
    await has(2)
  })

  it('are left out of events that were taken before, where others filled the place', async () => {
    const { put, take, written, has, attributesOf } = stage({ USERS_MAX: 2 })
    await put('ann')
    await take(['ann', 'bob', 'cat'])
    await put('dan')
    expect(await written()).toEqual(new Map())
    expect(await attributesOf('ann')).toBe(1)
    await has(2)
  })
})

describe('the attributes of a user', () => {
  it('cannot be more than so many, whoever adds them', async () => {
    const { put, patch, take, written, attributesOf } = stage({ USER_ATTRIBUTES_MAX: 5 })
    await put('ann', named(0, 5))
    await expect(patch('ann', named(5, 6))).rejects.toMatchObject(limit('user-attributes', 5))
    await expect(put('ann', named(0, 6))).rejects.toMatchObject(limit('user-attributes', 5))
    await take(['ann'], named(4, 6, 'y'))
    await take(['bob'], named(0, 3, 'y'))
    expect(await written()).toEqual(new Map())
    expect((await patch('ann', {})).attributes).toEqual(Object.entries(named(0, 5)))
    expect(await attributesOf('bob')).toBe(3)

    await patch('ann', { ...named(0, 2, null), ...named(5, 7) })
    await put('ann', named(10, 15))
    expect(await attributesOf('ann')).toBe(5)
  })

  it('cannot have more than so many bytes together', async () => {
    const { put, patch, take, written } = stage({ PROFILE_BYTES_MAX: 1000 })
    await put('ann', { text: 'é'.repeat(400) })
    await expect(patch('ann', { more: 'x'.repeat(300) })).rejects.toMatchObject(
      limit('profile-bytes', 1000),
    )
    await patch('ann', { text: null })
    await patch('ann', { more: 'x'.repeat(300) })
    await take(['ann'], { text: 'é'.repeat(400) })
    expect(await written()).toEqual(new Map())
    expect((await patch('ann', {})).attributes.map(([name]) => name)).toEqual(['more'])
  })

  it('leave no more behind than so many, whoever clears them', async () => {
    const { put, patch, take, written, workspace } = stage({ USER_ATTRIBUTES_MAX: 5 })
    const rows = homeDb.prepare('SELECT name FROM user_attributes WHERE workspace_id = ?')
    const names = async () => {
      const { results } = await rows.bind(workspace).all<{ name: string }>()
      return results.map(({ name }) => name).sort()
    }
    for (const from of [0, 5, 10, 15]) await put('ann', named(from, from + 5))
    expect((await names()).length).toBe(10)
    await patch('ann', named(30, 60, null))
    expect((await names()).length).toBe(10)
    await take(['ann'], named(60, 90, null))
    expect(await written()).toEqual(new Map())
    expect(await names()).toEqual(
      [...Object.keys(named(15, 20)), ...Object.keys(named(60, 65))].sort(),
    )
  })

  it('are refused in a file where a row adds too many', async () => {
    const { put, file, attributesOf } = stage({ USER_ATTRIBUTES_MAX: 3 })
    await put('ann', named(0, 3))
    await put('bob', named(0, 2))
    const { job, problems } = await file('user_id,a2,a3\nann,x,x\nbob,x,\ncat,x,x\nann,y,\n')
    expect(job).toMatchObject({ state: 'partial', rows: 4, badRows: 2 })
    expect(problems).toEqual([
      { line: 2, problem: 'limit', value: 'ann' },
      { line: 5, problem: 'limit', value: 'ann' },
    ])
    expect([await attributesOf('ann'), await attributesOf('bob')]).toEqual([3, 3])
  })
})

describe('values that are newer than what is written', () => {
  const large = { text: 'x'.repeat(800) }

  it('have the row of a file refused that would come beside them, and no other', async () => {
    const { put, attributesOf, res, workspace } = stage({ PROFILE_BYTES_MAX: 1000 })
    const text = `user_id,text,more\nann,x,${'y'.repeat(300)}\nbob,x,y\n`
    const { key } = await receiveUsers(res, workspace, 'tester', fileParts(text))
    await scheduler.wait(2)
    await put('ann', large)
    await runUsersJob(res, workspace, key)
    const job = await findUsersJob(res.databaseOf(workspace), workspace, key)
    expect(job).toMatchObject({ state: 'partial', badRows: 1 })
    expect([await attributesOf('ann'), await attributesOf('bob')]).toEqual([1, 2])
  })

  it('have the event refused that would come beside them, and no other', async () => {
    const { put, res, workspace, written, attributesOf } = stage({ PROFILE_BYTES_MAX: 1000 })
    await put('ann', large)
    const at = Date.now() - 1000
    const reports = [
      { user: 'ann', at, changes: readAttributes({ text: null, more: 'y'.repeat(300) }) },
      { user: 'bob', at, changes: readAttributes({ more: 'y' }) },
    ]
    await takeReports(res, workspace, reports)
    expect(await written()).toEqual(new Map())
    expect([await attributesOf('ann'), await attributesOf('bob')]).toEqual([1, 1])
  })

  it('leave room for what they keep out', async () => {
    const { put, file, attributesOf } = stage({ PROFILE_BYTES_MAX: 1000 })
    await put('ann', large)
    const rows = ['x', 'y', 'z'].map((letter) => `bob,${letter.repeat(400)}`)
    expect((await file(`user_id,text\n${lines(rows)}ann,${'x'.repeat(999)}\n`)).problems).toEqual([
      { line: 5, problem: 'limit', value: 'ann' },
    ])
    expect(await attributesOf('bob')).toBe(1)
  })
})

describe('what the limits cost', () => {
  it('is a row of the count for new users, and none for others', async () => {
    const { put, patch, res } = stage({})
    const cost = async (write: () => Promise<unknown>) => {
      const before = res.meter.rowsWritten
      await write()
      return res.meter.rowsWritten - before
    }
    const first = await cost(() => put('ann', { town: 'Ulm' }))
    const event = 5
    expect(first).toBe(1 + 1 + 2 + event) // the user, the count, the attribute and its index
    expect(await cost(() => patch('ann', { town: 'Bonn' }))).toBe(2 + event)
  })

  it('is no row for a file in a workspace of few names', async () => {
    const { file, res } = stage({})
    const text = `user_id,town\n${lines(people('person', 1000).map((id) => `${id},Ulm`))}`
    await file(text)
    const before = { ...res.meter }
    await file(text)
    expect((res.meter.rowsRead - before.rowsRead) / 1000).toBeLessThan(12)
  })
})

describe('a refusal', () => {
  it('is said as each face says it', async () => {
    const team = await Team.open()
    const { bound } = keeping({ USERS_MAX: 1 })
    const change = json('PUT', { user_attributes: {} })
    const headers = { ...(change.headers as Record<string, string>) }
    const put = (user: string) =>
      ask(
        `/platform/workspaces/${team.workspace}/users/${user}`,
        { ...change, headers: { ...headers, authorization: `Bearer ${team.token}` } },
        bound,
      )
    expect((await put('ann')).status).toBe(200)
    const sentence = 'The number of users in a workspace is limited to 1'
    expect(await said(put('bob'))).toEqual(declined(422, sentence))
    const batch = { mpid: 7, environment: 'production', user_attributes: { a: 'b' } }
    const event = { ...json('POST', batch), headers: { ...headers, ...team.basic() } }
    expect(await said(ask('/v2/events', event, bound))).toEqual({
      status: 400,
      errors: [{ code: 'BAD_REQUEST', message: sentence }],
    })
  })
})
