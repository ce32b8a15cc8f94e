import type { Context } from 'hono'
import type { Reason } from '../../failure.ts'
import type { Http } from '../http.ts'
import { sayLimit, tooMany } from '../rate-limit.ts'
import { refusalOf } from '../refusal.ts'
import { flagAsked } from './key.ts'
import { nobodyNamed } from './wire.ts'

type Refusal = [status: 400 | 401 | 403 | 404 | 429, code: string, details: string]

/** Refusals as OFREP 0.3.0 says them. */
function say(facts: Reason): Refusal {
  switch (facts.reason) {
    case 'unauthenticated':
    case 'bad-credentials':
      return [401, 'GENERAL', 'The bearer token is missing or wrong']
    case 'forbidden':
      return [403, 'GENERAL', `The token lacks the scope ${facts.scope}`]
    case 'not-found':
      return [404, 'FLAG_NOT_FOUND', `There is no group ${facts.id}`]
    case 'no-such-operation':
      return [404, 'GENERAL', `There is no operation ${facts.method} ${facts.path}`]
    case 'too-many-requests':
      return [429, 'GENERAL', tooMany(facts)]
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
        ? [400, 'TARGETING_KEY_MISSING', nobodyNamed]
        : [400, 'INVALID_CONTEXT', `${facts.field} is required`]
    case 'invalid':
      return [400, 'INVALID_CONTEXT', `${facts.field} ${facts.problem}`]
    case 'too-long':
      return [400, 'INVALID_CONTEXT', `${facts.field} cannot exceed ${facts.max} characters`]
    default:
      return [400, 'GENERAL', facts.reason]
  }
}

export function onError(error: Error, c: Context<Http>): Response {
  const facts = refusalOf(error, c)
  // Providers read a refusal only if it repeats the flag's key.
  const asked = flagAsked(c.req.url)
  const about = asked !== undefined && { key: asked.key }
  if (facts === undefined)
    return c.json({ ...about, errorCode: 'GENERAL', errorDetails: 'Internal server error' }, 500)
  const [status, errorCode, errorDetails] = say(facts)
  if (status === 401) c.header('WWW-Authenticate', 'Bearer')
  sayLimit(c, facts)
  return c.json({ ...about, errorCode, errorDetails }, status)
}
