import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { root } from './program.ts'
import { ensureSecrets } from './secrets.ts'

const code = ['src', 'migrations', 'wrangler.toml']

/** Puts the code of a commit into a folder, or ours, with our packages and secrets. Gives its wrangler.toml. */
export function unpack(folder: string, commit?: string): string {
  mkdirSync(folder, { recursive: true })
  if (commit === undefined) for (const name of code) copy(name, folder)
  else extract(commit, folder)
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  ensureSecrets()
  for (const name of ['package.json', 'tsconfig.json', '.dev.vars', 'dist']) copy(name, folder)
  const config = join(folder, 'wrangler.toml')
  writeFileSync(config, sideBySide(readFileSync(config, 'utf8')))
  return config
}

const copy = (name: string, folder: string) =>
  cpSync(join(root, name), join(folder, name), { recursive: true })

function extract(commit: string, folder: string): void {
  const archive = ['archive', commit, ...code]
  const input = execFileSync('git', archive, { cwd: root, maxBuffer: 2 ** 28 })
  execFileSync('tar', ['-x', '-C', folder], { input })
}

/** Locally a queue has one consumer: all work goes on at once where one batch holds a message of each kind. */
const sideBySide = (config: string) =>
  config.replace(
    /queue = "work"\nmax_batch_size = \d+\nmax_batch_timeout = \d+/,
    'queue = "work"\nmax_batch_size = 7\nmax_batch_timeout = 5',
  )

/** The database below a folder of state, while no server runs on it. */
export function withDatabase<Result>(
  stateDir: string,
  work: (database: DatabaseSync) => Result,
): Result {
  const files = globSync('v3/d1/**/*.sqlite', { cwd: stateDir })
  for (const file of files) {
    const database = new DatabaseSync(join(stateDir, file))
    try {
      const known = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'jobs'").get()
      if (known !== undefined) return work(database)
    } finally {
      database.close()
    }
  }
  throw new Error(`There is no database below ${stateDir}`)
}
