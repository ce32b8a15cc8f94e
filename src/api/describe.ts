import { resolver, uniqueSymbol, type describeRoute } from 'hono-openapi'
import type { z } from 'zod'
import { sufficientScopes, type Needs } from '../access/scopes.ts'
import { headerModes } from '../jobs/format.ts'
import { allows } from './bearer.ts'

export type Spec = Parameters<typeof describeRoute>[0]
export type Responses = NonNullable<Spec['responses']>

/** Lets only tokens with the scopes pass, and describes the operation with them. */
export const guarded = (needs: Needs, spec: Spec) => {
  const security = sufficientScopes(needs).map((scopes) => ({ bearer: scopes }))
  return Object.assign(allows(needs), { [uniqueSymbol]: { spec: { ...spec, security } } })
}

/** The field of every upload that says whether the first row names the columns. */
export const headerField = {
  type: 'string' as const,
  enum: [...headerModes],
  default: 'auto',
}

/** An answer in JSON, as the OpenAPI document describes it. */
export const json = (description: string, schema: z.ZodType) => ({
  description,
  content: { 'application/json': { schema: resolver(schema) } },
})

/** An answer in CSV. */
export const csvFile = (description: string) => ({
  description,
  content: { 'text/csv': { schema: { type: 'string' as const, format: 'binary' } } },
})

/** An answer in JSON, or in CSV where the client accepts that. */
export const jsonOrCsv = (description: string, schema: z.ZodType) => ({
  description,
  content: { ...json(description, schema).content, ...csvFile(description).content },
})

/** An answer in JSON, or in lines of JSON where the client accepts them. */
export const jsonOrLines = (description: string, schema: z.ZodType) => ({
  description,
  content: {
    ...json(description, schema).content,
    'application/x-ndjson': { schema: { type: 'string' as const, format: 'binary' } },
  },
})

/** Whether a client accepts lines of JSON: the whole list in place of a page. */
export const acceptsLines = (accept: string | undefined) =>
  /\bapplication\/x-ndjson\b/i.test(accept ?? '')

/** Whether a client accepts CSV: the file of a whole list in place of a page. */
export const acceptsCsv = (accept: string | undefined) => /\btext\/csv\b/i.test(accept ?? '')

/** The answer 429. */
export const rateLimitExceeded = (schema: z.ZodType) => ({
  ...json('Too many requests of this client or address', schema),
  headers: {
    'Retry-After': {
      description: 'Seconds after which to try again',
      schema: { type: 'integer' as const },
    },
    'RateLimit-Policy': { schema: { type: 'string' as const } },
    RateLimit: { schema: { type: 'string' as const } },
  },
})
