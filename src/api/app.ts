import { Hono, type Context } from 'hono'
import { accepts } from 'hono/accepts'
import { createMiddleware } from 'hono/factory'
import { getPathNoStrict } from 'hono/utils/url'
import { describeRoute, generateSpecs } from 'hono-openapi'
import { z } from 'zod'
import { isPassing } from '../failure.ts'
import { resources } from '../resources.ts'
import { isUuid } from '../text.ts'
import { bookmarked, bookmarkHeader, withBookmarks } from './bookmark.ts'
import { pages } from './console/routes.tsx'
import { confidential } from './confidential.ts'
import { json } from './describe.ts'
import { groupsV3 } from './groups-v3/routes.ts'
import { health } from './health.ts'
import type { Http } from './http.ts'
import { withKeys } from './idempotency-spec.ts'
import { onError } from './oauth/errors.ts'
import { unknownOperation } from './refusal.ts'
import { isLookup, routeOf } from './route.ts'
import { batches } from './platform/batches.ts'
import { platform } from './platform/routes.ts'
import { describeEvents } from './platform/wire/describe-events.ts'
import { userprofile } from './platform/userprofile.ts'
import { routedPath } from './ofrep/key.ts'
import { ofrep } from './ofrep/routes.ts'
import { oauth, tokenEndpoint, wellKnown } from './oauth/routes.ts'

/** Measures each request, and logs a line for it, but of look-ups that succeed a share. */
const logged = createMiddleware<Http>(async (c, next) => {
  const transactionId = c.req.header('transactionId') ?? ''
  c.set('requestId', isUuid(transactionId) ? transactionId : crypto.randomUUID())
  const res = resources(c.env, c.req.header(bookmarkHeader) ?? '')
  c.set('res', res)
  const start = performance.now()
  await next()
  const route = routeOf(c)
  const { method } = c.req
  const { status } = c.res
  const cost = { status, ms: Math.round(performance.now() - start), ...res.meter }
  res.measure({ kind: 'request', route: route ?? 'none', method, fault: faultIn(c), ...cost })
  const succeeded = c.res.ok || status === 304
  if (succeeded && isLookup(route) && Math.random() >= res.lookupsLogged) return
  console.info(
    JSON.stringify({
      event: 'request',
      transactionId: c.var.requestId,
      method,
      route,
      workspace: c.var.workspace,
      client: c.var.caller?.client,
      ...cost,
    }),
  )
})

/** Whose the fault is that a request failed. */
function faultIn({ res, error }: Context<Http>): 'none' | 'database' | 'other' {
  if (res.status < 500) return 'none'
  return isPassing(error) ? 'database' : 'other'
}

/** Ignores a trailing slash, except in a flag's key. */
const pathOf = (request: Request) => routedPath(request.url, getPathNoStrict(request))

export const app = new Hono<Http>({ getPath: pathOf })
  .onError(onError)
  .use(logged, bookmarked, confidential)
  .get('/', (c) => {
    const [pages, document] = ['text/html', 'application/json']
    const supports = [pages, document]
    const shown = accepts(c, { header: 'Accept', supports, default: document })
    return c.redirect(shown === pages ? '/console' : '/openapi.json')
  })
  .route('/', health)
  .get(
    '/openapi.json',
    describeRoute({
      operationId: 'openapi',
      summary: 'This document',
      tags: ['Service'],
      security: [],
      responses: { 200: json('An OpenAPI 3.1 document', z.record(z.string(), z.unknown())) },
    }),
    async (c) => c.json(await (document ??= describeAll())),
  )
  .route('/.well-known', wellKnown)
  .route('/oauth', oauth)
  .route('/oauth2/v1', tokenEndpoint)
  .route('/groups/v3', groupsV3)
  .route('/digitalbanking/groups/v3', groupsV3)
  .route('/v3', groupsV3)
  .route('/platform/workspaces/:workspace_id', platform)
  .route('/v2', batches)
  .route('/ofrep/v1', ofrep)
  .route('/userprofile/v1', userprofile)
  .route('/console', pages)
  .all('*', unknownOperation)

/** The paths, parameters and answers of this Worker, for `hc` of hono/client. */
export type App = typeof app

let document: Promise<object> | undefined

const tags = [
  { name: 'Access', description: 'Clients and their tokens, by OAuth 2.0' },
  { name: 'Experience Groups', description: 'Groups kept by hand: uploads, jobs and look-ups' },
  {
    name: 'OpenFeature',
    description:
      'Groups and experiments as feature flags, by the OpenFeature Remote Evaluation Protocol (OFREP)',
  },
  {
    name: 'Group Identity',
    description: 'Groups that form automatically of users who share a value',
  },
  { name: 'Users', description: 'Users and their attributes: one by one, by events and by files' },
  { name: 'Audiences', description: 'Users who match a rule, and the groups that audiences fill' },
  { name: 'Experiments', description: 'A/B tests and gradual rollouts over groups' },
  { name: 'Webhooks', description: 'Events, and the URLs that they are sent to' },
  { name: 'Erasures', description: 'People who are erased from all that is kept' },
  { name: 'Service', description: 'The state of the service, and this document' },
]

/** Built at the first request for it, not at the start of the Worker. */
const describeAll = async (): Promise<object> =>
  withBookmarks(
    withKeys(
      await generateSpecs(app, {
        exclude: [/^\/(v3|digitalbanking|oauth2)\//],
        excludeStaticFile: false,
        excludeMethods: [],
        defaultValidationErrorResponse: false,
        documentation: {
          info: {
            title: 'Coterie',
            version: '0.1.0',
            description:
              'Which groups is this person in, and what do they share with the others in them? ' +
              'The paths under /groups/v3 also work under /digitalbanking/groups/v3 and /v3, and ' +
              '/oauth/token under /oauth2/v1/token.',
            license: { name: 'MIT', identifier: 'MIT' },
          },
          servers: [{ url: '/' }],
          tags,
          webhooks: describeEvents(),
          components: {
            securitySchemes: {
              bearer: {
                type: 'http',
                scheme: 'bearer',
                bearerFormat: 'JWT',
                description: 'A token from POST /oauth/token',
              },
              basic: { type: 'http', scheme: 'basic', description: "A client's id and secret" },
              admin: {
                type: 'http',
                scheme: 'bearer',
                description: 'The secret ADMIN_TOKEN of this installation',
              },
            },
          },
        },
      }),
    ),
  )
