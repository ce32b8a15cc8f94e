import type { Context } from 'hono'
import type { Problem } from '../../jobs/problem.ts'
import type { JobIs, Reason } from '../../failure.ts'
import type { Http } from '../http.ts'
import { keyReusedSentence, movingSentence, named, refusalOf } from '../refusal.ts'
import { tusRefusal, type TusStatus } from '../tus-errors.ts'
import { setRateLimitHeaders, rateLimitSentence } from '../rate-limit.ts'

/** The names that fields have in this dialect. */
const fieldNames: Record<string, string> = { name: 'groupName', description: 'groupDescription' }
const fieldNameOf = (field: string) => fieldNames[field] ?? field

const saveAsCsv = 'Save it as CSV, one participant id to a line, and upload that.'

const takenNames = {
  group: 'A group with name',
  definition: 'A group definition with id',
  audience: 'An audience with id',
  experiment: 'An experiment with id',
} as const

const refusedTo = {
  publish: (id: string) => `jobId ${id} cannot be published`,
  cancel: (id: string) => `jobId ${id} cannot be cancelled`,
  list: (id: string) => `The changes of jobId ${id} cannot be listed`,
}

const became: Record<JobIs, string> = {
  'not-held': 'it is not held',
  waiting: 'it has not begun',
  running: 'it goes on',
  live: 'its changes are live',
  superseded: 'a later job has changed the group since',
  failed: 'it has failed',
  cancelled: 'it is cancelled',
  'of-erasure': 'it removes people who are erased',
}

const irreversible = {
  'no-revision': 'nothing has changed it yet',
  erasure: 'its live revision removed people who are erased',
}

function removalSentence({ removed, given }: Extract<Reason, { reason: 'removal' }>): string {
  if (given === undefined)
    return `The job would remove ${removed} members: publish it with {"expectedRemoved": ${removed}}.`
  return `The job would remove ${removed} members, not ${given}.`
}

type Refusal = [
  status: 400 | 401 | 429 | 503 | TusStatus,
  code: '2000' | '2001' | '2003' | '2004',
  message: string,
]

/** Refusals as Experience Groups words them ("Error codes"). */
function answerTo(facts: Reason): Refusal {
  switch (facts.reason) {
    case 'unauthenticated':
    case 'forbidden':
    case 'bad-credentials':
      return [401, '2003', 'Invalid Authorization']
    case 'moving':
      return [503, '2001', `${movingSentence}.`]
    case 'header-invalid':
      return [400, '2000', `Header ${facts.header} is invalid`]
    case 'key-reused':
      return [400, '2000', keyReusedSentence]
    case 'not-an-id':
      return [400, '2000', `Invalid groupId ${facts.id}`]
    case 'not-found':
      if (facts.what === 'upload') return [404, '2000', `uploadId ${facts.id} not found`]
      if (facts.what === 'group')
        return [400, '2000', `groupId ${facts.id} not found or has been marked for deletion`]
      return [400, '2000', `${facts.what}Id ${facts.id} not found`]
    case 'required':
      return [400, '2000', `${fieldNameOf(facts.field)} is required`]
    case 'too-long':
      return [400, '2000', `${fieldNameOf(facts.field)} cannot exceed ${facts.max} characters`]
    case 'invalid':
      return [400, '2000', `${fieldNameOf(facts.field)} ${facts.problem}`]
    case 'taken':
      return [400, '2004', `${takenNames[facts.what]} ${facts.name} already exists.`]
    case 'media-type':
      return [400, '2000', `Content-Type must be ${facts.allowed.join(' or ')}`]
    case 'malformed':
      return [400, '2000', `The request body is not valid ${facts.what}`]
    case 'encoding':
      return [400, '2000', 'Content-Encoding must be gzip or identity']
    case 'cut-short':
      return [400, '2000', 'The request body ended before it was complete']
    case 'too-large':
      return [400, '2000', `The request body cannot exceed ${facts.max} bytes`]
    case 'upload-type-missing':
      return [400, '2000', 'Type parameter is required.']
    case 'upload-type-unknown':
      return [400, '2000', 'Invalid type value. Type value can only be ADD, REMOVE, or REPLACE.']
    case 'file-empty':
      return [400, '2000', 'Uploaded file data is empty.']
    case 'file-content':
      return [
        400,
        '2000',
        `File content is not a list of participants: it looks like ${facts.what}. ${saveAsCsv}`,
      ]
    case 'file-too-large':
      return [400, '2000', `The file cannot be larger than ${facts.max} bytes`]
    case 'file-type':
      return [400, '2000', `File type: ${facts.contentType} not allowed.`]
    case 'jobs-waiting':
      return [400, '2001', 'There are import jobs in process, need to wait for them to finish.']
    case 'uploads-in-flight':
      return [400, '2001', 'There are too many uploads in progress: try again in a few seconds.']
    case 'resumable': {
      const [status, sentence] = tusRefusal(facts.refusal)
      return [status, status === 423 ? '2001' : '2000', sentence]
    }
    case 'idle':
      return [400, '2000', `The upload has ended, as nothing came for ${facts.seconds} seconds`]
    // Not in the vendor's table, but clients only wait after a 429 (RFC 6585 §4).
    case 'too-many-requests':
      return [429, '2001', rateLimitSentence(facts)]
    case 'operation-unknown':
      return [400, '2000', `There is no operation ${facts.method} ${facts.path}`]
    case 'limit':
      return limitReached(facts)
    case 'filled-by-audience':
      return [
        400,
        '2001',
        `The group is filled by the audience ${facts.name} (${facts.audience}): detach it before you upload.`,
      ]
    case 'job-state': {
      const { id, to, is } = facts
      return [400, '2001', `${refusedTo[to](id)}: ${became[is]}.`]
    }
    case 'revision':
      return [400, '2001', `The group is at revision ${facts.live}, not at ${facts.expected}.`]
    case 'job-before':
      return [400, '2001', `jobId ${facts.id} has not ended, and may change the group before.`]
    case 'nothing-to-revert':
      return [400, '2001', `groupId ${facts.id} cannot be reverted: ${irreversible[facts.why]}.`]
    case 'removal':
      return [400, '2001', removalSentence(facts)]
    case 'in-use':
      return [
        400,
        '2001',
        `groupId ${facts.id} is used by ${named('audience', facts.by)}: change or delete what uses it first.`,
      ]
    case 'in-experiments':
      return [
        400,
        '2001',
        `groupId ${facts.id} is used by ${named('experiment', facts.by)}: end them first.`,
      ]
    case 'move-state':
    case 'rule-refused':
    case 'out-of-time':
    case 'cycle':
    case 'not-attached':
    case 'two-credentials':
    case 'grant-unknown':
    case 'audience-unknown':
    case 'scope-not-held':
    case 'other-workspace':
    case 'form-expired':
    case 'user-missing':
    case 'attribute-refused':
    case 'secret-lost':
      return [400, '2000', `The request is refused: ${facts.reason}`]
  }
}

