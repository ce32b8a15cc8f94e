import { beforeEach, describe, expect, it } from 'vitest'
import { problemSentences } from '../../src/api/groups-v3/errors.ts'
import { readId } from '../../src/text.ts'
import { pageOf } from '../support/answers.ts'
import {
  deliverAll,
  filled,
  inStepsOf,
  invokeJob,
  people,
  rulesKept,
} from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'

/** The kept problems of a job. */
const problemsOf = async (job: number) =>
  (
    await homeDb
      .prepare('SELECT line, problem, value FROM job_problems WHERE job_key = ? ORDER BY line')
      .bind(job)
      .all()
  ).results

beforeEach(() => homeDb.prepare('DELETE FROM sync_rules').run()) // a failed test leaves rules behind

describe('users of whom there are no participants', () => {
  it('are row problems of the job, by line of the equal file', async () => {
    const long = [
      'a'.repeat(33),
      `m${'é'.repeat(32)}`,
      `red-00001-${'x'.repeat(30)}`,
      'z'.repeat(40),
    ]
    const { bank, workspace, group, res, enqueued, sync } = await filled(
      [...people('red', 5), 'm'.repeat(32), ...long],
      [],
    )
    const { id } = await sync()
    await inStepsOf(3, workspace)
    await deliverAll(res, enqueued)
    const counts = {
      totalRecordsCount: 10,
      successRecordsCount: 6,
      failedRecordsCount: 4,
      addedCount: 6,
    }
    expect(await bank.get(`/jobs/${id}`)).toMatchObject({ jobStatus: 'PARTIAL_SUCCESS', ...counts })
    const sentence = 'ParticipantId cannot be larger than 32 characters'
    // In the order of ids: a…, m…m, mé…, red-00000, red-00001, red-00001-x…, red-00002 to red-00004, z….
    const { content } = await pageOf(bank, `/jobs/${id}/errors`)
    expect(content).toEqual(
      [1, 3, 6, 10].map((lineNbr, i) => ({ lineNbr, errorMsg: sentence, value: long[i] })),
    )
    expect(await bank.members(group)).toEqual(['m'.repeat(32), ...people('red', 5)])
  })

  it('have ids that a file could not hold unchanged', async () => {
    const signs = [...Array(0x10000).keys()]
      .map((code) => String.fromCharCode(code))
      .filter((sign) => !/\p{Cc}/u.test(sign))
    // Ids are kept in NFC.
    const spaces = signs.filter((sign) => sign.trim() === '' && sign.normalize('NFC') === sign)
    expect(spaces.length).toBeGreaterThan(15)
    const others = [
      '\u180e',
      '\u200b',
      '\u2060',
      'é',
      '🐕'.repeat(16),
      '🐕'.repeat(32),
      '🐕'.repeat(33),
      'b'.repeat(32),
      'b'.repeat(33),
    ]
    const users = [
      ...spaces.flatMap((space) => [
        `${space}a`,
        `a${space}`,
        `a${space}a`,
        `${space}${'c'.repeat(32)}`,
        `${space}${'c'.repeat(33)}`,
      ]),
    ]
    const { bank, workspace, group, res, enqueued, sync } = await filled([...users, ...others], [])
    const { id } = await sync()
    await inStepsOf(7, workspace)
    await deliverAll(res, enqueued)
    const listed = [...users, ...others].toSorted((a, b) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    )
    const wrong = listed.flatMap((id, i) => {
      const read = readId(id, 32)
      if ('id' in read && read.id === id) return []
      const problem = 'problem' in read && read.problem === 'too-long' ? 'too-long' : 'format'
      return [{ lineNbr: i + 1, errorMsg: problemSentences(32)[problem], value: id }]
    })
    expect(wrong.length).toBeGreaterThan(60)
    expect((await pageOf(bank, `/jobs/${id}/errors?size=500`)).content).toEqual(wrong)
    expect(await bank.members(group)).toEqual(
      listed.filter((_, i) => !wrong.some(({ lineNbr }) => lineNbr === i + 1)),
    )
  })

  it('are all counted, and the first 10,000 kept', async () => {
    const long = people('long'.repeat(8), 10_050)
    const { bank, res, enqueued, sync } = await filled(['ann', ...long], [])
    const { id, key } = await sync()
    await deliverAll(res, enqueued)
    expect(await bank.get(`/jobs/${id}`)).toMatchObject({
      jobStatus: 'PARTIAL_SUCCESS',
      failedRecordsCount: 10_050,
      addedCount: 1,
    })
    const kept = homeDb.prepare(
      'SELECT count(*) AS n, min(line) AS first, max(line) AS last FROM job_problems WHERE job_key = ?',
    )
    expect(await kept.bind(key).first()).toEqual({ n: 10_000, first: 2, last: 10_001 })
  })

  it('keep nobody in the group who has left, without other problems', async () => {
    const long = people('long'.repeat(8), 5)
    const { bank, group, res, enqueued, sync } = await filled(long, ['ann', 'bob'])
    const { id, key } = await sync()
    await deliverAll(res, enqueued)
    const counts = { totalRecordsCount: 5, failedRecordsCount: 5, addedCount: 0, removedCount: 2 }
    expect(await bank.get(`/jobs/${id}`)).toMatchObject({ jobStatus: 'PARTIAL_SUCCESS', ...counts })
    expect(await bank.members(group)).toEqual([])
    expect(await bank.count(group)).toBe(0)
    expect(await problemsOf(key)).toEqual(
      long.map((value, i) => ({ line: i + 1, problem: 'too-long', value })),
    )
    expect(await rulesKept()).toBe(0)
  })

  it('are taken in where PARTICIPANT_MAX lets them, UUIDs with dashes for one', async () => {
    const uuids = Array.from({ length: 3 }, () => crypto.randomUUID()).toSorted()
    const { bank, workspace, group, sync } = await filled([...uuids, 'x'.repeat(37)], [])
    const { id, key } = await sync()
    const { res, enqueued } = hazardous({ PARTICIPANT_MAX: 36 })
    await invokeJob(res, workspace, key)
    await deliverAll(res, enqueued)
    expect(await bank.get(`/jobs/${id}`)).toMatchObject({
      jobStatus: 'PARTIAL_SUCCESS',
      failedRecordsCount: 1,
    })
    expect(await bank.members(group)).toEqual(uuids)
  })

  it.each([0, 65, 1.5, NaN, 'many'])('cannot be let in by a PARTICIPANT_MAX of %s', (max) => {
    const vars = { PARTICIPANT_MAX: max as number } // a var on the command line is a text
    expect(() => hazardous(vars)).toThrow('PARTICIPANT_MAX')
  })

  it('if there are none at all, leave a group of nobody', async () => {
    const { bank, group, res, enqueued, sync } = await filled([], ['ann', 'bob'])
    const { id } = await sync()
    await deliverAll(res, enqueued)
    const counts = {
      totalRecordsCount: 0,
      successRecordsCount: 0,
      failedRecordsCount: 0,
      addedCount: 0,
      removedCount: 2,
      unchangedCount: 0,
    }
    expect(await bank.get(`/jobs/${id}`)).toMatchObject({ jobStatus: 'SUCCESSFUL', ...counts })
    expect(await bank.members(group)).toEqual([])
    expect(await bank.count(group)).toBe(0)
  })
})
