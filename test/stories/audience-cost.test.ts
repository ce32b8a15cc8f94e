import { beforeAll, describe, expect, it } from 'vitest'
import { applyAudience } from '../../src/audiences/apply.ts'
import { Invocation } from '../../src/jobs/invocation.ts'
import { resolveRule } from '../../src/audiences/resolve.ts'
import { explainUser } from '../../src/audiences/explain.ts'
import { audiencesOf } from '../../src/audiences/memberships.ts'
import { countEach, countUsers, listUsers, questionOf } from '../../src/audiences/query.ts'
import type { Rule } from '../../src/audiences/rule.ts'
import { requestSync } from '../../src/audiences/sync.ts'
import type { Db } from '../../src/db/connect.ts'
import type { SharedAttribute } from '../../src/db/schema.ts'
import { findJob } from '../../src/experience/jobs.ts'
import { claimJob } from '../../src/jobs/turn.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import {
  addAudience,
  changeAudience,
  crowd,
  filling,
  jobsIn,
  invokeJob,
  syncBy,
  teamIs,
} from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { planOf, watched, type Statement } from '../support/plans.ts'
import { defined, deliver, writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

const red = teamIs('red')
const people = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `user-${String(from + i).padStart(6, '0')}`)

/** Syncs an audience, and returns what D1 bills for its job, from first to last message. */
async function bill(workspace: number) {
  const { res } = hazardous()
  const { key } = await requestSync(res, workspace, 'reds', { by: 'tester' })
  const before = { ...res.meter }
  await invokeJob(res, workspace, key)
  const job = (await jobsIn(workspace)).at(-1)
  expect(job?.state).toBe('successful')
  return {
    read: res.meter.rowsRead - before.rowsRead,
    written: res.meter.rowsWritten - before.rowsWritten,
    job,
  }
}

/** The job's own row and its places in indexes, for each of its steps. */
const bookkeeping = 200

describe('what a sync costs', () => {
  it('is 2 rows written per new member, 1 per old or removed', async () => {
    const workspace = newWorkspace()
    const { res } = hazardous()
    await crowd(workspace, people(0, 20_000))
    await filling(res, workspace, 'reds', red)
    const first = await bill(workspace)
    expect(first.job).toMatchObject({ added: 20_000, removed: 0 })
    expect(first.written).toBeGreaterThanOrEqual(40_000)
    expect(first.written).toBeLessThan(40_000 + bookkeeping)

    const again = await bill(workspace)
    expect(again.job).toMatchObject({ added: 0, removed: 0 })
    expect(again.written).toBeGreaterThanOrEqual(20_000)
    expect(again.written).toBeLessThan(20_000 + bookkeeping)

    await homeDb
      .prepare(
        `UPDATE user_attributes SET value = 'blue' WHERE workspace_id = ? AND user_id >= 'user-015000'`,
      )
      .bind(workspace)
      .run()
    await crowd(workspace, people(20_000, 21_000))
    const mixed = await bill(workspace)
    expect(mixed.job).toMatchObject({ added: 1000, removed: 5000 })
    expect(mixed.written).toBeGreaterThanOrEqual(15_000 + 2 * 1000 + 5000)
    expect(mixed.written).toBeLessThan(22_000 + bookkeeping)

    await changeAudience(res, workspace, 'reds', teamIs('nobody'))
    const none = await bill(workspace)
    expect(none.job).toMatchObject({ rows: 0, removed: 16_000 })
    expect(none.written).toBeLessThan(16_000 + bookkeeping)
  })

  it("is rows read in proportion to the workspace's users, whatever others hold", async () => {
    await crowd(newWorkspace(), people(0, 5000))
    const perUser: number[] = []
    for (const users of [4000, 16_000]) {
      const workspace = newWorkspace()
      await crowd(workspace, people(0, users))
      await filling(hazardous().res, workspace, 'reds', red)
      const [first, again] = [await bill(workspace), await bill(workspace)]
      console.log(
        `a sync of ${users}, a user: ${first.read / users} read at first, ${again.read / users} again`,
      )
      perUser.push(first.read / users, again.read / users)
      expect(again.read / users).toBeLessThan(readPerUser)
    }
    const [fewFirst = 0, fewAgain = 0, manyFirst = 0, manyAgain = 0] = perUser
    expect(manyFirst).toBeLessThan(1.1 * fewFirst)
    expect(manyAgain).toBeLessThan(1.1 * fewAgain)
  })
})