function limitReached({ what, max }: Extract<Reason, { reason: 'limit' }>): Refusal {
  if (what === 'groups')
    return [400, '2000', `There cannot be more than ${max} groups in a workspace.`]
  if (what === 'waiting-bytes')
    return [
      400,
      '2001',
      `Files that wait to be applied cannot have more than ${max} bytes together: try again later.`,
    ]
  if (what === 'open-uploads')
    return [400, '2001', `There cannot be more than ${max} unfinished uploads in a workspace.`]
  return [400, '2000', `The number of ${what} is limited to ${max}`]
}

/** Problems of a row or a whole file, as Experience Groups words them. */
export const problemSentences = (participantMax: number): Record<Problem, string> => ({
  columns: 'Incorrect number of columns.  File should only contain 1 column for ParticipantId',
  format: 'Invalid participant ID format',
  'gave-up': 'The import could not be finished.  Nothing of it was applied.',
  header: 'A header stands in the middle of the file.',
  limit:
    'The groups of the workspace would have more participants than they may together.  ' +
    'Nothing of it was applied.',
  'no-row': 'The file has no participant.',
  'not-text': 'The file is not text: it has a NUL byte.  Save it as CSV in UTF-8.',
  operation:
    'Incorrect number of columns.  File should only contain 1 column for ParticipantId: ' +
    'the operation is the type of the upload, not a column.',
  'not-kept': 'The revision before is no longer kept as a whole.  Nothing was changed.',
  overtaken: 'Another revision went live before the revert began.  Nothing was changed.',
  rule: 'The rule of the audience could not be evaluated.',
  'too-long': `ParticipantId cannot be larger than ${participantMax} characters`,
})

/** Problems in the order of their sentences, by which lists are sorted. */
export const problemOrder = Object.entries(problemSentences(0))
  .sort(([, a], [, b]) => (a < b ? -1 : 1))
  .map(([problem]) => problem as Problem) // the keys of the sentences

export function onError(error: Error, c: Context<Http>): Response {
  const facts = refusalOf(error, c)
  if (facts === undefined) return c.json({ code: '2001', message: 'Internal server error' }, 500)
  const [status, code, message] = answerTo(facts)
  if (status === 401) c.header('WWW-Authenticate', challenge(facts))
  setRateLimitHeaders(c, facts)
  return c.json({ code, message }, status)
}

/** Without an error where no token was sent (RFC 6750 §3). */
function challenge(facts: Reason): string {
  if (facts.reason === 'forbidden')
    return `Bearer error="insufficient_scope", scope="${facts.scope}"`
  return facts.reason === 'unauthenticated' && facts.why === 'missing'
    ? 'Bearer'
    : 'Bearer error="invalid_token"'
}
