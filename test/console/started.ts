import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { temporaryFolder } from '../local/folder.ts'
import { root } from '../local/program.ts'
import { startServer } from '../local/server.ts'
import { browserProgram } from './browser.ts'

declare module 'vitest' {
  interface ProvidedContext {
    url: string
    adminToken: string
    /** The path of its program. */
    browser: string
  }
}

/** The configuration of a database whose migrations are one: wrangler starts anew for each. */
function inOneMigration(): string {
  const [folder, from] = [temporaryFolder(), join(root, 'migrations')]
  const files = readdirSync(from).filter((name) => name.endsWith('.sql'))
  const all = files.sort().map((name) => readFileSync(join(from, name), 'utf8'))
  mkdirSync(join(folder, 'migrations'))
  writeFileSync(join(folder, 'migrations/0000_all.sql'), all.join('\n'))
  const config = join(folder, 'wrangler.toml')
  writeFileSync(config, readFileSync(join(root, 'wrangler.toml')))
  return config
}

/** One server for the stories of all files, as it takes seconds to start, and the program of the browsers. */
export default async function start(project: TestProject): Promise<() => Promise<void>> {
  const [server, browser] = await Promise.all([
    startServer({ stateDir: temporaryFolder(), migrations: inOneMigration() }),
    browserProgram(),
  ])
  project.provide('url', server.url)
  project.provide('adminToken', server.adminToken)
  project.provide('browser', browser)
  return server.stop
}
