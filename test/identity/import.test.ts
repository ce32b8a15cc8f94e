import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createDefinition } from '../../src/identity/definitions.ts'
import { deleteUser } from '../../src/identity/delete-user.ts'
import { runRecompute } from '../../src/identity/recompute.ts'
import { refreshGroups } from '../../src/identity/refresh.ts'
import { runUsersJob } from '../../src/identity/users-file.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import type { JobRow } from '../../src/jobs/job.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import type { Resources } from '../../src/resources.ts'
import { lines } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { faults } from '../support/deliveries.ts'
import { fileParts, hazardous, insisting, unlessCrash, type Fault } from '../support/hazard.ts'
import { runs } from '../support/property.ts'
import { unlessFileIsMissing } from '../support/stale.ts'
import { writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

interface File {
  columns: string[]
  rows: { user: string; cells: string[] }[]
  badRows: number
  /** The request dies of it, and is repeated. */
  fault: Fault | null
}

const file: fc.Arbitrary<File> = fc
  .subarray(['plan', '$address', '__proto__'], { minLength: 1 })
  .chain((columns) =>
    fc.record({
      columns: fc.shuffledSubarray(columns, { minLength: columns.length }),
      rows: fc.array(
        fc.record({
          user: fc.nat(9).map((n) => `${['user', 'é', 'Ω', '漢', '🎉'][n % 5]}-${n}`),
          cells: fc.array(fc.constantFrom('', 'a', 'b,c', 'é"🎉'), {
            minLength: columns.length,
            maxLength: columns.length,
          }),
        }),
        { maxLength: 70, size: 'max' },
      ),
      badRows: fc.constantFrom(0, 0, 2),
      fault: fc.option(faults(fc.nat(2))),
    }),
  )

type Delivery =
  | { what: 'delivered'; pick: number }
  | { what: 'twice at once'; pick: number }
  | { what: 'dies'; pick: number; fault: Fault }
  /** It stands still before a call, while the other and those before it run, and goes on then. */
  | { what: 'sleeps'; pick: number; at: number; other: number }
  | { what: 'writes'; user: string; plan: string }
  | { what: 'deletes'; user: string }

const pick = fc.nat(7)
const user = fc.nat(9).map((n) => `${['user', 'é', 'Ω', '漢', '🎉'][n % 5]}-${n}`)
const delivery: fc.Arbitrary<Delivery> = fc.oneof(
  fc.record({ what: fc.constant('delivered' as const), pick }),
  fc.record({ what: fc.constant('twice at once' as const), pick }),
  fc.record({
    what: fc.constant('dies' as const),
    pick,
    fault: faults(fc.nat(12)),
  }),
  fc.record({ what: fc.constant('sleeps' as const), pick, at: fc.nat(12), other: pick }),
  fc.record({
    what: fc.constant('writes' as const),
    user,
    plan: fc.constantFrom('new', 'New', 'é'),
  }),
  fc.record({ what: fc.constant('deletes' as const), user }),
)

const quoted = (cell: string) => (/[",]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)
const csv = ({ columns, rows, badRows }: File) =>
  lines([
    ['user_id', ...columns].join(),
    ...rows.map(({ user, cells }) => [user, ...cells.map(quoted)].join()),
    ...Array<string>(badRows).fill('one,two,three,four,five'),
  ])

/** The same in memory: the files' rows in their order, then what was written or deleted since. */
function model(files: File[], since: Delivery[]): Map<string, Map<string, string>> {
  const users = new Map<string, Map<string, string>>()
  const known = (user: string) => {
    const attributes = users.get(user) ?? new Map<string, string>()
    users.set(user, attributes)
    return attributes
  }
  for (const { columns, rows } of files)
    for (const { user, cells } of rows) {
      const attributes = known(user)
      cells.forEach((cell, i) => cell !== '' && attributes.set(columns[i] ?? '', cell))
    }
  for (const one of since) {
    if (one.what === 'writes') known(one.user).set('plan', one.plan)
    if (one.what === 'deletes') users.delete(one.user)
  }
  return users
}

const all = async <Row>(query: string, workspace: number) =>
  (await homeDb.prepare(query).bind(workspace).all<Row>()).results

/** Groups that follow each change. */
const homes = {
  description: 'users of one address',
  source: '$address',
  attributes: [],
  refresh: 'continuous' as const,
}

/** Ends what groups have to follow, as the crons do where a message is lost. */
async function follow(res: Resources, workspace: number): Promise<void> {
  const runs = await all<{ run: number }>(
    'SELECT key AS run FROM recompute_runs WHERE workspace_id = ? AND ended_at IS NULL ORDER BY key',
    workspace,
  )
  for (const { run } of runs) await runRecompute(res, { workspace, run })
  const marked = await all<{ definition: number }>(
    `SELECT DISTINCT definition_key AS definition FROM group_marks WHERE definition_key IN
      (SELECT key FROM group_definitions WHERE workspace_id = ?)`,
    workspace,
  )
  for (const { definition } of marked) await refreshGroups(res, { workspace, definition })
}

describe('files of users', () => {
  it('end as if merged once, in order, whatever repeats, overlaps or dies', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(file, { minLength: 1, maxLength: 4 }),
        fc.array(delivery, { maxLength: 10, size: 'max' }),
        fc.constantFrom(64, 300, 100_000),
        fc.constantFrom(2, 10_000),
        async (files, deliveries, sliceBytes, batchIds) => {
          const workspace = newWorkspace()
          const hazard = hazardous({ SLICE_BYTES: sliceBytes })
          const { res, enqueued, fuse } = hazard
          const hand = hazardous().res
          let time = res.now() + 1_000_000
          const since: Delivery[] = []
          const keys: number[] = []
          for (const one of files) {
            const { key } = await insisting(hazard, one.fault, () =>
              receiveUsers(res, workspace, 'tester', fileParts(csv(one))),
            )
            keys.push(key)
          }
          await homeDb
            .prepare('UPDATE jobs SET batch_ids = ? WHERE workspace_id = ?')
            .bind(batchIds, workspace)
            .run()

          await createDefinition(hand, workspace, 'household', { draft: homes, by: 'tester' })
          await follow(hand, workspace)

          const run = (pick: number) => runUsersJob(res, workspace, keys[pick % keys.length] ?? 0)
          for (const next of deliveries) {
            if (next.what === 'delivered') await run(next.pick)
            else if (next.what === 'twice at once')
              await Promise.all([run(next.pick), run(next.pick)])
            else if (next.what === 'writes') {
              await writeUsers(hand, workspace, [[next.user, { plan: next.plan }]], ++time)
              since.push(next)
            } else if (next.what === 'deletes') {
              await deleteUser({ ...hand, now: () => ++time }, workspace, next.user).catch(
                () => undefined, // nobody knows them yet
              )
              since.push(next)
            } else if (next.what === 'sleeps') {
              const { promise, resolve } = Promise.withResolvers<void>()
              const asleep = new Promise<void>((fallen) =>
                fuse({ at: next.at, until: promise, fallen }),
              )
              const sleeper = run(next.pick)
              await Promise.race([asleep, sleeper])
              fuse(undefined)
              for (const key of keys.slice(0, 1 + (next.other % keys.length)))
                await runUsersJob(hand, workspace, key)
              resolve()
              await sleeper.catch(unlessFileIsMissing)
            } else {
              fuse({ ...next.fault })
              await run(next.pick).catch(unlessCrash)
              fuse(undefined)
            }
          }
          for (const key of [...keys, ...keys]) await runUsersJob(res, workspace, key)
          for (let message = enqueued.pop(); message !== undefined; message = enqueued.pop())
            if (message.kind === 'import') await runUsersJob(res, workspace, message.job)

          const ended = await all<JobRow & { lines: string }>(
            `SELECT state, rows, bad_rows AS badRows, added,
              (SELECT json_group_array(line ORDER BY line) FROM job_problems WHERE job_key = key)
                AS lines
            FROM jobs WHERE workspace_id = ? ORDER BY revision`,
            workspace,
          )
          const expected = model(files, since)
          files.forEach(({ rows, badRows }, i) => {
            const state = rows.length === 0 ? 'failed' : badRows === 0 ? 'successful' : 'partial'
            expect(ended[i]).toMatchObject({ state, rows: rows.length + badRows, badRows })
            const bad = Array.from({ length: badRows }, (_, nth) => 2 + rows.length + nth)
            const lines = rows.length + badRows === 0 ? [0] : bad
            expect(JSON.parse(ended[i]?.lines ?? '')).toEqual(lines)
          })
          if (since.length === 0)
            expect(ended.reduce((sum, { added }) => sum + added, 0)).toBe(expected.size)
          const users = await all<{ user: string }>(
            'SELECT user_id AS user FROM users WHERE workspace_id = ?',
            workspace,
          )
          expect(new Set(users.map(({ user }) => user))).toEqual(new Set(expected.keys()))
          const known = await all<Record<string, string>>(
            'SELECT user_id, name, value FROM user_attributes WHERE workspace_id = ?',
            workspace,
          )
          const found = known.map(({ user_id, name, value }) => `${user_id} ${name} ${value}`)
          const should = [...expected].flatMap(([user, cells]) =>
            [...cells].map(([name, value]) => `${user} ${name} ${value}`),
          )
          expect(found.sort()).toEqual(should.sort())
          expect((await env.FILES.list({ prefix: `uploads/${workspace}/` })).objects).toEqual([])

          await follow(hand, workspace)
          const seats = await all<Record<string, string>>(
            'SELECT user_id, value FROM identity_members WHERE definition_key IN ' +
              '(SELECT key FROM group_definitions WHERE workspace_id = ?)',
            workspace,
          )
          expect(seats.map(({ user_id, value }) => `${user_id} $address ${value}`).sort()).toEqual(
            should.filter((line) => line.includes(' $address ')),
          )
        },
      ),
      runs(8),
    )
  }, 120_000)

  it('mark no group where they have several slices: a run follows their end', async () => {
    const workspace = newWorkspace()
    const { res, enqueued } = hazardous({ SLICE_BYTES: 64, DEFINITIONS_MAX: 2 })
    await createDefinition(res, workspace, 'household', { draft: homes, by: 'tester' })
    await createDefinition(res, workspace, 'weekly', {
      draft: { ...homes, refresh: null },
      by: 'tester',
    })
    await follow(res, workspace)
    const send = async (count: number) => {
      const rows = Array.from({ length: count }, (_, i) => `user-${i},${count} Elm`)
      const file = fileParts(lines(['user_id,$address', ...rows]))
      const sender = { ...res, actor: { name: 'ann' } }
      const { key } = await receiveUsers(sender, workspace, 'tester', file)
      enqueued.length = 0
      await runUsersJob(res, workspace, key)
      return enqueued.splice(0).map(({ kind }) => kind)
    }
    expect(await send(2)).toEqual(['refresh-groups'])
    expect(await send(9)).toEqual(['recompute'])
    const opened = await all(
      `SELECT d.id, r.state, r.actor FROM recompute_runs AS r
      JOIN group_definitions AS d ON d.key = r.definition_key
      WHERE r.workspace_id = ? AND r.ended_at IS NULL`,
      workspace,
    )
    expect(opened).toEqual([{ id: 'household', state: 'waiting', actor: '{"name":"ann"}' }])
    await follow(res, workspace)
    const seats = await all<{ value: string }>(
      'SELECT DISTINCT value FROM identity_members JOIN group_definitions AS d ON ' +
        'd.key = definition_key WHERE d.workspace_id = ?',
      workspace,
    )
    expect(seats).toEqual([{ value: '9 Elm' }])
  })

  it('open no run where they have several slices and nothing to write', async () => {
    const workspace = newWorkspace()
    const { res, enqueued } = hazardous({ SLICE_BYTES: 64 })
    await createDefinition(res, workspace, 'household', { draft: homes, by: 'tester' })
    const rows = Array<string>(9).fill(',nobody lives here')
    const file = fileParts(lines(['user_id,$address', ...rows]))
    const { key } = await receiveUsers(res, workspace, 'tester', file)
    await follow(res, workspace)
    enqueued.length = 0
    await runUsersJob(res, workspace, key)
    expect(enqueued).toEqual([])
  })

  it('that cannot be finished fail, and let the next one through', async () => {
    const workspace = newWorkspace()
    const { res } = hazardous()
    const first = await receiveUsers(
      res,
      workspace,
      'tester',
      fileParts('user_id,plan\nann,gold\n'),
    )
    const second = await receiveUsers(
      res,
      workspace,
      'tester',
      fileParts('user_id,plan\nann,free\n'),
    )
    await giveUp(res, workspace, first.key)
    await runUsersJob(res, workspace, second.key)
    await runUsersJob(res, workspace, first.key)
    await runUsersJob(res, workspace, second.key)
    const states = await all<JobRow>(
      'SELECT state, failure FROM jobs WHERE workspace_id = ? ORDER BY revision',
      workspace,
    )
    expect(states).toEqual([
      { state: 'failed', failure: 'gave-up' },
      { state: 'successful', failure: null },
    ])
  })

  it('count as written when they were accepted, not when applied', async () => {
    const workspace = newWorkspace()
    const { res } = hazardous()
    const file = 'user_id,plan,color\nann,gold,red\nbob,gold,red\n'
    await writeUsers(res, workspace, [['bob', { plan: 'old' }]], 1)
    const { key, createdAt } = await receiveUsers(res, workspace, 'tester', fileParts(file))
    await writeUsers(res, workspace, [['ann', { plan: 'newer' }]], createdAt + 1)
    await scheduler.wait(5)
    await runUsersJob(res, workspace, key)
    const query = `SELECT user_id AS user, name, value, updated_at - ${createdAt} AS later
      FROM user_attributes WHERE workspace_id = ? ORDER BY user_id, name`
    expect(await all(query, workspace)).toEqual([
      { user: 'ann', name: 'color', value: 'red', later: 0 },
      { user: 'ann', name: 'plan', value: 'newer', later: 1 },
      { user: 'bob', name: 'color', value: 'red', later: 0 },
      { user: 'bob', name: 'plan', value: 'gold', later: 0 },
    ])
  })

  it('go on by their header though a definition shares its names', async () => {
    const workspace = newWorkspace()
    const { res, enqueued, fuse } = hazardous()
    const rows = Array.from({ length: 9 }, (_, i) => `user-${i},yes`)
    const file = fileParts(lines(['user_id,home:dog', ...rows]))
    const { key } = await receiveUsers(res, workspace, 'tester', file)
    await homeDb.prepare('UPDATE jobs SET batch_ids = 4 WHERE key = ?').bind(key).run()
    enqueued.length = 0
    fuse({ at: 2, only: 'writes', when: 'before' })
    await runUsersJob(res, workspace, key).catch(unlessCrash)
    fuse(undefined)
    const step = () => all<JobRow>('SELECT * FROM jobs WHERE workspace_id = ?', workspace)
    expect(await step()).toMatchObject([{ state: 'applying', applied: 4 }])
    const attributes = [{ id: 'dog', type: 'boolean_or' as const }]
    const draft = { description: '', source: '$address', attributes }
    await createDefinition(res, workspace, 'home', { draft, by: 'tester' })
    await runUsersJob(res, workspace, key)
    expect(enqueued).toEqual([])
    expect(await step()).toMatchObject([{ state: 'successful', rows: 9, added: 9 }])
  })

  it('are written a mebibyte at a time, however long their rows are', async () => {
    const workspace = newWorkspace()
    const { res, meanwhile } = hazardous()
    const columns = Array.from({ length: 100 }, (_, i) => `c${i}`)
    const rows = Array.from({ length: 9 }, (_, i) =>
      [`user-${i}`, ...columns.map(() => '\x01'.repeat(4000))].join(),
    )
    const file = fileParts(lines([['user_id', ...columns].join(), ...rows]))
    const { key } = await receiveUsers(res, workspace, 'tester', file)
    const added: number[] = []
    meanwhile(async () => {
      const job = homeDb.prepare('SELECT added FROM jobs WHERE key = ?').bind(key)
      const now = (await job.first<number>('added')) ?? 0
      if (now !== added.at(-1)) added.push(now)
    })
    await runUsersJob(res, workspace, key)
    expect(added).toEqual([0, 2, 4, 6, 8, 9])
  })
})
