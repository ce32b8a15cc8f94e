import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { Failure, faultOf, type Reason } from '../failure.ts'
import type { Http } from './http.ts'

/** Why the request is refused; undefined for a bug, which is logged here. hono says a malformed body in words of its own. */
export function refusalOf(error: Error, c: Context<Http>): Reason | undefined {
  if (error instanceof Failure) return error.facts
  if (error instanceof HTTPException && error.status === 400)
    return { reason: 'malformed', what: 'JSON' }
  console.error(
    JSON.stringify({ event: 'unhandled-error', requestId: c.var.requestId, ...faultOf(error) }),
  )
  return undefined
}

const audiencesMost = 10

/** Audiences as a sentence names them. */
export function audiencesNamed(ids: readonly string[]): string {
  const [only = ''] = ids
  if (ids.length === 1) return `the audience ${only}`
  const named = ids.slice(0, ids.length > audiencesMost ? audiencesMost : -1)
  const last = ids.length > audiencesMost ? `${ids.length - audiencesMost} more` : ids.at(-1)
  return `the audiences ${named.join(', ')} and ${last ?? ''}`
}

/** Ends each face: whatever none of its routes has answered. */
export function noSuchOperation(c: Context<Http>): never {
  throw new Failure({ reason: 'no-such-operation', method: c.req.method, path: c.req.path })
}
