import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { sweepFiles } from '../../src/jobs/sweep-files.ts'
import { keeping, tickEverywhere } from '../support/bindings.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { job } from '../support/rows.ts'

const day = 86_400_000

const list = async () => (await env.FILES.list()).objects.map(({ key }) => key)
const put = (...keys: string[]) => Promise.all(keys.map((key) => env.FILES.put(key, 'x')))

beforeEach(async () => {
  await homeDb.batch([
    homeDb.prepare('DELETE FROM jobs'),
    homeDb.prepare('DELETE FROM cron_places'),
  ])
  for (let keys = await list(); keys.length > 0; keys = await list()) await env.FILES.delete(keys)
})
afterEach(() => void vi.useRealTimers())

describe('files that no job needs', () => {
  const [lost, ended, waiting] = ['uploads/1/a.csv', 'uploads/1/b.csv', 'uploads/2/c.csv'] as const
  beforeEach(async () => {
    await put(lost, ended, waiting, 'other/d.csv')
    await homeDb.batch([
      job(1, 11, { file_key: ended, ended_at: 1, state: 'failed' }),
      job(2, -2, { file_key: waiting, workspace_id: 2, type: 'users' }),
    ])
  })

  it('are deleted by the morning cron, a day after their upload', async () => {
    vi.setSystemTime(Date.now() + day + 60_000)
    await tickEverywhere('*/5 * * * *', keeping().bound)
    expect(await list()).toHaveLength(4)
    await tickEverywhere('0 4 * * *', keeping().bound)
    expect(await list()).toEqual(['other/d.csv', waiting])
  })

  it('stay until then', async () => {
    await sweepFiles(hazardous({}, { now: () => Date.now() + day - 60_000 }).res)
    expect(await list()).toHaveLength(4)
  })
})

it('goes on at the next cron where it stopped', async () => {
  const { res } = hazardous({}, { now: () => Date.now() + 2 * day })
  const keys = Array.from({ length: 25 }, (_, i) => `uploads/1/${String(i).padStart(2, '0')}.csv`)
  await put(...keys)
  // One file of each page is needed, so that a walk from the beginning would never come by.
  await homeDb.batch(keys.map((file_key, i) => job(i + 1, i + 1, { file_key })))
  await homeDb.prepare('UPDATE jobs SET ended_at = 1 WHERE key = 25').run()
  let listed = 0
  const ones = {
    list: (options: R2ListOptions) => (listed++, env.FILES.list({ ...options, limit: 1 })),
    delete: (files: string[]) => env.FILES.delete(files),
  } as unknown as R2Bucket // nothing else is called
  await sweepFiles({ ...res, files: ones })
  expect([listed, (await list()).length]).toEqual([20, 25])
  await sweepFiles({ ...res, files: ones })
  expect([listed, (await list()).length]).toEqual([25, 24])
})
