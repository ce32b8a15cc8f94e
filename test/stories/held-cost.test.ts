import { beforeEach, describe, expect, it } from 'vitest'
import { cancelJob, publishJob } from '../../src/experience/held.ts'
import { sourceOf } from '../../src/audiences/apply.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import type { UploadPart } from '../../src/jobs/upload.ts'
import { lines, membersOf } from '../support/api.ts'
import { grouped, invokeJob } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous, parts } from '../support/hazard.ts'
import { people } from '../support/held.ts'
import { newWorkspace } from '../support/workspaces.ts'

async function* fields(mode: string, ids: string[]): AsyncGenerator<UploadPart> {
  yield { field: 'mode', value: mode }
  yield* parts('ADD', lines(ids))
}

/** A group, to which so many are added, and what each of its steps writes. */
async function scene(mode: 'apply' | 'preview', count: number) {
  const { res } = hazardous()
  const workspace = newWorkspace()
  const { id: group } = await grouped(res, workspace)
  const file = fields(mode, people(0, count))
  const { id, key } = await receiveUpload(res, workspace, group, { createdBy: 't', parts: file })
  const rowsOf = async (what: () => Promise<unknown>) => {
    const before = res.meter.rowsWritten
    await what()
    return res.meter.rowsWritten - before
  }
  const run = () => invokeJob(res, workspace, key)
  return {
    ...{ written: await rowsOf(run), rowsOf, run },
    publish: () => publishJob(res, workspace, id, { expectedRemoved: undefined, sourceOf }),
    cancel: () => cancelJob(res, workspace, id),
    giveUp: () => giveUp(res, workspace, key),
    /** As a job is that has written all and is not held yet. */
    resume: () => homeDb.prepare("UPDATE jobs SET state = 'writing' WHERE key = ?").bind(key).run(),
    state: () =>
      homeDb.prepare('SELECT state FROM jobs WHERE key = ?').bind(key).first<string>('state'),
    members: async () => (await membersOf(workspace, group)).length,
  }
}

const rowsLeft = () => homeDb.prepare('SELECT count(*) AS n FROM members').first<number>('n')
beforeEach(async () => void (await homeDb.prepare('DELETE FROM members').run()))

/** Batches are as long as time allows, and each moves its job by a row or two. */
const ofBatches = 60

describe('what a held job writes', () => {
  it('is at its publication the same, whatever its size', async () => {
    const rows: number[] = []
    for (const count of [10_000, 30_000]) {
      const { rowsOf, publish, members } = await scene('preview', count)
      rows.push(await rowsOf(publish))
      expect(await members()).toBe(count)
    }
    expect(rows).toEqual([12, 12])
  })

  it('is for a preview what an upload writes', async () => {
    const plain = await scene('apply', 20_000)
    const preview = await scene('preview', 20_000)
    expect(plain.written).toBeGreaterThan(40_000)
    expect(Math.abs(preview.written - plain.written)).toBeLessThan(ofBatches)
  })

  it('is for its cancellation what undoing writes', async () => {
    const cancelled = await scene('preview', 20_000)
    const ofCancelling = await cancelled.rowsOf(async () => {
      await cancelled.cancel()
      await cancelled.run()
    })
    const undone = await scene('preview', 20_000)
    await undone.resume()
    const ofUndoing = await undone.rowsOf(async () => {
      expect(await undone.giveUp()).toBe(true)
      await undone.run()
    })
    expect([await cancelled.state(), await undone.state()]).toEqual(['cancelled', 'failed'])
    expect(await rowsLeft()).toBe(0)
    expect(ofUndoing).toBeGreaterThan(20_000)
    expect(Math.abs(ofCancelling - ofUndoing)).toBeLessThan(ofBatches)
  })
})
