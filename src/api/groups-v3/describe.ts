import { describeRoute } from 'hono-openapi'
import type { z } from 'zod'
import type { Scope } from '../../access/scopes.ts'
import { headerField, json, tooOften } from '../describe.ts'
import { Refused } from './wire.ts'

const transactionId = {
  in: 'header',
  name: 'transactionId',
  required: true,
  description: 'Names the call, and is repeated in the answer.',
  schema: { type: 'string', format: 'uuid' },
} as const

const file = {
  type: 'string',
  format: 'binary',
  description:
    'One participant id to a line, at most 32 characters each unless configured otherwise: UTF-8 or UTF-16, gzip too, with or without a header. Columns are separated by a comma, a semicolon, a tab or a bar, and only one of them may hold anything; an id that has one of these stands in quotes.',
} as const

/** The body of an upload, which is streamed and so validated by hand. */
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
            description: 'A field `operation` is the same.',
          },
          header: headerField,
          fileName: file,
        },
      },
    },
    'text/csv': { schema: file },
  },
}

const ofOneRevision =
  'As text/csv, the list is of the revision that is live when it begins, and goes on at it while one later upload goes live. ' +
  'Where a second upload begins to write before it has ended, it breaks off: the connection is cut, and the file is to be asked for again, ' +
  'all of it or from its last participant on (`after`), which is of another revision then.'

/** What the OpenAPI document says of an operation beside its validated parts. */
export const operation = (
  operationId: string,
  scope: Scope,
  summary: string,
  answer: z.ZodType,
  takes?: 'upload' | 'export',
) =>
  describeRoute({
    // PUT and POST of one route are two operations, and an id names one.
    operationId: ({ method }) =>
      takes === 'upload' && method === 'POST' ? `${operationId}ByPost` : operationId,
    summary,
    tags: ['Experience Groups'],
    security: [{ bearer: [scope] }],
    parameters: [transactionId],
    ...(takes === 'upload' && { requestBody: uploadBody }),
    ...(takes === 'export' && { description: ofOneRevision }),
    responses: {
      200:
        takes === 'export'
          ? {
              ...json('Done', answer),
              content: { ...json('', answer).content, 'text/csv': { schema: file } },
            }
          : json('Done', answer),
      400: json('Refused: the sentence names the field', Refused),
      401: json('No valid token, or one without the scope', Refused),
      429: tooOften(Refused),
      500: json('A bug', Refused),
    },
  })
