import type { Context } from 'hono'
import type { Reason } from '../../failure.ts'
import type { Http } from '../http.ts'
import {
  keyReusedSentence,
  movingSentence,
  named,
  refusalOf,
  secretLostSentence,
} from '../refusal.ts'
import { tusRefusal, type TusStatus } from '../tus-errors.ts'
import { setRateLimitHeaders, rateLimitSentence } from '../rate-limit.ts'

type Refusal = [status: 400 | 401 | 403 | 404 | 422 | 429 | 503 | TusStatus, message: string]

const limitNames = {
  definitions: 'groups in a workspace',
  attributes: 'attributes of a group',
  previews: 'previews in an hour',
  corrections: 'corrections of a group',
  audiences: 'audiences in a workspace',
  webhooks: 'webhooks in a workspace',
  experiments: 'experiments in a workspace',
  exposures: 'exposures in a workspace',
  groups: 'experience groups in a workspace',
  users: 'users in a workspace',
  'user-attributes': 'attributes of a user',
  'profile-bytes': 'bytes of all attributes of a user',
  'waiting-bytes': 'bytes of files that wait in a workspace',
  'open-uploads': 'unfinished uploads in a workspace',
} as const

const kindNames = {
  group: 'group',
  definition: 'group definition',
  attribute: 'shared attribute',
  audience: 'audience',
} as const

const takenNames = {
  group: 'An experience group with name',
  definition: 'A group with id',
  audience: 'An audience with id',
  experiment: 'An experiment with id',
} as const

/** Refusals as Group Identity words them ("Error handling"). */
function answerTo(facts: Reason): Refusal {
  switch (facts.reason) {
    case 'unauthenticated':
    case 'bad-credentials':
      return [401, 'Unauthorized']
    case 'forbidden':
    case 'other-workspace':
      return [403, 'Forbidden']
    case 'not-found':
    case 'operation-unknown':
      return [404, 'Not found']
    case 'too-many-requests':
      return [429, rateLimitSentence(facts)]
    case 'out-of-time':
      return [503, `There was time for ${scannedOf(facts)}`]
    case 'moving':
      return [503, movingSentence]
    case 'user-missing':
      return [400, 'No user ID provided']
    case 'attribute-refused':
      return [
        400,
        facts.name === undefined
          ? `user_attributes ${facts.problem}`
          : `The user attribute ${facts.name} ${facts.problem}`,
      ]
    case 'malformed':
      return [400, `The request body is not valid ${facts.what}`]
    case 'media-type':
      return [400, `Content-Type must be ${facts.allowed.join(' or ')}`]
    case 'encoding':
      return [400, 'Content-Encoding must be gzip or identity']
    case 'cut-short':
      return [400, 'The request body ended before it was complete']
    case 'too-large':
      return [400, `The request body cannot exceed ${facts.max} bytes`]
    case 'file-empty':
      return [400, 'The file is empty']
    case 'file-content':
      return [
        400,
        `File content is not a list of users: it looks like ${facts.what}. Save it as CSV and upload that.`,
      ]
    case 'file-too-large':
      return [400, `The file cannot be larger than ${facts.max} bytes`]
    case 'file-type':
      return [400, `The file cannot be of type ${facts.contentType}`]
    case 'required':
      return [422, `${facts.field} is required`]
    case 'too-long':
      return [422, `${facts.field} cannot exceed ${facts.max} characters`]
    case 'invalid':
      return [422, `${facts.field} ${facts.problem}`]
    case 'key-reused':
      return [422, keyReusedSentence]
    case 'secret-lost':
      return [422, secretLostSentence(facts)]
    case 'taken':
      return [422, `${takenNames[facts.what]} ${facts.name} already exists`]
    case 'rule-refused':
      return [422, `${facts.pointer} ${facts.problem}`]
    case 'in-use':
      return [
        422,
        `The ${kindNames[facts.what]} ${facts.id} is used by ${named('audience', facts.by)}`,
      ]
    case 'in-experiments':
      return [
        422,
        `The ${kindNames[facts.what]} ${facts.id} is used by ${named('experiment', facts.by)}`,
      ]
    case 'cycle':
      return [
        422,
        `The audience ${facts.audience} cannot fill the experience group ${facts.group} and depend on it`,
      ]
    case 'not-attached':
      return [422, `The audience ${facts.audience} is not attached to an experience group`]
    case 'limit':
      return [422, `The number of ${limitNames[facts.what]} is limited to ${facts.max}`]
    case 'jobs-waiting':
      return [422, `There are ${facts.max} unfinished jobs already; try again when one has ended`]
    case 'uploads-in-flight':
      return [429, 'There are too many uploads in progress; try again in a few seconds']
    case 'resumable':
      return tusRefusal(facts.refusal)
    case 'idle':
      return [400, `The upload has ended, as nothing came for ${facts.seconds} seconds`]
    case 'header-invalid':
      return [400, `Header ${facts.header} is invalid`]
    case 'move-state':
    case 'form-expired':
    case 'not-an-id':
    case 'two-credentials':
    case 'grant-unknown':
    case 'audience-unknown':
    case 'scope-not-held':
    case 'upload-type-missing':
    case 'upload-type-unknown':
    case 'filled-by-audience':
    case 'job-state':
    case 'revision':
    case 'job-before':
    case 'nothing-to-revert':
    case 'removal':
      return [400, `The request is refused: ${facts.reason}`]
  }
}

const scannedOf = ({ scanned, users }: Extract<Reason, { reason: 'out-of-time' }>) =>
  users === undefined ? `${scanned} users` : `${scanned} of ${users} users`

/** Seconds after which a question that had no time may be asked again. */
const retryAfter = 60

export function onError(error: Error, c: Context<Http>): Response {
  const facts = refusalOf(error, c)
  if (facts === undefined) return c.json({ errors: [{ message: 'Internal server error' }] }, 500)
  const [status, message] = answerTo(facts)
  if (status === 401) c.header('WWW-Authenticate', 'Bearer')
  setRateLimitHeaders(c, facts)
  if (facts.reason === 'out-of-time') c.header('Retry-After', `${retryAfter}`)
  return c.json(
    { errors: [{ message, ...(facts.reason === 'rule-refused' && { pointer: facts.pointer }) }] },
    status,
  )
}

const codes = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
} as const

const isShown = (status: number): status is keyof typeof codes => status in codes

/** Refusals of the Events API: with a code, and 400 in place of 422. */
export function onEventsError(error: Error, c: Context<Http>): Response {
  const facts = refusalOf(error, c)
  if (facts === undefined)
    return c.json(
      { errors: [{ code: 'INTERNAL_SERVER_ERROR', message: 'Internal server error' }] },
      500,
    )
  const [status, message] = answerTo(facts)
  const shown = isShown(status) ? status : 400
  setRateLimitHeaders(c, facts)
  if (shown === 401) c.header('WWW-Authenticate', 'Basic realm="events"')
  return c.json({ errors: [{ code: codes[shown], message }] }, shown)
}
