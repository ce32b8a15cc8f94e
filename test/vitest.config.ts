import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers'
import { defineConfig } from 'vitest/config'
import { startReceiver } from './support/receiver-server.ts'

// With SHARDS=3 the Worker has three; otherwise one, beside which a test may bind the others itself.
const shardsMost = 3
const shards = Number(process.env['SHARDS'] ?? 1)
const others = Array.from({ length: shardsMost - 1 }, (_, i) => i + 1)

const { privateKey } = generateKeyPairSync('ed25519')
const receiver = await startReceiver()

// Their tests stay in their own workspaces; `doors` call the Worker, `rooms` call functions.
const shared = {
  doors: [
    'test/*.test.ts',
    'test/{api,jobs}/*.test.ts',
    'test/experiments/shard.test.ts',
    'test/membership/export.test.ts',
    'test/stories/{coupon,deletion,lookup-during,lost-answers,one-revision}.test.ts',
    'test/stories/{refused-deletion,upload}.test.ts',
    'test/stories/{openfeature,openfeature-experiments,openfeature-web}.test.ts',
    'test/stories/{users-file,webhook}.test.ts',
    'test/webhooks/{address,announced,answers,sign,slow}.test.ts',
  ],
  rooms: [
    'test/audiences/{attach,cached-rule,compare,compile,cost,exact,fits}.test.ts',
    'test/audiences/{limits,matches,moment,rule,text}.test.ts',
    'test/erasure/mentions.test.ts',
    'test/experience/*.test.ts',
    'test/experiments/{change,chi-squared,eppo,exposures,md5,split}.test.ts',
    'test/identity/{aggregate,import,limits,limits-hold,meanwhile}.test.ts',
    'test/identity/{no-value,normalize,recompute,reports,runs}.test.ts',
    'test/membership/{export-revisions,lookup,members}.test.ts',
    'test/webhooks/{changed,event,nothing-lost,schedule,soon}.test.ts',
  ],
}
// Whose tests find rows by `databaseOf`: on three shards only these run.
const onShards = [
  'test/stories/{assignments,coupon,erased,household,idempotency,one-revision}.test.ts',
  'test/stories/{openfeature,openfeature-experiments,refused-deletion}.test.ts',
  'test/stories/{safety-net,two-tenants,upload,users-file,webhook}.test.ts',
]
const alone = [
  'test/api/{audience-syncs,clients,files,if-match,runs,uploads}.test.ts',
  'test/api/{tus,uploads-large,upload-places}.test.ts',
  'test/jobs/{others,pieces,upload}.test.ts',
]

export default defineConfig(async () => ({
  plugins: [
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
          MIGRATIONS: await readD1Migrations('./migrations'),
        },
      },
    }),
  ],
  test: {
    setupFiles: ['test/support/migrate.ts'],
    testTimeout: 30_000,
    // One more than there are cores, as some tests wait.
    maxWorkers: availableParallelism() + 1,
    // Request logs only matter for failed tests.
    silent: 'passed-only' as const,
    // A worker and a database for each file cost more than most files.
    projects:
      shards > 1
        ? [{ extends: true as const, test: { name: 'shards', include: onShards } }]
        : [
            {
              extends: true as const,
              test: { name: 'doors', include: shared.doors, exclude: alone, isolate: false },
            },
            {
              extends: true as const,
              test: { name: 'rooms', include: shared.rooms, isolate: false },
            },
            {
              extends: true as const,
              test: {
                name: 'alone',
                include: ['test/*/*.test.ts'],
                exclude: [...shared.doors, ...shared.rooms, 'test/local/*', 'test/console/*'],
              },
            },
            // Projects run by their names: this one before `doors`, as uploads that wait would be the last.
            { extends: true as const, test: { name: 'alone at doors', include: alone } },
          ],
  },
}))
