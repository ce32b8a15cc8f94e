declare namespace Cloudflare {
  interface GlobalProps {
    mainModule: typeof import('../../src/index.ts')
  }
  interface Env extends Omit<import('../../src/resources.ts').Env, never> {
    /** Where the receiver of webhooks listens (see receiver-server.ts). */
    RECEIVER: string
    SHARD_1: D1Database
    SHARD_2: D1Database
    /** Of a soak (see property.ts). */
    SOAK_SECONDS: string
    SOAK_SEED: string
    /** Whether each table has columns that this version does not know (see added-columns.ts). */
    ADDED_COLUMNS: string
    MIGRATIONS: import('cloudflare:test').D1Migration[]
  }
}
