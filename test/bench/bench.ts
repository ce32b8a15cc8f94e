import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { temporaryFolder } from '../local/folder.ts'
import { main } from '../local/program.ts'
import { audiences } from './audiences.ts'
import { continuous } from './continuous.ts'
import { definitions } from './definitions.ts'
import { during } from './during.ts'
import { experiments } from './experiments.ts'
import { functions } from './functions.ts'
import { growth } from './growth.ts'
import { lookups } from './lookups.ts'
import { marked } from './marked.ts'
import { mondays } from './mondays.ts'
import { move } from './move.ts'
import { neighbour } from './neighbour.ts'
import { requests } from './requests.ts'
import { meets, table, valueOf, type Row } from './row.ts'
import { safety } from './safety.ts'
import { trips } from './trips.ts'
import { tus } from './tus.ts'
import { users } from './users.ts'
import { webhooks } from './webhooks.ts'

const sections = new Map<string, (folder: string) => Promise<Row[]>>([
  ['trips', trips],
  ['growth', growth],
  ['tus', tus],
  ['during', during],
  ['neighbour', neighbour],
  ['requests', requests],
  ['mondays', mondays],
  ['functions', functions],
  ['definitions', definitions],
  ['continuous', continuous],
  ['marked', marked],
  ['users', users],
  ['lookups', lookups],
  ['audiences', audiences],
  ['webhooks', webhooks],
  ['experiments', experiments],
  ['safety', safety],
  ['move', move],
])

/** `npm run bench`, or some sections of it: `npm run bench -- growth requests`. */
await main(async () => {
  const names = process.argv.slice(2)
  const unknown = names.find((name) => !sections.has(name))
  if (unknown !== undefined)
    throw new Error(`There is no section ${unknown}; there are ${[...sections.keys()].join(', ')}`)

  const folder = temporaryFolder()
  const rows: Row[] = []
  for (const [name, section] of sections) {
    if (names.length > 0 && !names.includes(name)) continue
    const own = join(folder, name)
    mkdirSync(own)
    rows.push(...(await section(own)))
    rmSync(own, { recursive: true })
  }

  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    node: process.version,
    at: new Date().toISOString(),
  }
  const results = {
    ...machine,
    rows: rows.map((row) => ({ ...row, value: valueOf(row), met: meets(row) })),
  }
  writeFileSync(
    join(import.meta.dirname, 'results.json'),
    `${JSON.stringify(results, undefined, 2)}\n`,
  )
  console.log(`\n${table(rows)}`)
  return 0
})
