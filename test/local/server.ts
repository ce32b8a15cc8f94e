import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { During } from './during.ts'
import { workerdMemory, type Memory } from './memory.ts'
import { freePort } from './port.ts'
import { unknownId } from './deploy/resources.ts'
import { ownFolder, ownState, writeOwn } from './private.ts'
import { root, start, type Program } from './program.ts'
import { ensureSecrets } from './secrets.ts'
import { migrations as migrationsOf, withShards } from './shards.ts'

/** The real Worker on this machine, as `wrangler dev` runs it. */
export interface Server {
  url: string
  /** Registers clients (POST /oauth/clients). */
  adminToken: string
  /** Of its workerd processes; undefined where the system has no /proc. */
  memory: () => Memory | undefined
  /** Resolves once it runs no more, with what it said last. */
  ended: Promise<string>
  stop: () => Promise<void>
}

const quiet = {
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_WRITE_LOGS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  // Wrangler would keep a record of every request, which takes longer than the request.
  X_LOCAL_OBSERVABILITY: 'false',
  X_LOCAL_EXPLORER: 'false',
  // No debugger: each logged line would be sent to it.
  VSCODE_INSPECTOR_OPTIONS: '{}',
}

/** Milliseconds that it may take to answer. */
const startTime = 60_000

export interface ServerOptions {
  /** Made if need be. */
  stateDir: string
  /** A free one if none is named. */
  port?: number
  /** Gets its output line by line. */
  onLine?: (line: string) => void
  /** MiB of each isolate's heap at most; without a limit it hardly collects garbage. */
  heapMax?: number
  /** The wrangler.toml of another Worker; ours if none is named. */
  config?: string
  /** How many databases it has; one if nothing is said. */
  shards?: number
  /** The wrangler.toml whose migrations the database gets; ours if none is named. */
  migrations?: string
  /** Replace the vars of wrangler.toml. */
  vars?: Record<string, string>
  /** Shows what takes a while. */
  during?: During
}

/** Starts a server and waits until it answers. Throws its last output otherwise. */
export async function startServer({
  stateDir,
  onLine,
  heapMax,
  shards = 1,
  config = shards === 1 ? undefined : configWith(shards),
  migrations,
  vars,
  during = (_, work) => work(),
  ...options
}: ServerOptions): Promise<Server> {
  const { adminToken } = ensureSecrets()
  ownState(stateDir)
  ownFolder(join(root, '.wrangler'))
  const port = await freePort(options.port)
  await during('The database', () => migrate(stateDir, migrations ?? config, shards))

  const places = ['--persist-to', stateDir, '--ip', '127.0.0.1', '--port', `${port}`]
  // Log lines without a reader would only cost time.
  const manner = [
    '--log-level',
    onLine === undefined ? 'error' : 'log',
    '--show-interactive-dev-session',
    'false',
  ]
  const heap =
    heapMax === undefined ? {} : { MINIFLARE_WORKERD_V8_FLAGS: `--max-old-space-size=${heapMax}` }
  const which = config === undefined ? [] : ['--config', config]
  // On this machine nobody else uses the Worker, webhooks are local, and every request is shown.
  const settings = Object.entries({
    RATE_LIMITED: 'false',
    LOG_LOOKUPS: '1',
    WEBHOOKS_LOCAL: 'true',
    ...vars,
  }).flatMap(([name, value]) => ['--var', `${name}:${value}`])
  const worker = start(
    'wrangler',
    ['dev', ...which, ...places, ...manner, ...settings],
    { ...quiet, ...heap },
    { onLine },
  )
  const url = `http://localhost:${port}`
  try {
    await during('The Worker', () => answering(url, worker))
  } catch (error) {
    await worker.stop()
    throw error
  }
  return {
    url,
    adminToken,
    memory: () => workerdMemory(worker.group),
    ended: worker.ended.then(worker.tail),
    stop: worker.stop,
  }
}

/** Makes the databases below a folder what the Worker needs, or another version of it by its wrangler.toml. */
export async function migrate(stateDir: string, config?: string, shards = 1): Promise<void> {
  const which = config === undefined ? [] : ['--config', config]
  for (let shard = 0; shard < shards; shard++)
    for (const args of migrationsOf(shard, '--local', '--persist-to', stateDir, ...which)) {
      const run = start('wrangler', args, quiet)
      if ((await run.ended) !== 0)
        throw new Error(`The migrations could not be applied:\n${run.tail()}`)
    }
}

/** Writes the config of a Worker on this machine with so many databases. */
function configWith(shards: number): string {
  const others = Array.from({ length: shards - 1 }, (_, i) => ({
    name: `coterie-shard-${i + 1}`,
    id: unknownId.slice(0, -4) + String(i + 1).padStart(4, '0'),
  }))
  const file = join(root, `wrangler.shards-${shards}.toml`)
  writeOwn(file, withShards(readFileSync(join(root, 'wrangler.toml'), 'utf8'), others))
  return file
}

async function answering(url: string, worker: Program): Promise<void> {
  const until = Date.now() + startTime
  let ended = false
  void worker.ended.then(() => (ended = true))
  while (!ended && Date.now() < until) {
    const health = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5000) }).catch(
      () => undefined,
    )
    if (health?.ok) return
    await sleep(50)
  }
  throw new Error(
    `The Worker ${ended ? 'did not start' : `did not answer within ${startTime / 1000} s`}:\n${worker.tail()}`,
  )
}
