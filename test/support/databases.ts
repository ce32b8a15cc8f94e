import { env } from 'cloudflare:workers'
import { setKeys } from '../../src/db/keys.ts'
import { shardsOf } from '../../src/db/shards.ts'

/** All migrations in one call, unless another file of this worker was first; and the keys of a shard. */
export async function migrate(db: D1Database, shard: number): Promise<void> {
  const done = await db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'clients'").first()
  if (done !== null) return
  const queries = env.MIGRATIONS.flatMap(({ queries }) => queries)
  await db.batch([...queries, ...setKeys(shard)].map((query) => db.prepare(query)))
}

/** The databases of the Worker. */
export const databases = (): readonly D1Database[] => shardsOf(env)

/** That of a workspace, as the directory says. */
export async function databaseOf(workspace: number): Promise<D1Database> {
  if (databases().length === 1) return env.DB
  const place = await env.DB.prepare('SELECT shard FROM places WHERE workspace_id = ?')
    .bind(workspace)
    .first<{ shard: number }>()
  return databases()[place?.shard ?? 0] ?? env.DB
}
