import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import type { BalanceCount } from '../../src/db/schema.ts'
import { requestBalance, requestBalances } from '../../src/experiments/balance.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { pruneGroup } from '../../src/experience/prune.ts'
import type { Message } from '../../src/messages.ts'
import { lines, membersOf } from '../support/api.ts'
import { grouped, held, people } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { failures, hazardous, parts, unlessCrash } from '../support/hazard.ts'
import { planOf, watched } from '../support/plans.ts'
import { experiment as experimentRow, halves, insert } from '../support/rows.ts'
import { answer, answerAll } from '../support/stale.ts'
import { uploaded } from '../support/uploads.ts'
import { newWorkspace } from '../support/workspaces.ts'

let keys = 1000

/** The shard of a key by another MD5 than ours. */
const shard = (salt: string, key: string) =>
  createHash('md5').update(`${salt}-${key}`).digest().readUInt32BE(0) % 10_000

/** How many of the members fall into each half. */
const halvesOf = (id: string, members: string[], version = 1) => {
  const control = members.filter((one) => shard(`split-${id}-v${version}`, one) < 5000).length
  return [control, members.length - control]
}

const somebody = people('person', 10_000)

/** A group of many, and a running experiment over it whose balance waits. */
async function scene(more: Record<string, unknown> = {}, members = somebody) {
  const workspace = newWorkspace()
  const hand = hazardous()
  const { res } = hand
  const group = await grouped(res, workspace)
  await held(group, members)
  const experiment = async (more: Record<string, unknown> = {}) => {
    const key = ++keys
    await experimentRow(key, { workspace_id: workspace, group_id: group.id, ...more }).run()
    return { key, id: `experiment-${key}` }
  }
  const { key, id } = await experiment(more)
  await requestBalance(res, workspace, id)
  const message: Message = { kind: 'balance', workspace, experiment: key }
  const run = async (calls?: number) => {
    res.meter.statements = 0
    hand.fuse(calls === undefined ? undefined : { at: calls, when: 'after' })
    await answer(res, message).catch(unlessCrash)
    hand.fuse(undefined)
  }
  const stored = async (of = key) => {
    const row = await homeDb
      .prepare('SELECT state, progress, result FROM experiment_balances WHERE experiment_key = ?')
      .bind(of)
      .first<{ state: string; progress: string | null; result: string | null }>()
    if (row === null) return undefined
    return { ...row, result: JSON.parse(row.result ?? 'null') as BalanceCount | null }
  }
  const upload = async (type: string, ids: string[]) => {
    const { key: job } = await uploaded(res, workspace, group.id, parts(type, lines(ids)))
    await answer(res, { kind: 'job', workspace, job })
  }
  const set = (change: string, of = key) =>
    homeDb.prepare(`UPDATE experiments SET ${change} WHERE key = ?`).bind(of).run()
  return { ...hand, workspace, group, experiment, key, id, message, run, stored, upload, set }
}

/** Calls of the database after which the first range is counted, and nothing else. */
const oneStep = 2

const counted = (revision: number, members: number, observed: number[]) => ({
  ...{ version: 1, modifiedAt: 0, revision, members },
  variants: halves.map(({ id }, i) => ({ id, weight: 5000, observed: observed[i] })),
})

const complete = (count: object) => ({ state: 'complete', progress: null, result: count })