/** One own attribute: the user and attribute, the member twice, and the rows that list them. */
const readPerUser = 12

const shared: SharedAttribute[] = [
  { id: 'has_dog', type: 'boolean_or' },
  { id: 'spent', type: 'sum' },
]
const nobodys = '00000000-0000-4000-8000-000000000000'
const rules: Record<string, Rule> = {
  own: { operator: 'equals', attribute: 'plan', value: 'gold' },
  inherited: { operator: 'equals', attribute: 'household:has_dog', value: true },
  'any member': {
    operator: 'any_member',
    group: 'household',
    expression: { operator: 'greater_than', attribute: 'spent', value: 100 },
  },
  'all members': {
    operator: 'all_members',
    group: 'household',
    expression: { operator: 'matches', attribute: 'plan', value: 'g*d' },
  },
  'no member': {
    operator: 'no_member',
    group: 'household',
    expression: { operator: 'in', attribute: 'household:spent', value: [1, 'x'] },
  },
  'in a group': { operator: 'in_group', group: nobodys },
}

/** A workspace of households of ten, in each of which one has a dog. */
async function town(households: number) {
  const workspace = newWorkspace()
  const { res, enqueued } = hazardous()
  await defined(res, workspace, 'household', 'street', shared)
  for (let from = 0; from < households; from += 100)
    await writeUsers(
      res,
      workspace,
      people(10 * from, 10 * Math.min(households, from + 100)).map((user, i) => [
        user,
        {
          street: `${Math.floor((10 * from + i) / 10)} Oak`,
          has_dog: i % 10 === 3,
          spent: i,
          plan: 'gold',
        },
      ]),
    )
  await requestRecompute(res, workspace, 'household')
  await deliver(res, enqueued, workspace)
  for (const [i, rule] of Object.values(rules).entries())
    if (rule.operator !== 'in_group') await addAudience(res, workspace, `rule-${i}`, rule)
  return workspace
}

let here = 0
beforeAll(async () => {
  here = await town(30)
  await homeDb
    .prepare(
      `INSERT INTO experience_groups (id, workspace_id, name, type, platform, created_at, updated_at)
      VALUES (?, ?, 'nobody', '', '', 0, 0)`,
    )
    .bind(nobodys, here)
    .run()
  for (let i = 0; i < 5; i++) await town(100)
}, 60_000)

const questions: Record<string, (db: Db, rule: Rule) => Promise<unknown>> = {
  'the count': async (db, rule) => countUsers(db, here, await resolveRule(db, here, rule)),
  'a page': async (db, rule) =>
    listUsers(db, here, await resolveRule(db, here, rule), { after: 'user-000010', size: 10 }),
  'the overlap': async (db, rule) => {
    const { names } = await resolveRule(db, here, rule)
    return countEach(db, questionOf(here, [rule, red], names, hazardous().res.limits))
  },
  'one user': async (db, rule) =>
    explainUser(db, here, await resolveRule(db, here, rule), { user: 'user-000015' }),
}
const cases = Object.keys(questions).flatMap((question) =>
  Object.keys(rules).map((rule) => [question, rule] as const),
)

describe('a count', () => {
  it.each(['own', 'inherited'])('queries each user once: %s', async (name) => {
    const rule = rules[name]
    if (rule === undefined) throw new Error(`no rule ${name}`)
    const whole = await resolveRule(hazardous().res.databaseOf(here), here, rule)
    const { db, meter } = watched()
    expect(await countUsers(db, here, whole)).toBe(300)
    // The user and one attribute; or the user, the seat and what the group shares.
    expect(meter.rowsRead / 300).toBeLessThan(name === 'own' ? 2.1 : 3.1)
  })
})

