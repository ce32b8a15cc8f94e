import { resolver, type describeRoute } from 'hono-openapi'
import type { z } from 'zod'
import { headerModes } from '../jobs/format.ts'

export type Responses = NonNullable<Parameters<typeof describeRoute>[0]['responses']>

/** Whether a file's first row names its columns, as every upload may say. */
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

/** The refusal of a client that has asked too often (see rate-limit.ts). */
export const tooOften = (schema: z.ZodType) => ({
  ...json('Asked too often', schema),
  headers: {
    'Retry-After': {
      description: 'Seconds after which to ask again',
      schema: { type: 'integer' as const },
    },
    'RateLimit-Policy': { schema: { type: 'string' as const } },
    RateLimit: { schema: { type: 'string' as const } },
  },
})
