import { describe, expect, it } from 'vitest'
import { queryAudience } from '../../src/audiences/cached-rule.ts'
import {
  createAudience,
  deleteAudience,
  updateAudience,
  type AudienceDraft,
} from '../../src/audiences/audiences.ts'
import { explainUser } from '../../src/audiences/explain.ts'
import { countUsers, listUsers } from '../../src/audiences/query.ts'
import type { Rule } from '../../src/audiences/rule.ts'
import { homeDb } from '../support/databases.ts'
import { Crash, hazardous } from '../support/hazard.ts'
import { peopled } from './populate.ts'

const is = (attribute: string, value: string): Rule => ({ operator: 'equals', attribute, value })
const red = is('color', 'red')
const blue = is('color', 'blue')
const draft = (rule: Rule): AudienceDraft => ({
  name: 'Some',
  description: '',
  rule,
  refresh: 'on_demand',
})

/** A workspace with two users of red and one of blue, and the audience `some` of red. */
async function open() {
  const { res, meanwhile, fuse } = hazardous()
  const workspace = await peopled({
    ann: { color: 'red', 'home:has_dog': true },
    bob: { color: 'red' },
    cid: { color: 'blue' },
  })
  const db = res.databaseOf(workspace)
  let trips = 0
  meanwhile(async () => void trips++)
  const create = (id: string, rule: Rule) =>
    createAudience(res, workspace, id, { ...draft(rule), by: 'tester' })
  await create('some', red)
  return {
    res,
    workspace,
    fuse,
    create,
    change: (id: string, rule: Rule) =>
      updateAudience(res, workspace, id, { ...draft(rule), by: 'tester' }),
    /** The number of users, and of round trips to count them. */
    count: async (id = 'some') => {
      trips = 0
      const count = await queryAudience(db, workspace, id, (db, resolvedRule) =>
        countUsers(db, workspace, resolvedRule),
      )
      return { count, trips }
    },
    users: async () => {
      trips = 0
      const { users } = await queryAudience(db, workspace, 'some', (db, resolvedRule) =>
        listUsers(db, workspace, resolvedRule, { after: '', size: 10 }),
      )
      return { users, trips }
    },
    belongs: async (user: string) => {
      trips = 0
      const { result } = await queryAudience(db, workspace, 'some', (db, resolvedRule) =>
        explainUser(db, workspace, resolvedRule, { user: user }),
      )
      return { result, trips }
    },
  }
}

describe('a question of an audience', () => {
  it('takes one round trip once the rule is cached', async () => {
    const { count, users, belongs } = await open()
    expect(await count()).toEqual({ count: 2, trips: 2 })
    expect(await count()).toEqual({ count: 2, trips: 1 })
    expect(await users()).toEqual({ users: ['ann', 'bob'], trips: 1 })
    expect(await belongs('ann')).toEqual({ result: true, trips: 1 })
    expect(await belongs('cid')).toEqual({ result: false, trips: 1 })
    await expect(belongs('dan')).rejects.toMatchObject({
      facts: { reason: 'not-found', what: 'user' },
    })
  })

  it('is answered by what the audience has become', async () => {
    const { count, users, belongs, change } = await open()
    await count()
    await change('some', blue)
    expect(await count()).toEqual({ count: 1, trips: 2 })
    expect(await count()).toEqual({ count: 1, trips: 1 })
    await change('some', red)
    expect(await users()).toEqual({ users: ['ann', 'bob'], trips: 2 })
    await change('some', blue)
    expect(await belongs('ann')).toEqual({ result: false, trips: 2 })
  })

  it('is answered by what an audience that it uses has become', async () => {
    const { count, create, change } = await open()
    await create('nested', { operator: 'in_audience', audience: 'some' })
    expect(await count('nested')).toEqual({ count: 2, trips: 2 })
    await change('some', blue)
    expect(await count('nested')).toEqual({ count: 1, trips: 2 })
  })

  it('is answered by what a name stands for now', async () => {
    const { count, create, workspace } = await open()
    await create('dogs', { operator: 'exists', attribute: 'home:has_dog' })
    expect(await count('dogs')).toEqual({ count: 1, trips: 2 })
    await homeDb
      .prepare(
        `INSERT INTO group_definitions (key, workspace_id, id, description, source_user_attribute,
        attributes, created_on, created_by, last_modified_on, last_modified_by, deleted_at)
          SELECT ?1 * 1000, ?1, 'home', '', '$address',
          '[{"id":"has_dog","function":"boolean_or"}]', 0, '', 0, '', NULL`,
      )
      .bind(workspace)
      .run()
    expect(await count('dogs')).toEqual({ count: 0, trips: 2 })
    expect(await count('dogs')).toEqual({ count: 0, trips: 1 })
  })

  it('finds no audience that has gone, and none of another workspace', async () => {
    const { count, res, workspace } = await open()
    const other = await open()
    await count()
    await other.change('some', blue)
    expect(await other.count()).toEqual({ count: 1, trips: 2 })
    expect(await count()).toEqual({ count: 2, trips: 1 })
    await deleteAudience(res, workspace, 'some')
    await expect(count()).rejects.toMatchObject({
      facts: { reason: 'not-found', what: 'audience' },
    })
    expect(await other.count()).toEqual({ count: 1, trips: 1 })
  })

  it('is evaluated by the changed rule after the database failed it', async () => {
    const { count, change, fuse } = await open()
    await count()
    fuse({ at: 0, when: 'before' })
    await expect(count()).rejects.toThrow(Crash)
    await change('some', blue)
    fuse({ at: 1, when: 'before' })
    await expect(count()).rejects.toThrow(Crash)
    fuse(undefined)
    expect(await count()).toEqual({ count: 1, trips: 2 })
    expect(await count()).toEqual({ count: 1, trips: 1 })
  })

  it('resolves the rule once, however many batches it takes', async () => {
    const { res, workspace, count } = await open()
    await homeDb
      .prepare(`INSERT INTO users SELECT ?1, printf('more-%05d', value), 0 FROM json_each(?2)`)
      .bind(workspace, JSON.stringify(Array.from({ length: 5000 }, (_, i) => i)))
      .run()
    await count()
    const before = res.meter.statements
    const again = await count()
    expect(again.count).toBe(2)
    expect(again.trips).toBeGreaterThan(1)
    expect(res.meter.statements - before).toBe(again.trips + 2)
  })

  it('is resolved anew each time if too long to cache', async () => {
    const { count, change } = await open()
    await change('some', { operator: 'or', expressions: [red, is('color', 'x'.repeat(4000))] })
    expect(await count()).toEqual({ count: 2, trips: 2 })
    expect(await count()).toEqual({ count: 2, trips: 2 })
  })

  it('leaves the cache once five hundred others were queried, not before', async () => {
    const { count, workspace } = await open()
    const columns = `name, description, rule, uses, refresh, created_on, created_by, last_modified_on, last_modified_by`
    await homeDb
      .prepare(
        `INSERT INTO audiences (workspace_id, id, ${columns})
        SELECT workspace_id, 'other-' || n.value, ${columns} FROM audiences, json_each(?2) AS n
        WHERE workspace_id = ?1`,
      )
      .bind(workspace, JSON.stringify(Array.from({ length: 500 }, (_, i) => i)))
      .run()
    await count()
    for (let i = 0; i < 499; i++) await count(`other-${i}`)
    expect(await count()).toEqual({ count: 2, trips: 1 })
    await count('other-499')
    expect(await count()).toEqual({ count: 2, trips: 2 })
    expect(await count('other-499')).toEqual({ count: 2, trips: 1 })
  }, 60_000)
})
