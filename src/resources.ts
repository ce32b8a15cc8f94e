import type { Db, Meter } from './db/connect.ts'
import type { Actor } from './db/schema.ts'
import { outsideOfSessions, sessionsOf, type Answered } from './db/sessions.ts'
import type { Message } from './messages.ts'
import { measuring, type Point } from './metrics.ts'

/** The bindings and vars of `wrangler.toml`, and three secrets. */
export interface Env {
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
  NAME_MAX: number
  DESCRIPTION_MAX: number
  JOBS_WAITING_MAX: number
  JOBS_UNENDED_MAX: number
  JOBS_DAYS: number
  AUDIT_DAYS: number
  FILE_BYTES_MAX: number
  PARTICIPANT_MAX: number
  BAD_ROWS_MAX_PERCENT: number
  SLICE_BYTES: number
  USERS_PER_STEP: number
  DEFINITIONS_MAX: number
  SHARED_ATTRIBUTES_MAX: number
  GROUP_USERS_MAX: number
  AUDIENCES_MAX: number
  WEBHOOKS_MAX: number
  WEBHOOKS_LOCAL: boolean
  WEBHOOK_HOSTS: string
  LOOKUP_CACHE_SECONDS: number
  LOG_LOOKUPS: number
  RATE_LIMIT: number
  LOOKUP_RATE_LIMIT: number
  DOOR_RATE_LIMIT: number
  RATE_PERIOD: number
  RATE_LIMITED: boolean
  LIMITER?: RateLimit
  LOOKUP_LIMITER?: RateLimit
  DOOR_LIMITER?: RateLimit
  METRICS?: AnalyticsEngineDataset
}

export interface Limits {
  nameMax: number
  descriptionMax: number
  jobsWaitingMax: number
  /** Of a workspace. */
  jobsUnendedMax: number
  /** How long ended jobs and runs are kept. */
  jobsDays: number
  /** How long events are kept. */
  auditDays: number
  /** Of a file when it is unpacked. */
  fileBytesMax: number
  /** Characters of a participant's id, 64 at most. */
  participantMax: number
  /** A REPLACE with more bad rows changes nothing. */
  badRowsMaxPercent: number
  sliceBytes: number
  usersPerStep: number
  definitionsMax: number
  sharedAttributesMax: number
  groupUsersMax: number
  audiencesMax: number
  webhooksMax: number
  /** How old a cached look-up may be; 0 caches nothing. */
  lookupCacheSeconds: number
  /** Requests of a client in `ratePeriod` seconds. */
  rateLimit: number
  /** Look-ups of a client. */
  lookupRateLimit: number
  /** Requests of an address, and of a client it names, before who sends them is known. */
  doorRateLimit: number
  ratePeriod: number
}

export interface Signing {
  /** A private JWK. */
  key: string
  /** A JSON list of public JWKs. */
  previous: string
  audiences: readonly string[]
}

/** Count requests by a key; undefined where they are not limited. */
export type Limiters = Record<'requests' | 'lookups' | 'doors', RateLimit | undefined>

/** Where events may be sent. */
export interface WebhookAddresses {
  /** Also over http, to this machine and to every port. */
  local: boolean
  /** Only to these hosts and those below them; none: to all. */
  hosts: readonly string[]
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
  limits: Limits
  /** Where this installation is reached; undefined: where a request names it. */
  origin: string | undefined
  limiters: Limiters
  /** The share of successful look-ups that are logged, from 0 to 1. */
  lookupsLogged: number
  webhookAddresses: WebhookAddresses
  adminToken: string
  /** Of the hashes that stand for people. Never replaced: they would be other people's then. */
  personKey: string
  signing: Signing
  meter: Meter
  /** Writes a point for operators, where there is a data set for them. */
  measure: (point: Point) => void
}

/** Who acts where nobody has requested it: crons, and what receivers answer. */
const ownName = 'coterie'

/** At most 64, as a user's id. */
function participantMaxOf({ PARTICIPANT_MAX }: Env): number {
  const max = Number(PARTICIPANT_MAX)
  if (!Number.isInteger(max) || max < 1 || max > 64)
    throw new Error('PARTICIPANT_MAX must be a whole number from 1 to 64')
  return max
}

