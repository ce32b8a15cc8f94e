import { describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import { findJob } from '../../src/experience/jobs.ts'
import { runUsersJob } from '../../src/identity/users-file.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { findUsersJob } from '../../src/identity/users-jobs.ts'
import type { ParticipantsFileJob } from '../../src/jobs/job.ts'
import { claimJob } from '../../src/jobs/turn.ts'
import { Bank, lines } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous, parts } from '../support/hazard.ts'
import { uploaded } from '../support/uploads.ts'

describe('a job that one version begins and another ends', () => {
  it.each<['applying' | 'writing', number]>([
    ['applying', 200_000],
    ['writing', 262_144],
  ])('goes on in the slices that it was begun with: %s, %i rows', async (state, slice) => {
    const rows = slice + 1000
    // In descending order, so that slices begin at different ids.
    const ids = Array.from({ length: rows }, (_, i) => String(rows - i).padStart(6, '0'))
    const bank = await Bank.open()
    const group = await bank.group()
    const { res, fuse } = hazardous()
    const db = res.databaseOf(bank.workspace)
    const job = await uploaded(res, bank.workspace, group, parts('ADD', lines(ids)))
    expect(await claimJob(res, job)).toBe(true)
    await homeDb.prepare('UPDATE jobs SET state = ? WHERE key = ?').bind(state, job.key).run()

    // It reads the job, writes two batches of ids, and dies.
    fuse({ at: 3, when: 'before' })
    await expect(
      runJob(res, { workspace: bank.workspace, job: job.key }, sourceOf),
    ).rejects.toThrow()
    fuse(undefined)
    const { applied } = (await findJob(db, bank.workspace, job.key)) as ParticipantsFileJob // it has a file
    expect(applied).toBeGreaterThan(0)
    expect(applied).toBeLessThan(slice)
    expect(await findJob(db, bank.workspace, job.key)).toMatchObject({
      rowsMax: slice,
      offset: 0,
      applied,
      touched: applied,
    })
    const written = homeDb.prepare(
      'SELECT min(participant_id) AS least, max(participant_id) AS most FROM members WHERE workspace_id = ?',
    )
    const run = ids.slice(0, slice).sort()
    expect(await written.bind(bank.workspace).first()).toEqual({
      least: run[0],
      most: run[applied - 1],
    })

    await runJob(res, { workspace: bank.workspace, job: job.key }, sourceOf)
    expect(await findJob(db, bank.workspace, job.key)).toMatchObject({
      state: 'successful',
      rows,
      badRows: 0,
      added: rows,
    })
    expect(await bank.count(group)).toBe(rows)
  })

  it("is a users' file in a state that earlier versions carry on", async () => {
    const { workspace } = await Bank.open()
    const { res, fuse } = hazardous()
    const db = res.databaseOf(workspace)
    const job = await receiveUsers(res, workspace, 'tester', parts('', 'user_id,town\nann,Ulm\n'))
    fuse({ at: 2, when: 'before' })
    await expect(runUsersJob(res, workspace, job.key)).rejects.toThrow()
    expect(await findUsersJob(db, workspace, job.key)).toMatchObject({
      state: 'applying',
      offset: 0,
    })
    await homeDb
      .prepare("UPDATE jobs SET state = 'of another version' WHERE key = ?")
      .bind(job.key)
      .run()
    await runUsersJob(res, workspace, job.key)
    expect(await findUsersJob(db, workspace, job.key)).toMatchObject({
      state: 'of another version',
      offset: 0,
    })
  })

  it('is left alone by a version that does not know its state', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const { res } = hazardous()
    const job = await uploaded(res, bank.workspace, group, parts('ADD', 'ann\n'))
    await homeDb
      .prepare("UPDATE jobs SET state = 'of another version' WHERE key = ?")
      .bind(job.key)
      .run()
    const before = await findJob(res.databaseOf(bank.workspace), bank.workspace, job.key)
    await runJob(res, { workspace: bank.workspace, job: job.key }, sourceOf)
    expect(await findJob(res.databaseOf(bank.workspace), bank.workspace, job.key)).toEqual(before)
  })
})
