import type { Actor } from './actor.ts'
import type { Db, Meter } from './db/connect.ts'
import { outsideOfSessions, sessionsOf, type Answered, type Databases } from './db/sessions.ts'
import { limitsOf, type Limits, type LimitVars } from './limits.ts'
import type { Message } from './messages.ts'
import { measuring, type Point } from './metrics.ts'
import {
  accessOf,
  addressesOf,
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
export interface Env extends LimiterBindings, LimitVars {
  DB: D1Database
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

/** All that a room may reach; made anew for each invocation, whose cost `meter` counts. */
export interface Resources {
  /** Everything of a workspace lives in one database. */
  databaseOf: (workspace: number) => Db
  /** The same from the nearest replica, which may be a moment behind, but not the bookmark. */
  replicaOf: (workspace: number) => Db
  /** Which state the request's last statement saw; nothing where it took none. */
  answered: () => Answered
  /** The database of clients, whose workspace is not known yet. */
  directory: Db
  /** The same outside of the request's session and cost, for what an isolate keeps for all requests. */
  directoryApart: () => Pick<Databases, 'primary' | 'replica'>
  files: R2Bucket
  work: Queue<Message>
  /** Work that a cron opened. */
  scheduled: Queue<Message>
  deliveries: Queue<Message>
  /** Reports that wait to be written. */
  events: Queue<Message>
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
  const { primary, replica, answered } =
    bookmark === undefined ? outsideOfSessions(env.DB, meter) : sessionsOf(env.DB, meter, bookmark)
  return {
    databaseOf: () => primary,
    replicaOf: () => replica,
    answered,
    directory: primary,
    directoryApart: () => outsideOfSessions(env.DB, { statements: 0, rowsRead: 0, rowsWritten: 0 }),
    files: env.FILES,
    work: env.WORK,
    scheduled: env.SCHEDULED,
    deliveries: env.DELIVERIES,
    events: env.EVENTS,
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