describe("one user's membership", () => {
  it.each(['inherited', 'any member'])(
    'reads less than 60 rows in a household of ten: %s',
    async (name) => {
      const rule = rules[name]
      if (rule === undefined) throw new Error(`no rule ${name}`)
      const whole = await resolveRule(hazardous().res.databaseOf(here), here, rule)
      const { db, meter } = watched()
      const { result } = await explainUser(db, here, whole, { user: 'user-000015' })
      expect(result).toBe(name === 'inherited')
      expect(meter.rowsRead).toBeGreaterThan(0)
      console.log(`one user, ${name}: ${meter.rowsRead} rows read`)
      expect(meter.rowsRead).toBeLessThan(60)
      expect(meter.rowsWritten).toBe(0)
    },
  )
})

/** Tables that hold rows of everybody. */
const tables = [
  'users',
  'user_attributes',
  'identity_members',
  'group_attributes',
  'members',
  'experience_groups',
]

/** The tables that a statement scans, by its bytecode: a plan names aliases. */
async function walked({ query, params }: Statement): Promise<string[]> {
  const { results: pages } = await homeDb
    .prepare('SELECT rootpage AS page, tbl_name AS name FROM sqlite_master')
    .all<{
      page: number
      name: string
    }>()
  const { results } = await homeDb
    .prepare(`EXPLAIN ${query}`)
    .bind(...params)
    .all<{ opcode: string; p1: number; p2: number }>()
  const cursors = new Map<number, string>()
  const found: string[] = []
  for (const { opcode, p1, p2 } of results) {
    const name = pages.find(({ page }) => page === p2)?.name
    if (opcode === 'OpenRead' && name !== undefined && tables.includes(name)) cursors.set(p1, name)
    const walks = cursors.get(p1)
    if ((opcode === 'Rewind' || opcode === 'Last') && walks !== undefined) found.push(walks)
  }
  return found
}

describe('the plan of', () => {
  it('a walk of all users is seen by this test', async () => {
    expect(await walked({ query: 'SELECT max(created_at) FROM users AS u', params: [] })).toEqual([
      'users',
    ])
    expect(
      await walked({ query: 'SELECT 1 FROM users WHERE workspace_id = ?', params: [1] }),
    ).toEqual([])
  })
  it.each(cases)('%s seeks, and walks no table of everybody: %s', async (question, name) => {
    const rule = rules[name]
    if (rule === undefined) throw new Error(`no rule ${name}`)
    const { db, statements } = watched()
    await questions[question]?.(db, rule)
    expect(statements.length).toBeGreaterThan(1)
    for (const one of statements) {
      expect(await walked(one)).toEqual([])
      // Each look-up goes by more than workspace or definition: by user or last key.
      for (const step of await planOf(one))
        if (!/ (group_definitions|audiences)_by_id /.test(step))
          expect(step).not.toMatch(/\((workspace_id|definition_key|group_key)=\?\)$/)
    }
  })

  it.each(Object.keys(rules))('a step of a sync seeks likewise: %s', async (name) => {
    const rule = rules[name]
    if (rule === undefined) throw new Error(`no rule ${name}`)
    const { res } = hazardous()
    const { key } = await syncBy(res, here, rule)
    await claimJob(res, { key, step: 0, source: 'audience', workspace: here })
    const job = await findJob(res.databaseOf(here), here, key)
    if (job?.source !== 'audience') throw new Error('the job is gone')
    const { db, statements } = watched()
    const step = { ...job, batchItems: 30 }
    const watchedRes = { ...res, databaseOf: () => db }
    expect(await applyAudience(watchedRes, step, new Invocation(res))).toBe(true)
    expect(statements.length).toBeGreaterThan(5)
    for (const one of statements) expect(await walked(one)).toEqual([])
  })

  it('the audiences of a user seeks likewise', async () => {
    const { db, statements, meter } = watched()
    expect(
      (await audiencesOf(db, here, 'user-000015', hazardous().res.limits)).map(({ id }) => id),
    ).toEqual(['rule-0', 'rule-1', 'rule-3', 'rule-4'])
    expect(statements.length).toBeGreaterThan(5)
    for (const one of statements) expect(await walked(one)).toEqual([])
    console.log(`audiences of a user: ${meter.rowsRead} rows read`)
  })
})
