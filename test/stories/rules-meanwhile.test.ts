import { beforeEach, describe, expect, it } from 'vitest'
import { deleteAudience } from '../../src/audiences/audiences.ts'
import { requestSync } from '../../src/audiences/sync.ts'
import { countUsers } from '../../src/audiences/query.ts'
import type { Rule } from '../../src/audiences/rule.ts'
import { resolveAudience } from '../../src/audiences/resolve.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { updateDefinition } from '../../src/identity/definitions.ts'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { Failure } from '../../src/failure.ts'
import type { Resources } from '../../src/resources.ts'
import {
  addAudience,
  changeAudience,
  crowd,
  deliverAll,
  filling,
  grouped,
  held,
  inStepsOf,
  invokeJob,
  people,
  rulesKept,
  teamIs,
} from '../support/audiences.ts'
import { Bank } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { defined } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'
import { everyCall } from '../support/property.ts'

const red = teamIs('red')
const notIn = (group: string): Rule => ({
  operator: 'not',
  expression: { operator: 'in_group', group },
})
const reason = (error: unknown) =>
  error instanceof Failure ? error.facts.reason : Promise.reject(error)

/** Something that a rule names, how it is deleted, and its name in a failed sync. */
interface Named {
  rule: Rule
  goes: (res: Resources) => Promise<unknown>
  value: string
}

const kinds: Record<string, (res: Resources, workspace: number) => Promise<Named>> = {
  'a group': async (res, workspace) => {
    const { id } = await grouped(res, workspace)
    const goes = (res: Resources) => deleteGroup(res, workspace, id)
    return { rule: notIn(id), goes, value: `experience group ${id}` }
  },
  'a definition': async (res, workspace) => {
    await defined(res, workspace, 'household', 'street', [])
    const rule: Rule = { operator: 'no_member', group: 'household', expression: red }
    const goes = (res: Resources) => deleteDefinition(res, workspace, 'household')
    return { rule, goes, value: 'group definition household' }
  },
  'a shared attribute': async (res, workspace) => {
    await defined(res, workspace, 'household', 'street', [{ id: 'dog', type: 'latest' }])
    const rule: Rule = { operator: 'not_exists', attribute: 'household:dog' }
    const goes = (res: Resources) =>
      updateDefinition(res, workspace, 'household', { change: { attributes: [] }, by: 'tester' })
    return { rule, goes, value: 'shared attribute household:dog' }
  },
}

/** Does one thing, and another before its call `at` of the database; returns both results. */
async function interleaved<One, Other>(
  at: number,
  one: (res: Resources) => Promise<One>,
  other: (res: Resources) => Promise<Other>,
) {
  const { res, fuse } = hazardous()
  const { promise, resolve } = Promise.withResolvers<void>()
  let fallen = false
  const asleep = new Promise<void>((done) =>
    fuse({ at, until: promise, fallen: () => done(void (fallen = true)) }),
  )
  const doing = one(res).then(() => 'done', reason)
  await Promise.race([asleep, doing])
  fuse(undefined)
  const between = await other(hazardous().res).then(() => 'done', reason)
  resolve()
  return { fallen, one: await doing, other: between }
}

describe.each(Object.keys(kinds))('%s that a rule names', (kind) => {
  /** The audience can be evaluated or is gone; so is a rule on users' own attributes. */
  async function consistent(workspace: number): Promise<void> {
    const { res } = hazardous()
    const db = res.databaseOf(workspace)
    const kept = await resolveAudience(db, workspace, 'coupon').catch(reason)
    if (typeof kept === 'string') expect(kept).toBe('not-found')
    else await countUsers(db, workspace, kept)
  }

  it.each(['is created', 'is changed', 'creates it while it goes'])(
    'goes or stays, wherever they meet, while an audience using it %s',
    async (what) => {
      const ends = new Set<string>()
      for (let at = 0, fallen = true; fallen; at += everyCall) {
        const workspace = newWorkspace()
        const { res } = hazardous()
        const { rule, goes } = (await kinds[kind]?.(res, workspace)) ?? {}
        if (rule === undefined || goes === undefined) throw new Error(`no kind ${kind}`)
        const make = (res: Resources) =>
          what === 'is changed'
            ? changeAudience(res, workspace, 'coupon', rule)
            : addAudience(res, workspace, 'coupon', rule)
        if (what === 'is changed') await addAudience(res, workspace, 'coupon', red)
        const both =
          what === 'creates it while it goes'
            ? await interleaved(at, goes, make)
            : await interleaved(at, make, goes)
        fallen = both.fallen
        ends.add(`${both.one}, ${both.other}`)
        // Never both, but that a name of what is shared no more is users' own.
        if (kind !== 'a shared attribute')
          expect([both.one, both.other].filter((end) => end === 'done')).toHaveLength(1)
        await consistent(workspace)
        await deleteAudience(res, workspace, 'coupon').catch(reason)
      }
      expect(ends.size).toBeGreaterThan(1)
    },
    60_000,
  )

  it('deleted at any step of a sync fails it, and adds nobody', async () => {
    let failures = 0
    for (let at = 0, fallen = true; fallen; at += everyCall) {
      const bank = await Bank.open()
      const { workspace } = bank
      const { res, enqueued, fuse } = hazardous()
      const { rule, goes, value } = (await kinds[kind]?.(res, workspace)) ?? {}
      if (rule === undefined || goes === undefined) throw new Error(`no kind ${kind}`)
      await crowd(workspace, people('red', 5))
      const group = await filling(res, workspace, 'coupon', rule)
      await held({ workspace, key: group.key }, ['ann', 'red-00001'])
      const job = await requestSync(res, workspace, 'coupon', { by: 'tester' })
      await inStepsOf(1, workspace)
      // The audience drops it, then it is deleted: the sync goes on by its old rule.
      const { promise, resolve } = Promise.withResolvers<void>()
      fallen = false
      const asleep = new Promise<void>((done) =>
        fuse({ at, until: promise, fallen: () => done(void (fallen = true)) }),
      )
      const running = invokeJob(res, workspace, job.key)
      await Promise.race([asleep, running])
      fuse(undefined)
      if (fallen) {
        await changeAudience(hazardous().res, workspace, 'coupon', red)
        await goes(hazardous().res)
      }
      resolve()
      await running
      await deliverAll(res, enqueued)
      const shown = await bank.get(`/jobs/${job.id}`)
      const { results } = await homeDb
        .prepare('SELECT line, problem, value FROM job_problems WHERE job_key = ?')
        .bind(job.key)
        .all()
      if (shown['jobStatus'] === 'FAILED') {
        failures++
        expect(shown).toMatchObject({ addedCount: 0, removedCount: 0, successRecordsCount: 0 })
        expect(results).toEqual([{ line: 0, problem: 'rule', value }])
        expect(await bank.members(group.id)).toEqual(['ann', 'red-00001'])
        expect(await bank.count(group.id)).toBe(2)
        const failed = await homeDb
          .prepare(
            `SELECT data ->> 'reason' AS reason FROM events WHERE workspace_id = ? AND type = 'job.failed'`,
          )
          .bind(workspace)
          .all()
        expect(failed.results).toEqual([{ reason: 'rule' }])
      } else {
        expect(shown['jobStatus']).toBe('SUCCESSFUL')
        expect(results).toEqual([])
        expect(await bank.members(group.id)).toEqual(people('red', 5))
      }
      expect(await rulesKept()).toBe(0)
    }
    expect(failures).toBeGreaterThan(8 / everyCall)
  }, 120_000)
})

beforeEach(() => homeDb.prepare('DELETE FROM sync_rules').run()) // a failed test leaves rules behind
