import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openTown } from './households.ts'
import { household } from './one-shot.ts'
import type { Row } from './row.ts'
import { writeUsersFile } from './users.ts'

const full = { users: 1_000_000 }
const looked = 400

/** A file of users of a continuous definition, beside a recompute of the same users. */
export async function marked(folder: string, { users } = full): Promise<Row[]> {
  const file = writeUsersFile(join(folder, 'users.csv'), users)
  const some = await someOf(file, users)
  const weekly = await sent(join(folder, 'weekly'), file)
  const formed = await seconds(() => weekly.recompute())
  await weekly.stop()
  const continuous = await sent(join(folder, 'continuous'), file, true)
  const after = await seconds(() => continuous.shown(some))
  const unchanged = await continuous.recompute()
  await continuous.stop()
  const count = new Intl.NumberFormat('en').format(users)
  return [
    {
      figure: `${count} users by CSV, continuous, until all are in their households`,
      measured: continuous.seconds + after,
      beside: 'weekly, and a run',
      baseline: weekly.seconds + formed,
      unit: 's',
      by: 'ratio',
      most: 1,
      note: `After the file: ${after.toFixed(1)} s beside a run of ${formed.toFixed(1)} s;
a run after it changes ${unchanged} rows.`,
    },
  ]
}

/** A server to which a file of users has been sent. */
async function sent(stateDir: string, file: string, isContinuous = false) {
  const { server, platform } = await openTown(stateDir)
  if (isContinuous) await platform.makeContinuous(household.id)
  const took = await seconds(async () => {
    const job = await platform.imported(await platform.sendUsers(createReadStream(file)), 200)
    if (job.status !== 'SUCCESSFUL') throw new Error(`the file ended as ${JSON.stringify(job)}`)
  })
  return {
    seconds: took,
    stop: () => server.stop(),
    /** Gives how many rows it changed. */
    recompute: async () => {
      const { id } = await platform.recompute(household.id)
      const run = await platform.finished(household.id, id, 200)
      if (run.status !== 'SUCCESSFUL') throw new Error(`A run ended as ${JSON.stringify(run)}`)
      return run.rows_changed
    },
    /** Until each of these users has a household. */
    shown: async (users: string[]) => {
      for (const user of users)
        while ((await platform.profile(user)).groups.length === 0) await sleep(100)
    },
  }
}

/** Users from all over the file. */
async function someOf(file: string, count: number): Promise<string[]> {
  const some: string[] = []
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity })
  let line = 0
  for await (const text of lines)
    if (line++ % Math.floor(count / looked) === 1) some.push(text.slice(0, text.indexOf(',')))
  return some
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}
