import { Hono, type Context } from 'hono'
import { cors } from 'hono/cors'
import type { z } from 'zod'
import { evaluating } from '../../access/scopes.ts'
import { getFlag, listFlags } from '../../experiments/flags.ts'
import { bearer } from '../bearer.ts'
import { bookmarkHeader, servedByHeader } from '../bookmark.ts'
import { guarded, json, rateLimitExceeded } from '../describe.ts'
import type { Http } from '../http.ts'
import { rateLimited } from '../rate-limit.ts'
import { unknownOperation } from '../refusal.ts'
import { cached } from '../cached.ts'
import { jsonBody, valid } from '../valid.ts'
import { onError } from './errors.ts'
import { requestedFlag } from './key.ts'
import { withEtag } from './etag.ts'
import * as wire from './wire.ts'

const operation = (
  operationId: string,
  texts: { summary: string; description: string },
  answer: z.ZodType,
  refusal: z.ZodType,
) =>
  guarded(evaluating, {
    operationId,
    ...texts,
    tags: ['OpenFeature'],
    responses: {
      200: json('Evaluated', answer),
      400: json('The request cannot be read, or has no targetingKey', refusal),
      401: json('The token is missing or invalid', refusal),
      403: json('The token lacks the scope', refusal),
      404: json('No such flag', refusal),
      429: rateLimitExceeded(refusal),
      500: json('An internal error', refusal),
    },
  })

const oneFlag = {
  summary: 'Check whether a participant is in a group, or which variant of an experiment it has',
  description:
    "The key is a group's id, in any case, or its name, or an experiment's id, percent-encoded or " +
    'not. Slashes and question marks are part of it. A name with `#`, or with `.` or `..` between ' +
    'slashes, must be encoded as a whole; the id always works. A group is found before an experiment.',
}

const allFlags = {
  summary:
    'Check for each group whether a participant is in it, for each experiment which variant it has',
  description:
    'Each group stands in the list twice: under its id and under its name. Of more than 1,000 ' +
    'groups, those that the participant is in come first. Experiments follow. Without a targetingKey, ' +
    'each flag is the error TARGETING_KEY_MISSING. A request with the ETag of the answer before in ' +
    '`If-None-Match` is answered by 304 if nothing has changed.',
}

/** Whether the caller may see the values by which households form. */
const mayReadUsers = (c: Context<Http>) => c.var.caller.scopes.includes('users:read')

/** Groups as boolean flags, and experiments, for any OpenFeature SDK (OFREP 0.3.0). */
export const ofrep = new Hono<Http>()
  .onError(onError)
  // A browser's preflight has no token.
  .use(
    cors({
      origin: '*',
      allowMethods: ['POST'],
      allowHeaders: [
        ...['Content-Type', 'Authorization', 'X-API-Key', 'If-None-Match'],
        bookmarkHeader,
      ],
      exposeHeaders: ['ETag', 'Retry-After', bookmarkHeader, servedByHeader],
      maxAge: 86_400,
    }),
  )
  // Not `*`: with this path an error knows the flag's key.
  .use('/evaluate/flags/:key?', bearer, rateLimited)

  .post(
    '/evaluate/flags/:key',
    operation('evaluateFlag', oneFlag, wire.ShownFlag, wire.EvaluationError),
    jsonBody,
    valid('json', wire.Evaluation),
    cached,
    async (c) => {
      const { replica, workspace } = c.var
      const flag = requestedFlag(c.req.url) ?? { key: '', spellings: [] }
      const participant = wire.getParticipant(c.req.valid('json'))
      const found = await getFlag(replica, workspace, flag, participant)
      return c.json(wire.showFlag(flag, found, mayReadUsers(c)))
    },
  )

  .post(
    '/evaluate/flags',
    operation('evaluateFlags', allFlags, wire.ShownFlags, wire.BulkError),
    jsonBody,
    valid('json', wire.BulkEvaluation),
    withEtag,
    cached,
    async (c) => {
      const participant = wire.findParticipant(c.req.valid('json'))
      const flags = await listFlags(c.var.replica, c.var.workspace, participant ?? '')
      return c.json(wire.showFlags(flags, participant, mayReadUsers(c)))
    },
  )

  .all('*', bearer, rateLimited, unknownOperation)
