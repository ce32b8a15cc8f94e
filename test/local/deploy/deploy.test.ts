import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { temporaryFolder } from '../folder.ts'
import { modeOf, open } from '../modes.ts'
import { root } from '../program.ts'
import { startServer, type Server } from '../server.ts'
import { configOf, queuesOf } from './config.ts'
import { Scene } from './scene.ts'
import type { Account } from './stand-in.ts'

let worker: Server
const stateDir = join(temporaryFolder(), 'state')
before(async () => (worker = await startServer({ stateDir })))
after(async () => worker.stop())

it('a server on this machine keeps its state where its owner alone reads it', () => {
  const files = readdirSync(stateDir, { recursive: true, encoding: 'utf8' })
  assert.ok(files.some((name) => name.endsWith('.sqlite')))
  assert.deepEqual([modeOf(stateDir), open(stateDir)], ['700', []])
  for (const [name, mode] of [
    ['.wrangler', '700'],
    ['.dev.vars', '600'],
  ] as const)
    assert.equal(modeOf(join(root, name)), mode)
})

const shown = /ADMIN_TOKEN ([\w-]{43})\n/
const changes = (calls: string[]) => calls.filter((call) => / (create|add|put) /.test(call))
const toml = readFileSync(join(root, 'wrangler.toml'), 'utf8')

describe('the first deployment', () => {
  let scene: Scene
  let said: string
  let calls: string[]
  let account: Account
  before(async () => {
    scene = await Scene.open(worker)
    const where = ['--jurisdiction', 'eu', '--domain', 'groups.bank.example']
    const { code, said: all } = await scene.deploy(where)
    assert.equal(code, 0, all)
    said = all
    calls = scene.calls()
    account = scene.account
  })
  after(() => scene.close())

  it('makes all that is missing, before the Worker that needs it', () => {
    const { name } = scene
    const config = `--config wrangler.${name}.toml`
    const [first, ...others] = changes(calls)
    assert.equal(first, `d1 create ${name} --jurisdiction eu --update-config=false`)
    assert.deepEqual(others, [
      `r2 bucket create ${name}-files --jurisdiction eu --update-config=false`,
      `r2 bucket lifecycle add ${name}-files leftovers uploads/ --expire-days 7 ` +
        '--abort-multipart-days 1 --force --jurisdiction eu',
      ...queuesOf(toml, name).map((queue) => `queues create ${queue}`),
      `secret put SIGNING_KEY ${config}`,
      `secret put PERSON_KEY ${config}`,
      `secret put ADMIN_TOKEN ${config}`,
    ])
    assert.deepEqual(calls.slice(-2), [
      `d1 migrations apply DB --remote ${config}`,
      `deploy ${config}`,
    ])
  })

  it('switches read replication on', () => {
    const [{ uuid } = { uuid: '' }] = account.databases
    assert.deepEqual(scene.puts, [
      `/accounts/acc/d1/database/${uuid} {"read_replication":{"mode":"auto"}}`,
    ])
  })

  it('shows the token of the administrator once, and no other secret', () => {
    const { ADMIN_TOKEN = '', SIGNING_KEY = '', PERSON_KEY = '' } = account.secrets
    assert.match(PERSON_KEY, /^[\w-]{43}$/)
    assert.equal(shown.exec(said)?.[1], ADMIN_TOKEN)
    assert.equal(said.split(ADMIN_TOKEN).length, 2)
    const { d } = JSON.parse(SIGNING_KEY) as { d: string } // a private JWK
    for (const secret of [d, PERSON_KEY]) assert.equal(said.includes(secret), false)
    for (const secret of [d, PERSON_KEY, ADMIN_TOKEN])
      assert.equal(
        calls.some((call) => call.includes(secret)),
        false,
      )
  })

  it('tries the Worker out, and leaves nothing behind', () => {
    const path = '/groups/v3/groups/{id}'
    const lookup = `GET ${path}/participants/ann`
    const seen = scene.requests.filter((one) => !one.startsWith('GET /groups/v3/jobs/'))
    assert.deepEqual(seen, [
      ...['GET /health', 'POST /oauth/clients', 'POST /oauth/token', 'POST /groups/v3/groups'],
      ...[`PUT ${path}/participants`, lookup, `DELETE ${path}`, 'DELETE /oauth/clients/{id}'],
    ])
  })

  it('writes a config that its owner alone reads', () => {
    assert.equal(modeOf(scene.config), '600')
  })

  it('writes a config that wrangler takes', () => {
    const args = ['deploy', '--dry-run', '--outdir', temporaryFolder(), '--config', scene.config]
    const bundled = execFileSync(join(root, 'node_modules/.bin/wrangler'), args, {
      encoding: 'utf8',
      env: { ...process.env, WRANGLER_SEND_METRICS: 'false' },
    })
    const dataset = `${scene.name.replaceAll('-', '_')}_metrics`
    for (const name of [scene.name, `${scene.name}-files`, `${scene.name}-events`, dataset])
      assert.ok(bundled.includes(name), bundled)
    const config = readFileSync(scene.config, 'utf8')
    assert.ok(config.includes(`database_id = "${account.databases[0]?.uuid}"`))
    assert.ok(config.includes('jurisdiction = "eu"'))
    assert.ok(config.endsWith('pattern = "groups.bank.example"\ncustom_domain = true\n'))
  })
})

