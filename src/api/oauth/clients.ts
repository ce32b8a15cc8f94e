import { Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import { describeRoute } from 'hono-openapi'
import { z } from 'zod'
import {
  deleteClient,
  listClients,
  registerClient,
  revokeTokens,
  rotateSecret,
} from '../../access/clients.ts'
import { Failure } from '../../failure.ts'
import { atClient } from '../../places/directory.ts'
import { atNewWorkspace } from '../../places/settle.ts'
import { actAsAdmin } from '../admin.ts'
import { bearerToken } from '../bearer.ts'
import { json, rateLimitExceeded, type Responses } from '../describe.ts'
import type { Http } from '../http.ts'
import { idempotent } from '../idempotent.ts'
import { limitedByAddress } from '../rate-limit.ts'
import { jsonBody, valid } from '../valid.ts'
import * as wire from './wire.ts'

/** Lets only the holder of ADMIN_TOKEN pass. */
export const admin = createMiddleware<Http>(async (c, next) => {
  await actAsAdmin(c, bearerToken(c.req.header('authorization')))
  await next()
})

const clientOperation = (operationId: string, summary: string, success: Responses) =>
  describeRoute({
    operationId,
    summary,
    tags: ['Access'],
    security: [{ admin: [] }],
    responses: {
      ...success,
      400: json('invalid_request', wire.OAuthError),
      401: json('invalid_token', wire.OAuthError),
      429: rateLimitExceeded(wire.OAuthError),
    },
  })

const noClient: Responses = { 404: json('There is no client with this id', wire.OAuthError) }

/** A secret is shown once: where that answer is lost, so is the secret. */
function refuseSecret(_: unknown, { client_id: id }: { client_id: string }): never {
  throw new Failure({ reason: 'secret-lost', what: 'client', id })
}

/** Leads to the shard of the client that the path names. */
const placed = createMiddleware<Http, '/:client_id'>(async (c, next) => {
  c.set('res', await atClient(c.var.res, c.req.param('client_id')))
  await next()
})

/** The clients of all workspaces, for the holder of ADMIN_TOKEN. */
export const clients = new Hono<Http>()
  .use(limitedByAddress('doors'), admin)
  .post(
    '/',
    clientOperation('createClient', 'Register a client; its secret is shown only this once', {
      201: json('Registered', wire.ClientWithSecret),
    }),
    jsonBody,
    valid('json', wire.NewClient),
    createMiddleware<Http, string, { out: { json: z.infer<typeof wire.NewClient> } }>(
      async (c, next) => {
        c.set('res', await atNewWorkspace(c.var.res, c.req.valid('json').workspace_id))
        await next()
      },
    ),
    idempotent<'client.created'>(refuseSecret),
    async (c) => {
      const draft = c.req.valid('json')
      const client = await registerClient(c.var.res, draft.workspace_id, wire.draftOf(draft))
      return c.json(wire.showSecret(client), 201)
    },
  )
  .get(
    '/',
    clientOperation('listClients', 'List the clients, in the order of their ids', {
      200: json(
        'Clients, and the id after which the next page begins; null on the last',
        z.object({ clients: z.array(wire.ShownClient), next: z.string().nullable() }),
      ),
    }),
    valid('query', wire.ClientQuery),
    async (c) => {
      const { workspace_id, after, size } = c.req.valid('query')
      const clients = await listClients(c.var.res, workspace_id, { after, size })
      return c.json({
        clients: clients.map(wire.showClient),
        next: clients.length < size ? null : (clients.at(-1)?.id ?? null),
      })
    },
  )
  .delete(
    '/:client_id',
    clientOperation(
      'deleteClient',
      'Delete a client: it gets no new tokens, and those it has are refused within a minute',
      { 204: { description: 'Deleted' }, ...noClient },
    ),
    placed,
    async (c) => {
      await deleteClient(c.var.res, c.req.param('client_id'))
      return c.body(null, 204)
    },
  )
  .post(
    '/:client_id/rotate',
    clientOperation(
      'rotateClientSecret',
      'Give a client a new secret; the one that it had is good for 24 hours, an older one no longer',
      { 200: json('The new secret, shown only this once', wire.ClientWithSecret), ...noClient },
    ),
    placed,
    idempotent<'client.rotated'>(refuseSecret),
    async (c) => {
      const client = await rotateSecret(c.var.res, c.req.param('client_id'))
      return c.json(wire.showSecret(client))
    },
  )
  .post(
    '/:client_id/revoke',
    clientOperation(
      'revokeClientTokens',
      'Revoke the tokens of a client: all issued until now are refused within a minute',
      { 204: { description: 'Revoked' }, ...noClient },
    ),
    placed,
    async (c) => {
      await revokeTokens(c.var.res, c.req.param('client_id'))
      return c.body(null, 204)
    },
  )
