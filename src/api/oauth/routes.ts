import { Hono, type Context } from 'hono'
import { describeRoute, resolver } from 'hono-openapi'
import { z } from 'zod'
import { revokeToken } from '../../access/revocations.ts'
import { scopes as knownScopes } from '../../access/scopes.ts'
import { issueToken, publishedKeys, spanOf } from '../../access/tokens.ts'
import { Failure } from '../../failure.ts'
import { named } from '../../places/directory.ts'
import { boundedBody } from '../body.ts'
import { authenticatedClient } from '../client.ts'
import { json, rateLimitExceeded, type Responses } from '../describe.ts'
import type { Http } from '../http.ts'
import { originOf } from '../origin.ts'
import { limitedByAddress } from '../rate-limit.ts'
import { unknownOperation } from '../refusal.ts'
import { clients } from './clients.ts'
import { onError } from './errors.ts'
import { moves } from './moves.ts'
import { grantedScopes, readClientRequest } from './client-request.ts'
import * as wire from './wire.ts'

/** An operation of a client that authenticates with HTTP Basic or in the body. */
const ownOperation = (
  operationId: string,
  summary: string,
  request: z.ZodType,
  responses: Responses,
) =>
  describeRoute({
    operationId,
    summary,
    tags: ['Access'],
    security: [{ basic: [] }, {}],
    requestBody: {
      required: true,
      content: {
        'application/x-www-form-urlencoded': { schema: resolver(request) },
        'application/json': { schema: resolver(request) },
      },
    },
    responses: {
      ...responses,
      401: json('invalid_client', wire.OAuthError),
      429: rateLimitExceeded(wire.OAuthError),
    },
  })

const tokenOperation = ownOperation(
  'token',
  'Get an access token for a client (client credentials grant)',
  wire.TokenRequest,
  {
    200: json('A token that is valid for eight hours, unless its client says less', wire.Token),
    400: json('invalid_request, unsupported_grant_type or invalid_scope', wire.OAuthError),
  },
)

const revokeOperation = ownOperation(
  'revoke',
  'Revoke the tokens that a client was issued until now (RFC 7009)',
  wire.Revocation,
  {
    200: {
      description:
        'All of them are refused within a minute, if the token was a valid one of this client; ' +
        'otherwise nothing happens.',
    },
    400: json('invalid_request', wire.OAuthError),
  },
)

const token = async (c: Context<Http>) => {
  const { res } = c.var
  const { request, credentials } = await readClientRequest(c, wire.TokenRequest)
  const { grant_type, audience = res.signing.audiences[0] ?? '', scope } = request
  if (grant_type !== 'client_credentials') throw new Failure({ reason: 'grant-unknown' })
  // Before the client is read, as it may be deleted or revoked from then on.
  const now = res.now()
  const client = await authenticatedClient(c, credentials, 'doors')
  if (!res.signing.audiences.includes(audience))
    throw new Failure({ reason: 'audience-unknown', audiences: res.signing.audiences })
  const scopes = grantedScopes(client.scopes, scope)
  const span = spanOf(client, now)
  const access_token = await issueToken(res.signing, {
    caller: { ...client, scopes },
    issuer: originOf(c),
    audience,
    id: crypto.randomUUID(),
    span,
    shard: named(c.var.res),
  })
  return c.json({
    access_token,
    expires_in: span.expires - Math.floor(now / 1000),
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
  .post('/revoke', revokeOperation, limitedByAddress('doors'), boundedBody, async (c) => {
    const { request, credentials } = await readClientRequest(c, wire.Revocation)
    const client = await authenticatedClient(c, credentials, 'doors')
    await revokeToken(c.var.res, client, request.token)
    return c.body(null, 200)
  })
  .route('/clients', clients)
  .route('/moves', moves)
  .all('*', unknownOperation)

const document = (operationId: string, summary: string) =>
  describeRoute({
    operationId,
    summary,
    tags: ['Access'],
    security: [],
    responses: { 200: json('The document', z.record(z.string(), z.unknown())) },
  })

const authMethods = ['client_secret_basic', 'client_secret_post']

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
        token_endpoint_auth_methods_supported: authMethods,
        revocation_endpoint: `${issuer}/oauth/revoke`,
        revocation_endpoint_auth_methods_supported: authMethods,
      })
    },
  )
  .all('*', unknownOperation)
