import type { Context } from 'hono'
import type { Reason } from '../../failure.ts'
import type { Http } from '../http.ts'
import { setRateLimitHeaders, rateLimitSentence } from '../rate-limit.ts'
import { movingSentence, refusalOf } from '../refusal.ts'
import { requestedFlag } from './key.ts'
import { targetingKeyMissing } from './wire.ts'

type Refusal = [status: 400 | 401 | 403 | 404 | 429 | 503, code: string, details: string]

/** Refusals as OFREP 0.3.0 says them. */
function answerTo(facts: Reason): Refusal {
  switch (facts.reason) {
    case 'unauthenticated':
    case 'bad-credentials':
      return [401, 'GENERAL', 'The bearer token is missing or invalid']
    case 'forbidden':
      return [403, 'GENERAL', `The token lacks the scope ${facts.scope}`]
    case 'not-found':
      return [404, 'FLAG_NOT_FOUND', `There is no flag ${facts.id}`]
    case 'operation-unknown':
      return [404, 'GENERAL', `There is no operation ${facts.method} ${facts.path}`]
    case 'too-many-requests':
      return [429, 'GENERAL', rateLimitSentence(facts)]
    case 'moving':
      return [503, 'GENERAL', movingSentence]
    case 'malformed':
      return [400, 'PARSE_ERROR', `The body is not valid ${facts.what}`]
    case 'media-type':
      return [400, 'PARSE_ERROR', `Content-Type must be ${facts.allowed.join(' or ')}`]
    case 'encoding':
      return [400, 'PARSE_ERROR', 'Content-Encoding must be gzip or identity']
    case 'too-large':
      return [400, 'PARSE_ERROR', `The body cannot exceed ${facts.max} bytes`]
    case 'required':
      return facts.field === 'context.targetingKey'
        ? [400, 'TARGETING_KEY_MISSING', targetingKeyMissing]
        : [400, 'INVALID_CONTEXT', `${facts.field} is required`]
    case 'invalid':
      return [400, 'INVALID_CONTEXT', `${facts.field} ${facts.problem}`]
    case 'too-long':
      return [400, 'INVALID_CONTEXT', `${facts.field} cannot exceed ${facts.max} characters`]
    default:
      return [400, 'GENERAL', `The request is refused: ${facts.reason}`]
  }
}

export function onError(error: Error, c: Context<Http>): Response {
  const facts = refusalOf(error, c)
  // Providers read an error only if it repeats the flag's key.
  const flag = requestedFlag(c.req.url)
  const key = flag !== undefined && { key: flag.key }
  if (facts === undefined)
    return c.json({ ...key, errorCode: 'GENERAL', errorDetails: 'Internal server error' }, 500)
  const [status, errorCode, errorDetails] = answerTo(facts)
  if (status === 401) c.header('WWW-Authenticate', 'Bearer')
  setRateLimitHeaders(c, facts)
  return c.json({ ...key, errorCode, errorDetails }, status)
}
