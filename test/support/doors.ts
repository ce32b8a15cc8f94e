import { env } from 'cloudflare:workers'
import { scopes, type Scope } from '../../src/access/scopes.ts'
import { call, json } from './api.ts'
import { household } from './identity.ts'
import { creating, ofTus, pieceType } from './tus.ts'

// Every route of the Worker, with a request that would succeed.

/** A door that requires a scope, and its status for clients that have it. */
export interface Door {
  scope: Scope
  /** A wider scope that does as well. */
  or?: Scope
  /** Further scopes that it requires. */
  also?: Scope[]
  query?: string
  /** `{name}` in its body stands for what `ids` of `knock` names. */
  init?: RequestInit
  takesJson?: true
  /** Its body may be missing. */
  mayBeEmpty?: true
  /** What of `ids` its path names under another name. */
  stands?: Record<string, string>
  status?: number
}

/** Each choice of scopes that opens a door. */
export const choicesOf = ({ scope, or, also = [] }: Door): Scope[][] =>
  [scope, or].flatMap((one) => (one === undefined ? [] : [[one, ...also]]))

/** Each choice of nearly all scopes that opens it not. */
export const withoutOne = ({ scope, or, also = [] }: Door): Scope[][] =>
  [[scope, or], ...also.map((one) => [one])].map((missing) =>
    scopes.filter((one) => !missing.includes(one)),
  )

export type NamedDoor = Door & { name: string; method: string; template: string }

const csv: RequestInit = { body: 'ann\n', headers: { 'content-type': 'text/csv' } }
const takes = (method: string, body: unknown) => ({
  init: json(method, body),
  takesJson: true as const,
})

const evaluating = { scope: 'flags:evaluate', or: 'groups:read' } as const
const filling = { scope: 'audiences:write', also: ['groups:write'] } satisfies Door
const choosing = { scope: 'audiences:write', also: ['users:read'] } satisfies Door
const withValues = { scope: 'audiences:read', also: ['users:read'] } satisfies Door

const firstPiece = {
  body: 'bob\n',
  headers: { ...ofTus, 'content-type': pieceType, 'upload-offset': '0' },
}

/** Uploads in pieces, below `path`, of files with these metadata. */
const uploads = (
  scope: Scope,
  path: string,
  id: string,
  fields: Record<string, string>,
): Record<string, Door> => ({
  [`POST ${path}`]: { scope, init: { headers: creating(4, fields) }, status: 201 },
  [`GET ${path}/:${id}`]: { scope, init: { headers: ofTus } },
  [`PATCH ${path}/:${id}`]: { scope, init: firstPiece, status: 204 },
  [`POST ${path}/:${id}`]: {
    ...{ scope, stands: { [id]: `other_${id}` }, status: 204 },
    init: { ...firstPiece, headers: { ...firstPiece.headers, 'x-http-method-override': 'PATCH' } },
  },
  [`DELETE ${path}/:${id}`]: { scope, init: { headers: ofTus }, status: 204 },
})

const ofGroups: Record<string, Door> = {
  ...uploads('groups:write', '/groups/:groupId/uploads', 'uploadId', { type: 'ADD' }),
  'POST /groups': { scope: 'groups:write', ...takes('POST', { groupName: 'new' }) },
  'GET /groups': { scope: 'groups:read' },
  'GET /groups/:groupId': { scope: 'groups:read' },
  'PUT /groups/:groupId': { scope: 'groups:write', ...takes('PUT', { groupName: 'renamed' }) },
  'DELETE /groups/:groupId': { scope: 'groups:write' },
  'PUT /groups/:groupId/participants': { scope: 'groups:write', query: 'type=ADD', init: csv },
  'POST /groups/:groupId/participants': { scope: 'groups:write', query: 'type=ADD', init: csv },
  'GET /groups/:groupId/participants': { scope: 'groups:read' },
  'GET /groups/:groupId/participants/:participantId': evaluating,
  'GET /groups/:groupId/revisions': { scope: 'groups:read' },
  'POST /groups/:groupId/revert': {
    scope: 'groups:write',
    ...takes('POST', {}),
    mayBeEmpty: true,
  },
  'GET /participants/:participantId/groups': evaluating,
  'POST /memberships': { scope: 'groups:read', ...takes('POST', { participantIds: ['ann'] }) },
  'GET /jobs': { scope: 'groups:read' },
  'GET /jobs/:jobId': { scope: 'groups:read' },
  'GET /jobs/:jobId/errors': { scope: 'groups:read' },
  'GET /jobs/:jobId/changes': {
    scope: 'groups:read',
    query: 'kind=added',
    stands: { jobId: 'heldJobId' },
  },
  'POST /jobs/:jobId/publish': {
    scope: 'groups:write',
    ...takes('POST', {}),
    mayBeEmpty: true,
    stands: { jobId: 'heldJobId' },
  },
  'POST /jobs/:jobId/cancel': { scope: 'groups:write', stands: { jobId: 'otherHeldJobId' } },
}

