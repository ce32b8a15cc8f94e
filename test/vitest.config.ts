import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers'
import { defineConfig } from 'vitest/config'
import { startReceiver } from './support/receiver-server.ts'

const migrations = await readD1Migrations('./migrations')
// Stories and properties run with a Worker of three shards, the rest with one: with SHARDS=1 all
// with one, with SHARDS=3 those with three alone.
const only = process.env['SHARDS']
const others = [1, 2]

const { privateKey } = generateKeyPairSync('ed25519')
const receiver = await startReceiver()

// They look at what an isolate does first, at shards that are new, set the clock forward by days, or
// leave columns behind.
const alone = [
  'test/stories/{added-columns,revocations}.test.ts',
  'test/moving/{crons,crossing,story}.test.ts',
]

// Each takes its three databases as they are; others do not find them so.
const moving = ['test/moving/{anywhere,cost,move,nothing-lost,tables}.test.ts']

// On three shards their workspaces live on any.
const spread = [
  'test/stories/{assignments,coupon,household,one-revision}.test.ts',
  'test/stories/{openfeature,openfeature-experiments,refused-deletion}.test.ts',
  'test/stories/{safety-net,two-tenants,upload,users-file,webhook}.test.ts',
]

// All of theirs live on the last of three, as most are made without a client.
const last = [
  'test/stories/*.test.ts',
  'test/audiences/{refresh,sync}.test.ts',
  'test/erasure/erasing.test.ts',
  'test/experience/{apply,as-of,changes,files,revert,revisions,turns}.test.ts',
  'test/experiments/exposures.test.ts',
  'test/identity/{aggregate,import,meanwhile,normalize,recompute,reports}.test.ts',
  'test/membership/export-revisions.test.ts',
  'test/webhooks/nothing-lost.test.ts',
]

// They cannot, or it makes no difference to them.
const notOnShards = [
  ...alone,
  // Each binds its own databases.
  'test/stories/{shards,two-versions,waited-for}.test.ts',
  // A cron is a message here: `shards` has it.
  'test/stories/crons.test.ts',
  // All rows of one database are copied or stay.
  'test/stories/{twins,sweep-files}.test.ts',
  // They count statements and look at plans, which are those of one shard.
  'test/stories/{audience-cost,cost,growth,held-cost,idle,lookup-cost,monday-cost}.test.ts',
  'test/stories/{metrics,neighbours,reports,schedule,stale-steps}.test.ts',
]

interface Installation {
  /** Of the Worker; a test may bind the other databases itself. */
  shards?: number
  bindings?: Record<string, string>
}

/** The Worker of an installation. */
const worker = ({ shards = 1, bindings = {} }: Installation = {}) =>
  cloudflareTest({
    main: 'test/support/strict-worker.ts',
    wrangler: { configPath: './wrangler.toml' },
    miniflare: {
      // Few, so that a test can exceed them.
      ratelimits: {
        LIMITER: { namespace_id: '1001', simple: { limit: 20, period: 60 } },
        LOOKUP_LIMITER: { namespace_id: '1002', simple: { limit: 40, period: 60 } },
        DOOR_LIMITER: { namespace_id: '1003', simple: { limit: 10, period: 60 } },
        QUESTION_LIMITER: { namespace_id: '1004', simple: { limit: 5, period: 60 } },
      },
      d1Databases: Object.fromEntries(
        others.flatMap((shard) =>
          [`OTHER_${shard}`, ...(shard < shards ? [`DB_${shard}`] : [])].map((binding) => [
            binding,
            `shard-${shard}`,
          ]),
        ),
      ),
      // At once, so that no test waits a second.
      queueConsumers: { events: { maxBatchSize: 100, maxBatchTimeout: 0.01, maxRetries: 8 } },
      bindings: {
        RATE_LIMITED: false,
        LOG_LOOKUPS: 1,
        // Once, as tests count calls of the database.
        REVOCATIONS_SECONDS: 3600,
        SOAK_SECONDS: process.env['SOAK_SECONDS'] ?? '0',
        SOAK_SEED: process.env['SOAK_SEED'] ?? '0',
        ADDED_COLUMNS: process.env['ADDED_COLUMNS'] ?? 'false',
        ADMIN_TOKEN: randomBytes(24).toString('base64url'),
        PERSON_KEY: randomBytes(24).toString('base64url'),
        SIGNING_KEY: JSON.stringify({
          ...privateKey.export({ format: 'jwk' }),
          kid: 'test',
          alg: 'EdDSA',
        }),
        WEBHOOKS_LOCAL: true,
        RECEIVER: receiver,
        MIGRATIONS: migrations,
        ...bindings,
      },
    },
  })

/** A Worker for each file would cost more than most files do: it is emptied instead. */
const project = (
  name: string,
  { shards, bindings, ...files }: { include: string[]; exclude?: string[] } & Installation,
) => ({
  extends: true as const,
  plugins: [worker({ shards, bindings })],
  test: { name, ...files, isolate: false },
})

const lastFiles = globSync(last, { exclude: [...notOnShards, ...spread] })

const onOne = [
  project('shared', {
    include: ['test/*.test.ts', 'test/*/*.test.ts'],
    exclude: [
      ...['test/{local,console}/*', ...alone, ...moving],
      ...(only === '1' ? [] : [...spread, ...lastFiles]),
    ],
  }),
  project('moving', { include: moving }),
  { extends: true as const, plugins: [worker()], test: { name: 'alone', include: alone } },
]

const onShards = [
  project('spread', { include: spread, shards: 3 }),
  project('last', { include: lastFiles, shards: 3, bindings: { SHARDS_CLOSED: '0 1' } }),
]

export default defineConfig({
  test: {
    setupFiles: ['test/support/migrate.ts', 'test/support/emptied.ts'],
    testTimeout: 30_000,
    // One more than there are cores, as some tests wait.
    maxWorkers: availableParallelism() + 1,
    // Request logs only matter for failed tests.
    silent: 'passed-only' as const,
    projects: only === '3' ? onShards : only === '1' ? onOne : [...onOne, ...onShards],
  },
})
