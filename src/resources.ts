import type { Actor } from './actor.ts'
import type { Db, Meter } from './db/connect.ts'
import { outsideOfSessions, sessionsOf, type Answered, type Databases } from './db/sessions.ts'
import type { Message } from './messages.ts'
import { measuring, type Point } from './metrics.ts'
import {
  addressesOf,
  type LimiterBindings,
  type Limiters,
  limitersOf,
  originOf,
  secretOf,
  type WebhookAddresses,
  wholeOf,
} from './vars.ts'

/** The bindings and vars of `wrangler.toml`, and three secrets. */
export interface Env extends LimiterBindings {
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
  ERASURE_DAYS: number
  FILE_BYTES_MAX: number
  WAITING_BYTES_MAX: number
  UPLOAD_IDLE_SECONDS: number
  GROUPS_MAX: number
  MEMBERS_MAX: number
  USERS_MAX: number
  USER_ATTRIBUTES_MAX: number
  PROFILE_BYTES_MAX: number
  PARTICIPANT_MAX: number
  BAD_ROWS_MAX_PERCENT: number
  SLICE_BYTES: number
  USERS_PER_STEP: number
  TURN_MS: number
  DEFINITIONS_MAX: number
  SHARED_ATTRIBUTES_MAX: number
  GROUP_USERS_MAX: number
  AUDIENCES_MAX: number
  RULE_COST_MAX: number
  QUESTION_SECONDS: number
  WEBHOOKS_MAX: number
  WEBHOOKS_LOCAL: boolean
  WEBHOOK_HOSTS: string
  LOOKUP_CACHE_SECONDS: number
  LOG_LOOKUPS: number
  REVOCATIONS_SECONDS: number
  RATE_LIMIT: number
  LOOKUP_RATE_LIMIT: number
  DOOR_RATE_LIMIT: number
  QUESTION_RATE_LIMIT: number
  RATE_PERIOD: number
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
  /** How long an older report brings nobody back who was erased. */
  erasureDays: number
  /** Of a file when it is unpacked. */
  fileBytesMax: number
  /** Of all files of a workspace that are not applied yet. */
  waitingBytesMax: number
  /** After which an upload ends of which nothing comes. */
  uploadIdleSeconds: number
  /** Of a workspace: groups, their participants together, and users. */
  groupsMax: number
  membersMax: number
  usersMax: number
  /** Of a user: attributes, and the bytes of their names and values. */
  userAttributesMax: number
  profileBytesMax: number
  /** Characters of a participant's id, 64 at most. */
  participantMax: number
  /** A REPLACE with more bad rows changes nothing. */
  badRowsMaxPercent: number
  sliceBytes: number
  usersPerStep: number
  /** For which an invocation goes on at least, where other workspaces wait. */
  turnMs: number
  definitionsMax: number
  sharedAttributesMax: number
  groupUsersMax: number
  audiencesMax: number
  /** See `costShown`. */
  ruleCostMax: number
  /** How long a question of an audience may take. */
  questionSeconds: number
  webhooksMax: number
  /** How old a cached look-up may be; 0 caches nothing. */
  lookupCacheSeconds: number
  /** Requests of a client in `ratePeriod` seconds. */
  rateLimit: number
  /** Look-ups of a client. */
  lookupRateLimit: number
  /** Requests of an address, and of a client it names, before who sends them is known. */
  doorRateLimit: number
  /** Questions of a workspace's audiences. */
  questionRateLimit: number
  ratePeriod: number
}

export interface Signing {
  /** A private JWK. */
  key: string
  /** A JSON list of public JWKs. */
  previous: string
  audiences: readonly string[]
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
    // A var given on the command line or in the dashboard comes as text.
    limits: {
      nameMax: Number(env.NAME_MAX),
      descriptionMax: Number(env.DESCRIPTION_MAX),
      jobsWaitingMax: Number(env.JOBS_WAITING_MAX),
      jobsUnendedMax: Number(env.JOBS_UNENDED_MAX),
      jobsDays: wholeOf('JOBS_DAYS', env.JOBS_DAYS),
      auditDays: wholeOf('AUDIT_DAYS', env.AUDIT_DAYS),
      erasureDays: wholeOf('ERASURE_DAYS', env.ERASURE_DAYS),
      fileBytesMax: Number(env.FILE_BYTES_MAX),
      waitingBytesMax: Number(env.WAITING_BYTES_MAX),
      uploadIdleSeconds: Number(env.UPLOAD_IDLE_SECONDS),
      groupsMax: Number(env.GROUPS_MAX),
      membersMax: Number(env.MEMBERS_MAX),
      usersMax: Number(env.USERS_MAX),
      userAttributesMax: Number(env.USER_ATTRIBUTES_MAX),
      profileBytesMax: Number(env.PROFILE_BYTES_MAX),
      participantMax: wholeOf('PARTICIPANT_MAX', env.PARTICIPANT_MAX, 64),
      badRowsMaxPercent: Number(env.BAD_ROWS_MAX_PERCENT),
      sliceBytes: Number(env.SLICE_BYTES),
      usersPerStep: Number(env.USERS_PER_STEP),
      turnMs: Number(env.TURN_MS),
      definitionsMax: Number(env.DEFINITIONS_MAX),
      sharedAttributesMax: Number(env.SHARED_ATTRIBUTES_MAX),
      groupUsersMax: Number(env.GROUP_USERS_MAX),
      audiencesMax: Number(env.AUDIENCES_MAX),
      ruleCostMax: Number(env.RULE_COST_MAX),
      questionSeconds: Number(env.QUESTION_SECONDS),
      webhooksMax: Number(env.WEBHOOKS_MAX),
      lookupCacheSeconds: Number(env.LOOKUP_CACHE_SECONDS),
      rateLimit: Number(env.RATE_LIMIT),
      lookupRateLimit: Number(env.LOOKUP_RATE_LIMIT),
      doorRateLimit: Number(env.DOOR_RATE_LIMIT),
      questionRateLimit: Number(env.QUESTION_RATE_LIMIT),
      ratePeriod: Number(env.RATE_PERIOD),
    },
    origin: originOf(env.ORIGIN),
    limiters: limitersOf(env),
    lookupsLogged: Number(env.LOG_LOOKUPS),
    revocationsSeconds: wholeOf('REVOCATIONS_SECONDS', env.REVOCATIONS_SECONDS),
    webhookAddresses: addressesOf(env),
    adminToken: secretOf('ADMIN_TOKEN', env.ADMIN_TOKEN),
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