const audience = {
  name: 'Dog owners',
  rule: { operator: 'equals', attribute: 'has_dog', value: true },
}

const experiment = {
  name: 'Autumn',
  variants: [
    { id: 'red', weight: 2500, value: 'value-zq7', forced: ['ann'] },
    { id: 'blue', weight: 7500 },
  ],
}

const webhook = { url: `${env.RECEIVER}/in/door` }

const ofWorkspaces: Record<string, Door> = {
  'GET /groups': { scope: 'groups:read' },
  'POST /groups': { scope: 'groups:write', ...takes('POST', household) },
  'POST /groups/preview': {
    ...{ scope: 'groups:read', also: ['users:read'] },
    ...takes('POST', { source_user_attribute: '$address' }),
  },
  'GET /groups/preview/:preview_id': { scope: 'groups:read', also: ['users:read'] },
  'GET /groups/:group_id': { scope: 'groups:read' },
  'PUT /groups/:group_id': {
    scope: 'groups:write',
    ...takes('PUT', { source_user_attribute: 'x' }),
  },
  'PATCH /groups/:group_id': { scope: 'groups:write', ...takes('PATCH', { attributes: [] }) },
  'DELETE /groups/:group_id': { scope: 'groups:write', status: 204 },
  'POST /groups/:group_id/recompute': {
    scope: 'groups:write',
    init: { method: 'POST' },
    status: 202,
  },
  'GET /groups/:group_id/runs': { scope: 'groups:read' },
  'GET /groups/:group_id/runs/:run_id': { scope: 'groups:read' },
  'GET /groups/:group_id/instances': { scope: 'users:read' },
  'GET /groups/:group_id/corrections': { scope: 'users:read' },
  'PUT /groups/:group_id/corrections/:user_id': {
    ...{ scope: 'users:write', also: ['groups:write'] },
    ...takes('PUT', { alone: true, reason: 'value-zq7' }),
  },
  'DELETE /groups/:group_id/corrections/:user_id': {
    ...{ scope: 'users:write', also: ['groups:write'] },
    status: 204,
    stands: { user_id: 'corrected_user_id' },
  },
  'POST /groups/:group_id/merge': {
    ...{ scope: 'users:write', also: ['groups:write'] },
    ...takes('POST', { value: '123 Main St', into: '5 Oak Ave' }),
  },
  'POST /groups/:group_id/split': {
    ...{ scope: 'users:write', also: ['groups:write'] },
    ...takes('POST', { value: '123 Main St', into: '5 Oak Ave', users: ['1'] }),
  },
  'PUT /users': {
    scope: 'users:write',
    init: { ...csv, body: 'user_id,has_dog\n1,true\n' },
    status: 202,
  },
  ...uploads('users:write', '/users/uploads', 'upload_id', {}),
  'GET /imports': { scope: 'users:read' },
  'GET /imports/:import_id': { scope: 'users:read' },
  'GET /imports/:import_id/errors': { scope: 'users:read' },
  'PUT /users/:user_id': { scope: 'users:write', ...takes('PUT', { user_attributes: {} }) },
  'PATCH /users/:user_id': {
    scope: 'users:write',
    ...takes('PATCH', { user_attributes: { has_dog: null } }),
  },
  'GET /users/:user_id': { scope: 'users:read' },
  'DELETE /users/:user_id': { scope: 'users:write', status: 204 },
  'GET /users/:user_id/attributes/:name/explain': { scope: 'users:read' },
  'DELETE /people/:person': { scope: 'users:write', also: ['groups:write'], status: 202 },
  'POST /erasures': { scope: 'users:write', also: ['groups:write'], init: csv, status: 202 },
  'GET /erasures': { scope: 'users:write', also: ['groups:write'] },
  'GET /erasures/:erasure_id': { scope: 'users:write', also: ['groups:write'] },
  'GET /audiences': { scope: 'audiences:read' },
  'POST /audiences': { ...choosing, ...takes('POST', audience) },
  'POST /audiences/preview': { ...withValues, ...takes('POST', { rule: audience.rule }) },
  'GET /audiences/overlap': { scope: 'audiences:read', query: 'a=coupon&b=coupon' },
  'GET /audiences/:audience_id': { scope: 'audiences:read' },
  'PUT /audiences/:audience_id': { ...choosing, ...takes('PUT', audience) },
  'DELETE /audiences/:audience_id': { scope: 'audiences:write', status: 204 },
  'GET /audiences/:audience_id/count': { scope: 'audiences:read' },
  'GET /audiences/:audience_id/users': { scope: 'audiences:read' },
  'GET /audiences/:audience_id/users/:user_id': withValues,
  'PUT /audiences/:audience_id/experience-group': {
    ...filling,
    ...takes('PUT', { groupId: '{experience_group}' }),
  },
  'DELETE /audiences/:audience_id/experience-group': { ...filling, status: 204 },
  'POST /audiences/:audience_id/sync': {
    ...filling,
    ...takes('POST', {}),
    mayBeEmpty: true,
    status: 202,
  },
  'GET /experiments': { scope: 'experiments:read' },
  'POST /experiments': {
    scope: 'experiments:write',
    ...takes('POST', { id: 'autumn', ...experiment }),
  },
  'POST /experiments/exposures': {
    scope: 'flags:evaluate',
    or: 'experiments:write',
    ...takes('POST', {
      exposures: [{ experiment_id: 'summer', participant_id: 'ann', variant: 'control' }],
    }),
    status: 202,
  },
  'GET /experiments/:experiment_id': { scope: 'experiments:read' },
  'PUT /experiments/:experiment_id': {
    scope: 'experiments:write',
    ...takes('PUT', {
      new_version: true,
      variants: [
        { id: 'control', weight: 2500, value: 'value-zq7', forced: ['ann'] },
        { id: 'treatment', weight: 7500 },
      ],
    }),
  },
  'POST /experiments/:experiment_id/start': {
    scope: 'experiments:write',
    init: { method: 'POST' },
  },
  'POST /experiments/:experiment_id/pause': {
    scope: 'experiments:write',
    init: { method: 'POST' },
  },
  'POST /experiments/:experiment_id/end': {
    scope: 'experiments:write',
    init: { method: 'POST' },
  },
  'GET /experiments/:experiment_id/assignments/:participant_id': {
    scope: 'flags:evaluate',
    or: 'experiments:read',
  },
  'GET /experiments/:experiment_id/assignments/:participant_id/explain': {
    scope: 'experiments:read',
  },
  'POST /experiments/assignments': {
    scope: 'experiments:read',
    ...takes('POST', { participant_ids: ['ann'] }),
  },
  'POST /experiments/:experiment_id/balance': {
    scope: 'experiments:write',
    init: { method: 'POST' },
    status: 202,
  },
  'GET /experiments/:experiment_id/balance': { scope: 'experiments:read' },
  'GET /experiments/:experiment_id/assignments': { scope: 'experiments:read' },
  'GET /experiments/:experiment_id/exposures': { scope: 'experiments:read' },
  'DELETE /experiments/:experiment_id': { scope: 'experiments:write', status: 204 },
  'GET /webhooks': { scope: 'webhooks:read' },
  'POST /webhooks': { scope: 'webhooks:write', ...takes('POST', webhook), status: 201 },
  'GET /webhooks/:webhook_id': { scope: 'webhooks:read' },
  'PUT /webhooks/:webhook_id': { scope: 'webhooks:write', ...takes('PUT', webhook) },
  'DELETE /webhooks/:webhook_id': { scope: 'webhooks:write', status: 204 },
  'POST /webhooks/:webhook_id/enable': { scope: 'webhooks:write', init: { method: 'POST' } },
  'POST /webhooks/:webhook_id/disable': { scope: 'webhooks:write', init: { method: 'POST' } },
  'POST /webhooks/:webhook_id/rotate': { scope: 'webhooks:write', init: { method: 'POST' } },
  'POST /webhooks/:webhook_id/test': {
    scope: 'webhooks:write',
    init: { method: 'POST' },
    status: 202,
  },
  'GET /webhooks/:webhook_id/deliveries': { scope: 'webhooks:read' },
  'POST /webhooks/:webhook_id/deliveries/:delivery_id/retry': {
    scope: 'webhooks:write',
    init: { method: 'POST' },
    status: 204,
  },
  'POST /webhooks/:webhook_id/replay': {
    scope: 'webhooks:write',
    ...takes('POST', { since: '2026-11-24T03:00:00Z', only: 'all' }),
    status: 202,
  },
  'GET /usage': { scope: 'groups:read' },
  'GET /events/digests': { scope: 'audit:read', or: 'webhooks:read' },
  'GET /events': { scope: 'audit:read', or: 'webhooks:read' },
}

