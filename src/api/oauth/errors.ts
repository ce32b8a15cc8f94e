import type { Context } from 'hono'
import type { Reason } from '../../failure.ts'
import type { Http } from '../http.ts'
import { rateLimitSentence, setRateLimitHeaders } from '../rate-limit.ts'
import { keyReusedSentence, movingSentence, refusalOf, secretLostSentence } from '../refusal.ts'

type Refusal = [status: 400 | 401 | 404 | 409 | 429 | 503, error: string, description: string]

const clientSentences = {
  wrong: 'Unknown client or wrong secret',
  expired: 'The client has expired',
} as const

const moveSentences = {
  'under-way': (id: string) => `The move ${id} of the workspace is under way`,
  'to-be-swept': (id: string) => `What the move ${id} of the workspace has left is not deleted yet`,
  over: (id: string) => `The move ${id} is over`,
} as const

/** Refusals as OAuth says them (RFC 6749 §5.2, RFC 6750 §3.1). */
function answerTo(facts: Reason): Refusal {
  switch (facts.reason) {
    case 'bad-credentials':
      return [401, 'invalid_client', clientSentences[facts.why]]
    case 'two-credentials':
      return [
        400,
        'invalid_request',
        'With HTTP Basic, the body must have no client_secret, and no other client_id',
      ]
    case 'grant-unknown':
      return [400, 'unsupported_grant_type', 'grant_type must be client_credentials']
    case 'audience-unknown':
      return [400, 'invalid_request', `audience must be one of: ${facts.audiences.join(' ')}`]
    case 'scope-not-held':
      return [400, 'invalid_scope', `The client does not hold: ${facts.scopes.join(' ')}`]
    case 'unauthenticated':
      return [401, 'invalid_token', 'The bearer token is missing or invalid']
    case 'forbidden':
      return [401, 'insufficient_scope', `The token lacks the scope ${facts.scope}`]
    case 'media-type':
      return [400, 'invalid_request', `Content-Type must be ${facts.allowed.join(' or ')}`]
    case 'malformed':
      return [400, 'invalid_request', `The body is not valid ${facts.what}`]
    case 'encoding':
      return [400, 'invalid_request', 'Content-Encoding must be gzip or identity']
    case 'cut-short':
      return [400, 'invalid_request', 'The body ended before it was complete']
    case 'too-large':
      return [400, 'invalid_request', `The body cannot exceed ${facts.max} bytes`]
    case 'required':
      return [400, 'invalid_request', `${facts.field} is required`]
    case 'too-long':
      return [400, 'invalid_request', `${facts.field} cannot exceed ${facts.max} characters`]
    case 'invalid':
      return [400, 'invalid_request', `${facts.field} ${facts.problem}`]
    case 'key-reused':
      return [400, 'invalid_request', keyReusedSentence]
    case 'secret-lost':
      return [400, 'invalid_request', secretLostSentence(facts)]
    case 'not-found':
      return [404, 'not_found', `There is no ${facts.what} ${facts.id}`]
    case 'operation-unknown':
      return [404, 'not_found', `There is no operation ${facts.method} ${facts.path}`]
    case 'too-many-requests':
      return [429, 'temporarily_unavailable', rateLimitSentence(facts)]
    case 'moving':
      return [503, 'temporarily_unavailable', movingSentence]
    case 'move-state':
      return [409, 'invalid_request', moveSentences[facts.is](facts.id)]
    case 'header-invalid':
    case 'not-an-id':
    case 'taken':
    case 'upload-type-missing':
    case 'upload-type-unknown':
    case 'file-empty':
    case 'file-content':
    case 'file-too-large':
    case 'file-type':
    case 'jobs-waiting':
    case 'job-state':
    case 'revision':
    case 'job-before':
    case 'nothing-to-revert':
    case 'removal':
    case 'uploads-in-flight':
    case 'resumable':
    case 'idle':
    case 'form-expired':
    case 'other-workspace':
    case 'limit':
    case 'user-missing':
    case 'attribute-refused':
    case 'rule-refused':
    case 'out-of-time':
    case 'in-use':
    case 'in-experiments':
    case 'cycle':
    case 'not-attached':
    case 'filled-by-audience':
      return [400, 'invalid_request', `The request is refused: ${facts.reason}`]
  }
}

export function onError(error: Error, c: Context<Http>): Response {
  const facts = refusalOf(error, c)
  if (facts === undefined)
    return c.json({ error: 'server_error', error_description: 'Internal server error' }, 500)
  const [status, code, description] = answerTo(facts)
  if (code === 'invalid_token') c.header('WWW-Authenticate', 'Bearer')
  if (code === 'invalid_client' && /^basic\b/i.test(c.req.header('authorization') ?? ''))
    c.header('WWW-Authenticate', 'Basic realm="token"')
  setRateLimitHeaders(c, facts)
  return c.json({ error: code, error_description: description }, status)
}
