import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bold, dim, green, yellow } from './colour.ts'
import { bucketOf, configOf, queuesOf, withoutMetrics } from './deploy/config.ts'
import { configuredKeys, publishedKeys, secretsOf, type PublicKey } from './deploy/keys.ts'
import { readOptions, usage, type Options } from './deploy/options.ts'
import { dryPlatform, platform, type Platform } from './deploy/platform.ts'
import * as made from './deploy/resources.ts'
import { healthy, smoke } from './deploy/smoke.ts'
import { writeOwn } from './private.ts'
import { main, root } from './program.ts'
import { migrations, shardsIn } from './shards.ts'
import { newSecret, newSigningKey } from './secrets.ts'

/** What an installation is, once all that it needs is there. */
interface Site {
  name: string
  url: string
  /** Its generated wrangler.toml. */
  config: string
  shards: number
}

/**
 * `npm run deploy`: makes what is missing in Cloudflare, deploys, and tries it out. May be repeated.
 */
await main(async () => {
  if (process.argv.includes('--help')) return (console.log(usage), 0)
  const options = readOptions(process.argv.slice(2))
  if (options.migrateOnly) return (migrate(platform(), deployed(options)), 0)
  const cloudflare = options.dryRun ? dryPlatform : platform()
  const site = await prepare(cloudflare, options)
  const adminToken = putSecrets(cloudflare, site)

  migrate(cloudflare, site)
  step('The Worker')
  deployWorker(cloudflare, site)
  if (options.rotate) {
    step('A new signing key; the one before goes on being accepted')
    putSecret(cloudflare, site, 'SIGNING_KEY', newSigningKey())
  }
  await tryOut(cloudflare, site, adminToken ?? process.env['ADMIN_TOKEN'] ?? '')
  console.log(next(site, options))
  return 0
})

function step(what: string): void {
  console.log(bold(what))
}

/** Makes what is missing, and writes the installation's config. */
async function prepare(cloudflare: Platform, options: Options): Promise<Site> {
  const { name, jurisdiction, domain } = options
  const toml = readFileSync(join(root, 'wrangler.toml'), 'utf8')
  step('The account')
  const account = await made.accountOf(cloudflare)
  // Wrangler is to be in the same one.
  process.env['CLOUDFLARE_ACCOUNT_ID'] = account
  const url = options.url ?? (await made.addressOf(cloudflare, account, name))
  step(`The database ${name}, and those of its other shards`)
  const databaseIds = made.ensureDatabases(cloudflare, options)
  step('Replicas near those who read')
  for (const id of databaseIds) await made.ensureReplication(cloudflare, account, id)
  step(`The bucket ${bucketOf(toml, name)}`)
  made.ensureBucket(cloudflare, bucketOf(toml, name), jurisdiction)
  step('The queues, and those of dead letters')
  made.ensureQueues(cloudflare, queuesOf(toml, name))

  const config = `wrangler.${name}.toml`
  step(`Its config ${config}`)
  const previousKeys = await keysToKeep(options, url, join(root, config))
  if (!cloudflare.dry)
    writeOwn(
      join(root, config),
      configOf(toml, { name, databaseIds, jurisdiction, domain, previousKeys }),
    )
  return { name, url, config, shards: databaseIds.length }
}

/** The databases as the last deployment has written them into the config. */
function deployed({ name }: Options): Pick<Site, 'config' | 'shards'> {
  const config = `wrangler.${name}.toml`
  if (!existsSync(join(root, config))) throw new Error(`There is no ${config}: deploy first`)
  return { config, shards: shardsIn(readFileSync(join(root, config), 'utf8')) }
}

function migrate({ wrangler }: Platform, { config, shards }: Pick<Site, 'config' | 'shards'>) {
  step('Migrations, which only add: the version that runs goes on meanwhile')
  for (let shard = 0; shard < shards; shard++)
    for (const args of migrations(shard, '--remote', '--config', config)) wrangler(args)
}

