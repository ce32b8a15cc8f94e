import { setTimeout as sleep } from 'node:timers/promises'
import type { During } from './during.ts'
import { workerdMemory, type Memory } from './memory.ts'
import { freePort } from './port.ts'
import { start, type Program } from './program.ts'
import { ensureSecrets } from './secrets.ts'

/** The real Worker on this machine: workerd with D1, R2 and the queues, as `wrangler dev` runs it. */
export interface Server {
  url: string
  /** Registers clients (POST /oauth/clients). */
  adminToken: string
  /** Of its workerd processes; undefined where the system does not tell. */
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
  // As in production, no debugger: wrangler steps aside for an editor's own, and would send its one each line that is logged.
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
  hear?: (line: string) => void
  /** Mebibytes of each isolate's heap at most. Locally there is no limit, and so little reason to collect garbage. */
  heapMax?: number
  /** The wrangler.toml of another Worker; ours if none is named. */
  config?: string
  /** Of the Worker, instead of those in its wrangler.toml. */
  vars?: Record<string, string>
  /** Told of what takes a while. */
  during?: During
}

/** Starts a server and waits until it answers. Throws with the end of its output if it does not come up. */
export async function startServer({
  stateDir,
  hear,
  heapMax,
  config,
  vars,
  during = (_, work) => work(),
  ...options
}: ServerOptions): Promise<Server> {
  const { adminToken } = ensureSecrets()
  const port = await freePort(options.port)
  await during('The database', () => migrate(stateDir))

  const places = ['--persist-to', stateDir, '--ip', '127.0.0.1', '--port', `${port}`]
  // Log lines that nobody hears would only cost time.
  const manner = [
    '--log-level',
    hear === undefined ? 'error' : 'log',
    '--show-interactive-dev-session',
    'false',
  ]
  const heap =
    heapMax === undefined ? {} : { MINIFLARE_WORKERD_V8_FLAGS: `--max-old-space-size=${heapMax}` }
  const which = config === undefined ? [] : ['--config', config]
  // Nobody shares this machine's Worker with us, and whom it tells of its events is on this machine too.
  const settings = Object.entries({
    RATE_LIMITED: 'false',
    WEBHOOKS_LOCAL: 'true',
    ...vars,
  }).flatMap(([name, value]) => ['--var', `${name}:${value}`])
  const worker = start(
    'wrangler',
    ['dev', ...which, ...places, ...manner, ...settings],
    { ...quiet, ...heap },
    { hear },
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

/** Makes the database below a folder what the Worker needs. */
export async function migrate(stateDir: string): Promise<void> {
  const run = start(
    'wrangler',
    ['d1', 'migrations', 'apply', 'DB', '--local', '--persist-to', stateDir],
    quiet,
  )
  if ((await run.ended) !== 0)
    throw new Error(`The migrations could not be applied:\n${run.tail()}`)
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
