import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { UploadType } from '../local/api.ts'
import { startServer } from '../local/server.ts'
import { Limit, Plain, type Baseline } from './baseline.ts'
import { randomIds, writeIds } from './ids.ts'
import { median, type Row } from './row.ts'
import { openGroup, trip } from './trip.ts'

interface Operation {
  name: string
  type: UploadType
  file: string
  added: number
  removed: number
  /** In the group afterwards. */
  members: number
}

interface Times {
  trip: number
  plain: number
  limit: number
}

const rounds = 3

/** A million ids, beside the same file written into plain SQLite: medians of three rounds. */
export async function trips(folder: string): Promise<Row[]> {
  const operations = prepare(folder)
  const times = new Map<Operation, Times[]>(operations.map((operation) => [operation, []]))
  for (let number = 1; number <= rounds; number++) {
    const here = join(folder, `round-${number}`)
    mkdirSync(here)
    await round(here, operations, (operation, seconds) => {
      times.get(operation)?.push(seconds)
      const { trip, plain, limit } = seconds
      console.error(
        `round ${number}: ${operation.name}: ${trip.toFixed(2)} s, ` +
          `plain ${plain.toFixed(2)} s, limit ${limit.toFixed(2)} s`,
      )
    })
  }
  return [...times].flatMap(([{ name }, all]) => {
    const middle = (which: keyof Times) => median(all.map((seconds) => seconds[which]))
    const row = { figure: name, measured: middle('trip'), unit: 's', by: 'ratio' } as const
    return [
      { ...row, beside: 'plain', baseline: middle('plain'), most: 0.75 },
      { ...row, beside: 'limit', baseline: middle('limit'), most: 2.5 },
    ]
  })
}

function prepare(folder: string): Operation[] {
  const ids = randomIds(1_000_000)
  const fresh = randomIds(50_000)
  const changed = ids.map((id, i) => (i % 20 === 0 ? (fresh[i / 20] ?? id) : id))
  const tenth = changed.filter((_, i) => i % 10 === 0)
  const first = writeIds(join(folder, 'first.csv'), ids)
  const second = writeIds(join(folder, 'second.csv'), changed)
  const third = writeIds(join(folder, 'third.csv'), tenth)
  return [
    {
      name: 'ADD of 1,000,000 to an empty group',
      type: 'ADD',
      file: first,
      added: 1_000_000,
      removed: 0,
      members: 1_000_000,
    },
    {
      name: 'the same ADD again',
      type: 'ADD',
      file: first,
      added: 0,
      removed: 0,
      members: 1_000_000,
    },
    {
      name: 'REPLACE with 5 % changed',
      type: 'REPLACE',
      file: second,
      added: 50_000,
      removed: 50_000,
      members: 1_000_000,
    },
    {
      name: 'REMOVE of 10 %',
      type: 'REMOVE',
      file: third,
      added: 0,
      removed: 100_000,
      members: 900_000,
    },
  ]
}

/** All operations in turn, each three times, so that slow spells are shared. */
async function round(
  folder: string,
  operations: Operation[],
  done: (operation: Operation, seconds: Times) => void,
): Promise<void> {
  const plain = new Plain(join(folder, 'plain.sqlite'))
  const limit = new Limit(join(folder, 'limit.sqlite'))
  const server = await startServer({ stateDir: join(folder, 'state') })
  const { groups, group } = await openGroup(server)
  for (const [i, operation] of operations.entries()) {
    const times = {
      plain: await timed(plain, operation, i + 1),
      limit: await timed(limit, operation, i + 1),
    }
    const { type, file } = operation
    const { seconds, job } = await trip(groups, group, { type, file })
    check(operation, {
      ...operation,
      added: job.addedCount,
      removed: job.removedCount,
      members: await groups.participantCount(group),
    })
    done(operation, { ...times, trip: seconds })
  }
  plain.close()
  limit.close()
  await server.stop()
}

async function timed(baseline: Baseline, operation: Operation, revision: number): Promise<number> {
  const start = performance.now()
  await baseline.apply(operation.type, operation.file, revision)
  const seconds = (performance.now() - start) / 1000
  check(operation, { ...operation, members: baseline.participantCount() })
  return seconds
}

/** A figure counts only if what was measured did what it should. */
function check(operation: Operation, came: Operation): void {
  if (JSON.stringify(came) !== JSON.stringify(operation))
    throw new Error(`${JSON.stringify(came)} should be ${JSON.stringify(operation)}`)
}
