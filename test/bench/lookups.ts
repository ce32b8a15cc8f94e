import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { getToken, registerClient } from '../local/api.ts'
import { startServer, type Server } from '../local/server.ts'
import { bareConfig } from './bare.ts'
import { exported } from './exported.ts'
import { prepareGroups, randomGroups, type FullGroup } from './groups.ts'
import { loadInTurn, type Load, type Target } from './load.ts'
import {
  flagRequests,
  memberRequests,
  membershipsRequests,
  check,
  type Question,
} from './questions.ts'
import type { Row } from './row.ts'

const full = { members: 1_000_000, groups: 50, rounds: 3, seconds: 5, exported: 1_000_000 }

/** Different requests in one turn, and how many are checked beforehand. */
const questions = 1000
const checked = 100

/** Concurrent look-ups beside bare Workers, and the export of a large group. */
export async function lookups(folder: string, size = full): Promise<Row[]> {
  const stateDir = join(folder, 'state')
  const groups = randomGroups(size.groups, size.members)
  await prepareGroups(stateDir, groups)
  const bare = await startServer({ stateDir, config: bareConfig })
  const rows = [
    ...(await exact(stateDir, bare, groups, size)),
    ...(await cachedLookUps(stateDir, bare, groups, size)),
  ]
  await bare.stop()
  return [
    ...rows,
    ...(await exported(join(folder, 'exported'), { members: size.exported, rounds: size.rounds })),
  ]
}

/** Each question goes to the database. */
async function exact(
  stateDir: string,
  bare: Server,
  groups: FullGroup[],
  times: typeof full,
): Promise<Row[]> {
  const server = await startServer({ stateDir })
  const headers = await headersFor(server)
  const [hello, select, member, memberships, flag] = await loadInTurn(
    [
      bareTarget(bare, '/hello', headers),
      bareTarget(bare, '/select', headers),
      await target(server, memberRequests(groups, headers, questions)),
      await target(server, membershipsRequests(groups, headers, questions / 10, 100)),
      await target(server, flagRequests(groups, headers, questions)),
    ],
    times,
  )
  await server.stop()
  const beside = { beside: 'bare SELECT 1', baseline: select }
  return [
    ...loadRows('SELECT 1 by itself', select, { beside: 'bare hello', baseline: hello }),
    ...loadRows('one in a group', member, beside, 0.8),
    ...loadRows('100 at once', memberships, beside),
    ...loadRows('OpenFeature flag', flag, beside),
  ]
}

/** Each answer is less than a minute old. */
async function cachedLookUps(
  stateDir: string,
  bare: Server,
  groups: FullGroup[],
  times: typeof full,
): Promise<Row[]> {
  const server = await startServer({ stateDir, vars: { LOOKUP_CACHE_SECONDS: '60' } })
  const headers = await headersFor(server)
  const [hello, again] = await loadInTurn(
    [
      bareTarget(bare, '/hello', headers),
      await target(server, memberRequests(groups, headers, checked)),
    ],
    times,
  )
  await server.stop()
  return loadRows('the same question again', again, { beside: 'bare hello', baseline: hello }, 0.7)
}

/** All Workers are sent the same headers: they differ in what they make of them. */
async function headersFor({ url, adminToken }: Server): Promise<Record<string, string>> {
  const token = await getToken(url, await registerClient(url, adminToken, 'bench'))
  return { Authorization: `Bearer ${token}`, transactionId: randomUUID() }
}

const bareTarget = ({ url }: Server, path: string, headers: Record<string, string>): Target => ({
  url,
  requests: [{ path, headers }],
})

async function target({ url }: Server, questions: Question[]): Promise<Target> {
  await check(url, questions.slice(0, checked))
  return { url, requests: questions.map(({ expected: _, ...request }) => request) }
}

const note = `Twenty connections, each with one request at a time, all to the one workerd thread of a
Worker on this machine through wrangler's own proxy; a store of 1,000,000 members in 50 groups. Bare
Workers are Hono with one route, run in the same way and sent the same headers, in turn with ours.`

function loadRows(
  what: string,
  measured: Load | undefined,
  by: { beside: string; baseline: Load | undefined },
  least?: number,
): Row[] {
  const { beside, baseline } = by
  if (measured === undefined || baseline === undefined) return []
  const goal = least === undefined ? {} : { least }
  const times = { beside, unit: 'ms', by: 'difference' } as const
  return [
    {
      figure: `${what}: requests`,
      measured: measured.requestsPerSecond,
      beside,
      baseline: baseline.requestsPerSecond,
      unit: '/s',
      by: 'ratio',
      note,
      ...goal,
    },
    { ...times, figure: `${what}: median`, measured: measured.median, baseline: baseline.median },
    {
      ...times,
      figure: `${what}: 99th percentile`,
      measured: measured.high,
      baseline: baseline.high,
    },
  ]
}
