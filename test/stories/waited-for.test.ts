import { beforeAll, describe, expect, it } from 'vitest'
import { asAdmin } from '../support/api.ts'
import { ask, keeping } from '../support/bindings.ts'
import {
  adminDoors,
  eventDoors,
  groupDoors,
  knock,
  ofrepDoors,
  openDoors,
  workspaceDoors,
  type NamedDoor,
} from '../support/doors.ts'
import { settled } from '../support/settled.ts'
import { watched, type Watched } from '../support/watched.ts'

type Knock = Pick<NamedDoor, 'name' | 'method' | 'template' | 'query' | 'init' | 'stands'> & {
  status?: number
}

/** Those that others take something away from come before them. */
const placeOf = ({ name, method, template }: Knock): number => {
  if (/\/(disable|pause)$/.test(name) || name.startsWith('PATCH')) return 1
  if (name.endsWith('/end')) return 2
  if (method === 'DELETE') return /\/(experience-group|corrections\/:user_id)$/.test(name) ? 2 : 3
  return name === 'POST /platform/workspaces/:workspace_id/groups' ? 4 : 0
}

const named = (name: string, more: Omit<Knock, 'name' | 'method' | 'template'>): Knock => {
  const [method = '', template = ''] = name.split(' ')
  return { name, method, template, ...more }
}

const doors: Knock[] = [
  ...groupDoors.filter(({ template }) => template.startsWith('/groups/v3/')),
  ...[...workspaceDoors, ...ofrepDoors, ...eventDoors],
  ...Object.entries(openDoors).map(([name, status]) =>
    named(name, { status, init: { body: status === 400 ? '{}' : null } }),
  ),
  ...Object.entries(adminDoors).map(([name, { init, status }]) =>
    named(name, { init: asAdmin(init), status }),
  ),
].sort((one, other) => placeOf(one) - placeOf(other))

/** Which a replica may answer; all others go to the primary. */
const fromReplica = [
  'GET /groups/v3/groups',
  'GET /groups/v3/groups/:groupId/participants',
  'GET /groups/v3/groups/:groupId/participants/:participantId',
  'GET /groups/v3/groups/:groupId/revisions',
  'GET /groups/v3/participants/:participantId/groups',
  'POST /groups/v3/memberships',
  'GET /groups/v3/jobs',
  'POST /ofrep/v1/evaluate/flags/:key',
  'POST /ofrep/v1/evaluate/flags',
  'GET /userprofile/v1/:org_id/:account_id/:workspace_id/:mpid',
  ...[
    ...[
      '/groups',
      '/groups/:group_id/runs',
      '/groups/:group_id/instances',
      '/groups/:group_id/corrections',
    ],
    ...['/imports', '/users/:user_id', '/users/:user_id/attributes/:name/explain'],
    ...['/experiments', '/experiments/:experiment_id/assignments/:participant_id'],
    '/experiments/:experiment_id/assignments/:participant_id/explain',
    ...['/audiences', '/audiences/overlap', '/audiences/:audience_id/count'],
    ...['/audiences/:audience_id/users', '/audiences/:audience_id/users/:user_id'],
    '/experiments/:experiment_id/exposures',
    ...['/webhooks', '/webhooks/:webhook_id/deliveries', '/events'],
    ...['/events/digests', '/usage', '/erasures'],
  ].map((path) => `GET /platform/workspaces/:workspace_id${path}`),
  'POST /platform/workspaces/:workspace_id/audiences/preview',
  'POST /platform/workspaces/:workspace_id/experiments/assignments',
]

/** Which ask no database. */
const without = [
  ...Object.keys(openDoors).filter((name) => name.startsWith('OPTIONS')),
  'GET /openapi.json',
  'GET /.well-known/jwks.json',
  'GET /.well-known/oauth-authorization-server',
  // Of one database there is nothing to ask.
  ...['POST /oauth/moves', 'GET /oauth/moves', 'POST /oauth/moves/:move_id/back'],
  'POST /oauth/revoke',
  'POST /oauth/token',
  'POST /oauth2/v1/token',
]

let ids: Record<string, string>
let bearer: Record<string, string>
let basic: Record<string, string>
beforeAll(async () => {
  const all = await settled()
  ids = all.ids
  bearer = { ...all.bank.headers(), authorization: `Bearer ${all.team.token}` }
  basic = { authorization: `Basic ${btoa(`${all.team.client.id}:${all.team.client.secret}`)}` }
})

const headersOf = ({ template }: Knock): Record<string, string> => {
  if (template.startsWith('/v2/')) return basic
  return /^\/(groups|platform|ofrep|userprofile)\//.test(template) ? bearer : {}
}

async function enter(door: Knock, more: Record<string, string> = {}): Promise<Watched> {
  const at = watched(keeping().bound)
  const answer = await knock(door, { ...headersOf(door), ...more }, ids, (path, init = {}) =>
    ask(path, init, at.slow),
  )
  expect([answer.status, await answer.text()]).toEqual([door.status ?? 200, expect.any(String)])
  return at
}

const sessionsOf = ({ begun }: Watched) => [
  ...new Set(begun.flatMap(({ binding }) => (/^(primary|session)/.test(binding) ? [binding] : []))),
]

describe.each(doors)('$name', (door) => {
  it('has done all of its work when it answers', async () => {
    const at = await enter(door)
    expect(at.underWay()).toEqual([])
    const { length } = at.begun
    await scheduler.wait(20)
    expect(at.begun.slice(length)).toEqual([])
    expect(sessionsOf(at)).toEqual(
      without.includes(door.name)
        ? []
        : [`session, first-${fromReplica.includes(door.name) ? 'unconstrained' : 'primary'}`],
    )
  })
})

describe('a request with an Idempotency-Key', () => {
  it('has its answer kept when it answers, which the primary has', async () => {
    const [door] = doors.filter(({ name }) => /^POST .*\/:audience_id\/sync$/.test(name))
    if (door === undefined) throw new Error('there is no such door')
    const { team, ids: others } = await settled()
    const key = crypto.randomUUID()
    const headers = { authorization: `Bearer ${team.token}`, 'idempotency-key': key }
    for (const replayed of [null, 'true']) {
      const at = watched(keeping().bound)
      const answer = await knock(door, headers, others, (path, init = {}) =>
        ask(path, init, at.slow),
      )
      expect([answer.status, answer.headers.get('idempotency-replayed')]).toEqual([202, replayed])
      expect(at.underWay()).toEqual([])
      expect(sessionsOf(at)).toEqual(['session, first-primary'])
    }
  })
})

describe('the participants of a group as a file', () => {
  it('come from the primary, as they are of one revision', async () => {
    const [door] = doors.filter(({ name }) => name === fromReplica[1])
    if (door === undefined) throw new Error('there is no such door')
    const { bank, ids: others } = await settled()
    const at = watched(keeping().bound)
    const headers = { ...bank.headers(), accept: 'text/csv' }
    const answer = await knock(door, headers, others, (path, init = {}) => ask(path, init, at.slow))
    expect(await answer.text()).toContain('ann')
    expect(sessionsOf(at)).toEqual(['session, first-primary'])
  })
})
