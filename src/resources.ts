import type { Actor } from './actor.ts'
import type { Db, Meter } from './db/connect.ts'
import {
  openShards,
  shardOfBookmark,
  shardsOf,
  type Shard,
  type ShardBindings,
} from './db/shards.ts'
import { limitsOf, type Limits, type LimitVars } from './limits.ts'
import type { Message } from './messages.ts'
import { measuring, type Point } from './metrics.ts'
import { ofShard, type Sender } from './queues.ts'
import {
  accessOf,
  addressesOf,
  closedOf,
  type CloudflareAccess,
  type LimiterBindings,
  type Limiters,
  limitersOf,
  originOf,
  secretOf,
  type WebhookAddresses,
  wholeOf,
} from './vars.ts'

/** The bindings and vars of `wrangler.toml`, and three secrets. */
export interface Env extends ShardBindings, LimiterBindings, LimitVars {
  FILES: R2Bucket
  WORK: Queue<Message>
  SCHEDULED: Queue<Message>
  DELIVERIES: Queue<Message>
  EVENTS: Queue<Message>
  ADMIN_TOKEN: string
  SIGNING_KEY: string
  PERSON_KEY: string
  PREVIOUS_KEYS: string
  AUDIENCES: string
  ORIGIN: string
  ACCESS_TEAM: string
  ACCESS_AUDIENCE: string
  WEBHOOKS_LOCAL: boolean
  WEBHOOK_HOSTS: string
  SHARDS_CLOSED: string
  LOG_LOOKUPS: number
  REVOCATIONS_SECONDS: number
  METRICS?: AnalyticsEngineDataset
}

export interface Signing {
  /** A private JWK. */
  key: string
  /** A JSON list of public JWKs. */
  previous: string
  audiences: readonly string[]
}

/** The Idempotency-Key of a request. What the request makes takes it in the same batch. */
export interface RequestKey {
  /** 0 for the holder of ADMIN_TOKEN, whose client is ''. */
  workspace: number
  client: string
  /** SHA-256. */
  hash: string
  /** Of this invocation alone. */
  request: string
  /** What the request asks for; known once its body is read. */
  fingerprint: () => string
}

/** The queues, whose messages name the shard at hand where there are several. */
interface Queues {
  work: Sender
  /** Work that a cron opened. */
  scheduled: Sender
  deliveries: Sender
  /** Reports that wait to be written. */
  events: Sender
}

/** All that a room may reach; made anew for each invocation, whose cost `meter` counts. */
export interface Resources extends Shard, Queues {
  /** How many there are. */
  shards: number
  /** What is another's of each shard: see `at`. */
  reach: (shard: number) => Shard & Queues
  /** Those that take no new workspaces. */
  shardsClosed: readonly number[]
  /** Where workspaces and clients live, where there is more than one shard. */
  directory: Db
  /** The shard of the request's bookmark; undefined where it has none. */
  bookmarked: number | undefined
  files: R2Bucket
  fetch: (url: string, init: RequestInit) => Promise<Response>
  now: () => number
  /** Who acts: the client that sends a request; otherwise this installation itself. */
  actor: Actor
  /** Of a request that makes something, where its client has sent one. */
  key?: RequestKey
  limits: Limits
  /** Where this installation is reached; undefined: where a request names it. */
  origin: string | undefined
  limiters: Limiters
  /** The share of successful look-ups that are logged, from 0 to 1. */
  lookupsLogged: number
  /** After how many seconds it is read again which tokens are revoked. */
  revocationsSeconds: number
  webhookAddresses: WebhookAddresses
  adminToken: string
  /** In front of the console; undefined: nobody comes by it. */
  cloudflareAccess: CloudflareAccess | undefined
  /** Of the hashes that stand for people. Never replaced: they would be other people's then. */
  personKey: string
  signing: Signing
  meter: Meter
  /** Writes a point for operators, where there is a data set for them. */
  measure: (point: Point) => void
}

/** Who acts where nobody has requested it: crons, and what receivers answer. */
const ownName = 'coterie'

/** `bookmark` is that of a request, '' where it has none; a message and a cron give nothing. */
export function resources(env: Env, bookmark?: string): Resources {
  const meter: Meter = { statements: 0, rowsRead: 0, rowsWritten: 0 }
  const shards = shardsOf(env)
  const open = openShards(shards, meter, bookmark)
  const reach = (shard: number) => ({
    ...open(shard),
    ...queuesOf(env, shards.length === 1 ? undefined : shard),
  })
  return {
    ...reach(0),
    shards: shards.length,
    shardsClosed: closedOf(env.SHARDS_CLOSED, shards.length),
    reach,
    directory: reach(0).database,
    bookmarked: bookmark === undefined || bookmark === '' ? undefined : shardOfBookmark(bookmark),
    files: env.FILES,
    fetch: (url, init) => fetch(url, init),
    now: Date.now,
    actor: { name: ownName },
    limits: limitsOf(env),
    origin: originOf(env.ORIGIN),
    limiters: limitersOf(env),
    lookupsLogged: Number(env.LOG_LOOKUPS),
    revocationsSeconds: wholeOf('REVOCATIONS_SECONDS', env.REVOCATIONS_SECONDS),
    webhookAddresses: addressesOf(env),
    adminToken: secretOf('ADMIN_TOKEN', env.ADMIN_TOKEN),
    cloudflareAccess: accessOf(env),
    personKey: secretOf('PERSON_KEY', env.PERSON_KEY),
    signing: {
      key: env.SIGNING_KEY,
      previous: env.PREVIOUS_KEYS,
      audiences: env.AUDIENCES.split(' '),
    },
    meter,
    measure: measuring(env.METRICS),
  }
}

function queuesOf(env: Env, shard: number | undefined): Queues {
  const marked = (queue: Queue<Message>) => (shard === undefined ? queue : ofShard(queue, shard))
  return {
    work: marked(env.WORK),
    scheduled: marked(env.SCHEDULED),
    deliveries: marked(env.DELIVERIES),
    events: marked(env.EVENTS),
  }
}

/** The same resources at another shard. */
export const at = (res: Resources, shard: number): Resources =>
  shard === res.shard ? res : { ...res, ...res.reach(shard) }
