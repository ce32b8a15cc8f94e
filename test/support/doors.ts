import type { Scope } from '../../src/access/scopes.ts'
import { call, json } from './api.ts'
import { household } from './identity.ts'

// Every route of the Worker is in one of these tables, with a request that would succeed.

/** A door that asks for a scope, and with what status it answers who may come in. */
export interface Door {
  scope: Scope
  init?: RequestInit
  takesJson?: true
  status?: number
}
export type NamedDoor = Door & { name: string; method: string; template: string }

const csv: RequestInit = { body: 'ann\n', headers: { 'content-type': 'text/csv' } }
const takes = (method: string, body: unknown) => ({ init: json(method, body), takesJson: true as const })

const ofGroups: Record<string, Door> = {
  'POST /groups': { scope: 'groups:write', ...takes('POST', { groupName: 'new' }) },
  'GET /groups': { scope: 'groups:read' },
  'GET /groups/:groupId': { scope: 'groups:read' },
  'PUT /groups/:groupId': { scope: 'groups:write', ...takes('PUT', { groupName: 'renamed' }) },
  'DELETE /groups/:groupId': { scope: 'groups:write' },
  'PUT /groups/:groupId/participants': { scope: 'groups:write', init: csv },
  'POST /groups/:groupId/participants': { scope: 'groups:write', init: csv },
  'GET /groups/:groupId/participants': { scope: 'groups:read' },
  'GET /groups/:groupId/participants/:participantId': { scope: 'groups:read' },
  'GET /participants/:participantId/groups': { scope: 'groups:read' },
  'POST /memberships': { scope: 'groups:read', ...takes('POST', { participantIds: ['ann'] }) },
  'GET /jobs': { scope: 'groups:read' },
  'GET /jobs/:jobId': { scope: 'groups:read' },
  'GET /jobs/:jobId/errors': { scope: 'groups:read' },
}

const ofWorkspaces: Record<string, Door> = {
  'GET /groups': { scope: 'groups:read' },
  'POST /groups': { scope: 'groups:write', ...takes('POST', household) },
  'GET /groups/:group_id': { scope: 'groups:read' },
  'PUT /groups/:group_id': { scope: 'groups:write', ...takes('PUT', { source_user_attribute: 'x' }) },
  'PATCH /groups/:group_id': { scope: 'groups:write', ...takes('PATCH', { attributes: [] }) },
  'DELETE /groups/:group_id': { scope: 'groups:write', status: 204 },
  'POST /groups/:group_id/recompute': { scope: 'groups:write', init: { method: 'POST' }, status: 202 },
  'GET /groups/:group_id/runs': { scope: 'groups:read' },
  'GET /groups/:group_id/runs/:run_id': { scope: 'groups:read' },
  'GET /groups/:group_id/instances': { scope: 'groups:read' },
  'PUT /users': { scope: 'users:write', init: { ...csv, body: 'user_id,has_dog\n1,true\n' }, status: 202 },
  'GET /imports': { scope: 'users:read' },
  'GET /imports/:import_id': { scope: 'users:read' },
  'GET /imports/:import_id/errors': { scope: 'users:read' },
  'PUT /users/:user_id': { scope: 'users:write', ...takes('PUT', { user_attributes: {} }) },
  'PATCH /users/:user_id': { scope: 'users:write', ...takes('PATCH', { user_attributes: { has_dog: null } }) },
  'GET /users/:user_id': { scope: 'users:read' },
  'DELETE /users/:user_id': { scope: 'users:write', status: 204 },
  'GET /users/:user_id/attributes/:name/explain': { scope: 'users:read' },
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
  ...below('/userprofile/v1', { 'GET /:org_id/:account_id/:workspace_id/:mpid': { scope: 'users:read' } }),
]

/** Those of OpenFeature. */
export const ofrepDoors = below('/ofrep/v1', {
  'POST /evaluate/flags/:key': { scope: 'groups:read', ...takes('POST', { context: { targetingKey: 'ann' } }) },
  'POST /evaluate/flags': { scope: 'groups:read', ...takes('POST', { context: { targetingKey: 'ann' } }) },
})

/** Whose callers come with a client's id and secret. */
export const eventDoors = below('/v2', {
  'POST /events': { scope: 'users:write', ...takes('POST', batch), status: 202 },
  'POST /bulkevents': { scope: 'users:write', ...takes('POST', [batch]), status: 202 },
})

export const adminDoors: Record<string, RequestInit> = {
  'POST /oauth/clients': json('POST', { workspace_id: 7, name: 'x', scopes: ['groups:read'] }),
  'GET /oauth/clients': {},
  'DELETE /oauth/clients/:client_id': {},
}

/** Of them and of the open ones, those that take JSON. */
export const oauthTakesJson = ['POST /oauth/clients', 'POST /oauth/token']

export const openDoors: Record<string, number> = {
  'GET /health': 200,
  'GET /openapi.json': 200,
  'GET /.well-known/jwks.json': 200,
  'GET /.well-known/oauth-authorization-server': 200,
  'POST /oauth/token': 400, // without a client
  'POST /oauth2/v1/token': 400,
}

/** The request of a door with these headers, its path filled in with what `ids` names. */
export function knock(
  { method, template, init = {} }: Pick<NamedDoor, 'method' | 'template' | 'init'>,
  headers: Record<string, string>,
  ids: Record<string, string>,
): Promise<Response> {
  const path = template.replace(/:(\w+)/g, (_, id: string) => encodeURIComponent(ids[id] ?? ''))
  const query = template.endsWith('/participants') ? '?type=ADD' : ''
  return call(path + query, { ...init, method, headers: { ...(init.headers as Record<string, string>), ...headers } })
}
