import { describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import { isPruneDue, pruneGroup } from '../../src/experience/prune.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { Bank, lines } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous, parts } from '../support/hazard.ts'

const people = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `person-${from + i}`)

/** Applies a file, and returns what D1 bills for the job, from first to last message. */
async function bill(bank: Bank, group: string, type: string, ids: string[]) {
  const { res } = hazardous()
  const job = await receiveUpload(res, bank.workspace, group, {
    createdBy: 'tester',
    parts: parts(type, lines(ids)),
  })
  const before = { ...res.meter }
  await runJob(res, { workspace: bank.workspace, job: job.key }, sourceOf)
  expect(await bank.get(`/jobs/${job.id}`)).toMatchObject({ jobStatus: 'SUCCESSFUL' })
  return {
    read: res.meter.rowsRead - before.rowsRead,
    written: res.meter.rowsWritten - before.rowsWritten,
  }
}

/** The job's own bookkeeping: a few rows for each batch. */
const bookkeeping = 60

describe('what an upload costs', () => {
  it('is 2 rows written per new participant of an ADD, otherwise none', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const added = await bill(bank, group, 'ADD', people(0, 20_000))
    expect(added.written).toBeGreaterThanOrEqual(40_000)
    expect(added.written).toBeLessThan(40_000 * 1.01 + bookkeeping)
    expect((await bill(bank, group, 'ADD', people(0, 20_000))).written).toBeLessThan(bookkeeping)
  })

  it('is 1 row per participant of a REMOVE', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    await bill(bank, group, 'ADD', people(0, 20_000))
    const { written } = await bill(bank, group, 'REMOVE', people(0, 10_000))
    expect(written).toBeGreaterThanOrEqual(10_000)
    expect(written).toBeLessThan(10_000 * 1.01 + bookkeeping)
  })

  it('of REPLACE is 1 row per unchanged, 2 new, 1 removed participant', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    await bill(bank, group, 'ADD', people(0, 20_000))
    expect((await bill(bank, group, 'REPLACE', people(0, 20_000))).written).toBeLessThan(
      20_000 * 1.01 + bookkeeping,
    )
    const { written } = await bill(bank, group, 'REPLACE', people(1000, 21_000))
    expect(written).toBeGreaterThanOrEqual(19_000 + 2 * 1000 + 1000)
    expect(written).toBeLessThan(22_000 * 1.01 + bookkeeping)
  })

  it.each(['ADD', 'REMOVE', 'REPLACE'])(
    'is the same for %s of a file listing everyone three times',
    async (type) => {
      const bank = await Bank.open()
      const [once, often] = [await bank.group(), await bank.group()]
      for (const group of [once, often]) await bill(bank, group, 'ADD', people(0, 2000))
      const ids = people(1000, 3000)
      expect((await bill(bank, often, type, [...ids, ...ids, ...ids])).written).toBe(
        (await bill(bank, once, type, ids)).written,
      )
      expect(await bank.members(often)).toEqual(await bank.members(once))
    },
  )

  it.each(['ADD', 'REMOVE', 'REPLACE'])(
    'reads rows in proportion to the file for %s, whatever else exists',
    async (type) => {
      const bank = await Bank.open()
      const [group, other] = [await bank.group(), await bank.group()]
      await bill(bank, other, 'ADD', people(0, 40_000))
      await bill(bank, group, 'ADD', people(0, 4000))
      const small = await bill(bank, group, type, people(0, 4000))
      await bill(bank, group, 'ADD', people(0, 16_000))
      const large = await bill(bank, group, type, people(0, 16_000))
      expect(large.read).toBeLessThan(6 * 16_000)
      expect(large.read / small.read).toBeLessThan(4.5)
    },
  )
})

describe('rows long dead', () => {
  it("are deleted once they outnumber the members, save the last revision's", async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    await bill(bank, group, 'ADD', people(0, 30_000))
    await bill(bank, group, 'REMOVE', people(0, 29_000))
    await bill(bank, group, 'REMOVE', people(29_000, 29_500))
    const row = await homeDb
      .prepare(
        `SELECT key, participant_count AS groupCount, removed_since_prune AS groupRemoved
        FROM experience_groups WHERE id = ?`,
      )
      .bind(group)
      .first<{ key: number; groupCount: number; groupRemoved: number }>()
    if (row === null) throw new Error('no group')
    expect(isPruneDue(row)).toBe(true)
    expect(isPruneDue({ groupCount: 5000, groupRemoved: 3000 })).toBe(false)

    const { res } = hazardous()
    await pruneGroup(res, { workspace: bank.workspace, group: row.key, after: '' })
    const { results } = await homeDb
      .prepare(
        'SELECT removed_rev AS rev, count(*) AS n FROM members WHERE group_key = ? GROUP BY 1',
      )
      .bind(row.key)
      .all()
    expect(results).toEqual([
      { rev: null, n: 500 },
      { rev: 3, n: 500 },
    ])
    expect(await bank.members(group)).toEqual(people(29_500, 30_000))
    expect(
      await homeDb
        .prepare('SELECT removed_since_prune AS n FROM experience_groups WHERE key = ?')
        .bind(row.key)
        .first('n'),
    ).toBe(0)
  })
})
