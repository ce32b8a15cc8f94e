import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { describeRoute } from 'hono-openapi'
import type { z } from 'zod'
import { getMember, listMember } from '../../membership/lookup.ts'
import { allows, bearer } from '../bearer.ts'
import { json, tooOften } from '../describe.ts'
import type { Http } from '../http.ts'
import { limited } from '../limited.ts'
import { noSuchOperation } from '../refusal.ts'
import { remembered } from '../remembered.ts'
import { jsonBody, valid } from '../valid.ts'
import { onError } from './errors.ts'
import { flagAsked, spelled } from './key.ts'
import { tagged } from './tagged.ts'
import * as wire from './wire.ts'

const operation = (operationId: string, summary: string, answer: z.ZodType, refusal: z.ZodType) =>
  describeRoute({
    operationId,
    summary,
    tags: ['OpenFeature'],
    security: [{ bearer: ['groups:read'] }],
    responses: {
      200: json('Evaluated', answer),
      400: json('No targeting key, or not readable', refusal),
      401: json('No valid token', refusal),
      403: json('A token without the scope', refusal),
      404: json('No such flag', refusal),
      429: tooOften(refusal),
      500: json('A bug', refusal),
    },
  })

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
  .use('/evaluate/flags/:key?', bearer, limited)

  .post(
    '/evaluate/flags/:key',
    operation(
      'evaluateFlag',
      'Whether a participant is in a group',
      wire.ShownFlag,
      wire.EvaluationError,
    ),
    allows('groups:read'),
    jsonBody,
    valid('json', wire.Evaluation),
    remembered,
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
    operation(
      'evaluateFlags',
      'In which groups of all a participant is',
      wire.ShownFlags,
      wire.BulkError,
    ),
    allows('groups:read'),
    jsonBody,
    valid('json', wire.BulkEvaluation),
    tagged,
    remembered,
    async (c) => {
      const participant = wire.participantAsked(c.req.valid('json'))
      const groups = await listMember(c.var.replica, c.var.workspace, participant ?? '')
      return c.json(wire.showFlags(groups, participant))
    },
  )

  .all('*', bearer, limited, noSuchOperation)
