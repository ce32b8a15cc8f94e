import { env } from 'cloudflare:workers'
import { setKeys } from '../../src/db/keys.ts'
import { shardsOf, type ShardBindings } from '../../src/db/shards.ts'
import { at, resources, type Env, type Resources } from '../../src/resources.ts'
import { closedOf } from '../../src/vars.ts'

/** All migrations in one call, unless another file of this worker was first; and the keys of a shard. */
export async function migrate(db: D1Database, shard: number): Promise<void> {
  const done = await db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'clients'").first()
  if (done !== null) return
  const queries = env.MIGRATIONS.flatMap(({ queries }) => queries)
  await db.batch([...queries, ...setKeys(shard)].map((query) => db.prepare(query)))
}

/** The databases of the Worker. */
export const databases = (): readonly D1Database[] => shardsOf(env)

/** That of a workspace, as the directory says; of one without a client that of home. */
export async function databaseOf(workspace: number): Promise<D1Database> {
  if (databases().length === 1) return env.DB
  const place = await env.DB.prepare('SELECT shard FROM places WHERE workspace_id = ?')
    .bind(workspace)
    .first<{ shard: number }>()
  return databases()[place?.shard ?? homeShard] ?? env.DB
}

/** The shard of workspaces that have no client; of all new ones, where the others are closed. */
const homeShard = databases().findIndex(
  (_, shard) => !closedOf(env.SHARDS_CLOSED, databases().length).includes(shard),
)

export const homeDb: D1Database = databases()[homeShard] ?? env.DB

/** Bindings of which that shard is another database. */
export const atHome = (db: D1Database): ShardBindings =>
  homeShard === 0 ? { ...others(), DB: db } : { ...others(), [`DB_${homeShard}`]: db }

/** The bindings of all shards. */
const others = (): ShardBindings => ({
  DB: env.DB,
  ...Object.fromEntries([...databases().entries()].slice(1).map(([i, db]) => [`DB_${i}`, db])),
})

/** A message as queues are sent it there. */
export const sentAtHome = <Sent extends object>(message: Sent): Sent =>
  databases().length === 1 ? message : { ...message, shard: homeShard }

export const homeResources = (bound: Env): Resources => at(resources(bound), homeShard)
