import { objects } from './event-object.ts'

/** What a group's job did to it; `failed` counts the rows that were refused. */
export interface Applied {
  group_id: string
  job_id: string
  type: 'ADD' | 'REMOVE' | 'REPLACE' | 'REVERT'
  revision: number
  added: number
  removed: number
  unchanged: number
  failed: number
}

/** Of a run, whose figures it has; or of groups that were formed anew since the last such event. */
interface Recomputed {
  definition_id: string
  run_id: string | null
  groups: number | null
  users_seated: number | null
  users_over_limit: number | null
  rows_changed: number | null
}

interface OfClient {
  client_id: string
  name: string
}

/** Why a client is refused. */
export const refusalReasons = ['secret', 'expired', 'revoked'] as const

/** Why a job failed. */
export const failureReasons = [
  'no-good-row',
  'gave-up',
  'header',
  'not-text',
  'mostly-bad',
  'limit',
  'rule',
  'overtaken',
  'not-kept',
] as const

interface OfGroupJob {
  job_id: string
  group_id: string
}

interface OfUser {
  /** See person-hash.ts. */
  person_hash: string
}
type OfAudience = { audience_id: string }
interface Filled extends OfAudience {
  group_id: string
}
type OfWebhook = { webhook_id: string }

/**
 * The data of each type of event: ids mostly, by which a receiver gets what it needs; no value of
 * an attribute, and no person's id.
 */
export interface EventData {
  'group.created': { group_id: string; name: string }
  'group.updated': { group_id: string; name: string }
  'group.deleted': { group_id: string }
  'group.participants.changed': Applied
  /** `revision` is what `reverted`, which was live, was before. */
  'group.reverted': OfGroupJob & { reverted: number; revision: number }
  'group.exported': { group_id: string }
  'job.created': {
    job_id: string
    group_id: string | null
    type: 'ADD' | 'REMOVE' | 'REPLACE' | 'REVERT' | 'USERS'
  }
  'job.failed': {
    job_id: string
    group_id: string | null
    reason: (typeof failureReasons)[number]
  }
  'job.held': OfGroupJob & { added: number; removed: number }
  'job.published': OfGroupJob
  'job.cancelled': OfGroupJob
  'job.exported': OfGroupJob & { what: 'added' | 'removed' }
  'upload.created': { upload_id: string; group_id: string | null }
  'upload.deleted': { upload_id: string; group_id: string | null }
  'user.updated': OfUser
  'user.deleted': OfUser
  'users.reported': { reports: number }
  'users.imported': {
    job_id: string
    users_created: number
    attributes_changed: number
    failed: number
  }
  'definition.created': { definition_id: string }
  'definition.updated': { definition_id: string }
  'definition.deleted': { definition_id: string }
  'recompute.requested': { definition_id: string; run_id: string }
  'household.recomputed': Recomputed
  'household.merged': { definition_id: string; corrections: number }
  'household.split': { definition_id: string; corrections: number }
  'correction.created': OfUser & { definition_id: string }
  'correction.deleted': OfUser & { definition_id: string }
  'audience.created': OfAudience
  'audience.updated': OfAudience
  'audience.deleted': OfAudience
  'audience.attached': Filled
  'audience.detached': Filled
  'audience.exported': OfAudience
  'sync.requested': OfAudience & { job_id: string }
  'audience.synced': Applied & OfAudience
  'experiment.created': OfExperiment
  'experiment.updated': OfExperiment & { version: number }
  'experiment.started': OfExperiment & { version: number }
  'experiment.paused': OfExperiment
  'experiment.ended': OfExperiment
  'experiment.deleted': OfExperiment
  'experiment.exported': OfExperiment & { what: 'assignments' | 'exposures' }
  'experiment.imbalanced': Imbalanced
  'exposures.reported': { exposures: number }
  'erasure.requested': ErasureRequested
  'person.erased': Erased
  'webhook.created': OfWebhook
  'webhook.updated': OfWebhook
  'webhook.deleted': OfWebhook
  'webhook.enabled': OfWebhook
  'webhook.paused': OfWebhook
  'webhook.disabled': OfWebhook & { reason: 'gone' | 'failing' }
  'webhook.rotated': OfWebhook
  'webhook.replayed': OfWebhook & { since: string; until: string; only: 'failed' | 'all' }
  'webhook.test': OfWebhook
  'delivery.retried': OfWebhook & { event_id: string }
  'client.created': OfClient & { scopes: string[] }
  'client.rotated': OfClient
  'client.deleted': OfClient
  'client.person.added': OfClient & OfUser
  'client.person.removed': OfClient & OfUser
  'token.revoked': OfClient
  'token.refused': OfClient & { reason: (typeof refusalReasons)[number] }
}

type OfExperiment = { experiment_id: string }

interface Imbalanced extends OfExperiment {
  version: number
  /** Participants who were exposed to each variant. */
  observed: Record<string, number>
  p: number
}

interface ErasureRequested {
  erasure_id: string
  people: number
  /** Of one person; null where a file names them. */
  person_hash: string | null
}

/** The receipt of an erasure. */
interface Erased extends ErasureRequested {
  /** How many of each kind. */
  removed: Record<string, number>
  requested_on: string
  completed_on: string
  /** SHA-256 of all else as JSON, in hexadecimal digits. */
  digest: string
}

export type EventType = keyof EventData

/** Something that has happened in a workspace. */
export type Event = { [Type in EventType]: { type: Type; data: EventData[Type] } }[EventType]

export const eventTypes = Object.keys(objects) as [EventType, ...EventType[]] // as its type says

/** What a webhook that names no types is sent; all other types must be named. */
export const usualTypes: readonly EventType[] = [
  'group.created',
  'group.updated',
  'group.deleted',
  'group.participants.changed',
  'job.failed',
  'definition.created',
  'definition.updated',
  'definition.deleted',
  'household.recomputed',
  'audience.synced',
  'experiment.started',
  'experiment.paused',
  'experiment.ended',
  'experiment.imbalanced',
  'webhook.disabled',
  'webhook.test',
]

export const deliveryStates = ['pending', 'delivered', 'failed'] as const
