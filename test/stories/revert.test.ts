import { describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { erasePerson } from '../../src/erasure/request.ts'
import { runJob } from '../../src/experience/apply.ts'
import { cancelJob } from '../../src/experience/held.ts'
import { pruneGroup } from '../../src/experience/prune.ts'
import { revertGroup } from '../../src/experience/revert.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import type { UploadPart } from '../../src/jobs/upload.ts'
import { lines, membersOf } from '../support/api.ts'
import { grouped, jobsIn } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { failures, hazardous, insisting, parts, unlessCrash } from '../support/hazard.ts'
import { people } from '../support/held.ts'
import { everyCall } from '../support/property.ts'
import { newWorkspace } from '../support/workspaces.ts'

type Mode = 'apply' | 'preview'

/** A group, whose jobs run at once, and what D1 bills for them. */
async function scene(vars: Parameters<typeof hazardous>[0] = {}) {
  const hazard = hazardous(vars)
  const { res } = hazard
  const workspace = newWorkspace()
  const group = await grouped(res, workspace)
  const last = async () => (await jobsIn(workspace)).at(-1)?.key ?? 0
  const run = async () => runJob(res, { workspace, job: await last() }, sourceOf)
  const billed = async (open: () => Promise<unknown>) => {
    await open()
    const { rowsRead, rowsWritten } = res.meter
    await run()
    return { read: res.meter.rowsRead - rowsRead, written: res.meter.rowsWritten - rowsWritten }
  }
  const file = async function* (
    type: string,
    ids: string[],
    mode: Mode,
  ): AsyncGenerator<UploadPart> {
    yield { field: 'mode', value: mode }
    yield* parts(type, lines(ids))
  }
  const draft = { maxRemovePercent: null, createdBy: 'tester' }
  const opens = (mode: Mode = 'apply') => revertGroup(res, workspace, group.id, { ...draft, mode })
  return {
    ...{ ...hazard, workspace, group, last, run, opens },
    upload: (type: string, ids: string[], mode: Mode = 'apply') =>
      billed(() =>
        receiveUpload(res, workspace, group.id, {
          createdBy: 'tester',
          parts: file(type, ids, mode),
        }),
      ),
    revert: (mode?: Mode) => billed(() => opens(mode)),
    /** Cancels what is held. */
    cancel: () =>
      billed(async () => {
        const id = homeDb.prepare('SELECT id FROM jobs WHERE key = ?').bind(await last())
        await cancelJob(res, workspace, (await id.first<string>('id')) ?? '')
      }),
    members: () => membersOf(workspace, group.id),
    prune: () => pruneGroup(res, { workspace, group: group.key, after: '' }),
  }
}

/** A job's own bookkeeping: a few rows for each batch. */
const bookkeeping = 120

describe('what a revert costs', () => {
  it('is a row for each of those who change, and no more than the file', async () => {
    const { upload, revert, members } = await scene()
    await upload('ADD', people(0, 20_000))
    const file = await upload('REPLACE', people(10_000, 30_000))
    const { read, written } = await revert()
    expect(await members()).toEqual(people(0, 20_000))
    expect(written).toBeGreaterThanOrEqual(20_000)
    expect(written).toBeLessThan(20_000 * 1.01 + bookkeeping)
    expect(written).toBeLessThan(file.written)
    expect(read).toBeLessThan(5 * 30_000)
    const again = await revert()
    expect(await members()).toEqual(people(10_000, 30_000))
    expect(again.written).toBeLessThan(20_000 * 1.01 + bookkeeping)
  })

  it('of few changes in a large group are few rows', async () => {
    const { upload, revert } = await scene()
    await upload('ADD', people(0, 20_000))
    await upload('ADD', people(20_000, 20_010))
    expect((await revert()).written).toBeLessThan(10 + bookkeeping)
  })

  it('is a row each again where it is cancelled', async () => {
    const { upload, revert, cancel, members } = await scene()
    await upload('ADD', people(0, 10_000))
    await upload('REPLACE', people(5000, 15_000))
    await revert('preview')
    const { written } = await cancel()
    expect(written).toBeGreaterThanOrEqual(10_000)
    expect(written).toBeLessThan(10_000 * 1.01 + bookkeeping)
    expect(await members()).toEqual(people(5000, 15_000))
  })

  it('leaves the cost of undoing new participants as it was', async () => {
    const { upload, cancel, members } = await scene()
    await upload('ADD', people(0, 10))
    await upload('ADD', people(10, 10_010), 'preview')
    const { read, written } = await cancel()
    expect(written).toBeGreaterThanOrEqual(10_000)
    expect(written).toBeLessThan(10_000 * 1.01 + bookkeeping)
    // The end of a range, and each of two statements: a row of the index and one of the table.
    expect(read).toBeLessThan(4 * 10_010 * 1.02 + bookkeeping)
    expect(await members()).toEqual(people(0, 10))
  })
})

describe('a revert', () => {
  const [before, after] = [people(0, 9), people(6, 12)]

  /** A group that a file has changed. */
  async function changed() {
    const one = await scene()
    await one.upload('ADD', before)
    await one.upload('REPLACE', after)
    const inSmallSteps = () =>
      homeDb
        .prepare('UPDATE jobs SET batch_ids = 3 WHERE workspace_id = ? AND ended_at IS NULL')
        .bind(one.workspace)
        .run()
    return { ...one, inSmallSteps }
  }

  it('is exact after rows were pruned', async () => {
    const { upload, revert, prune, members, workspace } = await changed()
    await upload('REPLACE', people(3, 8))
    await prune()
    const dead = homeDb.prepare(
      `SELECT DISTINCT removed_rev AS rev FROM members
        WHERE workspace_id = ? AND removed_rev IS NOT NULL`,
    )
    expect((await dead.bind(workspace).all()).results).toEqual([{ rev: 3 }])
    await revert()
    expect(await members()).toEqual(after)
    await prune()
    await revert()
    expect(await members()).toEqual(people(3, 8))
  })

  it.each<[string, (one: Awaited<ReturnType<typeof changed>>) => Promise<unknown>]>([
    ['was cancelled', ({ cancel }) => cancel()],
    [
      'was given up',
      async ({ res, workspace, last, run, opens, inSmallSteps, fuse, cancel }) => {
        await cancel()
        await opens()
        await inSmallSteps()
        fuse({ at: 6, when: 'after' })
        await run().catch(unlessCrash)
        fuse(undefined)
        expect(await giveUp(res, workspace, await last())).toBe(true)
        await run()
      },
    ],
  ])('is exact where a job that added the same people %s', async (_, ends) => {
    const one = await changed()
    await one.upload('REPLACE', [...people(0, 3), 'zoe'], 'preview')
    await ends(one)
    await one.prune()
    expect(await one.members()).toEqual(after)
    await one.revert()
    expect(await one.members()).toEqual(before)
  })

  it('ends as if nothing had happened, wherever it dies', async () => {
    let died = 0
    for (const fault of failures(18)) {
      const { fuse, opens, run, inSmallSteps, members, workspace } = await changed()
      await opens()
      await inSmallSteps()
      fuse({ ...fault })
      await run().catch(unlessCrash)
      fuse(undefined)
      if ((await members()).length === after.length) died++
      expect([before, after]).toContainEqual(await members())
      for (let times = 0; times < 2; times++) await run()
      expect(await members()).toEqual(before)
      expect((await jobsIn(workspace)).at(-1)).toMatchObject({ added: 6, removed: 3, rows: 9 })
      const events = homeDb.prepare(
        `SELECT count(*) AS n FROM events WHERE workspace_id = ? AND type = 'group.reverted'`,
      )
      expect(await events.bind(workspace).first('n')).toBe(1)
    }
    expect(died).toBeGreaterThan(12 / everyCall)
  })

  it('is opened once or not at all where an answer is lost', async () => {
    for (const at of [0, 1, 2])
      for (const when of ['before', 'after'] as const) {
        const one = await changed()
        await insisting(one, { at, when }, () => one.opens())
        const [, , ...reverts] = await jobsIn(one.workspace)
        await one.run()
        expect(reverts.length).toBe(1)
        expect(await one.members()).toEqual(before)
      }
  })

  it('asked for by two at once is done once, as the second finds another live', async () => {
    const { opens, run, members, workspace, res } = await changed()
    await Promise.all([opens(), opens()])
    const [, , one] = await jobsIn(workspace)
    await runJob(res, { workspace, job: one?.key ?? 0 }, sourceOf)
    await run()
    expect((await jobsIn(workspace)).slice(2)).toMatchObject([
      { state: 'successful', added: 6 },
      { state: 'failed', failure: 'overtaken', added: 0, removed: 0 },
    ])
    expect(await members()).toEqual(before)
  })

  it('goes on without those whose erasure is requested meanwhile', async () => {
    const { res, workspace, opens, inSmallSteps, fuse, run, members } = await changed()
    await opens()
    await inSmallSteps()
    fuse({ at: 5, when: 'after' })
    await run().catch(unlessCrash)
    fuse(undefined)
    const [erased = ''] = people(5, 6)
    await erasePerson(res, workspace, erased, 'tester')
    await run()
    expect((await jobsIn(workspace))[2]).toMatchObject({ state: 'successful', failure: null })
    expect(await members()).toEqual(before.filter((id) => id !== erased))
  })

  it('fails where the workspace would have too many members', async () => {
    const { res, opens, run, members, workspace } = await changed()
    await opens()
    const { membersMax } = res.limits
    res.limits.membersMax = 8
    await run()
    res.limits.membersMax = membersMax
    expect((await jobsIn(workspace)).at(-1)).toMatchObject({ state: 'failed', failure: 'limit' })
    expect(await members()).toEqual(after)
  })
})

describe('rows of a version that keeps no removals', () => {
  it('are undone as that version undid them, and readers see no difference', async () => {
    const { upload, cancel, revert, members, workspace } = await scene()
    await upload('ADD', people(0, 6))
    await upload('REMOVE', people(0, 2))
    await upload('ADD', people(0, 2), 'preview')
    await homeDb
      .prepare('UPDATE members SET was_removed_rev = NULL WHERE workspace_id = ?')
      .bind(workspace)
      .run()
    await cancel()
    expect(await members()).toEqual(people(2, 6))
    // The removal is known no more.
    await revert()
    expect((await jobsIn(workspace)).at(-1)).toMatchObject({ state: 'failed', failure: 'not-kept' })
    expect(await members()).toEqual(people(2, 6))
    await upload('REMOVE', people(2, 4))
    await revert()
    expect(await members()).toEqual(people(2, 6))
  })

  it('that it has deleted make a revert fail, which changes nothing', async () => {
    const { upload, revert, members, workspace } = await scene()
    await upload('ADD', people(0, 6))
    await upload('REPLACE', people(3, 8))
    await homeDb
      .prepare('DELETE FROM members WHERE workspace_id = ? AND participant_id = ?')
      .bind(workspace, people(0, 1)[0] ?? '')
      .run()
    await revert()
    const failed = { state: 'failed', failure: 'not-kept', added: 0, removed: 0 }
    expect((await jobsIn(workspace)).at(-1)).toMatchObject(failed)
    expect(await members()).toEqual(people(3, 8))
  })

  it('count only where the removal is that of the live revision', async () => {
    const { upload, cancel, revert, members, workspace } = await scene()
    await upload('ADD', people(0, 6))
    await upload('REMOVE', people(0, 2))
    await upload('ADD', people(0, 1))
    // Added again by a version that does not write the column, which names an older removal.
    await upload('REMOVE', people(0, 1))
    await upload('ADD', people(0, 1), 'preview')
    await homeDb
      .prepare('UPDATE members SET was_removed_rev = 2 WHERE workspace_id = ? AND added_rev = 5')
      .bind(workspace)
      .run()
    await cancel()
    expect(await members()).toEqual(people(2, 6))
    await upload('ADD', ['zoe'])
    await revert()
    expect(await members()).toEqual(people(2, 6))
  })
})
