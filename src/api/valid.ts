import { zValidator } from '@hono/zod-validator'
import { createMiddleware } from 'hono/factory'
import { resolver, uniqueSymbol } from 'hono-openapi'
import type { z } from 'zod'
import { Failure } from '../failure.ts'
import { parseJson } from '../json.ts'
import { boundedBody, textOf } from './body.ts'
import type { Http } from './http.ts'

/** Checks a part of the request, and describes it. Throws `required`, `too-long`, `invalid`. */
export const valid = <Schema extends z.ZodType, Target extends 'json' | 'query' | 'param'>(
  target: Target,
  schema: Schema,
) =>
  Object.assign(zValidator(target, schema, refuse), {
    [uniqueSymbol]: { target, ...resolver(schema) },
  })

const refuse = (result: { success: boolean; data: unknown; error?: z.core.$ZodError }) => {
  if (!result.success) throw refusalOfShape(result.error?.issues[0], result.data)
}

/**
 * Reads a bounded body as JSON whatever its content type, but for multipart. Stands before
 * `valid('json', …)`. An empty one is read as `empty`. Throws `media-type`, `malformed` and what
 * `textOf` throws.
 */
const bodyAsJson = (empty: string) =>
  createMiddleware<Http>((c, next) =>
    boundedBody(c, async () => {
      const contentType = c.req.header('content-type') ?? ''
      const notJson = new Failure({ reason: 'media-type', allowed: ['application/json'] })
      if (isMultipart(contentType)) throw notJson
      const sent = await textOf(c, 'JSON')
      const text = sent.trim() === '' ? empty : sent
      const body = read(text)
      if (body === undefined)
        throw text.trim() === '' || isJson(contentType)
          ? new Failure({ reason: 'malformed', what: 'JSON' })
          : notJson
      const headers = new Headers(c.req.raw.headers)
      headers.set('content-type', 'application/json')
      headers.delete('content-encoding')
      headers.delete('content-length')
      c.req.bodyCache = {}
      c.req.raw = new Request(c.req.raw, { headers, body: text })
      c.req.json = <T>() => Promise.resolve(body.json as T) // checked by `valid`
      await next()
    }),
  )

export const jsonBody = bodyAsJson('')
export const optionalJsonBody = bodyAsJson('{}')

export const isJson = (contentType: string) =>
  /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType.trim())

export const isMultipart = (contentType: string) => /^\s*multipart\//i.test(contentType)

function read(text: string): { json: unknown } | undefined {
  try {
    return { json: parseJson(text) }
  } catch {
    return undefined
  }
}

/** Why a body is refused, by its first issue. */
export function refusalOfShape(issue: z.core.$ZodIssue | undefined, data: unknown): Failure {
  if (issue === undefined || issue.path.length === 0)
    return new Failure({ reason: 'invalid', field: 'body', problem: problemOfBody(issue) })
  const field = issue.path.join('.')
  const value = issue.path.reduce<unknown>((inside, key) => Object(inside)[key], data)
  if (value === undefined || (typeof value === 'string' && value.trim() === ''))
    return new Failure({ reason: 'required', field })
  if (issue.code === 'too_big' && issue.origin === 'string')
    return new Failure({ reason: 'too-long', field, max: Number(issue.maximum) })
  const problem =
    issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')
      ? `must be of type ${issue.expected}`
      : issue.message
  return new Failure({ reason: 'invalid', field, problem })
}

function problemOfBody(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined || issue.code === 'invalid_type')
    return issue?.expected === 'array' ? 'must be a list' : 'must be an object'
  return issue.message
}
