/** Why a request is refused: facts, which each dialect's `errors.ts` makes sentences of. */
export type Reason =
  | { reason: 'unauthenticated'; why: 'missing' | 'invalid' }
  | { reason: 'forbidden'; scope: string }
  | { reason: 'other-workspace' }
  | { reason: 'form-expired' }
  | { reason: 'bad-credentials'; why: 'wrong' | 'expired' }
  | { reason: 'two-credentials' }
  | { reason: 'grant-unknown' }
  | { reason: 'audience-unknown'; audiences: readonly string[] }
  | { reason: 'scope-not-held'; scopes: readonly string[] }
  | { reason: 'header-invalid'; header: string }
  | { reason: 'key-reused' }
  | { reason: 'secret-lost'; what: 'client' | 'webhook'; id: string }
  | { reason: 'media-type'; allowed: readonly string[] }
  | { reason: 'malformed'; what: 'JSON' | 'multipart' | 'form' | 'gzip' | 'CSV' }
  | { reason: 'encoding' }
  | { reason: 'cut-short' }
  | { reason: 'too-large'; max: number }
  | { reason: 'required'; field: string }
  | { reason: 'too-long'; field: string; max: number }
  | { reason: 'invalid'; field: string; problem: string }
  | { reason: 'not-an-id'; what: 'group'; id: string }
  | {
      reason: 'not-found'
      what:
        | 'group'
        | 'job'
        | 'client'
        | 'definition'
        | 'correction'
        | 'household'
        | 'run'
        | 'preview'
        | 'user'
        | 'attribute'
        | 'audience'
        | 'webhook'
        | 'delivery'
        | 'event'
        | 'erasure'
        | 'experiment'
        | 'flag'
        | 'upload'
        | 'workspace'
        | 'move'
      id: string
    }
  | { reason: 'taken'; what: 'group' | 'definition' | 'audience' | 'experiment'; name: string }
  | { reason: 'limit'; what: Limited; max: number }
  | {
      reason: 'rule-refused'
      pointer: string
      problem: string
      /** Of a rule that costs too much. */
      cost?: { is: number; max: number }
    }
  | {
      reason: 'in-use'
      what: 'group' | 'definition' | 'attribute' | 'audience'
      id: string
      /** Audiences. */
      by: readonly string[]
    }
  | { reason: 'in-experiments'; what: 'group' | 'definition'; id: string; by: readonly string[] }
  | { reason: 'cycle'; group: string; audience: string }
  | { reason: 'not-attached'; audience: string }
  | { reason: 'filled-by-audience'; audience: string; name: string }
  | { reason: 'user-missing' }
  | { reason: 'attribute-refused'; name: string | undefined; problem: string }
  | { reason: 'upload-type-missing' }
  | { reason: 'upload-type-unknown' }
  | { reason: 'file-empty' }
  | { reason: 'file-content'; what: string }
  | { reason: 'file-too-large'; max: number }
  | { reason: 'file-type'; contentType: string }
  | { reason: 'jobs-waiting'; max: number }
  | { reason: 'job-state'; id: string; to: 'publish' | 'cancel' | 'list'; is: JobIs }
  | { reason: 'revision'; live: number; expected: string }
  | { reason: 'job-before'; id: string }
  | { reason: 'nothing-to-revert'; id: string; why: 'no-revision' | 'erasure' }
  | { reason: 'removal'; removed: number; given: number | undefined }
  | { reason: 'moving' }
  | { reason: 'move-state'; id: string; is: 'under-way' | 'to-be-swept' | 'over' }
  | { reason: 'out-of-time'; scanned: number; users?: number }
  | { reason: 'uploads-in-flight'; seconds: number }
  | { reason: 'resumable'; refusal: ResumableRefusal }
  | { reason: 'idle'; seconds: number }
  | { reason: 'too-many-requests'; most: number; seconds: number }
  | { reason: 'operation-unknown'; method: string; path: string }

/** What has become of a job, so that it cannot be published or cancelled, nor its changes be listed. */
export type JobIs =
  'not-held' | 'waiting' | 'running' | 'live' | 'superseded' | 'failed' | 'cancelled' | 'of-erasure'

/** Why a request about a resumable upload is refused. */
export type ResumableRefusal =
  | { is: 'version' }
  | { is: 'content-type' }
  | { is: 'too-large'; max: number }
  | { is: 'too-short'; least: number }
  | { is: 'too-long'; length: number }
  | { is: 'other-offset' }
  | { is: 'locked' }
  | { is: 'crowded'; seconds: number }

/** What a workspace, a definition or a user has no more than so many of. */
export type Limited =
  | 'definitions'
  | 'corrections'
  | 'attributes'
  | 'previews'
  | 'audiences'
  | 'webhooks'
  | 'experiments'
  | 'exposures'
  | 'groups'
  | 'users'
  | 'user-attributes'
  | 'profile-bytes'
  | 'waiting-bytes'
  | 'open-uploads'

/** Refuses the request; nothing has changed. */
export class Failure extends Error {
  readonly facts: Reason
  constructor(facts: Reason) {
    super(facts.reason)
    this.facts = facts
  }
}

/** The refusal of a field of the request, which reads on from its name: `must be …`. */
export const invalid = (field: string, problem: string): Failure =>
  new Failure({ reason: 'invalid', field, problem })

/**
 * An error as a log may have it: of drizzle's only the cause, as their message lists the query's
 * parameters, people's ids among them.
 */
export function faultOf(error: unknown): { error: string; stack?: string | undefined } {
  const fault = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return fault instanceof Error
    ? { error: fault.message, stack: fault.stack }
    : { error: String(fault) }
}

/** What D1 says when the same may succeed later (D1, "Debug D1": errors to be retried). */
const passing = [
  'D1 DB is overloaded',
  'reset because its code was updated',
  'Network connection lost',
  'storage operation exceeded timeout',
  'Internal error while starting up D1 DB storage',
  'Internal error in D1 DB storage',
  'transient issue on remote node',
]

/** What the database says of a write to a workspace that is moved at that moment, or was. */
export const workspaceMoved = 'workspace-moved'

/** Whether an error, or what caused it, says that: where the workspace is then, it succeeds. */
export const isMoving = (error: unknown): boolean =>
  error instanceof Error && (error.message.includes(workspaceMoved) || isMoving(error.cause))

/** An invocation was over before it came to some of its work. */
export class OutOfTime extends Error {}

/** Whether an error, or what caused it, passes: the database's, or that of an invocation. */
export function isPassing(error: unknown): boolean {
  if (error instanceof OutOfTime || isMoving(error)) return true
  if (!(error instanceof Error)) return false
  return passing.some((text) => error.message.includes(text)) || isPassing(error.cause)
}
