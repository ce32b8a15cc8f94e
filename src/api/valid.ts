import { bodyLimit } from 'hono/body-limit'
import { createMiddleware } from 'hono/factory'
import { validator } from 'hono-openapi'
import type { z } from 'zod'
import { Failure } from '../failure.ts'
import type { Http } from './http.ts'

const bodyMax = 256 * 1024

/** The shape of a part of the request; it is also what the OpenAPI document says of it. Refuses by naming the field. */
export const valid = <Schema extends z.ZodType, Target extends 'json' | 'query' | 'param'>(
  target: Target,
  schema: Schema,
) =>
  validator<Schema, Target, Http, string>(target, schema, (result) => {
    if (!result.success)
      throw refusalOfShape(result.error[0] as z.core.$ZodIssue | undefined, result.data) // every schema here is zod's
  })

/** Refuses a body that is longer than any operation but an upload takes. */
export const boundedBody = bodyLimit({
  maxSize: bodyMax,
  onError: () => {
    throw new Failure({ reason: 'too-large', max: bodyMax })
  },
})

/** The body is JSON, and bounded. Stands before `valid('json', …)`, which takes any other content type for an empty object. */
export const jsonBody = createMiddleware<Http>(async (c, next) => {
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(c.req.header('content-type') ?? ''))
    throw new Failure({ reason: 'media-type', allowed: ['application/json'] })
  return boundedBody(c, next)
})

/** What the first issue with a body says of it, by naming the field. */
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
