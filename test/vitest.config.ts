import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers'
import { defineConfig } from 'vitest/config'
import { startReceiver } from './support/receiver-server.ts'

const { privateKey } = generateKeyPairSync('ed25519')
const receiver = await startReceiver()

// Those whose tests keep to workspaces of their own, and do not look at the whole store.
const together = ['test/*.test.ts', 'test/{api,jobs}/*.test.ts']
const notTogether = [
  'test/api/{audience-syncs,clients,files,uploads,uploads-large}.test.ts',
  'test/jobs/upload.test.ts',
]

export default defineConfig(async () => ({
  plugins: [
    cloudflareTest({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: {
        // Few, so that a test can go beyond them.
        ratelimits: { LIMITER: { namespace_id: '1001', simple: { limit: 20, period: 60 } } },
        bindings: {
          RATE_LIMITED: false,
          SOAK_SECONDS: process.env['SOAK_SECONDS'] ?? '0',
          SOAK_SEED: process.env['SOAK_SEED'] ?? '0',
          ADDED_COLUMNS: process.env['ADDED_COLUMNS'] ?? 'false',
          ADMIN_TOKEN: randomBytes(24).toString('base64url'),
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
    // Vitest would leave one core to itself, and has little to do meanwhile.
    maxWorkers: availableParallelism(),
    // One log line per request is for those who run the Worker, not for those who test it.
    silent: 'passed-only' as const,
    // A worker and a database for each file cost more than many a file does.
    projects: [
      {
        extends: true as const,
        test: { name: 'together', include: together, exclude: notTogether, isolate: false },
      },
      {
        extends: true as const,
        test: {
          name: 'alone',
          include: ['test/*/*.test.ts'],
          exclude: ['test/{api,jobs}/*.test.ts'],
        },
      },
      { extends: true as const, test: { name: 'whole store', include: notTogether } },
    ],
  },
}))
