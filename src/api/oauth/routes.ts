import { Hono, type Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { describeRoute, resolver } from 'hono-openapi'
import { z } from 'zod'
import { authenticate, deleteClient, listClients, registerClient } from '../../access/clients.ts'
import { hashOf, sameHash } from '../../access/secret.ts'
import { scopes as knownScopes } from '../../access/scopes.ts'
import { issueToken, lifetime, publishedKeys } from '../../access/tokens.ts'
import { Failure } from '../../failure.ts'
import { bearerToken } from '../bearer.ts'
import { boundedBody } from '../body.ts'
import { json, type Responses } from '../describe.ts'
import type { Http } from '../http.ts'
import { noSuchOperation } from '../refusal.ts'
import { jsonBody, valid } from '../valid.ts'
import { onError } from './errors.ts'
import { grantedScopes, tokenAsked } from './token-request.ts'
import * as wire from './wire.ts'

/** Only the holder of the secret ADMIN_TOKEN passes. */
const admin = createMiddleware<Http>(async (c, next) => {
  const [asked, right] = await Promise.all([
    hashOf(bearerToken(c.req.header('authorization'))),
    hashOf(c.var.res.adminToken),
  ])
  if (!sameHash(asked, right)) throw new Failure({ reason: 'unauthenticated', why: 'invalid' })
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
    200: json('A token that holds for eight hours', wire.Token),
    400: json('invalid_request, unsupported_grant_type or invalid_scope', wire.OAuthError),
    401: json('invalid_client', wire.OAuthError),
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
  } = await tokenAsked(c)
  if (grant !== 'client_credentials') throw new Failure({ reason: 'grant-unknown' })
  const client = await authenticate(res.directory, id, secret)
  if (!res.signing.audiences.includes(audience))
    throw new Failure({ reason: 'audience-unknown', audiences: res.signing.audiences })
  const scopes = grantedScopes(client.scopes, scope)
  const issuer = new URL(c.req.url).origin
  const access_token = await issueToken(res.signing, {
    caller: { ...client, scopes },
    issuer,
    audience,
    id: crypto.randomUUID(),
    now: res.now(),
  })
  c.header('Cache-Control', 'no-store')
  return c.json({
    access_token,
    expires_in: lifetime,
    token_type: 'Bearer',
    scope: scopes.join(' '),
  } satisfies z.infer<typeof wire.Token>)
}

export const tokenEndpoint = new Hono<Http>()
  .onError(onError)
  .post('/token', tokenOperation, boundedBody, token)

/** Clients and their tokens, as CONTRACT 1 has it. */
export const oauth = new Hono<Http>()
  .onError(onError)
  .route('/', tokenEndpoint)
  .post(
    '/clients',
    clientOperation('createClient', 'Register a client; its secret is shown this once', {
      201: json('Registered', wire.ShownClient.extend({ client_secret: z.string() })),
    }),
    admin,
    jsonBody,
    valid('json', wire.NewClient),
    async (c) => {
      const { workspace_id, ...draft } = c.req.valid('json')
      const { secret, ...client } = await registerClient(
        c.var.res.directory,
        workspace_id,
        draft,
        c.var.res.now(),
      )
      c.header('Cache-Control', 'no-store')
      return c.json({ ...wire.showClient(client), client_secret: secret }, 201)
    },
  )
  .get(
    '/clients',
    clientOperation('listClients', 'List the clients, in the order of their ids', {
      200: json(
        'Clients, and the id to ask for more after',
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
    clientOperation('deleteClient', 'Delete a client: it gets no new tokens', {
      204: { description: 'Deleted' },
      404: json('Unknown', wire.OAuthError),
    }),
    admin,
    async (c) => {
      await deleteClient(c.var.res.directory, c.req.param('client_id'))
      return c.body(null, 204)
    },
  )
  .all('*', noSuchOperation)

const document = (operationId: string, summary: string) =>
  describeRoute({
    operationId,
    summary,
    tags: ['Access'],
    security: [],
    responses: { 200: json('As the standard has it', z.record(z.string(), z.unknown())) },
  })

/** What clients may find out by themselves (RFC 8414 §3, RFC 7517 §5). */
export const wellKnown = new Hono<Http>()
  .onError(onError)
  .get('/jwks.json', document('jwks', 'The public keys that tokens are signed with'), async (c) =>
    c.json({ keys: await publishedKeys(c.var.res.signing) }, 200, {
      'Cache-Control': 'public, max-age=300',
    }),
  )
  .get(
    '/oauth-authorization-server',
    document('authorizationServer', 'Where tokens come from, and how'),
    (c) => {
      const issuer = new URL(c.req.url).origin
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
  .all('*', noSuchOperation)