function daysOf(env: Env, name: 'JOBS_DAYS' | 'AUDIT_DAYS'): number {
  const days = Number(env[name])
  if (!Number.isInteger(days) || days < 1) throw new Error(`${name} must be whole days`)
  return days
}

/** A secret that was not put is missing. */
function secretOf(env: Partial<Env>, name: 'ADMIN_TOKEN' | 'PERSON_KEY'): string {
  const secret = env[name]
  if (secret === undefined || secret.length < 32)
    throw new Error(`${name} must have at least 32 characters`)
  return secret
}

function originOf({ ORIGIN = '' }: Partial<Env>): string | undefined {
  if (ORIGIN === '') return undefined
  const url = URL.parse(ORIGIN)
  if (url === null || !/^https?:/.test(url.protocol) || url.href !== `${url.origin}/`)
    throw new Error('ORIGIN must be like https://coterie.example.com, without a path')
  return url.origin
}

const limitersOf = (env: Env): Limiters =>
  String(env.RATE_LIMITED) === 'true'
    ? { requests: env.LIMITER, lookups: env.LOOKUP_LIMITER, doors: env.DOOR_LIMITER }
    : { requests: undefined, lookups: undefined, doors: undefined }

const hostsOf = ({ WEBHOOK_HOSTS = '' }: Partial<Env>): string[] =>
  WEBHOOK_HOSTS.toLowerCase()
    .split(' ')
    .map((host) => host.replace(/^\.+/, ''))
    .filter((host) => host !== '')

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
    files: env.FILES,
    work: env.WORK,
    scheduled: env.SCHEDULED,
    deliveries: env.DELIVERIES,
    events: env.EVENTS,
    fetch: (url, init) => fetch(url, init),
    now: Date.now,
    actor: { name: ownName },
    // A var given on the command line or in the dashboard comes as text.
    limits: {
      nameMax: Number(env.NAME_MAX),
      descriptionMax: Number(env.DESCRIPTION_MAX),
      jobsWaitingMax: Number(env.JOBS_WAITING_MAX),
      jobsUnendedMax: Number(env.JOBS_UNENDED_MAX),
      jobsDays: daysOf(env, 'JOBS_DAYS'),
      auditDays: daysOf(env, 'AUDIT_DAYS'),
      fileBytesMax: Number(env.FILE_BYTES_MAX),
      participantMax: participantMaxOf(env),
      badRowsMaxPercent: Number(env.BAD_ROWS_MAX_PERCENT),
      sliceBytes: Number(env.SLICE_BYTES),
      usersPerStep: Number(env.USERS_PER_STEP),
      definitionsMax: Number(env.DEFINITIONS_MAX),
      sharedAttributesMax: Number(env.SHARED_ATTRIBUTES_MAX),
      groupUsersMax: Number(env.GROUP_USERS_MAX),
      audiencesMax: Number(env.AUDIENCES_MAX),
      webhooksMax: Number(env.WEBHOOKS_MAX),
      lookupCacheSeconds: Number(env.LOOKUP_CACHE_SECONDS),
      rateLimit: Number(env.RATE_LIMIT),
      lookupRateLimit: Number(env.LOOKUP_RATE_LIMIT),
      doorRateLimit: Number(env.DOOR_RATE_LIMIT),
      ratePeriod: Number(env.RATE_PERIOD),
    },
    origin: originOf(env),
    limiters: limitersOf(env),
    lookupsLogged: Number(env.LOG_LOOKUPS),
    webhookAddresses: {
      local: String(env.WEBHOOKS_LOCAL) === 'true',
      hosts: hostsOf(env),
    },
    adminToken: secretOf(env, 'ADMIN_TOKEN'),
    personKey: secretOf(env, 'PERSON_KEY'),
    signing: {
      key: env.SIGNING_KEY,
      previous: env.PREVIOUS_KEYS,
      audiences: env.AUDIENCES.split(' '),
    },
    meter,
    measure: measuring(env.METRICS),
  }
}
