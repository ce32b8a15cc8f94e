import { Hono, type Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { describeRoute, resolver } from 'hono-openapi'
import { z } from 'zod'
import { authenticate, deleteClient, listClients, registerClient } from '../../access/clients.ts'
import { hashOf, sameHash } from '../../access/secret.ts'
import { scopes as knownScopes } from '../../access/scopes.ts'
import { issueToken, lifetime, publishedKeys } from '../../access/tokens.ts'
import { Failure } from '../../failure.ts'
import { actAs } from '../actor.ts'
import { bearerToken } from '../bearer.ts'
import { boundedBody } from '../body.ts'
import { json, rateLimitExceeded, type Responses } from '../describe.ts'
import type { Http } from '../http.ts'
import { originOf } from '../origin.ts'
import { limitByNamedClient, limitedByAddress } from '../rate-limit.ts'
import { unknownOperation } from '../refusal.ts'
import { jsonBody, valid } from '../valid.ts'
import { onError } from './errors.ts'
import { grantedScopes, readTokenRequest } from './token-request.ts'
import * as wire from './wire.ts'

/** Lets only the holder of ADMIN_TOKEN pass. */
const admin = createMiddleware<Http>(async (c, next) => {
  const [given, expected] = await Promise.all([
    hashOf(bearerToken(c.req.header('authorization'))),
    hashOf(c.var.res.adminToken),
  ])
  if (!sameHash(given, expected)) throw new Failure({ reason: 'unauthenticated', why: 'invalid' })
  actAs(c, { name: 'admin' })
  await next()
})

const tokenOperation = describeRoute({
  operationId: 'token',
  summary: 'Get an access token for a client (client credentials grant)',
  tags: ['Access'],
  security: [{ basic: [] }, {}],
  requestBody: {
    required: true,
    content: {
      'application/x-www-form-urlencoded': { schema: resolver(wire.TokenRequest) },
      'application/json': { schema: resolver(wire.TokenRequest) },
    },
  },
  responses: {
    200: json('A token that is valid for eight hours', wire.Token),
    400: json('invalid_request, unsupported_grant_type or invalid_scope', wire.OAuthError),
    401: json('invalid_client', wire.OAuthError),
    429: rateLimitExceeded(wire.OAuthError),
  },
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

const token = async (c: Context<Http>) => {
  const { res } = c.var
  const {
    grant,
    id,
    secret,
    audience = res.signing.audiences[0] ?? '',
    scope,
  } = await readTokenRequest(c)
  if (grant !== 'client_credentials') throw new Failure({ reason: 'grant-unknown' })
  await limitByNamedClient(res, 'doors', id)
  const client = await authenticate(res.directory, id, secret)
  if (!res.signing.audiences.includes(audience))
    throw new Failure({ reason: 'audience-unknown', audiences: res.signing.audiences })
  const scopes = grantedScopes(client.scopes, scope)
  const issuer = originOf(c)
  const access_token = await issueToken(res.signing, {
    caller: { ...client, scopes },
    issuer,
    audience,
    id: crypto.randomUUID(),
    now: res.now(),
  })
  return c.json({
    access_token,
    expires_in: lifetime,
    token_type: 'Bearer',
    scope: scopes.join(' '),
  } satisfies z.infer<typeof wire.Token>)
}

export const tokenEndpoint = new Hono<Http>()
  .onError(onError)
  .post('/token', tokenOperation, limitedByAddress('doors'), boundedBody, token)

/** Clients and their tokens (RFC 6749 §4.4). */
export const oauth = new Hono<Http>()
  .onError(onError)
  .route('/', tokenEndpoint)
  .use('/clients/*', limitedByAddress('doors'))
  .post(
    '/clients',
    clientOperation('createClient', 'Register a client; its secret is shown only this once', {
      201: json('Registered', wire.ShownClient.extend({ client_secret: z.string() })),
    }),
    admin,
    jsonBody,
    valid('json', wire.NewClient),
    async (c) => {
      const { workspace_id, ...draft } = c.req.valid('json')
      const { secret, ...client } = await registerClient(c.var.res, workspace_id, draft)
      return c.json({ ...wire.showClient(client), client_secret: secret }, 201)
    },
  )
  .get(
    '/clients',
    clientOperation('listClients', 'List the clients, in the order of their ids', {
      200: json(
        'Clients, and the id after which the next page begins; null on the last',
        z.object({ clients: z.array(wire.ShownClient), next: z.string().nullable() }),
      ),
    }),
    admin,
    valid('query', wire.ClientQuery),
    async (c) => {
      const { workspace_id, after, size } = c.req.valid('query')
      const clients = await listClients(c.var.res.directory, workspace_id, after, size)
      return c.json({
        clients: clients.map(wire.showClient),
        next: clients.length < size ? null : (clients.at(-1)?.id ?? null),
      })
    },
  )
  .delete(
    '/clients/:client_id',
    clientOperation(
      'deleteClient',
      'Delete a client: it gets no new tokens, and those it has stay valid until they expire',
      {
        204: { description: 'Deleted' },
        404: json('There is no client with this id', wire.OAuthError),
      },
    ),
    admin,
    async (c) => {
      await deleteClient(c.var.res, c.req.param('client_id'))
      return c.body(null, 204)
    },
  )
  .all('*', unknownOperation)

const document = (operationId: string, summary: string) =>
  describeRoute({
    operationId,
    summary,
    tags: ['Access'],
    security: [],
    responses: { 200: json('The document', z.record(z.string(), z.unknown())) },
  })

/** Discovery (RFC 8414 §3, RFC 7517 §5). */
export const wellKnown = new Hono<Http>()
  .onError(onError)
  .get('/jwks.json', document('jwks', 'The public keys that tokens are verified with'), async (c) =>
    c.json({ keys: await publishedKeys(c.var.res.signing) }, 200, {
      'Cache-Control': 'public, max-age=300',
    }),
  )
  .get(
    '/oauth-authorization-server',
    document('authorizationServer', 'The metadata of the authorization server (RFC 8414)'),
    (c) => {
      const issuer = originOf(c)
      return c.json({
        issuer,
        token_endpoint: `${issuer}/oauth/token`,
        jwks_uri: `${issuer}/.well-known/jwks.json`,
        grant_types_supported: ['client_credentials'],
        response_types_supported: [],
        scopes_supported: knownScopes,
        token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      })
    },
  )
  .all('*', unknownOperation)
