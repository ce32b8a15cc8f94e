import { beforeAll, describe, expect, it } from 'vitest'
import { explainUser } from '../../src/audiences/explain.ts'
import { exportUsers } from '../../src/audiences/export.ts'
import { audiencesOf } from '../../src/audiences/memberships.ts'
import { countUsers } from '../../src/audiences/query.ts'
import { readRule } from '../../src/audiences/rule.ts'
import { connect, type Db } from '../../src/db/connect.ts'
import { membersOf } from '../support/api.ts'
import { addAudience, deliverAll, syncBy } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { belonging, peopled, resolved } from './populate.ts'

/** The longest that a request of 256 KB brings. */
const long = (last: string) => [
  ...Array.from({ length: 499 }, (_, i) => `é${i}`.padEnd(500, 'a')),
  last,
]

const users = ['ann', 'bob', 'cid', 'dan', 'eve', 'fay']
let workspace: number
beforeAll(async () => {
  workspace = await peopled(Object.fromEntries(users.map((id) => [id, { n: 1, tags: ['x', 'y'] }])))
  for (const [id, last] of [
    ['bob', 'zoe'],
    ['cid', 'abe'],
  ] as const)
    for (const name of ['tags', 'more'])
      await homeDb
        .prepare(
          `INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at, folded)
          VALUES (?1, ?2, ?3, ?4, 'list', 0, ?4)
          ON CONFLICT DO UPDATE SET value = excluded.value, folded = excluded.folded`,
        )
        .bind(workspace, id, name, JSON.stringify(long(last)))
        .run()
})

/** Conditions, each of which looks at every item. */
const conditions = [
  { operator: 'matches', attribute: 'tags', value: 'z?e*' },
  ...Array.from({ length: 11 }, (_, i) => ({
    operator: ['matches', 'less_than', 'contains', 'equals'][i % 4],
    attribute: i % 2 === 0 ? 'tags' : 'more',
    value: [`*${'a?'.repeat(20)}b*`, -5, `${'a'.repeat(250)}b`, true][i % 4],
  })),
]
const rule = { operator: 'or', expressions: conditions }
const expected = ['bob']

/** A database, and how long each statement of it has taken. */
function timed(): { db: Db; times: number[] } {
  const times: number[] = []
  const meter = { statements: 0, rowsRead: 0, rowsWritten: 0 }
  return { db: connect(homeDb, meter, ({ duration }) => times.push(duration)), times }
}

/** The machine may be busy: hardly any statement takes long, and none as long as a user would. */
function expectShort(times: number[]): void {
  const sorted = times.toSorted((a, b) => b - a)
  expect(sorted[Math.floor(sorted.length / 10)]).toBeLessThan(200)
  expect(sorted[0]).toBeLessThan(1000)
}

describe('conditions on the longest lists', () => {
  it('take many statements, each of which is short', async () => {
    const { db, times } = timed()
    const question = await resolved(workspace, rule)
    expect(await countUsers(db, workspace, question)).toBe(1)
    expect(times.length).toBeGreaterThan(users.length)
    expectShort(times)
  })

  it('are answered alike by a list, a file, an explanation and a look-up of audiences', async () => {
    const { db, times } = timed()
    const question = await resolved(workspace, rule)
    expect(await belonging(workspace, question, 2, db)).toEqual({ users: expected, count: 1 })
    expect(await new Response(exportUsers(db, workspace, question, { after: '' })).text()).toBe(
      'user_id\nbob\n',
    )
    for (const user of users.slice(0, 3)) {
      const explained = await explainUser(db, workspace, question, { user })
      expect(explained.result).toBe(expected.includes(user))
      expect(explained.inner).toHaveLength(12)
      expect(JSON.stringify(explained).length).toBeLessThan(2_000_000)
    }
    const { res } = hazardous()
    await addAudience(res, workspace, 'listed', readRule(rule))
    for (const user of users.slice(0, 3))
      expect(await audiencesOf(db, workspace, user, res.limits)).toHaveLength(
        expected.includes(user) ? 1 : 0,
      )
    expectShort(times)
  })

  it('fill a group', async () => {
    const { res, enqueued } = hazardous()
    const { group } = await syncBy(res, workspace, readRule(rule))
    await deliverAll(res, enqueued)
    expect(await membersOf(workspace, group.id)).toEqual(expected)
  })

  it('are told of a user who goes meanwhile as of nobody', async () => {
    const question = await resolved(workspace, rule)
    const { db } = timed()
    await homeDb
      .prepare('DELETE FROM users WHERE workspace_id = ? AND user_id = ?')
      .bind(workspace, 'bob')
      .run()
    expect(await countUsers(db, workspace, question)).toBe(0)
    await expect(explainUser(db, workspace, question, { user: 'bob' })).rejects.toMatchObject({
      facts: { reason: 'not-found' },
    })
  })

  it('have no time where there is none', async () => {
    const question = await resolved(workspace, rule)
    const allowed = { groupUsersMax: 10, questionSeconds: 0 }
    const { db } = timed()
    await expect(
      explainUser(db, workspace, question, { user: 'cid', allowed }),
    ).rejects.toMatchObject({
      facts: { reason: 'out-of-time' },
    })
  })
})