describe('a deployment over one that is there', () => {
  let scene: Scene
  before(async () => {
    scene = await Scene.open(worker)
    await scene.deploy()
  })
  beforeEach(() => {
    scene.calls()
    scene.requests = []
    scene.keys = undefined
  })
  after(() => scene.close())

  it('makes nothing again, and keeps the secrets', async () => {
    const before = scene.account
    const { code, said } = await scene.deploy()
    assert.equal(code, 0, said)
    assert.deepEqual(scene.account, before)
    assert.deepEqual(changes(scene.calls()), [])
    assert.equal(scene.puts.length, 1)
    assert.doesNotMatch(said, shown)
    assert.deepEqual(scene.requests, ['GET /.well-known/jwks.json', 'GET /health'])
  })

  it('is tried out where the token is given', async () => {
    const { ADMIN_TOKEN = '' } = scene.account.secrets
    assert.equal((await scene.deploy([], { ADMIN_TOKEN })).code, 0)
    assert.ok(scene.requests.includes('DELETE /groups/v3/groups/{id}'))
  })

  it('fails where the Worker that it deployed does', async () => {
    const { code, said } = await scene.deploy([], { ADMIN_TOKEN: 'another' })
    assert.equal(code, 1)
    assert.match(said, /registering a client: HTTP 401/)
  })

  it('rotates the signing key: the one before is accepted first', async () => {
    const old = scene.account.secrets['SIGNING_KEY']
    scene.keys = [
      { kid: 'one', x: '1' },
      { kid: 'older', x: '0' },
    ]
    const { code, said } = await scene.deploy(['--rotate-signing-key'])
    assert.equal(code, 0, said)
    const calls = scene.calls()
    assert.deepEqual(changes(calls), [
      `secret put SIGNING_KEY --config wrangler.${scene.name}.toml`,
    ])
    assert.deepEqual(calls.slice(-2), [
      calls.find((call) => call.startsWith('deploy')),
      ...changes(calls),
    ])
    assert.notEqual(scene.account.secrets['SIGNING_KEY'], old)
    assert.deepEqual(previous(scene), ['one', 'older'])
  })

  it('keeps the former keys until they are dropped, without a config too', async () => {
    scene.keys = [{ kid: 'two' }, { kid: 'two' }, { kid: 'one' }]
    for (const [args, left] of [
      [[], ['one']],
      [['--drop-previous-keys'], []],
    ] as const) {
      assert.equal((await scene.deploy([...args])).code, 0)
      assert.deepEqual(previous(scene), left)
    }
  })

  it('keeps the keys of its config where the Worker does not answer', async () => {
    scene.keys = [{ kid: 'two' }, { kid: 'one' }]
    await scene.deploy()
    scene.keys = undefined
    scene.change({ deployed: false, fails: 'deploy' })
    const { code, said } = await scene.deploy()
    scene.change({ deployed: true, fails: '' })
    assert.equal(code, 1)
    assert.match(said, /wrangler deploy .*\n.*It fails/)
    assert.deepEqual(previous(scene), ['one'])
  })
})

describe('one more shard', () => {
  let scene: Scene
  before(async () => {
    scene = await Scene.open(worker)
    await scene.deploy()
  })
  after(() => scene.close())

  it('is made, migrated and given keys before the Worker that has it', async () => {
    const config = `--config wrangler.${scene.name}.toml`
    for (const shard of [1, 2]) {
      scene.calls()
      const { code, said } = await scene.deploy(['--add-shard', '--location', 'weur'])
      assert.equal(code, 0, said)
      const calls = scene.calls()
      const name = `${scene.name}-shard-${shard}`
      assert.deepEqual(changes(calls), [`d1 create ${name} --location weur --update-config=false`])
      assert.deepEqual(scene.account.databases.at(-1)?.name, name)
      assert.equal(scene.puts.length, shard + 1)
      const keys = calls.findIndex((call) => call.includes(`seq < ${shard * 2 ** 40}`))
      assert.ok(calls[keys]?.startsWith(`d1 execute DB_${shard} --remote ${config} --yes`))
      assert.equal(calls[keys - 1], `d1 migrations apply DB_${shard} --remote ${config}`)
      assert.equal(calls[keys + 1], `deploy ${config}`)
    }
  })

  it('is kept by the next deployment, and migrated with the others', async () => {
    const before = readFileSync(scene.config, 'utf8')
    const { databases } = scene.account
    for (const [i, { uuid }] of databases.entries())
      assert.match(before, new RegExp(`binding = "DB${i === 0 ? '' : `_${i}`}"\n.+\n.+"${uuid}"`))
    scene.calls()
    assert.equal((await scene.deploy()).code, 0)
    assert.equal(readFileSync(scene.config, 'utf8'), before)
    const migrated = (calls: string[]) =>
      calls.filter((call) => /^d1 (migr|exec)/.test(call)).length
    assert.equal(migrated(scene.calls()), 5)
    assert.equal((await scene.deploy(['--migrate-only'])).code, 0)
    const calls = scene.calls()
    assert.deepEqual([calls.length, migrated(calls)], [5, 5])
  })

  it('is of an installation that is there', async () => {
    const other = await Scene.open(worker)
    const { code, said } = await other.deploy(['--add-shard'])
    other.close()
    assert.equal(code, 1)
    assert.match(said, /There is no installation/)
  })
})

