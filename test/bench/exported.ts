import { randomUUID } from 'node:crypto'
import { closeSync, createWriteStream, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { backup, DatabaseSync } from 'node:sqlite'
import { getToken, registerClient } from '../local/api.ts'
import { send } from '../local/http.ts'
import type { Memory } from '../local/memory.ts'
import { startServer } from '../local/server.ts'
import { prepareGroups, randomGroups } from './groups.ts'
import { median, type Row } from './row.ts'
import { openStore } from './store.ts'

const heapMax = 128
const number = new Intl.NumberFormat('en')

interface Exports {
  /** Seconds of each. */
  exports: number[]
  selects: number[]
  /** Of the workerd processes before the first export, and once it was through. */
  idle: Memory | undefined
  after: Memory | undefined
}

/** One group as text/csv over HTTP, beside the same rows selected directly. */
export async function exported(
  folder: string,
  { members, rounds }: { members: number; rounds: number },
): Promise<Row[]> {
  const came = await measure(folder, members, rounds)
  const perSecond = (seconds: number[]) => number.format(Math.round(members / median(seconds)))
  const row: Row = {
    figure: `export of ${number.format(members)}`,
    measured: median(came.exports),
    beside: 'plain',
    baseline: median(came.selects),
    unit: 's',
    by: 'ratio',
    most: 2,
    note: `An export: ${perSecond(came.exports)} rows a second, plain ${perSecond(came.selects)}.`,
  }
  return [row, ...memoryRow(came)]
}

const mebibytes = (bytes: number) => bytes / 1024 / 1024

function memoryRow({ idle, after }: Exports): Row[] {
  if (idle === undefined || after === undefined) return []
  return [
    {
      figure: 'peak memory of an export',
      measured: mebibytes(after.peak),
      beside: 'idle',
      baseline: mebibytes(idle.now),
      unit: 'MiB',
      by: 'difference',
      most: 48,
    },
  ]
}

async function measure(folder: string, members: number, rounds: number): Promise<Exports> {
  const stateDir = join(folder, 'state')
  const [plain, theirs, ours] = ['plain.sqlite', 'select.csv', 'export.csv'].map((name) =>
    join(folder, name),
  ) as [string, string, string]
  mkdirSync(folder)
  const groups = randomGroups(1, members)
  await prepareGroups(stateDir, groups)
  const db = openStore(stateDir)
  await backup(db, plain)
  db.close()

  const server = await startServer({ stateDir, heapMax })
  const token = await getToken(
    server.url,
    await registerClient(server.url, server.adminToken, 'bench'),
  )
  const url = `${server.url}/groups/v3/groups/${groups[0]?.id}/participants`
  const idle = server.memory()
  let after: Memory | undefined
  const [exports, selects]: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    exports.push(await timed(() => download(url, token, ours)))
    after ??= server.memory()
    selects.push(await timed(() => select(plain, theirs)))
    check(ours, theirs, members)
  }
  await server.stop()
  return { exports, selects, idle, after }
}

/** Seconds. */
export async function timed(thing: () => void | Promise<void>): Promise<number> {
  const start = performance.now()
  await thing()
  return (performance.now() - start) / 1000
}

export async function download(url: string, token: string, path: string): Promise<void> {
  const headers = {
    Authorization: `Bearer ${token}`,
    transactionId: randomUUID(),
    Accept: 'text/csv',
  }
  const { body } = await send('the export', url, { headers })
  if (body === null) throw new Error('The export has no body')
  await pipeline(Readable.fromWeb(body), createWriteStream(path))
}

const rowsPerWrite = 10_000

/** As one would write it first. */
function select(from: string, path: string): void {
  const db = new DatabaseSync(from, { readOnly: true })
  const file = openSync(path, 'w')
  let lines = ['ParticipantId\n']
  const statement = db.prepare(
    'SELECT participant_id FROM members WHERE group_key = 1 AND removed_rev IS NULL ORDER BY participant_id',
  )
  for (const { participant_id } of statement.iterate()) {
    lines.push(`${participant_id}\n`)
    if (lines.length < rowsPerWrite) continue
    writeSync(file, lines.join(''))
    lines = []
  }
  writeSync(file, lines.join(''))
  closeSync(file)
  db.close()
}

/** A figure counts only if what was measured did what it should. */
function check(ours: string, theirs: string, members: number): void {
  const [header, ...ids] = readFileSync(ours, 'utf8').trimEnd().split('\n')
  const distinct = new Set(ids).size
  if (header !== 'ParticipantId' || ids.length !== members || distinct !== members)
    throw new Error(
      `Under ${header} the export has ${ids.length} ids, ${distinct} different ones, not ${members}`,
    )
  if (!readFileSync(ours).equals(readFileSync(theirs)))
    throw new Error('The export says other than the database')
}
