import { z } from 'zod'
import type { Needs } from '../../access/scopes.ts'
import {
  csvFile,
  guarded,
  json,
  jsonOrCsv,
  jsonOrLines,
  rateLimitExceeded,
  type Responses,
} from '../describe.ts'
import type { peopleBody } from './wire/erasures.ts'
import type { usersBody } from './wire/imports.ts'

const Pointer = z.string().meta({
  description:
    'For a refused rule: the part that is wrong, as a JSON pointer into the request (RFC 6901).',
})
export const PlatformError = z.object({
  errors: z.array(z.object({ message: z.string(), pointer: Pointer.optional() })),
})

const tags: Record<string, string> = {
  users: 'Users',
  audiences: 'Audiences',
  experiments: 'Experiments',
  webhooks: 'Webhooks',
  audit: 'Webhooks',
  flags: 'Experiments',
}

/**
 * The schema of an answer, or more: `csv`, `lines` where it may be these, `goesOn` of a 202 that tells
 * where it goes on, `timed` where there may be no time for it. No schema: a file where it is `csv`, or an empty
 * 204, or `status`.
 */
type Answer =
  | z.ZodType
  | {
      schema?: z.ZodType
      goesOn?: z.ZodType
      status?: number
      csv?: boolean
      timed?: boolean
      lines?: boolean
      requestBody?: typeof usersBody | typeof peopleBody
      /** By the first scope where it is not given. */
      tag?: string
      description?: string
    }

/** The guard and the description of an operation. */
export const operation = (
  operationId: string,
  needs: Needs,
  summary: string,
  answer: Answer = {},
) => {
  const { schema, goesOn, status, csv, lines, timed, requestBody, tag, description } =
    shapeOf(answer)
  const body = csv === true ? jsonOrCsv : lines === true ? jsonOrLines : json
  const answered =
    schema !== undefined ? body('Done', schema) : csv === true ? csvFile('Done') : undefined
  const [first = ''] = [needs].flat(2)
  return guarded(needs, {
    operationId,
    summary,
    ...(description !== undefined && { description }),
    tags: [tag ?? tags[first.split(':')[0] ?? ''] ?? 'Group Identity'],
    ...(requestBody !== undefined && { requestBody }),
    responses: {
      ...(answered === undefined
        ? { [status ?? 204]: { description: 'Done' } }
        : { [status ?? 200]: answered }),
      ...(goesOn !== undefined && { 202: goingOn(goesOn) }),
      ...refusals,
      ...(timed === true && { 503: outOfTime }),
    },
  })
}

const shapeOf = (answer: Answer): Exclude<Answer, z.ZodType> =>
  answer instanceof z.ZodType ? { schema: answer } : answer

const goingOn = (schema: z.ZodType) => ({
  ...json('There was no time for all users: it goes on at Location', schema),
  headers: { Location: { schema: { type: 'string' as const } } },
})

const outOfTime = {
  ...json('There was no time: the message names how many users were looked at', PlatformError),
  headers: {
    'Retry-After': {
      description: 'Seconds after which to try again',
      schema: { type: 'integer' as const },
    },
  },
}

export const refusals: Responses = {
  400: json('The request cannot be read, or has no user id', PlatformError),
  401: json('The token is missing or invalid', PlatformError),
  403: json('The token lacks the scope, or is for another workspace', PlatformError),
  404: json('Not found', PlatformError),
  422: json('A field is refused: the message names it', PlatformError),
  429: rateLimitExceeded(PlatformError),
  500: json('An internal error', PlatformError),
}