const previous = ({ config }: Scene) => {
  const [, text = ''] = /^PREVIOUS_KEYS = (.+)$/m.exec(readFileSync(config, 'utf8')) ?? []
  const keys = JSON.parse(JSON.parse(text) as string) as { kid: string }[] // as the Worker reads it
  return keys.map(({ kid }) => kid)
}

describe('a deployment that is refused', () => {
  it('has shown the token when a later step fails', async () => {
    const scene = await Scene.open(worker, { fails: 'd1 migrations' })
    const { code, said } = await scene.deploy()
    scene.close()
    assert.equal(code, 1)
    assert.equal(shown.exec(said)?.[1], scene.account.secrets['ADMIN_TOKEN'])
  })

  it('goes on without numbers where the account has no Analytics Engine', async () => {
    const scene = await Scene.open(worker, { unmeasured: true })
    const { code, said } = await scene.deploy()
    const config = readFileSync(scene.config, 'utf8')
    scene.close()
    assert.equal(code, 0, said)
    assert.match(said, /enable Analytics Engine in the dashboard/)
    assert.doesNotMatch(config, /METRICS|dataset/)
    assert.ok(config.includes('bucket_name'))
  })

  it('goes on where a thing is there that is not listed', async () => {
    const scene = await Scene.open(worker)
    scene.change({ hidden: [`${scene.name}-files`, `${scene.name}-work`] })
    const { code, said } = await scene.deploy()
    scene.close()
    assert.equal(code, 0, said)
  })

  it('says in a line what is missing', async () => {
    const scene = await Scene.open(worker)
    for (const [args, env, what] of [
      [[], { CLOUDFLARE_API_TOKEN: '' }, /^CLOUDFLARE_API_TOKEN is not set.*\n$/],
      [['--location', 'weur', '--jurisdiction', 'eu'], {}, /^A database has a location or .*\n$/],
      [['--name', 'Bank!'], {}, /^The name Bank! is not .*\n$/],
      [['--rotate-signing-key'], {}, /does not say which key it signs with/],
    ] as const) {
      const { code, said } = await scene.deploy([...args], env)
      assert.match(said, what)
      assert.equal(code, 1)
    }
    scene.close()
  })
})

describe('a dry run', () => {
  it('prints each step, and does none', async () => {
    const scene = await Scene.open(worker)
    const { code, said } = await scene.deploy(['--dry-run'], { CLOUDFLARE_API_TOKEN: '' })
    const written = existsSync(scene.config)
    scene.close()
    assert.equal(code, 0, said)
    assert.deepEqual([scene.calls(), scene.puts, written], [[], [], false])
    for (const line of [
      `wrangler d1 create ${scene.name} --update-config=false`,
      'PUT /accounts/{account}/d1/database/',
      `wrangler queues create ${scene.name}-work-dead`,
      'wrangler secret put ADMIN_TOKEN',
      'wrangler d1 migrations apply DB --remote',
      `wrangler deploy --config wrangler.${scene.name}.toml`,
    ])
      assert.ok(said.includes(line), said)
  })
})

describe('two installations', () => {
  it('share no name and no id', () => {
    const noPlace = { jurisdiction: undefined, domain: undefined }
    const config = (name: string) =>
      configOf(toml, {
        name,
        databaseIds: [0, 1].map((shard) => `${name}-id-${shard}`),
        ...noPlace,
        previousKeys: [],
      })
    const own = (name: string) => [
      ...config(name).matchAll(
        /^(?:database_\w+|bucket_name|queue|dead_\w+|namespace_id|dataset) = (.+)$/gm,
      ),
    ]
    const values = new Set(own('coterie').map(([, value]) => value))
    assert.ok(values.size >= 8)
    assert.deepEqual(
      own('coterie-staging').filter(([, value]) => values.has(value)),
      [],
    )
    assert.match(config('coterie-staging'), /^name = "coterie-staging"$/m)
  })
})
