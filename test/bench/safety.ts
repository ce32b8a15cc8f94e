import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { startServer, type Server } from '../local/server.ts'
import { randomIds, writeIds } from './ids.ts'
import { median, type Row } from './row.ts'
import { openGroup, trip } from './trip.ts'

const full = { members: 1_000_000, rounds: 3 }
const number = new Intl.NumberFormat('en')

interface Seconds {
  plain: number
  published: number
  replace: number
  revert: number
}

/** A preview that is published beside an upload, and a revert beside the REPLACE that it takes back. */
export async function safety(folder: string, { members, rounds } = full): Promise<Row[]> {
  const ids = randomIds(members)
  const others = randomIds(members / 2)
  const first = writeIds(join(folder, 'first.csv'), ids)
  const second = writeIds(
    join(folder, 'second.csv'),
    ids.map((id, i) => (i % 2 === 0 ? (others[i / 2] ?? id) : id)),
  )
  const times: Seconds[] = []
  for (let round = 1; round <= rounds; round++) {
    // Each with a database of its own, as the second upload to one takes longer.
    const on = <Came>(name: string, measure: (server: Server) => Promise<Came>) =>
      withServer(join(folder, `${name}-${round}`), measure)
    const published = await on('published', async (server) => {
      const { groups, group } = await openGroup(server)
      return (await trip(groups, group, { type: 'ADD', file: first, mode: 'preview' })).seconds
    })
    const others = await on('plain', (server) => measure(server, { first, second, members }))
    times.push({ ...others, published })
    console.error(`round ${round}: ${JSON.stringify(times.at(-1))}`)
  }
  const middle = (which: keyof Seconds) => median(times.map((seconds) => seconds[which]))
  const row = { unit: 's', by: 'ratio' } as const
  const half = number.format(members / 2)
  return [
    {
      ...row,
      figure: `preview and publishing of ${number.format(members)}`,
      measured: middle('published'),
      beside: 'an upload',
      baseline: middle('plain'),
      most: 1.05,
    },
    {
      ...row,
      figure: `revert of a REPLACE that changed ${half} of ${number.format(members)}`,
      measured: middle('revert'),
      beside: 'the REPLACE',
      baseline: middle('replace'),
      most: 1,
    },
  ]
}

async function withServer<Came>(
  stateDir: string,
  measure: (server: Server) => Promise<Came>,
): Promise<Came> {
  mkdirSync(stateDir)
  const server = await startServer({ stateDir })
  const came = await measure(server)
  await server.stop()
  return came
}

interface Files {
  first: string
  second: string
  members: number
}

async function measure(
  server: Server,
  { first, second, members }: Files,
): Promise<Omit<Seconds, 'published'>> {
  const { groups, group } = await openGroup(server)
  const { seconds } = await trip(groups, group, { type: 'ADD', file: first })
  const replace = await trip(groups, group, { type: 'REPLACE', file: second })
  const start = performance.now()
  const job = await groups.finished(await groups.revert(group), 200)
  const revert = (performance.now() - start) / 1000
  const changed = [replace.job, job].map(({ addedCount, removedCount }) => [
    addedCount,
    removedCount,
  ])
  if (changed.flat().some((count) => count !== members / 2))
    throw new Error(`A REPLACE and its revert changed ${JSON.stringify(changed)}`)
  if ((await groups.participantCount(group)) !== members)
    throw new Error('The revert lost somebody')
  return { plain: seconds, replace: replace.seconds, revert }
}
