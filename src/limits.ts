import { wholeOf } from './vars.ts'

/** The vars of `wrangler.toml` that limit something. */
export interface LimitVars {
  NAME_MAX: number
  DESCRIPTION_MAX: number
  JOBS_WAITING_MAX: number
  JOBS_UNENDED_MAX: number
  JOBS_DAYS: number
  HELD_DAYS: number
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
  MAX_REMOVE_PERCENT: number
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
  EXPERIMENTS_MAX: number
  EXPOSURES_MAX: number
  LOOKUP_CACHE_SECONDS: number
  RATE_LIMIT: number
  LOOKUP_RATE_LIMIT: number
  DOOR_RATE_LIMIT: number
  QUESTION_RATE_LIMIT: number
  RATE_PERIOD: number
}

export interface Limits {
  nameMax: number
  descriptionMax: number
  jobsWaitingMax: number
  /** Of a workspace. */
  jobsUnendedMax: number
  /** How long ended jobs and runs are kept. */
  jobsDays: number
  /** After which a held job is cancelled. */
  heldDays: number
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
  /** A job that would remove a larger share of a group is held, unless it or its group says otherwise. */
  maxRemovePercent: number
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
  experimentsMax: number
  /** Of all experiments of a workspace. */
  exposuresMax: number
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

/** A var given on the command line or in the dashboard comes as text. */
export const limitsOf = (vars: LimitVars): Limits => ({
  nameMax: Number(vars.NAME_MAX),
  descriptionMax: Number(vars.DESCRIPTION_MAX),
  jobsWaitingMax: Number(vars.JOBS_WAITING_MAX),
  jobsUnendedMax: Number(vars.JOBS_UNENDED_MAX),
  jobsDays: wholeOf('JOBS_DAYS', vars.JOBS_DAYS),
  heldDays: wholeOf('HELD_DAYS', vars.HELD_DAYS),
  auditDays: wholeOf('AUDIT_DAYS', vars.AUDIT_DAYS),
  erasureDays: wholeOf('ERASURE_DAYS', vars.ERASURE_DAYS),
  fileBytesMax: Number(vars.FILE_BYTES_MAX),
  waitingBytesMax: Number(vars.WAITING_BYTES_MAX),
  uploadIdleSeconds: Number(vars.UPLOAD_IDLE_SECONDS),
  groupsMax: Number(vars.GROUPS_MAX),
  membersMax: Number(vars.MEMBERS_MAX),
  usersMax: Number(vars.USERS_MAX),
  userAttributesMax: Number(vars.USER_ATTRIBUTES_MAX),
  profileBytesMax: Number(vars.PROFILE_BYTES_MAX),
  participantMax: wholeOf('PARTICIPANT_MAX', vars.PARTICIPANT_MAX, 64),
  badRowsMaxPercent: Number(vars.BAD_ROWS_MAX_PERCENT),
  maxRemovePercent: Number(vars.MAX_REMOVE_PERCENT),
  sliceBytes: Number(vars.SLICE_BYTES),
  usersPerStep: Number(vars.USERS_PER_STEP),
  turnMs: Number(vars.TURN_MS),
  definitionsMax: Number(vars.DEFINITIONS_MAX),
  sharedAttributesMax: Number(vars.SHARED_ATTRIBUTES_MAX),
  groupUsersMax: Number(vars.GROUP_USERS_MAX),
  audiencesMax: Number(vars.AUDIENCES_MAX),
  ruleCostMax: Number(vars.RULE_COST_MAX),
  questionSeconds: Number(vars.QUESTION_SECONDS),
  webhooksMax: Number(vars.WEBHOOKS_MAX),
  experimentsMax: wholeOf('EXPERIMENTS_MAX', vars.EXPERIMENTS_MAX),
  exposuresMax: wholeOf('EXPOSURES_MAX', vars.EXPOSURES_MAX),
  lookupCacheSeconds: Number(vars.LOOKUP_CACHE_SECONDS),
  rateLimit: Number(vars.RATE_LIMIT),
  lookupRateLimit: Number(vars.LOOKUP_RATE_LIMIT),
  doorRateLimit: Number(vars.DOOR_RATE_LIMIT),
  questionRateLimit: Number(vars.QUESTION_RATE_LIMIT),
  ratePeriod: Number(vars.RATE_PERIOD),
})
