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

/** Longer and longer files into an empty group, each on a server of its own. */
export async function growth(folder: string): Promise<Row[]> {
  const small = await measure(folder, 100_000)
  const middle = await measure(folder, 1_000_000)
  const large = await measure(folder, 3_000_000)
  const beside = `at ${number.format(small.rows)}`
  const rows: Row[] = [middle, large].map(({ rows, time }) => ({
    figure: `time per row at ${number.format(rows)}`,
    measured: time,
    beside,
    baseline: small.time,
    unit: 'µs',
    by: 'ratio',
    most: 1.5,
  }))
  if (small.peak !== undefined && large.peak !== undefined)
    rows.push({
      figure: `workerd's peak memory at ${number.format(large.rows)}`,
      measured: large.peak,
      beside,
      baseline: small.peak,
      unit: 'MiB',
      by: 'difference',
      most: 64,
    })
  return rows
}

async function measure(folder: string, rows: number): Promise<Size> {
  const file = writeIds(join(folder, `${rows}.csv`), randomIds(rows))
  const server = await startServer({ stateDir: join(folder, `state-${rows}`) })
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
