import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { temporaryFolder } from '../folder.ts'
import { root } from '../program.ts'
import type { Server } from '../server.ts'
import { empty, type Account } from './stand-in.ts'

/** An account of Cloudflare that is a folder, an API and a Worker at an address. */
export class Scene {
  readonly name = `test-${randomUUID().slice(0, 8)}`
  readonly config = join(root, `wrangler.${this.name}.toml`)
  readonly folder = temporaryFolder()
  /** Calls of the API that change something. */
  readonly puts: string[] = []
  /** Of the Worker, where it is not to answer by itself. */
  keys: object[] | undefined
  requests: string[] = []
  readonly #replicated = new Set<string>()
  readonly #worker: Server
  readonly #server = createServer((incoming, answer) => this.#answer(incoming, answer))

  private constructor(worker: Server) {
    this.#worker = worker
  }

  static async open(worker: Server, account: Partial<Account> = {}): Promise<Scene> {
    const scene = new Scene(worker)
    scene.change(account)
    const command = `exec "${process.execPath}" "${join(import.meta.dirname, 'stand-in.ts')}" "$@"`
    writeFileSync(join(scene.folder, 'wrangler'), `#!/bin/sh\n${command}\n`, { mode: 0o755 })
    await new Promise<void>((ready) => scene.#server.listen(0, '127.0.0.1', ready))
    return scene
  }

  close(): void {
    this.#server.close()
    rmSync(this.config, { force: true })
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}` // it listens on a port
  }

  get account(): Account {
    const file = join(this.folder, 'account.json')
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Account) : empty // the stand-in's own
  }

  change(account: Partial<Account>): void {
    const changed = { ...this.account, ...account }
    writeFileSync(join(this.folder, 'account.json'), JSON.stringify(changed))
  }

  /** What wrangler was called with since the last time. */
  calls(): string[] {
    const file = join(this.folder, 'calls')
    const calls = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
    rmSync(file, { force: true })
    return calls
  }

  /** Runs `npm run deploy` without its check of types. */
  deploy(args: string[] = [], env: Record<string, string> = {}) {
    const PATH = `${this.folder}:${process.env['PATH'] ?? ''}`
    const all = ['test/local/deploy.ts', '--name', this.name, '--url', this.url, ...args]
    const token = { CLOUDFLARE_API_TOKEN: 'token', CLOUDFLARE_API_BASE_URL: `${this.url}/api` }
    const NODE_COMPILE_CACHE = join(tmpdir(), 'coterie-compiled')
    const given = {
      ...process.env,
      ...token,
      STAND_IN: this.folder,
      PATH,
      NODE_COMPILE_CACHE,
      ...env,
    }
    return new Promise<{ code: number; said: string }>((resolve) => {
      const child = execFile(process.execPath, all, { cwd: root, env: given }, (_, out, err) =>
        resolve({ code: child.exitCode ?? 1, said: stripVTControlCharacters(out + err) }),
      )
    })
  }

  #answer(incoming: IncomingMessage, answer: ServerResponse): void {
    const { method = '', url = '' } = incoming
    if (url.startsWith('/api/')) this.#api(method, url.slice(4), incoming, answer)
    else if (url === '/.well-known/jwks.json' && this.keys !== undefined)
      answer.end(JSON.stringify({ keys: this.keys }))
    else this.#pass(incoming, answer)
  }

  #api(method: string, path: string, incoming: IncomingMessage, answer: ServerResponse): void {
    const said = (result: unknown) => answer.end(JSON.stringify({ success: true, result }))
    if (path === '/accounts') return void said([{ id: 'acc' }])
    if (path === '/accounts/acc/workers/subdomain') return void said({ subdomain: 'bank' })
    if (!path.startsWith('/accounts/acc/d1/database/')) return void answer.writeHead(404).end()
    const mode = this.#replicated.has(path) ? 'auto' : 'disabled'
    if (method !== 'PUT') return void said({ read_replication: { mode } })
    incoming.on('data', (body: Buffer) => {
      this.puts.push(`${path} ${String(body)}`)
      this.#replicated.add(path)
      said({})
    })
  }

  /** To the real Worker once it is deployed, whose ADMIN_TOKEN is another. */
  #pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const { account } = this
    if (!account.deployed) return void answer.writeHead(404).end()
    const { method, url = '', headers } = incoming
    this.requests.push(`${method ?? ''} ${url.replace(/[\da-f-]{36}/g, '{id}')}`)
    if (headers.authorization === `Bearer ${account.secrets['ADMIN_TOKEN'] ?? ''}`)
      headers.authorization = `Bearer ${this.#worker.adminToken}`
    const onward = request(this.#worker.url + url, { method, headers }, (back) => {
      answer.writeHead(back.statusCode ?? 502, back.headers)
      back.pipe(answer)
    })
    onward.on('error', () => answer.writeHead(502).end())
    incoming.pipe(onward)
  }
}
