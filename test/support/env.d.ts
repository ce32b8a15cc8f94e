declare namespace Cloudflare {
  interface GlobalProps {
    mainModule: typeof import('../../src/index.ts')
  }
  interface Env extends Omit<import('../../src/resources.ts').Env, never> {
    /** Where the receiver of webhooks listens (see receiver-server.ts). */
    RECEIVER: string
    /** Of a soak (see property.ts). */
    SOAK_SECONDS: string
    SOAK_SEED: string
    /** Whether each table has columns that this version does not know (see added-columns.ts). */
    ADDED_COLUMNS: string
    /** Databases that are shards where a test, or SHARDS=3, makes them ones (see databases.ts). */
    OTHER_1: D1Database
    OTHER_2: D1Database
    MIGRATIONS: import('cloudflare:test').D1Migration[]
  }
}
