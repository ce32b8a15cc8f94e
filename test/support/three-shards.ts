import { env } from 'cloudflare:workers'
import type { Env } from '../../src/resources.ts'
import { asAdmin, json, type Json } from './api.ts'
import { ask, consume, keeping } from './bindings.ts'
import { migrate } from './databases.ts'
import type { Statement } from './plans.ts'

/** An installation of three shards, whose queues a test delivers; any shard may be out. */
export async function threeShards(vars: Partial<Env> = {}) {
  const databases = [env.DB, env.OTHER_1, env.OTHER_2]
  await Promise.all(databases.map(migrate))
  const out = new Set<number>()
  const asked: Statement[][] = databases.map(() => [])
  const watched = databases.map((db, shard) =>
    watch(db, (statements) => {
      if (out.has(shard)) throw new Error('D1_ERROR: D1 DB is overloaded.')
      asked[shard]?.push(...statements)
    }),
  )
  const [DB = env.DB, DB_1, DB_2] = watched
  const kept = keeping({ DB, DB_1, DB_2, ...vars })
  const { bound } = kept

  const admin = async (method: string, path: string, body?: unknown): Promise<Response> =>
    ask(path, asAdmin(body === undefined ? { method } : json(method, body)), bound)

  const client = async (workspace: number, scopes = everyScope): Promise<Own> => {
    const body = { workspace_id: workspace, name: 'tester', scopes }
    const made = await admin('POST', '/oauth/clients', body)
    const { client_id: id, client_secret: secret } = await made.json<Record<string, string>>()
    return { workspace, id: String(id), secret: String(secret) }
  }
  const tokenOf = async ({ id, secret }: Own): Promise<string> => {
    const body = { grant_type: 'client_credentials', client_id: id, client_secret: secret }
    const { access_token } = await (
      await ask('/oauth/token', json('POST', body), bound)
    ).json<Json>()
    return String(access_token)
  }
  const call = (token: string, method: string, path: string, init: RequestInit = {}) => {
    const authorization = `Bearer ${token}`
    const headers = { authorization, transactionId: crypto.randomUUID(), ...init.headers }
    return ask(path, { ...init, method, headers }, bound)
  }
  const queues = [
    ['work', kept.work],
    ['scheduled', kept.scheduled],
    ['deliveries', kept.deliveries],
    ['events', kept.events],
  ] as const
  /** Delivers until nothing is left; gives the messages. */
  const deliver = async () => {
    const delivered = []
    for (const left = () => queues.find(([, all]) => all.length > 0); ;) {
      const found = left()
      if (found === undefined) return delivered
      const [queue, all] = found
      const messages = all.splice(0).map(({ message }) => message)
      delivered.push(...messages)
      for (const message of messages) await consume(queue, [message], bound)
    }
  }
  /** The shard that a workspace has in the directory. */
  const shardOf = async (workspace: number): Promise<number | undefined> =>
    (
      await env.DB.prepare('SELECT shard FROM places WHERE workspace_id = ?')
        .bind(workspace)
        .first<{ shard: number }>()
    )?.shard
  return { ...kept, databases, asked, out, admin, client, tokenOf, call, deliver, shardOf }
}

export interface Own {
  workspace: number
  id: string
  secret: string
}

const everyScope = [
  ...['groups:read', 'groups:write', 'users:read', 'users:write', 'audiences:read'],
  ...['audiences:write', 'webhooks:read', 'webhooks:write', 'audit:read'],
]

/** A database whose statements are seen before they run. */
function watch(db: D1Database, see: (statements: Statement[]) => void): D1Database {
  const known = new WeakMap<object, Statement & { inner: D1PreparedStatement }>()
  const statement = (inner: D1PreparedStatement, query: string, params: unknown[] = []) => {
    const own = {
      bind: (...given: unknown[]) => statement(inner.bind(...given), query, given),
      all: async () => {
        see([{ query, params }])
        return inner.all()
      },
    } as unknown as D1PreparedStatement // what `connect` calls
    known.set(own, { inner, query, params })
    return own
  }
  const queried = {
    prepare: (query: string) => statement(db.prepare(query), query),
    batch: async (statements: D1PreparedStatement[]) => {
      const found = statements.flatMap((one) => known.get(one) ?? [])
      see(found)
      return db.batch(found.map(({ inner }) => inner))
    },
  }
  const session = { ...queried, getBookmark: () => '00000001-00000002' }
  return { ...queried, withSession: () => session } as unknown as D1Database // as above
}
