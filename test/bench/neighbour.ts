import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { getToken, Groups, registerClient } from '../local/api.ts'
import { startServer, type Server } from '../local/server.ts'
import { randomIds, writeIds } from './ids.ts'
import { median, type Row } from './row.ts'
import { trip } from './trip.ts'

const full = { files: 15, ids: 300_000, pause: 1000 }

const note = `One workspace has fifteen large files applied, at four of which work goes on; another uploads a
file of one line now and then. The local queue delivers one message at a time, Cloudflare's ten.`

/** A file of one line beside large files of another workspace. */
export async function neighbour(folder: string, size = full): Promise<Row[]> {
  const server = await startServer({ stateDir: join(folder, 'state') })
  const [large, small] = [await groupsOf(server, 1), await groupsOf(server, 2)]
  const group = await small.create('One line')
  const line = writeIds(join(folder, 'line.csv'), randomIds(1))
  const once = async () =>
    (await trip(small, group, { type: 'ADD', file: line, every: 20 })).seconds
  const idle = []
  for (let i = 0; i < 10; i++) idle.push(await once())

  const file = writeIds(join(folder, 'large.csv'), randomIds(size.ids))
  const began = performance.now()
  const jobs = []
  for (let i = 0; i < size.files; i++) {
    const content = createReadStream(file)
    const to = await large.create(`Large ${i}`)
    jobs.push(await large.upload(to, { type: 'ADD', name: 'large.csv', content }))
  }
  let done = false
  const all = Promise.all(jobs.map((job) => large.finished(job, 1000))).finally(() => (done = true))
  const beside = []
  while (!done) {
    beside.push(await once())
    await sleep(size.pause)
  }
  await all
  const seconds = (performance.now() - began) / 1000
  await server.stop()
  console.log(
    `${size.files} files took ${seconds.toFixed(1)} s; beside them ${beside.length} of one line`,
  )
  const row = { beside: 'idle', unit: 's', by: 'itself', note } as const
  const baseline = median(idle)
  return [
    { ...row, figure: 'a file of one line, median', measured: median(beside), baseline, most: 1 },
    {
      ...row,
      figure: 'a file of one line, longest',
      measured: Math.max(...beside),
      baseline,
      most: 3,
    },
  ]
}

async function groupsOf({ url, adminToken }: Server, workspace: number): Promise<Groups> {
  const client = await registerClient(url, adminToken, 'bench', { workspace })
  return new Groups(url, await getToken(url, client))
}
