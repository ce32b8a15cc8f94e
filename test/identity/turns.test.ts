import { describe, expect, it } from 'vitest'
import { claimRun } from '../../src/identity/claim-run.ts'
import { deleteDefinition, eraseDefinition } from '../../src/identity/erase.ts'
import { beginWeek } from '../../src/identity/monday.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import { findRun } from '../../src/identity/runs.ts'
import { enqueueStalledRuns } from '../../src/identity/stalled.ts'
import { runsAtOnce } from '../../src/identity/turn.ts'
import type { Message } from '../../src/messages.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous, unlessCrash } from '../support/hazard.ts'
import { mondayIn } from '../support/identity.ts'
import { plansOf } from '../support/plans.ts'
import { answer } from '../support/stale.ts'
import { defined, writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

/** A workspace of this many definitions. */
async function definitions(count: number) {
  const workspace = newWorkspace()
  const hazard = hazardous({ DEFINITIONS_MAX: 1000 })
  for (let i = 0; i < count; i++)
    await defined(hazard.res, workspace, `household-${i}`, 'street', [])
  await writeUsers(hazard.res, workspace, [['ann', { street: 'Oak' }]])
  return { ...hazard, workspace }
}

const of = (workspace: number, messages: Message[]) =>
  messages.filter((message) => message.workspace === workspace)

const states = async (workspace: number): Promise<Record<string, number>> => {
  const { results } = await homeDb
    .prepare(
      'SELECT state, count(*) AS n FROM recompute_runs WHERE workspace_id = ? GROUP BY state',
    )
    .bind(workspace)
    .all<{ state: string; n: number }>()
  return Object.fromEntries(results.map(({ state, n }) => [state, n]))
}

/** Delivers messages in their order, and what is enqueued meanwhile. Gives how many there were. */
async function drained(
  { res, enqueued }: Pick<ReturnType<typeof hazardous>, 'res' | 'enqueued'>,
  workspace: number,
) {
  let count = 0
  for (let next = enqueued.shift(); next !== undefined; next = enqueued.shift()) {
    if (next.workspace !== workspace) continue
    await answer(res, next)
    count++
  }
  return count
}

describe('the definitions of a workspace', () => {
  it('take turns on a Monday, and those of another do not wait', { timeout: 60_000 }, async () => {
    const many = 8 * runsAtOnce
    const { workspace, ...hazard } = await definitions(many)
    const other = await definitions(1)
    await beginWeek(hazard.res, mondayIn(1))
    expect(of(workspace, hazard.enqueued)).toHaveLength(runsAtOnce)
    expect(of(other.workspace, hazard.enqueued)).toHaveLength(1)

    const messages = await drained(hazard, workspace)
    expect(await states(workspace)).toEqual({ successful: many })
    expect(messages).toBe(many)
  })

  it('all have their run, though invocations die anywhere', { timeout: 60_000 }, async () => {
    const { workspace, res, enqueued, fuse } = await definitions(8)
    await beginWeek(res, mondayIn(1))
    let at = 0
    for (let next = enqueued.shift(); next !== undefined; next = enqueued.shift()) {
      if (next.workspace !== workspace) continue
      fuse({ at: at++ % 9, when: at % 2 === 0 ? 'before' : 'after' })
      const died = await answer(res, next).then(
        () => false,
        (error: unknown) => (unlessCrash(error), true),
      )
      fuse(undefined)
      if (died) enqueued.push(next)
      expect((await states(workspace))['running'] ?? 0).toBeLessThanOrEqual(runsAtOnce)
    }
    // A turn that is lost between two deaths is found.
    await enqueueStalledRuns({ ...res, now: () => Date.now() + 11 * 60_000 })
    await drained({ res, enqueued }, workspace)
    expect(await states(workspace)).toEqual({ successful: 8 })
  })

  it('leave a run that was requested its own turn', async () => {
    const { workspace, res, enqueued } = await definitions(4)
    await beginWeek(res, mondayIn(1))
    enqueued.length = 0
    await homeDb
      .prepare(
        `UPDATE recompute_runs SET ended_at = 1, state = 'failed'
       WHERE workspace_id = ? AND definition_key = (
         SELECT max(key) FROM group_definitions WHERE workspace_id = ?1)`,
      )
      .bind(workspace)
      .run()
    await requestRecompute(res, workspace, 'household-3')
    for (const message of enqueued.splice(0)) await answer(res, message)
    expect(await states(workspace)).toEqual({ waiting: 3, failed: 1, successful: 1 })
  })

  it('go on where one is deleted before its turn', async () => {
    const { workspace, res, enqueued } = await definitions(runsAtOnce + 1)
    await beginWeek(res, mondayIn(1))
    enqueued.length = 0
    for (let i = 0; i < runsAtOnce; i++) await deleteDefinition(res, workspace, `household-${i}`)
    for (const message of of(workspace, enqueued.splice(0)))
      if (message.kind === 'erase-definition')
        await eraseDefinition(res, workspace, message.definition)
    await drained({ res, enqueued }, workspace)
    expect((await states(workspace))['successful']).toBe(1)
  })

  it('are found by the cron in turn, where messages were lost', async () => {
    const { workspace, res, enqueued } = await definitions(runsAtOnce + 3)
    await beginWeek(res, mondayIn(1))
    enqueued.length = 0
    await enqueueStalledRuns({ ...res, now: () => Date.now() + 11 * 60_000 })
    expect(of(workspace, enqueued)).toHaveLength(runsAtOnce)
    await drained({ res, enqueued }, workspace)
    expect(await states(workspace)).toEqual({ successful: runsAtOnce + 3 })
  })
})

describe('the turn of a run', () => {
  it('is found by an index, without the runs before it', async () => {
    const { workspace, res } = await definitions(60)
    await beginWeek(res, mondayIn(1))
    const last = await homeDb
      .prepare('SELECT max(key) AS key FROM recompute_runs WHERE workspace_id = ?')
      .bind(workspace)
      .first<number>('key')
    const run = await findRun(res.databaseOf(workspace), workspace, last ?? 0)
    if (run === undefined) throw new Error('there is no such run')
    const before = res.meter.rowsRead
    expect(await claimRun(res, run)).toBe(false)
    expect(res.meter.rowsRead - before).toBeLessThan(20)
    const plans = await plansOf((db) => claimRun({ ...res, databaseOf: () => db }, run))
    expect(plans.flatMap(({ plan }) => plan)).toContainEqual(
      expect.stringContaining('recompute_runs_unended_by_workspace'),
    )
  })
})