const batch = { mpid: 1, environment: 'production', user_attributes: { has_dog: true } }

const below = (face: string, doors: Record<string, Door>): NamedDoor[] =>
  Object.entries(doors).map(([name, door]) => {
    const [method = '', path = ''] = name.split(' ')
    return { ...door, name: `${method} ${face}${path}`, method, template: face + path }
  })

/** Where Experience Groups are: all of them say the same. */
export const faces = ['/groups/v3', '/v3', '/digitalbanking/groups/v3']
export const groupDoors = faces.flatMap((face) => below(face, ofGroups))

/** Whose path names a workspace. */
export const workspaceDoors = [
  ...below('/platform/workspaces/:workspace_id', ofWorkspaces),
  ...below('/userprofile/v1', {
    'GET /:org_id/:account_id/:workspace_id/:mpid': { scope: 'users:read' },
  }),
]

/** The doors of OpenFeature. */
export const ofrepDoors = below('/ofrep/v1', {
  'POST /evaluate/flags/:key': {
    ...evaluating,
    ...takes('POST', { context: { targetingKey: 'ann' } }),
  },
  'POST /evaluate/flags': {
    ...evaluating,
    ...takes('POST', { context: { targetingKey: 'ann' } }),
  },
})

/** Whose callers come with a client's id and secret. */
export const eventDoors = below('/v2', {
  'POST /events': { scope: 'users:write', ...takes('POST', batch), status: 202 },
  'POST /bulkevents': { scope: 'users:write', ...takes('POST', [batch]), status: 202 },
})

