import type { Context } from 'hono'
import { z } from 'zod'
import { Failure } from '../../failure.ts'
import { parseJson } from '../../json.ts'
import { basicCredentials } from '../basic.ts'
import { textOf } from '../body.ts'
import type { Http } from '../http.ts'
import { isJson, isMultipart } from '../valid.ts'
import { TokenRequest } from './wire.ts'

export interface TokenAsked {
  grant: string
  id: string
  secret: string
  audience: string | undefined
  scope: string | undefined
}

/**
 * A token request in either form, form-encoded (RFC 6749 §4.4.2) or JSON, its client in the body or in HTTP Basic. What the body is
 * decides, and its content type where it is neither.
 */
export async function tokenAsked(c: Context<Http>): Promise<TokenAsked> {
  const contentType = (c.req.header('content-type') ?? '').trim()
  const saysForm = /^application\/x-www-form-urlencoded\b/i.test(contentType)
  const neither = new Failure({
    reason: 'media-type',
    allowed: ['application/x-www-form-urlencoded', 'application/json'],
  })
  if (isMultipart(contentType)) throw neither
  const text = await textOf(c, saysForm ? 'form' : 'JSON')
  const fields =
    jsonFields(text) ?? (saysForm || grantInForm.test(text) ? formFields(text) : undefined)
  if (fields === undefined)
    throw text.trim() === '' || isJson(contentType)
      ? new Failure({ reason: 'malformed', what: 'JSON' })
      : neither

  const asked = TokenRequest.safeParse(Object.fromEntries(fields))
  const field = asked.error?.issues[0]?.path.join('.') ?? 'body'
  if (!asked.success)
    throw new Failure(
      fields.has(field)
        ? { reason: 'invalid', field, problem: 'must be a string' }
        : { reason: 'required', field },
    )
  const { grant_type: grant, client_id, client_secret, audience, scope } = asked.data

  const authorization = c.req.header('authorization')
  if (authorization !== undefined)
    return { grant, ...clientByBasic(authorization, asked.data), audience, scope }
  if (client_id === undefined) throw new Failure({ reason: 'required', field: 'client_id' })
  if (client_secret === undefined) throw new Failure({ reason: 'required', field: 'client_secret' })
  return { grant, id: client_id, secret: client_secret, audience, scope }
}

/**
 * The client of an `Authorization` header. The body may name it again (RFC 6749 §3.2.1), but no other, and may not bring a secret, even
 * the same: a client uses one way to authenticate (§2.3).
 */
function clientByBasic(
  authorization: string,
  { client_id = '', client_secret = '' }: z.infer<typeof TokenRequest>,
): { id: string; secret: string } {
  if (client_secret !== '') throw new Failure({ reason: 'two-credentials' })
  const client = basicCredentials(authorization)
  if (client_id !== '' && client_id !== client.id) throw new Failure({ reason: 'two-credentials' })
  return client
}

/** What a token cannot be asked without, as a form has it. */
const grantInForm = /(^|&)grant_type=/

/** The fields of a text that is JSON, and an object. Undefined for any other. */
function jsonFields(text: string): Map<string, unknown> | undefined {
  try {
    return new Map(Object.entries(z.record(z.string(), z.unknown()).parse(parseJson(text))))
  } catch {
    return undefined
  }
}

/** A parameter sent twice is refused, one sent empty counts as not sent (RFC 6749 §3.2). */
function formFields(text: string): Map<string, unknown> {
  const fields = new Map<string, unknown>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (fields.has(name))
      throw new Failure({ reason: 'invalid', field: name, problem: 'must not be sent twice' })
    if (value !== '') fields.set(name, value)
  }
  return fields
}

/** The scopes asked for, or all that the client holds. */
export function grantedScopes(
  held: readonly string[],
  asked: string | undefined,
): readonly string[] {
  const wanted = [...new Set((asked ?? '').split(' ').filter((scope) => scope !== ''))]
  const missing = wanted.filter((scope) => !held.includes(scope))
  if (missing.length > 0) throw new Failure({ reason: 'scope-not-held', scopes: missing })
  return wanted.length > 0 ? wanted : held
}
