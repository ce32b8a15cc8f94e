import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { startServer } from '../local/server.ts'
import { randomIds, writeIds } from './ids.ts'
import type { Row } from './row.ts'
import { openGroup, trip } from './trip.ts'

interface Size {
  rows: number
  /** Microseconds per row. */
  time: number
  /** MiB, where the system tells. */
  peak: number | undefined
}

const number = new Intl.NumberFormat('en')

const heapMax = 128
const memoryNote = `Peak memory is that of all workerd processes: of the Worker, and of what Cloudflare runs elsewhere (D1 with SQLite, R2, the
queue, wrangler's own). The heap of each isolate is held to production's ${heapMax} MB.`

/** Longer and longer files into an empty group, each on a server of its own. */
export async function growth(folder: string): Promise<Row[]> {
  const small = await measure(folder, 100_000)
  const middle = await measure(folder, 1_000_000)
  const large = await measure(folder, 3_000_000)
  return [
    ...[middle, large].map((size) => timeRow(size, small, 1.5)),
    ...memoryRow(large, small, 64),
    // A hundred thousand rows do not fill one slice of a file; a million fill five.
    ...memoryRow(large, middle),
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

function memoryRow(size: Size, beside: Size, most?: number): Row[] {
  if (size.peak === undefined || beside.peak === undefined) return []
  const figures = { measured: size.peak, beside: `at ${number.format(beside.rows)}`, baseline: beside.peak }
  const goal = most === undefined ? {} : { most }
  return [{ figure: `peak memory at ${number.format(size.rows)}`, ...figures, unit: 'MiB', by: 'difference', ...goal, note: memoryNote }]
}

async function measure(folder: string, rows: number): Promise<Size> {
  const file = writeIds(join(folder, `${rows}.csv`), randomIds(rows))
  const server = await startServer({ stateDir: join(folder, `state-${rows}`), heapMax })
  const before = mebibytes(server.memory()?.peak)
  const { groups, group } = await openGroup(server)
  const { seconds, job } = await trip(groups, group, 'ADD', file)
  if (job.addedCount !== rows) throw new Error(`${job.addedCount} rows were added, not ${rows}`)
  const peak = mebibytes(server.memory()?.peak)
  await server.stop()
  rmSync(file)
  const time = (seconds * 1_000_000) / rows
  const memory = `peak memory ${peak?.toFixed(0)} MiB, ${before?.toFixed(0)} MiB before the upload`
  console.error(`${number.format(rows)} rows: ${seconds.toFixed(2)} s, ${time.toFixed(2)} µs each, ${memory}`)
  return { rows, time, peak }
}

const mebibytes = (bytes: number | undefined) => (bytes === undefined ? undefined : bytes / 1024 / 1024)
