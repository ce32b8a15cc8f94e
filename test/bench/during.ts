import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { getToken, registerClient } from '../local/api.ts'
import { startServer } from '../local/server.ts'
import { prepareGroups, randomGroups } from './groups.ts'
import { randomIds, writeIds } from './ids.ts'
import { loadWhile, type Load, type Target } from './load.ts'
import { check, memberRequests } from './questions.ts'
import type { Row } from './row.ts'
import { openGroup, trip } from './trip.ts'
import { WorkerLog } from './worker-log.ts'

const full = { ids: 1_000_000, members: 100_000, seconds: 10 }

const connections = 4

const note = `Four connections look single participants up, before and while a file of another group is
applied; all of it shares one thread of this machine, as well as wrangler's proxy.`

/** Look-ups while a large file is applied, beside those of the idle Worker. */
export async function during(folder: string, size = full): Promise<Row[]> {
  const stateDir = join(folder, 'state')
  const groups = randomGroups(10, size.members)
  await prepareGroups(stateDir, groups)
  const log = new WorkerLog()
  const server = await startServer({ stateDir, onLine: log.add })
  const token = await getToken(
    server.url,
    await registerClient(server.url, server.adminToken, 'bench'),
  )
  const headers = { Authorization: `Bearer ${token}`, transactionId: randomUUID() }
  const questions = memberRequests(groups, headers, 1000)
  await check(server.url, questions.slice(0, 100))
  const target: Target = {
    url: server.url,
    requests: questions.map(({ expected: _, ...request }) => request),
  }

  const ids = randomIds(size.ids)
  const changed = [...ids.slice(size.ids / 20), ...randomIds(size.ids / 20)]
  const files = {
    ADD: writeIds(join(folder, 'first.csv'), ids),
    REPLACE: writeIds(join(folder, 'second.csv'), changed),
  }
  const { groups: bank, group } = await openGroup(server)
  const { load: idle } = await loadWhile(target, connections, () => sleep(size.seconds * 1000))
  const rows: Row[] = []
  for (const type of ['ADD', 'REPLACE'] as const) {
    const { load, result } = await loadWhile(target, connections, () =>
      trip(bank, group, { type, file: files[type] }),
    )
    const { job } = result
    rows.push(...rowsOf(type, load, idle), {
      figure: `longest batch of the ${type}, which took ${result.seconds.toFixed(1)} s`,
      measured: await log.longestStep(job.jobId),
      beside: 'nothing',
      baseline: 0,
      unit: 'ms',
      by: 'itself',
      most: 100,
      note,
    })
  }
  await server.stop()
  return rows
}

const rowsOf = (type: string, load: Load, idle: Load): Row[] => {
  const row = { beside: 'idle', unit: 'ms', by: 'ratio', note } as const
  const figure = `a look-up during the ${type}`
  return [
    {
      ...row,
      figure: `${figure}, median`,
      measured: load.median,
      baseline: idle.median,
      most: 2.5,
    },
    {
      ...row,
      figure: `${figure}, 99th percentile`,
      measured: load.high,
      baseline: idle.high,
      most: 4,
    },
  ]
}
