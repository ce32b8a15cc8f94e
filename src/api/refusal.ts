import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { Failure, faultOf, isMoving, type Reason } from '../failure.ts'
import { isTaken } from '../idempotency/keys.ts'
import type { Http } from './http.ts'

/** Why the request is refused; undefined for a bug, which is logged here. */
export function refusalOf(error: Error, c: Context<Http>): Reason | undefined {
  if (error instanceof Failure) return error.facts
  // hono's own error for a malformed body.
  if (error instanceof HTTPException && error.status === 400)
    return { reason: 'malformed', what: 'JSON' }
  if (isMoving(error)) return { reason: 'moving' }
  // Another request with the key was first: what that one was answered is the answer.
  if (isTaken(error)) return undefined
  console.error(
    JSON.stringify({ event: 'unhandled-error', requestId: c.var.requestId, ...faultOf(error) }),
  )
  return undefined
}

export const keyReusedSentence = 'The Idempotency-Key was sent with another request before'

export const secretLostSentence = ({ what, id }: Extract<Reason, { reason: 'secret-lost' }>) =>
  `The ${what} ${id} has got its secret, but the answer that showed it is lost: rotate the secret`

export const movingSentence = 'The workspace is being moved: try again in a second'

const namedMost = 10

/** What uses something, as a part of a sentence. */
export function named(kind: 'audience' | 'experiment', ids: readonly string[]): string {
  const [only = ''] = ids
  if (ids.length === 1) return `the ${kind} ${only}`
  const first = ids.slice(0, ids.length > namedMost ? namedMost : -1)
  const last = ids.length > namedMost ? `${ids.length - namedMost} more` : ids.at(-1)
  return `the ${kind}s ${first.join(', ')} and ${last ?? ''}`
}

/** The last route of each dialect. */
export function unknownOperation(c: Context<Http>): never {
  throw new Failure({ reason: 'operation-unknown', method: c.req.method, path: c.req.path })
}
