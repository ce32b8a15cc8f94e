import { describe, expect, it } from 'vitest'
import { Bank, lines } from '../support/api.ts'

const people = (from: number, to: number) =>
  lines(Array.from({ length: to - from }, (_, i) => `person-${from + i}`))

describe('a reader', () => {
  it('sees the count before or after a REPLACE of 200,000, none between', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    await bank.apply(group, 'ADD', people(0, 1000))

    const answer = await bank.upload(group, 'REPLACE', people(500, 200_500))
    const { jobId } = (await answer.json()) as { jobId: string }
    const counts = new Set<number>()
    const percents = new Set<number>()
    for (let ended = false; !ended; await scheduler.wait(20)) {
      const job = await bank.get(`/jobs/${jobId}`)
      percents.add(Number(job['progressPercent']))
      ended = !['CREATED', 'PROCESSING'].includes(String(job['jobStatus']))
      if (!ended) expect(job).toMatchObject({ addedCount: 0, removedCount: 0 })
      counts.add(await bank.count(group))
    }
    expect([...counts]).toEqual([1000, 200_000])
    expect(percents.size).toBeGreaterThan(3)
    expect([...percents]).toEqual([...percents].sort((a, b) => a - b))
    expect(await bank.get(`/jobs/${jobId}`)).toMatchObject({
      addedCount: 199_500,
      removedCount: 500,
      unchangedCount: 500,
    })
  })
})

describe('two uploads to one group', () => {
  it('end as if sent one after the other, even when sent together', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const answers = await Promise.all([
      bank.upload(group, 'ADD', people(0, 30_000)),
      bank.upload(group, 'REPLACE', people(10_000, 20_000)),
      bank.upload(group, 'REMOVE', people(0, 15_000)),
    ])
    const ids = await Promise.all(
      answers.map(async (answer) => ((await answer.json()) as { jobId: string }).jobId),
    )
    const jobs = await Promise.all(ids.map((id) => bank.ended(id)))
    expect(jobs.map((job) => job['jobStatus'])).toEqual(['SUCCESSFUL', 'SUCCESSFUL', 'SUCCESSFUL'])

    // The order of acceptance decides; sets in memory give the expected result.
    const { content } = await bank.get(`/jobs?groupId=${group}&sort=insertDateTime,asc`)
    let expected = new Set<number>()
    const range = (from: number, to: number) =>
      new Set(Array.from({ length: to - from }, (_, i) => from + i))
    for (const { type } of content as { type: string }[]) {
      if (type === 'ADD') expected = expected.union(range(0, 30_000))
      else if (type === 'REPLACE') expected = range(10_000, 20_000)
      else expected = expected.difference(range(0, 15_000))
    }
    expect(await bank.members(group)).toEqual([...expected].map((n) => `person-${n}`).sort())
    expect(await bank.count(group)).toBe(expected.size)
  })
})
