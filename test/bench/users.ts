import { createReadStream, mkdirSync, openSync, closeSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { DatabaseSync } from 'node:sqlite'
import { getToken, registerClient } from '../local/api.ts'
import { Platform } from '../local/platform.ts'
import { startServer } from '../local/server.ts'
import { randomUsers } from './population.ts'
import { median, type Row } from './row.ts'
import { newStore } from './store.ts'

const full = { users: 1_000_000, rounds: 3 }
const names = ['$address', 'has_dog', 'spend', 'age', 'plan']
const plans = ['free', 'silver', 'gold']

/** A file of users, five attributes each, beside the same rows written into plain SQLite. */
export async function users(folder: string, { users: count, rounds } = full): Promise<Row[]> {
  const file = writeUsersFile(join(folder, 'users.csv'), count)
  const trips: number[] = []
  const loads: number[] = []
  for (let number = 1; number <= rounds; number++) {
    const here = join(folder, `round-${number}`)
    mkdirSync(here)
    loads.push(await load(newStore(join(here, 'plain.sqlite')), file, count))
    trips.push(await trip(join(here, 'state'), file, count))
    rmSync(here, { recursive: true })
    console.error(
      `round ${number}: ${count} users by CSV ${trips.at(-1)?.toFixed(2)} s, plain ${loads.at(-1)?.toFixed(2)} s`,
    )
  }
  const perSecond = (seconds: number[]) => count / median(seconds)
  return [
    {
      figure: `${new Intl.NumberFormat('en').format(count)} users by CSV`,
      measured: median(trips),
      beside: 'plain',
      baseline: median(loads),
      unit: 's',
      by: 'ratio',
      most: 1.5,
      note: `Users by CSV: ${perSecond(trips).toFixed(0)} rows a second, plain ${perSecond(loads).toFixed(0)}.`,
    },
  ]
}

export function writeUsersFile(path: string, count: number): string {
  const file = openSync(path, 'w')
  writeSync(file, `user_id,${names.join()}\n`)
  let lines: string[] = []
  for (const [i, { user, attributes }] of randomUsers(count).entries()) {
    // The address has a comma in it.
    lines.push(
      `${user},"${attributes['$address']}",${attributes['has_dog']},` +
        `${attributes['spend']},${attributes['age']},${plans[i % 3]}\n`,
    )
    if (lines.length === 10_000 || i === count - 1) {
      writeSync(file, lines.join(''))
      lines = []
    }
  }
  closeSync(file)
  return path
}

async function trip(stateDir: string, file: string, count: number): Promise<number> {
  const server = await startServer({ stateDir })
  const client = await registerClient(server.url, server.adminToken, 'bench')
  const platform = new Platform(server.url, client, await getToken(server.url, client))
  const start = performance.now()
  const id = await platform.sendUsers(createReadStream(file))
  const job = await platform.imported(id, 200)
  const seconds = (performance.now() - start) / 1000
  await server.stop()
  if (
    job.status !== 'SUCCESSFUL' ||
    job.users_created !== count ||
    job.attributes_changed !== count * names.length
  )
    throw new Error(`the file ended as ${JSON.stringify(job)}`)
  return seconds
}

/** The naive way: line by line, two prepared statements, one transaction, default settings. */
async function load(db: DatabaseSync, file: string, count: number): Promise<number> {
  const user = db.prepare(
    'INSERT INTO users (workspace_id, user_id, created_at) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING',
  )
  const attribute = db.prepare(`
    INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at)
      VALUES (1, ?1, ?2, ?3, 'string', ?4)
    ON CONFLICT (workspace_id, user_id, name) DO UPDATE
      SET value = excluded.value, type = excluded.type, updated_at = excluded.updated_at
    WHERE excluded.updated_at > updated_at`)
  const start = performance.now()
  const now = Date.now()
  db.exec('BEGIN')
  let header = true
  for await (const line of createInterface({
    input: createReadStream(file),
    crlfDelay: Infinity,
  })) {
    const [id = '', ...cells] = line.match(/"[^"]*"|[^,]+/g) ?? []
    if (!header) {
      user.run(id, now)
      for (const [i, cell] of cells.entries())
        attribute.run(id, names[i] ?? '', cell.replaceAll('"', ''), now)
    }
    header = false
  }
  db.exec('COMMIT')
  const seconds = (performance.now() - start) / 1000
  const rows = Number(db.prepare('SELECT count(*) AS rows FROM user_attributes').get()?.['rows'])
  db.close()
  if (rows !== count * names.length) throw new Error(`${rows} attributes were loaded`)
  return seconds
}
