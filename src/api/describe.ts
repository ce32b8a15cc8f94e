import { resolver, type describeRoute } from 'hono-openapi'
import type { z } from 'zod'

export type Responses = NonNullable<Parameters<typeof describeRoute>[0]['responses']>

/** An answer in JSON, as the OpenAPI document describes it. */
export const json = (description: string, schema: z.ZodType) => ({
  description,
  content: { 'application/json': { schema: resolver(schema) } },
})