describe('a balance', () => {
  it('counts each member once, range by range', async () => {
    const { run, stored, id } = await scene()
    await run(oneStep)
    expect(await stored()).toMatchObject({ state: 'counting', result: null })
    await run()
    expect(await stored()).toEqual(complete(counted(0, 10_000, halvesOf(id, somebody))))
  })

  it('is the same wherever its invocations die', async () => {
    for (const fault of failures(11)) {
      const { res, fuse, message, stored, id } = await scene()
      for (let time = 0; time < 20 && (await stored())?.state !== 'complete'; time++) {
        fuse(time < 3 ? { ...fault } : undefined)
        await answer(res, message).catch(unlessCrash)
      }
      expect(await stored()).toEqual(complete(counted(0, 10_000, halvesOf(id, somebody))))
    }
  }, 60_000)

  it('is the same by many messages at once', async () => {
    const { res, message, stored, id } = await scene()
    await Promise.all(Array.from({ length: 5 }, () => answer(res, message)))
    await answer(res, message)
    expect(await stored()).toEqual(complete(counted(0, 10_000, halvesOf(id, somebody))))
  })

  it('changes nothing once it is complete', async () => {
    const { run, stored, set } = await scene()
    await run()
    const before = await stored()
    await set("traffic = 1, status = 'paused'")
    await run()
    expect(await stored()).toEqual(before)
  })

  it('is of its revision where one upload goes live meanwhile', async () => {
    const { run, stored, upload, id } = await scene()
    await run(oneStep)
    await upload('REPLACE', people('other', 5000))
    await run()
    expect(await stored()).toEqual(complete(counted(0, 10_000, halvesOf(id, somebody))))
  })

  it('begins anew at the live revision after a second upload', async () => {
    const { run, stored, upload, workspace, group, id } = await scene()
    await run(oneStep)
    await upload('REPLACE', people('other', 5000))
    await upload('REMOVE', people('other', 1000))
    await run()
    const members = await membersOf(workspace, group.id)
    expect(members).toHaveLength(4000)
    expect(await stored()).toEqual(complete(counted(2, 4000, halvesOf(id, members))))
  })

  it('begins anew where its rows may be gone', async () => {
    const { res, run, message, stored, upload, workspace, group, id } = await scene()
    await run(oneStep)
    await upload('REMOVE', somebody.slice(5000))
    const later = { ...res, now: () => Date.now() + 13 * 3_600_000 }
    await pruneGroup(later, { workspace, group: group.key, after: '' })
    await answer(later, message)
    const members = somebody.slice(0, 5000)
    expect(await stored()).toEqual(complete(counted(1, 5000, halvesOf(id, members))))
  })

  it('begins anew where its experiment has changed', async () => {
    const { run, stored, set, id } = await scene()
    await run(oneStep)
    await set('version = 2, last_modified_on = 5')
    await run()
    expect(await stored()).toEqual(
      complete({
        ...counted(0, 10_000, halvesOf(id, somebody, 2)),
        ...{ version: 2, modifiedAt: 5 },
      }),
    )
  })

  it('counts as the experiment was where it changes at the last call', async () => {
    const { run, stored, set, meanwhile, id } = await scene({}, somebody.slice(0, 100))
    let calls = 0
    meanwhile(async () => {
      if (++calls === oneStep) await set('version = 2, last_modified_on = 5')
    })
    await run()
    expect(await stored()).toEqual(complete(counted(0, 100, halvesOf(id, somebody.slice(0, 100)))))
  })

  it('leaves forced members to their variants, and counts them as members', async () => {
    const { run, stored, key, id } = await scene()
    const forced = somebody.slice(0, 1000)
    await homeDb
      .prepare("INSERT INTO experiment_forced SELECT ?, value, 'control' FROM json_each(?)")
      .bind(key, JSON.stringify(['nobody', ...forced]))
      .run()
    await run()
    const drawn = somebody.slice(1000)
    expect(await stored()).toEqual(complete(counted(0, 10_000, halvesOf(id, drawn))))
  })

  it('counts nobody of an empty group', async () => {
    const { run, stored } = await scene({}, [])
    await run()
    expect(await stored()).toEqual(complete(counted(0, 0, [0, 0])))
  })

  it('ends well where its last range is a full one', async () => {
    const members = somebody.slice(0, 4000)
    const { run, stored, id } = await scene({}, members)
    await run()
    expect(await stored()).toEqual(complete(counted(0, 4000, halvesOf(id, members))))
  })

  it.each<[string, (at: Awaited<ReturnType<typeof scene>>) => Promise<unknown>]>([
    ['its experiment is deleted', ({ set }) => set('deleted_at = 1')],
    ['its experiment has no group any more', ({ set }) => set('group_id = NULL')],
    ['its group is deleted', ({ res, workspace, group }) => deleteGroup(res, workspace, group.id)],
  ])('is given up where %s', async (_, goes) => {
    const at = await scene({ status: 'draft' })
    await at.run(oneStep)
    await goes(at)
    await at.run()
    expect(await at.stored()).toBeUndefined()
    await at.run()
    expect(await at.stored()).toBeUndefined()
  })

  it('comes from no request about a deleted experiment', async () => {
    const { res, set, workspace, key, stored } = await scene()
    await homeDb.prepare('DELETE FROM experiment_balances WHERE experiment_key = ?').bind(key).run()
    await set('deleted_at = 1')
    await res.databaseOf(workspace).all(requestBalances(sql`e.key = ${key}`, 'waiting', 1))
    expect(await stored()).toBeUndefined()
  })
})