export const adminDoors: Record<string, { init: RequestInit; status: number }> = {
  'POST /oauth/clients': {
    init: json('POST', { workspace_id: 7, name: 'x', scopes: ['groups:read'] }),
    status: 201,
  },
  'GET /oauth/clients': { init: {}, status: 200 },
  'POST /oauth/clients/:client_id/rotate': { init: { method: 'POST' }, status: 200 },
  'POST /oauth/clients/:client_id/revoke': { init: { method: 'POST' }, status: 204 },
  'DELETE /oauth/clients/:client_id': { init: { method: 'DELETE' }, status: 204 },
  // Of an installation with one database, in which nothing moves.
  'POST /oauth/moves': { init: json('POST', { workspace_id: 7, to: 'DB_1' }), status: 400 },
  'GET /oauth/moves': { init: {}, status: 400 },
  'POST /oauth/moves/:move_id/back': { init: { method: 'POST' }, status: 400 },
}

/** Doors that take JSON, open ones too. */
export const oauthTakesJson = [
  'POST /oauth/clients',
  'POST /oauth/moves',
  'POST /oauth/revoke',
  'POST /oauth/token',
]

export const openDoors: Record<string, number> = {
  ...Object.fromEntries(
    [
      ...faces.map((face) => `${face}/groups/:groupId`),
      '/platform/workspaces/:workspace_id/users',
    ].map((path) => [`OPTIONS ${path}/uploads`, 204]),
  ),
  'GET /health': 200,
  'GET /ready': 200,
  'GET /openapi.json': 200,
  'GET /.well-known/jwks.json': 200,
  'GET /.well-known/oauth-authorization-server': 200,
  'POST /oauth/revoke': 400, // without a client
  'POST /oauth/token': 400,
  'POST /oauth2/v1/token': 400,
}

/** A third of the cases at each door, and all of them at each three. */
export const inTurn = <Case>(cases: readonly Case[], door: number): Case[] =>
  cases.filter((_, i) => i % 3 === door % 3)

/** The request of a door with these headers to `to`, and `ids` in path and body. */
export function knock(
  door: Pick<NamedDoor, 'method' | 'template' | 'query' | 'init' | 'stands'>,
  headers: Record<string, string>,
  ids: Record<string, string>,
  to = call,
): Promise<Response> {
  const { method, template, query, init = {}, stands = {} } = door
  const idOf = (name: string) => ids[stands[name] ?? name] ?? ids[name] ?? ''
  const path = template.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(idOf(name)))
  const filled = typeof init.body === 'string' && {
    body: init.body.replace(/\{(\w+)\}/g, (as, id: string) => ids[id] ?? as),
  }
  return to(query === undefined ? path : `${path}?${query}`, {
    ...init,
    ...filled,
    method,
    headers: { ...(init.headers as Record<string, string>), ...headers },
  })
}
