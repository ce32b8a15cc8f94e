import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers'
import { defineConfig } from 'vitest/config'
import { startReceiver } from './support/receiver-server.ts'

const migrations = await readD1Migrations('./migrations')
// With SHARDS=3 the Worker has three; otherwise one, beside which a test may bind the others itself.
const shardsMost = 3
const shards = Number(process.env['SHARDS'] ?? 1)
const others = Array.from({ length: shardsMost - 1 }, (_, i) => i + 1)

const { privateKey } = generateKeyPairSync('ed25519')
const receiver = await startReceiver()

// They look at what an isolate does first, at shards that are new, or set the clock forward by days.
const alone = ['test/stories/revocations.test.ts', 'test/moving/{crons,crossing,story}.test.ts']

// Each takes its three databases as they are; others do not find them so.
const moving = ['test/moving/{anywhere,cost,move,nothing-lost,tables}.test.ts']

// On three shards their workspaces live on any.
const spread = [
  'test/stories/{assignments,coupon,erased,household,idempotency,one-revision}.test.ts',
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
  ...moving,
  // Each binds its own databases.
  'test/stories/{shards,two-versions,waited-for}.test.ts',
  // A cron is a message here: `shards` has it.
  'test/stories/crons.test.ts',
  // All rows of one database are copied or stay.
  'test/stories/{added-columns,twins,sweep-files}.test.ts',
  // They count statements and look at plans, which are those of one shard.
  'test/stories/{audience-cost,cost,growth,held-cost,idle,lookup-cost,monday-cost}.test.ts',
  'test/stories/{metrics,neighbours,reports,schedule,stale-steps}.test.ts',
]

/** The Worker, with bindings of a project's own. */
const worker = (bindings: Record<string, string> = {}) =>
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
  {
    bindings,
    ...files
  }: { include: string[]; exclude?: string[]; bindings?: Record<string, string> },
) => ({
  extends: true as const,
  plugins: [worker(bindings)],
  test: { name, ...files, isolate: false },
})

export default defineConfig({
  test: {
    setupFiles: ['test/support/migrate.ts', 'test/support/emptied.ts'],
    testTimeout: 30_000,
    // One more than there are cores, as some tests wait.
    maxWorkers: availableParallelism() + 1,
    // Request logs only matter for failed tests.
    silent: 'passed-only' as const,
    projects:
      shards > 1
        ? [
            // Each has a Worker of its own, as `idempotency` looks at the first workspace on shard 0.
            {
              extends: true as const,
              plugins: [worker()],
              test: { name: 'spread', include: spread },
            },
            project('last', {
              include: last,
              exclude: [...notOnShards, ...spread],
              bindings: { SHARDS_CLOSED: '0 1' },
            }),
          ]
        : [
            project('shared', {
              include: ['test/*.test.ts', 'test/*/*.test.ts'],
              exclude: ['test/{local,console}/*', ...alone, ...moving],
            }),
            project('moving', { include: moving }),
            {
              extends: true as const,
              plugins: [worker()],
              test: { name: 'alone', include: alone },
            },
          ],
  },
})