describe('a balance of households', () => {
  /** Members by household; `forced` and `outside` of the group are said beside them. */
  async function households(of: Record<string, string[]>, outside: string[] = []) {
    const members = Object.values(of).flat()
    const alone = people('alone', 50)
    const definition = ++keys
    const at = await scene(
      { unit_definition: 'household' },
      [...members, ...alone].filter((one) => !outside.includes(one)),
    )
    await insert('group_definitions', {
      ...{ key: definition, workspace_id: at.workspace, id: 'household', description: '' },
      ...{ source_user_attribute: 'x', attributes: '[]', created_on: 0, created_by: '' },
      ...{ last_modified_on: 0, last_modified_by: '' },
    }).run()
    await homeDb.batch(
      Object.entries(of).flatMap(([value, users]) =>
        users.map((user_id) =>
          insert('identity_members', { definition_key: definition, user_id, value, joined_at: 0 }),
        ),
      ),
    )
    return { ...at, definition }
  }
  const streets = Object.fromEntries(
    Array.from({ length: 200 }, (_, i) => [`${i} Main St`, [`a-${i}`, `b-${i}`, `c-${i}`]]),
  )

  it('counts each once, and nobody without one', async () => {
    const { run, stored, id } = await households(streets)
    await run()
    const drawn = Object.keys(streets)
    expect(await stored()).toEqual(complete(counted(0, 650, halvesOf(id, drawn))))
  })

  it('counts one by the first of its members who is in the group', async () => {
    const outside = ['a-1', 'a-2', 'b-2', 'a-3', 'b-3', 'c-3']
    const { run, stored, id } = await households(streets, outside)
    await run()
    const drawn = Object.keys(streets).filter((value) => value !== '3 Main St')
    expect(await stored()).toEqual(complete(counted(0, 644, halvesOf(id, drawn))))
  })

  it('counts one by the first of its members who is not forced', async () => {
    const { run, stored, key, id } = await households(streets)
    const forced = ['a-1', 'a-2', 'b-2', 'a-3', 'b-3', 'c-3']
    await homeDb.batch(
      forced.map((participant_id) =>
        insert('experiment_forced', { experiment_key: key, participant_id, variant: 'control' }),
      ),
    )
    await run()
    const drawn = Object.keys(streets).filter((value) => value !== '3 Main St')
    expect(await stored()).toEqual(complete(counted(0, 650, halvesOf(id, drawn))))
  })

  it('is of the members of one revision', async () => {
    const { run, stored, upload, id } = await households(streets)
    await upload('REMOVE', ['a-1', 'a-2', 'b-2', 'a-3', 'b-3', 'c-3'])
    await run()
    const drawn = Object.keys(streets).filter((value) => value !== '3 Main St')
    expect(await stored()).toEqual(complete(counted(1, 644, halvesOf(id, drawn))))
  })

  it('counts nobody once its definition is deleted', async () => {
    const { run, stored, definition } = await households(streets)
    await homeDb
      .prepare('UPDATE group_definitions SET deleted_at = 1 WHERE key = ?')
      .bind(definition)
      .run()
    await run()
    expect(await stored()).toEqual(complete(counted(0, 650, [0, 0])))
  })
})

