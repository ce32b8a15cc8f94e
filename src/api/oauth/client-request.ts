import type { Context } from 'hono'
import { z } from 'zod'
import { Failure } from '../../failure.ts'
import { parseJson } from '../../json.ts'
import { basicCredentials, type Credentials } from '../basic.ts'
import { textOf } from '../body.ts'
import type { Http } from '../http.ts'
import { isJson, isMultipart } from '../valid.ts'

type ClientFields = { client_id?: string | undefined; client_secret?: string | undefined }

/**
 * The request of a client, form-encoded (RFC 6749 §4.4.2) or JSON, with its credentials in the body
 * or in HTTP Basic. Throws `media-type`, `malformed`, `required`, `invalid`, `two-credentials`,
 * `bad-credentials`.
 */
export async function readClientRequest<Request extends ClientFields>(
  c: Context<Http>,
  schema: z.ZodType<Request>,
): Promise<{ request: Request; credentials: Credentials }> {
  const contentType = (c.req.header('content-type') ?? '').trim()
  const saysForm = /^application\/x-www-form-urlencoded\b/i.test(contentType)
  const neither = new Failure({
    reason: 'media-type',
    allowed: ['application/x-www-form-urlencoded', 'application/json'],
  })
  if (isMultipart(contentType)) throw neither
  const text = await textOf(c, saysForm ? 'form' : 'JSON')
  const fields =
    jsonFields(text) ?? (saysForm || fieldOfForm.test(text) ? formFields(text) : undefined)
  if (fields === undefined)
    throw text.trim() === '' || isJson(contentType)
      ? new Failure({ reason: 'malformed', what: 'JSON' })
      : neither

  const { data: request, error } = schema.safeParse(Object.fromEntries(fields))
  const field = error?.issues[0]?.path.join('.') ?? 'body'
  if (request === undefined)
    throw new Failure(
      fields.has(field)
        ? { reason: 'invalid', field, problem: 'must be a string' }
        : { reason: 'required', field },
    )
  const authorization = c.req.header('authorization')
  const credentials =
    authorization === undefined ? inBody(request) : byBasic(authorization, request)
  return { request, credentials }
}

function inBody({ client_id, client_secret }: ClientFields): Credentials {
  if (client_id === undefined) throw new Failure({ reason: 'required', field: 'client_id' })
  if (client_secret === undefined) throw new Failure({ reason: 'required', field: 'client_secret' })
  return { id: client_id, secret: client_secret }
}

/** The body may name the same client (RFC 6749 §3.2.1), without a secret (§2.3). */
function byBasic(
  authorization: string,
  { client_id = '', client_secret = '' }: ClientFields,
): Credentials {
  if (client_secret !== '') throw new Failure({ reason: 'two-credentials' })
  const client = basicCredentials(authorization)
  if (client_id !== '' && client_id !== client.id) throw new Failure({ reason: 'two-credentials' })
  return client
}

/** Each request has one of these fields: a form is recognised by it, whatever its Content-Type. */
const fieldOfForm = /(^|&)(grant_type|token)=/

/** Undefined where the text is no JSON object. */
function jsonFields(text: string): Map<string, unknown> | undefined {
  try {
    return new Map(Object.entries(z.record(z.string(), z.unknown()).parse(parseJson(text))))
  } catch {
    return undefined
  }
}

/** A field sent twice is refused, an empty one left out (RFC 6749 §3.2). */
function formFields(text: string): Map<string, unknown> {
  const fields = new Map<string, unknown>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (fields.has(name))
      throw new Failure({ reason: 'invalid', field: name, problem: 'must not be sent twice' })
    if (value !== '') fields.set(name, value)
  }
  return fields
}

/** The requested scopes, or all of the client's. Throws `scope-not-held`. */
export function grantedScopes(
  held: readonly string[],
  requestedScope: string | undefined,
): readonly string[] {
  const requested = [...new Set((requestedScope ?? '').split(' ').filter((scope) => scope !== ''))]
  const missing = requested.filter((scope) => !held.includes(scope))
  if (missing.length > 0) throw new Failure({ reason: 'scope-not-held', scopes: missing })
  return requested.length > 0 ? requested : held
}
