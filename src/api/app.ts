import { Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import { matchedRoutes } from 'hono/route'
import { getPathNoStrict } from 'hono/utils/url'
import { describeRoute, generateSpecs } from 'hono-openapi'
import { z } from 'zod'
import { answers } from '../db/connect.ts'
import { resources } from '../resources.ts'
import { json, type Responses } from './describe.ts'
import { groupsV3 } from './groups-v3/routes.ts'
import type { Http } from './http.ts'
import { onError } from './oauth/errors.ts'
import { noSuchOperation } from './refusal.ts'
import { events } from './platform/events.ts'
import { platform } from './platform/routes.ts'
import { describeEvents } from './platform/wire/events.ts'
import { userprofile } from './platform/userprofile.ts'
import { routedPath } from './ofrep/key.ts'
import { ofrep } from './ofrep/routes.ts'
import { oauth, tokenEndpoint, wellKnown } from './oauth/routes.ts'

/** One line for each request: which operation, for whom, how it ended and what it cost. Ids of people are in no route pattern. */
const logged = createMiddleware<Http>(async (c, next) => {
  const res = resources(c.env)
  c.set('res', res)
  c.set('requestId', crypto.randomUUID())
  const start = performance.now()
  await next()
  const route = matchedRoutes(c).findLast(({ path }) => !path.endsWith('*'))?.path
  console.info(
    JSON.stringify({
      event: 'request',
      transactionId: c.var.requestId,
      method: c.req.method,
      route,
      workspace: c.var.workspace,
      client: c.var.caller?.client,
      status: c.res.status,
      ms: Math.round(performance.now() - start),
      ...res.meter,
    }),
  )
})

const Health = z.object({ status: z.enum(['ok', 'down']) })

const described = (operationId: string, summary: string, responses: Responses) =>
  describeRoute({ operationId, summary, tags: ['Service'], security: [], responses })

/** A trailing slash makes no difference, but to a flag's key. */
const pathOf = (request: Request) => routedPath(request.url, getPathNoStrict(request))

export const app = new Hono<Http>({ getPath: pathOf })
  .onError(onError)
  .use(logged)
  .get(
    '/health',
    described('health', 'Whether the database answers', {
      200: json('It does', Health),
      503: json('It does not', Health),
    }),
    async (c) =>
      (await answers(c.var.res.directory))
        ? c.json({ status: 'ok' })
        : c.json({ status: 'down' }, 503),
  )
  .get(
    '/openapi.json',
    described('openapi', 'This document', {
      200: json('An OpenAPI 3.1 document', z.record(z.string(), z.unknown())),
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
  .route('/v2', events)
  .route('/ofrep/v1', ofrep)
  .route('/userprofile/v1', userprofile)
  .all('*', noSuchOperation)

/** What `hc` of hono/client is told of this Worker: its paths, parameters and answers. */
export type App = typeof app

let document: Promise<object> | undefined

const tags = [
  { name: 'Access', description: 'Clients and their tokens, by OAuth 2.0' },
  { name: 'Experience Groups', description: 'Groups kept by hand: files, jobs and look-ups' },
  { name: 'OpenFeature', description: 'Groups as flags, by the protocol of OpenFeature (OFREP)' },
  { name: 'Group Identity', description: 'Groups that form themselves of users who share a value' },
  { name: 'Users', description: 'Whose attributes are known: one by one, by events and by files' },
  { name: 'Audiences', description: 'Users for whom a rule holds, and the groups that they fill' },
  { name: 'Webhooks', description: 'What has happened, and who is told of it' },
  { name: 'Service', description: 'The state of the service, and this document' },
]

/** Built when first asked for: a Worker that only looks groups up never pays for it. */
const describeAll = (): Promise<object> =>
  generateSpecs(app, {
    exclude: [/^\/(v3|digitalbanking|oauth2)\//],
    excludeStaticFile: false,
    defaultValidationErrorResponse: false,
    documentation: {
      info: {
        title: 'Coterie',
        version: '0.1.0',
        description:
          'Which groups is this person in, and what do they share with the others in them? ' +
          'The operations under /groups/v3 answer under /digitalbanking/groups/v3 and /v3 too, /oauth/token under /oauth2/v1/token.',
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
  })
