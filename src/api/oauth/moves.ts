import { Hono } from 'hono'
import { describeRoute } from 'hono-openapi'
import { z } from 'zod'
import { goBack, listMoves, openMove } from '../../moving/moves.ts'
import { json, rateLimitExceeded, type Responses } from '../describe.ts'
import type { Http } from '../http.ts'
import { limitedByAddress } from '../rate-limit.ts'
import { jsonBody, valid } from '../valid.ts'
import { admin } from './clients.ts'
import * as wire from './move-wire.ts'
import { OAuthError } from './wire.ts'

const operation = (operationId: string, summary: string, responses: Responses) =>
  describeRoute({
    operationId,
    summary,
    tags: ['Access'],
    security: [{ admin: [] }],
    responses: {
      ...responses,
      400: json('invalid_request', OAuthError),
      401: json('invalid_token', OAuthError),
      429: rateLimitExceeded(OAuthError),
    },
  })

const refused: Responses = {
  404: json('There is no such workspace or move', OAuthError),
  409: json('Another move of the workspace has not ended, or this one is over', OAuthError),
}

/** Moves of workspaces from one database to another, for the holder of ADMIN_TOKEN. */
export const moves = new Hono<Http>()
  .use(limitedByAddress('doors'), admin)
  .post(
    '/',
    operation(
      'createMove',
      'Move a workspace to another database, while it is used; again: how the move goes on',
      { 202: json('The move', wire.ShownMove), ...refused },
    ),
    jsonBody,
    valid('json', wire.NewMove),
    async (c) => {
      const { workspace_id, to } = c.req.valid('json')
      return c.json(wire.showMove(await openMove(c.var.res, workspace_id, wire.shardOf(to))), 202)
    },
  )
  .get(
    '/',
    operation('listMoves', 'List the moves of a workspace, the newest first', {
      200: json('The last twenty', z.object({ moves: z.array(wire.ShownMove) })),
    }),
    valid('query', wire.MoveQuery),
    async (c) => {
      const found = await listMoves(c.var.res, c.req.valid('query').workspace_id, 20)
      return c.json({ moves: found.map(wire.showMove) })
    },
  )
  .post(
    '/:move_id/back',
    operation('goBackWithMove', 'Have a workspace stay where it is, unless it has moved', {
      202: json('The move', wire.ShownMove),
      ...refused,
    }),
    valid('param', wire.MoveId),
    async (c) => {
      const { move_id } = c.req.valid('param')
      return c.json(wire.showMove(await goBack(c.var.res, move_id)), 202)
    },
  )
