import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { call, json } from '../support/api.ts'
import * as doors from '../support/doors.ts'
import type { Team } from '../support/identity.ts'
import { settled } from '../support/settled.ts'

let team: Team
let ids: Record<string, string>

beforeAll(async () => {
  ;({ team, ids } = await settled())
})

const headersOf = ({ headers }: Response) =>
  ['cache-control', 'referrer-policy', 'x-content-type-options'].map((name) => headers.get(name))

const confidential = ['no-store', 'no-referrer', 'nosniff']

describe.each([
  ...doors.groupDoors,
  ...doors.workspaceDoors,
  ...doors.ofrepDoors,
  ...doors.eventDoors,
])('$name', (door) => {
  it('has its answers and refusals kept nowhere', async () => {
    const { id, secret } = team.client
    const held = doors.eventDoors.includes(door)
      ? `Basic ${btoa(`${id}:${secret}`)}`
      : `Bearer ${team.token}`
    for (const authorization of [held, 'Bearer x']) {
      const headers = { authorization, transactionId: crypto.randomUUID() }
      const answer = await doors.knock(door, headers, ids)
      const bulk = door.template === '/ofrep/v1/evaluate/flags' && answer.status === 200
      const tagged = /jobId\/publish$|^GET .*\/v3\/groups\/:groupId$/.test(door.name)
      const kept = bulk ? 'private, no-cache' : 'no-store'
      expect(headersOf(answer), authorization).toEqual([
        // So that the tag stays a strong one.
        tagged && answer.status === 200 ? 'no-store, no-transform' : kept,
        ...confidential.slice(1),
      ])
      await answer.body?.cancel()
    }
  })
})

it.each([...Object.keys(doors.adminDoors), ...Object.keys(doors.openDoors), 'GET /nowhere'])(
  '%s has its answers kept nowhere, but for public keys',
  async (name) => {
    const [method = '', path = ''] = name.split(' ')
    const init = method === 'POST' ? json(method, {}) : { method }
    const authorization = `Bearer ${env.ADMIN_TOKEN}`
    const answer = await call(path, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), authorization }, // as `json` writes them
    })
    const keys = path === '/.well-known/jwks.json'
    expect(headersOf(answer)).toEqual(
      keys ? ['public, max-age=300', ...confidential.slice(1)] : confidential,
    )
  },
)

it('all unchanged flags are kept, and requested each time', async () => {
  const ask = (tag = '') =>
    call('/ofrep/v1/evaluate/flags', {
      method: 'POST',
      headers: { authorization: `Bearer ${team.token}`, 'if-none-match': tag },
      body: JSON.stringify({ context: { targetingKey: '1' } }),
    })
  const again = await ask((await ask()).headers.get('etag') ?? '')
  expect([again.status, ...headersOf(again)]).toEqual([
    304,
    'private, no-cache',
    ...confidential.slice(1),
  ])
})
