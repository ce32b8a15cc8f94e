import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { getToken, Groups, registerClient } from '../local/api.ts'
import { Moves, type Move } from '../local/moves.ts'
import { Platform } from '../local/platform.ts'
import { startServer, type Server } from '../local/server.ts'
import { randomIds, writeIds } from './ids.ts'
import { loadWhile, type Load, type Target } from './load.ts'
import type { Row } from './row.ts'
import { trip } from './trip.ts'
import { writeUsersFile } from './users.ts'
import { WorkerLog } from './worker-log.ts'

const full = { members: 1_000_000, users: 100_000, seconds: 10 }
const number = new Intl.NumberFormat('en')
const connections = 4

const note = `Four connections look single participants up; both databases, the bucket and wrangler's proxy share
one thread of this machine, which in production they do not.`

/** A workspace that is moved while it is used, and two workspaces on databases of their own. */
export async function move(folder: string, size = full): Promise<Row[]> {
  const log = new WorkerLog()
  const server = await startServer({
    stateDir: join(folder, 'state'),
    shards: 2,
    onLine: log.add,
    vars: { REVOCATIONS_SECONDS: '1' },
  })
  const [one, other] = [await openWorkspace(server, 1), await openWorkspace(server, 2)]
  const group = await one.groups.create('Moved')
  const ids = randomIds(size.members)
  const file = writeIds(join(folder, 'members.csv'), ids)
  await trip(one.groups, group, { type: 'ADD', file })
  const users = writeUsersFile(join(folder, 'users.csv'), size.users)
  await one.platform.imported(await one.platform.sendUsers(createReadStream(users)), 200)
  const target = lookups(server, one.token, group, ids.slice(0, 1000))
  const { load: idle } = await loadWhile(target, connections, () => sleep(size.seconds * 1000))

  const to = await other.groups.create('Other')
  const beside = await loadWhile(target, connections, () =>
    trip(other.groups, to, { type: 'ADD', file }),
  )
  const start = performance.now()
  const moving = await loadWhile(target, connections, () => moved(server, one))
  const seconds = (performance.now() - start) / 1000
  const { result } = moving
  const cost = await log.costOfMove(result.move.move_id)
  await server.stop()
  const rows = result.move.rows_copied
  console.error(`moved ${number.format(rows)} rows in ${seconds.toFixed(1)} s`)
  return [
    ...rowsOf('an upload to another database', beside.load, idle),
    ...rowsOf(`the move of ${number.format(rows)} rows`, moving.load, idle),
    ...[
      { figure: 'rows read for each that is moved', measured: cost.rowsRead / rows, most: 6 },
      { figure: 'rows written for each that is moved', measured: cost.rowsWritten / rows, most: 3 },
    ].map((row) => ({ ...row, ...alone, unit: 'rows' as const })),
    { figure: 'the pause for writers', measured: result.pause, ...alone, unit: 'ms', most: 1000 },
    { figure: 'the move', measured: seconds, ...alone, unit: 's' },
  ]
}

const alone = { beside: 'nothing', baseline: 0, by: 'itself', note } as const

const rowsOf = (what: string, load: Load, idle: Load): Row[] => {
  const row = { beside: 'idle', unit: 'ms', by: 'ratio', note } as const
  const figure = `a look-up during ${what}`
  return [
    { ...row, figure: `${figure}, median`, measured: load.median, baseline: idle.median },
    { ...row, figure: `${figure}, 99th percentile`, measured: load.high, baseline: idle.high },
  ]
}

async function openWorkspace({ url, adminToken }: Server, workspace: number) {
  const client = await registerClient(url, adminToken, 'bench', { workspace })
  const token = await getToken(url, client)
  return { token, groups: new Groups(url, token), platform: new Platform(url, client, token) }
}

const lookups = ({ url }: Server, token: string, group: string, ids: string[]): Target => ({
  url,
  requests: ids.map((id) => ({
    path: `/groups/v3/groups/${group}/participants/${id}`,
    headers: { Authorization: `Bearer ${token}`, transactionId: randomUUID() },
  })),
})

/** Moves the first workspace while somebody writes to it; how long no write succeeded that was refused. */
async function moved(
  { url, adminToken }: Server,
  { token }: { token: string },
): Promise<{ move: Move; pause: number }> {
  const moves = new Moves(url, adminToken)
  let over = false
  let pause = 0
  const writing = (async () => {
    for (let refusedAt: number | undefined; !over; await sleep(10)) {
      const answer = await fetch(`${url}/platform/workspaces/1/users/writer`, {
        method: 'PATCH',
        headers: { Authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ user_attributes: { at: Date.now() } }),
      })
      await answer.body?.cancel()
      if (answer.status === 503) refusedAt ??= performance.now()
      else if (!answer.ok) throw new Error(`A write was answered ${answer.status}`)
      else if (refusedAt !== undefined) {
        pause = Math.max(pause, performance.now() - refusedAt)
        refusedAt = undefined
      }
    }
  })()
  await moves.begin(1, 'DB_1')
  const move = await moves.ended(1)
  await sleep(2000)
  over = true
  await writing
  return { move, pause: Math.max(pause, move.paused_ms ?? 0) }
}