describe('balances of a workspace', () => {
  it('are counted one after the other, those that people wait for first', async () => {
    const { res, enqueued, experiment, message, workspace, stored } = await scene()
    const [due, requested] = [await experiment(), await experiment()]
    const db = res.databaseOf(workspace)
    await db.all(requestBalances(sql`e.key = ${due.key}`, 'due', 1))
    await requestBalance(res, workspace, requested.id)
    enqueued.length = 0
    const order: unknown[] = []
    for (let next: Message | undefined = message; next !== undefined; next = enqueued.shift()) {
      order.push(next)
      await answer(res, next)
    }
    const first = { kind: 'balance', workspace }
    expect(order).toEqual([
      message,
      { ...first, experiment: requested.key },
      { ...first, experiment: due.key, scheduled: true },
    ])
    expect([await stored(due.key), await stored(requested.key)]).toMatchObject([
      { state: 'complete' },
      { state: 'complete' },
    ])
  })

  it('wait while another is counted, unless that has stalled', async () => {
    const { res, enqueued, run, experiment, workspace, stored } = await scene()
    await run(oneStep)
    const other = await experiment()
    await requestBalance(res, workspace, other.id)
    const message: Message = { kind: 'balance', workspace, experiment: other.key }
    enqueued.length = 0
    await answer(res, message)
    expect([await stored(other.key), enqueued]).toMatchObject([{ state: 'waiting' }, []])
    const later = { ...res, now: () => Date.now() + 11 * 60_000 }
    await answer(later, message)
    expect(await stored(other.key)).toMatchObject({ state: 'complete' })
  })

  it('do not begin at once where two messages find that they may', async () => {
    const { res, experiment, workspace, message, stored, meanwhile, key } = await scene()
    const other = await experiment()
    await requestBalance(res, workspace, other.id)
    // The other one begins after this one has looked.
    const rival = hazardous()
    let calls = 0
    meanwhile(async () => {
      if (++calls !== 2) return
      rival.fuse({ at: oneStep, when: 'after' })
      await answer(rival.res, { kind: 'balance', workspace, experiment: other.key }).catch(
        unlessCrash,
      )
    })
    await answer(res, message)
    expect([await stored(key), await stored(other.key)]).toMatchObject([
      { state: 'waiting' },
      { state: 'counting' },
    ])
  })

  it('go first where another has to begin anew', async () => {
    const { res, enqueued, run, experiment, workspace, stored, upload, key } = await scene()
    await run(oneStep)
    const other = await experiment()
    await res.databaseOf(workspace).all(requestBalances(sql`e.key = ${other.key}`, 'due', 1))
    await upload('ADD', ['zoe'])
    await upload('ADD', ['zora'])
    enqueued.length = 0
    await run()
    expect([await stored(key), await stored(other.key)]).toMatchObject([
      { state: 'due', progress: null },
      { state: 'due' },
    ])
    await answerAll(res, enqueued)
    expect([await stored(key), await stored(other.key)]).toMatchObject([
      { state: 'complete', result: { revision: 2, members: 10_002 } },
      { state: 'complete' },
    ])
  })

  it('go on after one that is gone', async () => {
    const { res, enqueued, set, experiment, workspace, message, stored } = await scene()
    const other = await experiment()
    await requestBalance(res, workspace, other.id)
    enqueued.length = 0
    await set('deleted_at = 1')
    await answer(res, message)
    await answerAll(res, enqueued)
    expect(await stored(other.key)).toMatchObject({ state: 'complete' })
  })
})

describe('a request', () => {
  it('enqueues one that waits again only after a minute', async () => {
    const { res, enqueued, workspace, id, message } = await scene()
    expect(enqueued.splice(0)).toEqual([message])
    await requestBalance(res, workspace, id)
    expect(enqueued).toEqual([])
    await requestBalance({ ...res, now: () => Date.now() + 61_000 }, workspace, id)
    expect(enqueued).toEqual([message])
  })

  it('lets one that is counted go on', async () => {
    const { res, run, workspace, id, stored } = await scene()
    await run(oneStep)
    const before = await stored()
    expect(await requestBalance(res, workspace, id)).toMatchObject({ state: 'counting' })
    expect(await stored()).toEqual(before)
  })

  it('has a complete one computed anew, and shows the last meanwhile', async () => {
    const { res, run, workspace, id, upload } = await scene()
    await run()
    await upload('ADD', ['zoe'])
    const requested = await requestBalance(res, workspace, id)
    expect(requested).toMatchObject({ state: 'waiting', result: { revision: 0, members: 10_000 } })
    await run()
    const again = await requestBalance(res, workspace, id)
    expect(again).toMatchObject({ result: { revision: 1, members: 10_001 } })
  })
})

describe('a step', () => {
  it.each([null, 'household'])('seeks members in indexes (unit %s)', async (unit) => {
    const { res, message } = await scene({ unit_definition: unit })
    const { db, statements } = watched()
    await answer({ ...res, databaseOf: () => db }, message)
    const ranges = statements.filter(({ query }) => query.includes('members_by_group'))
    expect(ranges.length).toBeGreaterThan(0)
    for (const range of ranges) {
      const plan = await planOf(range)
      expect(plan).toContain(
        'SEARCH m USING INDEX members_by_group (group_key=? AND participant_id>?)',
      )
      expect(plan.filter((one) => /TEMP B-TREE|^SCAN (?!CONSTANT|g$)/.test(one))).toEqual([])
    }
  })

  it('reads each member once', async () => {
    const { res, run } = await scene()
    res.meter.rowsRead = 0
    await run()
    expect(res.meter.rowsRead).toBeLessThan(1.01 * 10_000)
  })
})
