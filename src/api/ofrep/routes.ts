import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { describeRoute } from 'hono-openapi'
import type { z } from 'zod'
import { getMember, listMember } from '../../membership/lookup.ts'
import { allows, bearer } from '../bearer.ts'
import { json, tooOften } from '../describe.ts'
import type { Http } from '../http.ts'
import { rateLimited } from '../rate-limit.ts'
import { noSuchOperation } from '../refusal.ts'
import { cached } from '../cached.ts'
import { jsonBody, valid } from '../valid.ts'
import { onError } from './errors.ts'
import { flagAsked, spelled } from './key.ts'
import { tagged } from './etag.ts'
import * as wire from './wire.ts'

const operation = (
  operationId: string,
  texts: { summary: string; description: string },
  answer: z.ZodType,
  refusal: z.ZodType,
) =>
  describeRoute({
    operationId,
    ...texts,
    tags: ['OpenFeature'],
    security: [{ bearer: ['groups:read'] }],
    responses: {
      200: json('Evaluated', answer),
      400: json('Not readable, or nobody named where one flag is asked for', refusal),
      401: json('No valid token', refusal),
      403: json('A token without the scope', refusal),
      404: json('No such flag', refusal),
      429: tooOften(refusal),
      500: json('A bug', refusal),
    },
  })

const oneFlag = {
  summary: 'Whether a participant is in a group',
  description:
    "The key is the group's id, in any case, or its name, as it is or percent-encoded; slashes and question marks belong to it. " +
    'Of a name with `#`, or with `.` or `..` between slashes, the rest never arrives where it is not encoded: ask for the id.',
}

const allFlags = {
  summary: 'In which groups of all a participant is',
  description:
    'Each group is listed under its id and under its name. Without a targetingKey, each is the error TARGETING_KEY_MISSING. ' +
    'The ETag is that of the whole answer: `If-None-Match` with it is answered by 304.',
}

/** Groups as the flags of any OpenFeature SDK (OFREP 0.3.0): a flag is a group, by id or by name, and says who is in it. */
export const ofrep = new Hono<Http>()
  .onError(onError)
  // Browsers ask first, without a token.
  .use(
    cors({
      origin: '*',
      allowMethods: ['POST'],
      allowHeaders: ['Content-Type', 'Authorization', 'X-API-Key', 'If-None-Match'],
      exposeHeaders: ['ETag', 'Retry-After'],
      maxAge: 86_400,
    }),
  )
  // By this path, and not by *, a refusal here knows the flag's key.
  .use('/evaluate/flags/:key?', bearer, rateLimited)

  .post(
    '/evaluate/flags/:key',
    operation('evaluateFlag', oneFlag, wire.ShownFlag, wire.EvaluationError),
    allows('groups:read'),
    jsonBody,
    valid('json', wire.Evaluation),
    cached,
    async (c) => {
      const { replica, workspace } = c.var
      const asked = flagAsked(c.req.url) ?? { key: '', spellings: [] }
      const group = await getMember(
        replica,
        workspace,
        asked,
        wire.participantNamed(c.req.valid('json')),
      )
      return c.json(wire.showFlag(spelled(asked, group), group))
    },
  )

  .post(
    '/evaluate/flags',
    operation('evaluateFlags', allFlags, wire.ShownFlags, wire.BulkError),
    allows('groups:read'),
    jsonBody,
    valid('json', wire.BulkEvaluation),
    tagged,
    cached,
    async (c) => {
      const participant = wire.participantAsked(c.req.valid('json'))
      const groups = await listMember(c.var.replica, c.var.workspace, participant ?? '')
      return c.json(wire.showFlags(groups, participant))
    },
  )

  .all('*', bearer, rateLimited, noSuchOperation)
