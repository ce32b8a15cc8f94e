import { openAsBlob, rmSync } from 'node:fs'
import { join } from 'node:path'
import { send } from '../local/http.ts'
import { startServer, type Server } from '../local/server.ts'
import { bareConfig } from './bare.ts'
import { randomIds, writeIds } from './ids.ts'
import type { Row } from './row.ts'
import { openGroup, trip } from './trip.ts'

interface Memory {
  rows: number
  /** MiB, where the system has /proc. */
  peak: number | undefined
}

interface Size extends Memory {
  /** Microseconds per row. */
  time: number
}

const number = new Intl.NumberFormat('en')

const heapMax = 128
const memoryNote = `Peak memory is that of all workerd processes: of the Worker, and of what
Cloudflare runs elsewhere (D1 with SQLite, R2, the queue, wrangler's own). The heap of each isolate is
held to production's ${heapMax} MB.`

/** Longer and longer files into an empty group, each on a server of its own. */
export async function growth(folder: string): Promise<Row[]> {
  const small = await measure(folder, 100_000)
  const middle = await measure(folder, 1_000_000)
  const large = await measure(folder, 3_000_000)
  const [bareSmall, bareLarge] = [
    await measureBare(folder, 100_000),
    await measureBare(folder, 3_000_000),
  ]
  return [
    ...[middle, large].map((size) => timeRow(size, small, 1.5)),
    ...memoryRow('peak memory', large, small, 64),
    // A hundred thousand rows fit in one slice; a million fill five.
    ...memoryRow('peak memory', large, middle),
    ...memoryRow('of a bare put to R2', bareLarge, bareSmall),
  ]
}

const timeRow = (size: Size, beside: Size, most: number): Row => ({
  figure: `time per row at ${number.format(size.rows)}`,
  measured: size.time,
  beside: `at ${number.format(beside.rows)}`,
  baseline: beside.time,
  unit: 'µs',
  by: 'ratio',
  most,
})

function memoryRow(what: string, { rows, peak }: Memory, beside: Memory, most?: number): Row[] {
  if (peak === undefined || beside.peak === undefined) return []
  const figures = {
    measured: peak,
    beside: `at ${number.format(beside.rows)}`,
    baseline: beside.peak,
  }
  const goal = most === undefined ? {} : { most }
  return [
    {
      figure: `${what} at ${number.format(rows)}`,
      ...figures,
      unit: 'MiB',
      by: 'difference',
      ...goal,
      note: memoryNote,
    },
  ]
}

async function measure(folder: string, rows: number): Promise<Size> {
  const { peak, result: seconds } = await onServer(folder, rows, {}, async (server, file) => {
    const { groups, group } = await openGroup(server)
    // Polled equally often in short and long trips, so that each pays the same share.
    const { seconds, job } = await trip(groups, group, { type: 'ADD', file, every: rows / 5000 })
    if (job.addedCount !== rows) throw new Error(`${job.addedCount} rows were added, not ${rows}`)
    return seconds
  })
  return { rows, time: (seconds * 1_000_000) / rows, peak }
}

/** The local R2 alone: a bare Worker passes the same file on unread. */
async function measureBare(folder: string, rows: number): Promise<Memory> {
  const { peak } = await onServer(folder, rows, { config: bareConfig }, async ({ url }, file) => {
    await send('a file', `${url}/file`, { method: 'PUT', body: await openAsBlob(file) })
  })
  return { rows, peak }
}

/** Runs with a file of this many ids on a server of its own, whose memory it returns. */
async function onServer<Result>(
  folder: string,
  rows: number,
  options: { config?: string },
  work: (server: Server, file: string) => Promise<Result>,
): Promise<Memory & { result: Result }> {
  const file = writeIds(join(folder, 'ids.csv'), randomIds(rows))
  const stateDir = join(folder, 'state')
  const server = await startServer({ stateDir, heapMax, ...options })
  const result = await work(server, file)
  const peak = mebibytes(server.memory()?.peak)
  await server.stop()
  for (const path of [file, stateDir]) rmSync(path, { recursive: true })
  return { rows, peak, result }
}

const mebibytes = (bytes: number | undefined) =>
  bytes === undefined ? undefined : bytes / 1024 / 1024
