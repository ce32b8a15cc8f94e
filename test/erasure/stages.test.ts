import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { getErasure } from '../../src/erasure/erasures.ts'
import { erasePeople, erasePerson } from '../../src/erasure/request.ts'
import { runErasure } from '../../src/erasure/run.ts'
import { enqueueStalledErasures } from '../../src/erasure/stalled.ts'
import { sweepErasures } from '../../src/erasure/sweep.ts'
import { runJob } from '../../src/experience/apply.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { requestRecompute, runRecompute } from '../../src/identity/recompute.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import type { Message } from '../../src/messages.ts'
import type { Resources } from '../../src/resources.ts'
import { lines, membersOf } from '../support/api.ts'
import { grouped, jobsIn } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { fileParts, hazardous, parts } from '../support/hazard.ts'
import { staged } from '../support/exposures.ts'
import { planOf, watched } from '../support/plans.ts'
import { answer, answerAll } from '../support/stale.ts'
import { emptyTables } from '../support/store.ts'
import { defined, writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

const upload = (res: Resources, workspace: number, group: string, type: string, ids: string[]) =>
  receiveUpload(res, workspace, group, { createdBy: 'tester', parts: parts(type, lines(ids)) })

/** A group of some people, all of whose work is done. */
async function scene(members = ['ann', 'bob'], vars: Parameters<typeof hazardous>[0] = {}) {
  const workspace = newWorkspace()
  const hazard = hazardous(vars)
  const { res, enqueued } = hazard
  const group = await grouped(res, workspace)
  const goesOn = (job: { key: number }) => answer(res, { kind: 'job', workspace, job: job.key })
  const sends = (type: string, ids: string[]) => upload(res, workspace, group.id, type, ids)
  await goesOn(await sends('ADD', members))
  enqueued.length = 0
  const erases = (person = 'ann') => erasePerson(res, workspace, person, 'tester')
  const stateOf = async ({ id }: { id: string }) =>
    (await getErasure(res.databaseOf(workspace), workspace, id)).state
  const here = () => membersOf(workspace, group.id)
  const users = async () => {
    const { results } = await homeDb
      .prepare('SELECT user_id AS id FROM users WHERE workspace_id = ? ORDER BY 1')
      .bind(workspace)
      .all<{ id: string }>()
    return results.map(({ id }) => id)
  }
  return { ...hazard, workspace, group, goesOn, sends, erases, stateOf, here, users }
}

const erasuresOf = (messages: Message[]) => messages.filter(({ kind }) => kind === 'erase-people')

describe('an erasure', () => {
  it('waits for jobs accepted before, the last of which enqueues it', async () => {
    const { res, enqueued, sends, goesOn, erases, stateOf, here, workspace } = await scene()
    const before = await sends('ADD', ['ann', 'cid'])
    enqueued.length = 0
    const erasure = await erases()
    const [message] = erasuresOf(enqueued.splice(0))
    if (message === undefined) throw new Error('nothing was enqueued')
    await answer(res, message)
    expect(await stateOf(erasure)).toBe('waiting')
    await goesOn(before)
    expect(await here()).toEqual(['ann', 'bob', 'cid'])
    const [, , own] = await jobsIn(workspace)
    expect(enqueued.splice(0)).toEqual([{ kind: 'job', workspace, job: own?.key }])
    await goesOn({ key: own?.key ?? 0 })
    expect(await here()).toEqual(['bob', 'cid'])
    expect(enqueued).toEqual([message])
    await answer(res, message)
    expect(await stateOf(erasure)).toBe('complete')
  })

  it('takes out who is being removed by a job that fails', async () => {
    const { res, enqueued, fuse, sends, goesOn, erases, here, workspace } = await scene()
    const removing = await sends('REMOVE', ['ann'])
    fuse({ at: 4, when: 'after' })
    await goesOn(removing).catch(() => undefined)
    fuse(undefined)
    const rows = homeDb
      .prepare(
        `SELECT removed_rev AS rev FROM members WHERE workspace_id = ? AND participant_id = 'ann'`,
      )
      .bind(workspace)
    expect(await rows.all()).toMatchObject({ results: [{ rev: 2 }] })
    await erases()
    await giveUp(res, workspace, removing.key)
    await answerAll(res, [{ kind: 'job', workspace, job: removing.key }, ...enqueued.splice(0)])
    await answerAll(res, enqueued)
    expect(await here()).toEqual(['bob'])
    expect(await rows.all()).toMatchObject({ results: [] })
  })

  it('leaves nothing of its own to prune', async () => {
    const { res, enqueued, sends, goesOn, erases, group } = await scene(['ann', 'bob', 'cid'])
    await goesOn(await sends('REMOVE', ['cid']))
    const toPrune = homeDb
      .prepare('SELECT removed_since_prune AS n FROM experience_groups WHERE key = ?')
      .bind(group.key)
    await erases()
    await answerAll(res, enqueued)
    expect(await toPrune.first('n')).toBe(1)
    await erases('cid')
    await answerAll(res, enqueued)
    expect(await toPrune.first('n')).toBe(0)
  })

  it('leaves who is added by a file of later', async () => {
    const { res, enqueued, sends, erases, here } = await scene()
    await erases()
    await sends('ADD', ['ann', 'dan'])
    await answerAll(res, enqueued)
    expect(await here()).toEqual(['ann', 'bob', 'dan'])
  })

  it('is the same as long as one goes on, and forgets what came since', async () => {
    const { res, enqueued, sends, erases, here, workspace } = await scene()
    const first = await erases()
    const again = await erases()
    expect(again).toEqual(first)
    expect((await jobsIn(workspace)).length).toBe(2)
    await sends('ADD', ['ann'])
    await writeUsers(res, workspace, [['ann', { team: 'red' }]], Date.now() + 1000)
    const late = { ...res, now: () => Date.now() + 2000 }
    expect(await erasePerson(late, workspace, 'ann', 'tester')).toEqual(first)
    expect((await jobsIn(workspace)).length).toBe(4)
    await answerAll(res, enqueued)
    expect(await here()).toEqual(['bob'])
    const { results } = await homeDb
      .prepare(`SELECT type FROM events WHERE workspace_id = ? AND type LIKE '%eras%'`)
      .bind(workspace)
      .all()
    expect(results).toEqual([{ type: 'erasure.requested' }, { type: 'person.erased' }])
    expect((await erases()).id).not.toBe(first.id)
  })

  it('goes by no limit of waiting jobs, and uses up none', async () => {
    const { sends, erases, workspace } = await scene(['ann'], {
      JOBS_WAITING_MAX: 2,
      JOBS_UNENDED_MAX: 2,
    })
    await sends('ADD', ['bob'])
    await erases()
    await sends('ADD', ['cid'])
    await expect(sends('ADD', ['dan'])).rejects.toMatchObject({ facts: { reason: 'jobs-waiting' } })
    expect((await jobsIn(workspace)).length).toBe(4)
    await erases('bob')
  })

  it('opens its own job again that has failed for good', async () => {
    const { res, enqueued, erases, stateOf, here, workspace } = await scene()
    const erasure = await erases()
    const [, own] = await jobsIn(workspace)
    const key = own?.key ?? 0
    await giveUp(res, workspace, key)
    await runJob(res, { workspace, job: key }, sourceOf)
    expect(await here()).toEqual(['ann', 'bob'])
    await answerAll(res, enqueued)
    expect(await here()).toEqual(['bob'])
    expect(await stateOf(erasure)).toBe('complete')
    expect((await jobsIn(workspace)).map(({ state }) => state)).toEqual([
      ...['successful', 'failed', 'successful'],
    ])
  })

  it('of many goes on in steps, and keeps no id where a step stands', async () => {
    const many = Array.from({ length: 900 }, (_, i) => `person-${i}`)
    const { res, enqueued, workspace, here } = await scene([...many, 'bob'])
    const { people } = await erasePeople(res, workspace, many, 'tester')
    expect(people).toBe(900)
    await homeDb.prepare('UPDATE jobs SET batch_ids = 100 WHERE ended_at IS NULL').run()
    await answerAll(res, enqueued)
    expect(await here()).toEqual(['bob'])
    const { results } = await homeDb
      .prepare(
        `SELECT cursor, removed, rows, state FROM jobs
        WHERE workspace_id = ? AND erasure_key IS NOT NULL`,
      )
      .bind(workspace)
      .all()
    expect(results).toEqual([{ cursor: '', removed: 900, rows: 900, state: 'successful' }])
  })
})

describe('users of before an erasure', () => {
  it('do not come back by a file that waits, and do by one of later', async () => {
    const { res, enqueued, erases, users, workspace } = await scene()
    const file = (row: string) => receiveUsers(res, workspace, 'tester', fileParts(row))
    await file('user_id,city\nann,Ulm\ncid,Ulm\n')
    await scheduler.wait(2)
    await erases()
    const later = enqueued.splice(0)
    await scheduler.wait(2)
    await answerAll(res, later)
    await answerAll(res, enqueued)
    expect(await users()).toEqual(['cid'])
    await file('user_id,city\nann,Bonn\n')
    await answerAll(res, enqueued)
    expect(await users()).toEqual(['ann', 'cid'])
  })

  it('do not come back by reports that were read while all of it happened', async () => {
    const { res, enqueued, erases, users, workspace, meanwhile } = await scene()
    const other = hazardous()
    meanwhile(async () => {
      meanwhile(undefined)
      await erasePerson(other.res, workspace, 'ann', 'tester')
      await answerAll(other.res, other.enqueued)
    })
    const said = [
      ['ann', { team: 'red' }],
      ['cid', { team: 'red' }],
    ] satisfies Parameters<typeof writeUsers>[2]
    await writeUsers(res, workspace, said)
    expect(await users()).toEqual(['cid'])
    await erases('cid')
    await answerAll(res, enqueued)
    await writeUsers(res, workspace, said)
    expect(await users()).toEqual([])
  })

  it('have no seat left by a deleted definition', async () => {
    const { res, enqueued, erases, workspace } = await scene()
    const { key } = await defined(res, workspace, 'household', 'street', [])
    await writeUsers(res, workspace, [['ann', { street: 'elm' }]])
    await requestRecompute(res, workspace, 'household')
    await answerAll(res, enqueued)
    await deleteDefinition(res, workspace, 'household')
    enqueued.length = 0
    const seats = homeDb
      .prepare('SELECT count(*) AS n FROM identity_members WHERE definition_key = ?')
      .bind(key)
    expect(await seats.first('n')).toBe(1)
    await erases()
    await answerAll(res, enqueued)
    expect(await seats.first('n')).toBe(0)
  })
})

describe('the last parts of an erasure', () => {
  it('delete a file without a job, once no job may come for it', async () => {
    const { res, enqueued, erases, stateOf, workspace } = await scene()
    const key = `uploads/${workspace}/lost.csv`
    await env.FILES.put(key, 'ann\n')
    const needed = await upload(res, workspace, (await grouped(res, workspace)).id, 'ADD', ['bob'])
    await scheduler.wait(2)
    const erasure = await erases()
    await answerAll(res, enqueued)
    expect(needed.key).toBeGreaterThan(0)
    expect([await stateOf(erasure), (await env.FILES.head(key))?.key]).toEqual(['files', key])
    const late = { ...res, now: () => Date.now() + 11 * 60_000 }
    await enqueueStalledErasures({ ...late, database: res.databaseOf(workspace) })
    await answerAll(late, enqueued)
    expect([await stateOf(erasure), await env.FILES.head(key)]).toEqual(['complete', null])
  })

  it('wait for a recompute that stands at the person', async () => {
    const { res, enqueued, erases, stateOf, workspace } = await scene()
    await defined(res, workspace, 'household', 'mail', [])
    await writeUsers(res, workspace, [['ann', { mail: 'ann' }]])
    await requestRecompute(res, workspace, 'household')
    const [message] = enqueued.splice(0)
    if (message?.kind !== 'recompute') throw new Error('no recompute')
    await runRecompute(res, message)
    const stands = (ended: number | null) =>
      homeDb
        .prepare(
          `UPDATE recompute_runs SET cursor = 'ann', ended_at = ?,
          largest = '[{"value":"ann","users":12},{"value":"annex","users":11}]' WHERE key = ?`,
        )
        .bind(ended, message.run)
        .run()
    await stands(null)
    const erasure = await erases()
    const messages = [...enqueued]
    await answerAll(res, enqueued)
    expect(await stateOf(erasure)).toBe('runs')
    await stands(1)
    await answerAll(res, messages)
    expect(await stateOf(erasure)).toBe('complete')
    const run = homeDb.prepare('SELECT cursor, largest FROM recompute_runs WHERE key = ?')
    expect(await run.bind(message.run).first()).toEqual({
      cursor: '',
      largest: '[{"value":"annex","users":11}]',
    })
  })

  it('move balances on that stand at the person, and stop what is counted', async () => {
    const { res, enqueued, erases, stateOf, workspace } = await scene()
    const [at, beside, gone] = [
      await staged(res, workspace, 'at', { arms: ['a', 'b'] }),
      await staged(res, workspace, 'beside', { arms: ['a', 'b'] }),
      await staged(res, workspace, 'gone', { arms: ['a', 'b'] }),
    ]
    await homeDb.prepare('UPDATE experiments SET deleted_at = 1 WHERE key = ?').bind(gone).run()
    for (const [key, after] of [
      [at, 'ann'],
      [beside, 'bob'],
      [gone, 'ann'],
    ])
      await homeDb
        .prepare(
          `INSERT INTO experiment_balances (experiment_key, workspace_id, state, step, progress, updated_at)
        VALUES (?, ?, 'counting', 7, json_object('after', ?), 1)`,
        )
        .bind(key, workspace, after)
        .run()
    const erasure = await erases()
    await answerAll(res, enqueued.splice(0, 1))
    const message = enqueued.at(-1)
    if (message?.kind !== 'erase-people') throw new Error('no erasure')
    await runErasure(res, workspace, message.erasure)
    expect(await stateOf(erasure)).toBe('complete')
    const balances = homeDb
      .prepare(
        'SELECT step, progress FROM experiment_balances WHERE workspace_id = ? ORDER BY experiment_key',
      )
      .bind(workspace)
    expect((await balances.all()).results).toEqual([
      { step: 8, progress: null },
      { step: 8, progress: '{"after":"bob"}' },
      { step: 8, progress: null },
    ])
    expect(enqueued.filter(({ kind }) => kind === 'balance')).toEqual(
      [at, beside, gone].map((experiment) => ({ kind: 'balance', workspace, experiment })),
    )
  })

  it('wait until no cached answer is as old', async () => {
    const { res, enqueued, erases, stateOf } = await scene(['ann'], { LOOKUP_CACHE_SECONDS: 30 })
    const erasure = await erases()
    await answerAll(res, enqueued.splice(0, 1))
    const message = enqueued.at(-1)
    if (message?.kind !== 'erase-people') throw new Error('no erasure')
    await runErasure(res, message.workspace, message.erasure)
    expect(await stateOf(erasure)).toBe('receipt')
    const late = { ...res, now: () => Date.now() + 30_000 }
    await runErasure(late, message.workspace, message.erasure)
    expect(await stateOf(erasure)).toBe('complete')
  })
})

describe('what is kept of erased people', () => {
  it('goes after ERASURE_DAYS, in bounded steps', async () => {
    await emptyTables()
    const { res, enqueued, erases, users, workspace } = await scene()
    await erases()
    await answerAll(res, enqueued)
    const later = (days: number) => ({ ...res, now: () => Date.now() + days * 86_400_000 })
    await sweepErasures(later(399))
    const kept = homeDb.prepare(
      'SELECT (SELECT count(*) FROM erased_people) + (SELECT count(*) FROM erasures) AS n',
    )
    expect(await kept.first('n')).toBe(2)
    await sweepErasures(later(401))
    expect(await kept.first('n')).toBe(0)
    await writeUsers(res, workspace, [['ann', { team: 'red' }]])
    expect(await users()).toEqual(['ann'])
  })
})

/** What is scanned as a whole: unended erasures, of which a workspace has a thousand at most. */
const bounded =
  /SCAN (erasures|e|json_each|[a-z]+ VIRTUAL|\(subquery|CONSTANT|removed|changed|dead|g$)/

it('asks by indexes alone', async () => {
  const { res, erases, sends, goesOn, workspace, enqueued } = await scene()
  const { db, statements } = watched()
  const seen = { ...res, database: db, databaseOf: () => db }
  await erases('bob')
  await erasePerson(seen, workspace, 'ann', 'tester')
  await answerAll(seen, enqueued)
  await goesOn(await sends('ADD', ['cid']))
  await enqueueStalledErasures(seen)
  const plans = await Promise.all(
    statements
      .filter(({ query }) => !/^\s*(insert into|update|delete from) "/.test(query))
      .map(async (one) => ({ query: one.query, plan: await planOf(one) })),
  )
  expect(plans.length).toBeGreaterThan(50)
  for (const { query, plan } of plans) {
    const scans = plan.filter((step) => step.startsWith('SCAN') && !bounded.test(step))
    expect({ query, scans }).toEqual({ query, scans: [] })
    expect(plan.filter((step) => step.startsWith('SCAN erasures'))).toEqual(
      plan.filter((step) => step.startsWith('SCAN erasures USING INDEX erasures_unended')),
    )
  }
})

it('lets a thousand erasures of a workspace go on at once', async () => {
  const { erases, workspace } = await scene()
  await homeDb
    .prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
    INSERT INTO erasures (id, workspace_id, people, state, removed, created_at, updated_at)
    SELECT i, ?, 1, 'waiting', '{}', 1, 1 FROM n`,
    )
    .bind(workspace)
    .run()
  const { id } = await erases()
  await expect(erases('bob')).rejects.toMatchObject({ facts: { reason: 'jobs-waiting' } })
  expect((await erases()).id).toBe(id)
})

it('is refused where ten thousand jobs of erasures have not ended', async () => {
  const { erases, workspace, group } = await scene()
  const { id } = await erases()
  await homeDb
    .prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
    INSERT INTO jobs (id, workspace_id, group_key, revision, type, state, file_name, file_key,
      file_size, slice_bytes, batch_ids, created_by, created_at, updated_at, erasure_key)
    SELECT 'erasing-' || i, ?1, ?2, i + 2, 'remove', 'waiting', 'erasure', '', 1, 0, 1, '', 1, 1, 1
    FROM n`,
    )
    .bind(workspace, group.key)
    .run()
  await expect(erases('bob')).rejects.toMatchObject({ facts: { reason: 'jobs-waiting' } })
  expect((await erases()).id).toBe(id)
})
