import { describeRoute } from 'hono-openapi'
import { z } from 'zod'
import type { Scope } from '../../access/scopes.ts'
import { json, tooOften, type Responses } from '../describe.ts'

const Pointer = z.string().meta({
  description:
    'Of a rule: the node that is refused, as a JSON pointer into the request (RFC 6901).',
})
const PlatformError = z.object({
  errors: z.array(z.object({ message: z.string(), pointer: Pointer.optional() })),
})

const tags: Record<string, string> = {
  users: 'Users',
  audiences: 'Audiences',
  webhooks: 'Webhooks',
}

/** What the OpenAPI document says of an operation beside its validated parts; without `answer` it succeeds with an empty 204. */
export const operation = (
  operationId: string,
  scope: Scope,
  summary: string,
  answer: z.ZodType | undefined,
  {
    status = answer === undefined ? 204 : 200,
    alsoAs,
    ...more
  }: { status?: number; alsoAs?: 'text/csv' } & Parameters<typeof describeRoute>[0] = {},
) =>
  describeRoute({
    operationId,
    summary,
    tags: [tags[scope.split(':')[0] ?? ''] ?? 'Group Identity'],
    security: [{ bearer: [scope] }],
    responses: {
      [status]: answer === undefined ? { description: 'Done' } : done(answer, alsoAs),
      ...refusals,
    },
    ...more,
  })

function done(answer: z.ZodType, alsoAs: 'text/csv' | undefined) {
  const described = json('Done', answer)
  if (alsoAs === undefined) return described
  return {
    ...described,
    content: {
      ...described.content,
      [alsoAs]: { schema: { type: 'string' as const, format: 'binary' } },
    },
  }
}

const refusals: Responses = {
  400: json('Not readable, or no user id', PlatformError),
  401: json('No valid token', PlatformError),
  403: json('A token without the scope, or of another workspace', PlatformError),
  404: json('Not found', PlatformError),
  422: json('Readable, and refused: the sentence names the field', PlatformError),
  429: tooOften(PlatformError),
  500: json('A bug', PlatformError),
}