/** The public keys that are accepted besides the one that signs after this. */
async function keysToKeep(
  { dryRun, dropPrevious, rotate }: Options,
  url: string,
  config: string,
): Promise<PublicKey[]> {
  if (dryRun) return []
  const live = await publishedKeys(url)
  if (rotate && live === undefined)
    throw new Error(`${url} does not say which key it signs with, so that cannot be rotated`)
  if (dropPrevious) return rotate ? (live ?? []).slice(0, 1) : []
  if (live !== undefined) return rotate ? live : withoutFirst(live)
  return existsSync(config) ? configuredKeys(readFileSync(config, 'utf8')) : []
}

/** Without the key that signs, which a rotation that was cut short has left there twice. */
function withoutFirst([first, ...others]: PublicKey[]): PublicKey[] {
  return others.filter(({ kid }) => kid !== first?.kid)
}

/** Makes the secrets that are missing. Gives the ADMIN_TOKEN where it is new, and shows it. */
function putSecrets(cloudflare: Platform, site: Site): string | undefined {
  step('The secrets')
  const known = secretsOf(cloudflare, site.config)
  if (!known.has('SIGNING_KEY')) putSecret(cloudflare, site, 'SIGNING_KEY', newSigningKey())
  if (!known.has('PERSON_KEY')) putSecret(cloudflare, site, 'PERSON_KEY', newSecret())
  if (known.has('ADMIN_TOKEN')) return undefined
  const adminToken = newSecret()
  putSecret(cloudflare, site, 'ADMIN_TOKEN', adminToken)
  if (cloudflare.dry) return undefined
  // At once: whatever fails after this, it is not shown again.
  console.log(`\n  ADMIN_TOKEN ${green(adminToken)}\n  ${dim('Keep it: it is not shown again.')}\n`)
  return adminToken
}

function putSecret({ wrangler }: Platform, { config }: Site, name: string, value: string): void {
  wrangler(['secret', 'put', name, '--config', config], value)
}

/** Without numbers for operators where the account has no Analytics Engine: nothing else needs it. */
function deployWorker({ wrangler }: Platform, { config }: Site): void {
  try {
    wrangler(['deploy', '--config', config])
  } catch (error) {
    if (!/code: ?10089|no_access_to_analytics_engine/.test(String(error))) throw error
    console.log(
      yellow('  Without METRICS: enable Analytics Engine in the dashboard, and deploy again.'),
    )
    const file = join(root, config)
    writeOwn(file, withoutMetrics(readFileSync(file, 'utf8')))
    wrangler(['deploy', '--config', config])
  }
}

async function tryOut({ dry }: Platform, { url }: Site, adminToken: string): Promise<void> {
  step(`A smoke test at ${url}: token, group, upload of 3, look-up, deletion`)
  if (dry) return
  await healthy(url)
  if (adminToken !== '') await smoke(url, adminToken)
  else console.log(yellow('  Only /health is checked, as ADMIN_TOKEN is not set here.'))
}

function next({ name, url, config }: Site, { dryRun, rotate }: Options): string {
  if (dryRun) return dim('Nothing was done, and what is there already was not looked for.')
  const drop = `npm run deploy -- --name ${name} --drop-previous-keys`
  return `
${green('✓')} Coterie runs at ${bold(url)}

  a client    curl ${url}/oauth/clients -H "Authorization: Bearer $ADMIN_TOKEN" \\
                -d '{"workspace_id": 1, "name": "me", "scopes": ["groups:read", "groups:write"]}'
  operations  ${url}/openapi.json
  its log     npx wrangler tail --config ${config}
  back        npx wrangler rollback --config ${config}
  a lost ADMIN_TOKEN   npx wrangler secret delete ADMIN_TOKEN --config ${config}; then deploy again
  the next version     npm run deploy -- --name ${name}${rotate ? `\n  in eight hours       ${drop}` : ''}`
}
