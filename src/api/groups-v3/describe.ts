import { z } from 'zod'
import type { Needs } from '../../access/scopes.ts'
import { guarded, headerField, json, jsonOrCsv, rateLimitExceeded } from '../describe.ts'
import { taggedHeaders } from '../if-match.ts'
import { Refused } from './wire.ts'

export const transactionId = {
  in: 'header',
  name: 'transactionId',
  required: true,
  description: 'An id that the caller chooses for this call; the answer repeats it.',
  schema: { type: 'string', format: 'uuid' },
} as const

const file = {
  type: 'string',
  format: 'binary',
  description:
    'One participant id per line, of at most 32 characters unless configured otherwise. UTF-8 or ' +
    'UTF-16, gzip or not, with or without a header. Columns are separated by a comma, a semicolon, ' +
    'a tab or a vertical bar, and all but one must be empty; put an id that contains one of these ' +
    'in quotes.',
} as const

/** The body of an upload, which is streamed, not validated by a schema. */
const uploadBody = {
  required: true,
  content: {
    'multipart/form-data': {
      schema: {
        type: 'object' as const,
        required: ['type', 'fileName'],
        properties: {
          type: {
            type: 'string' as const,
            enum: ['ADD', 'REMOVE', 'REPLACE'],
            description: 'The field may also be called `operation`.',
          },
          header: headerField,
          mode: { type: 'string' as const, enum: ['apply', 'preview'] },
          maxRemovePercent: { type: 'integer' as const, minimum: 0, maximum: 100 },
          fileName: file,
        },
      },
    },
    'text/csv': { schema: file },
  },
}

interface Shape {
  schema: z.ZodType
  /** Of an operation that takes or gives a file. */
  kind?: 'upload' | 'export'
  description?: string
  /** Whether it says which revision the group is at. */
  tagged?: boolean
}
type Answer = z.ZodType | Shape

const shapeOf = (answer: Answer): Shape =>
  answer instanceof z.ZodType ? { schema: answer } : answer

/** The guard and the description of an operation. */
export const operation = (operationId: string, needs: Needs, summary: string, answer: Answer) => {
  const { schema, kind, description, tagged = false } = shapeOf(answer)
  return guarded(needs, {
    // PUT and POST of one route are two operations, and an id names one.
    operationId: ({ method }) =>
      kind === 'upload' && method === 'POST' ? `${operationId}ByPost` : operationId,
    summary,
    tags: ['Experience Groups'],
    parameters: [transactionId],
    ...(kind === 'upload' && { requestBody: uploadBody }),
    ...(description !== undefined && { description }),
    responses: {
      200: {
        ...(kind === 'export' ? jsonOrCsv : json)('Done', schema),
        ...(tagged && { headers: taggedHeaders }),
      },
      400: json('Refused: the message names the field', Refused),
      401: json('The token is missing or invalid, or lacks the scope', Refused),
      429: rateLimitExceeded(Refused),
      500: json('An internal error', Refused),
    },
  })
}
