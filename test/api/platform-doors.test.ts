import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventTypes } from '../../src/webhooks/event.ts'
import { declined, deepJson, said } from '../support/answers.ts'
import { call, newClient, tokenOf, type Client } from '../support/api.ts'
import {
  choicesOf,
  eventDoors,
  inTurn,
  knock,
  withoutOne,
  workspaceDoors,
} from '../support/doors.ts'
import { platformScopes as scopes, type Team } from '../support/identity.ts'
import { readied, settled } from '../support/settled.ts'
import { wrongTokens } from '../support/tokens.ts'

const unauthorized = declined(401, 'Unauthorized')
const forbidden = declined(403, 'Forbidden')
/** Tokens of `wide`, each kept for many doors. */
const tokens = new Map<string, Promise<string>>()
const tokenWith = (held: readonly string[]) => {
  const known = tokens.get(held.join()) ?? tokenOf(wide, { scope: held.join(' ') })
  tokens.set(held.join(), known)
  return known
}
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

let team: Team
let ids: Record<string, string>
let other: Team
let wrong: [why: string, token: string][]
let wide: Client

/** Clients are made here, and refused; who comes in may export. */
const ofNoClient = eventTypes.filter((type) => !/^(client|token)\.|\.exported$/.test(type))

/** Whatever changes is an event, which stays. */
const eventsOf = (whose: Team) => whose.get<unknown>(`/events?types=${ofNoClient.join()}`)
const eventsOfBoth = () => Promise.all([team, other].map(eventsOf))

/** All that a caller who should not have come in could have changed. */
const stateOf = (whose: Team) =>
  Promise.all([
    ...[
      '/groups',
      '/groups/household/runs',
      '/users/1',
      '/imports',
      '/audiences',
      '/experiments',
      '/experiments/summer',
      '/webhooks',
    ].map((path) => whose.get<unknown>(path)),
    eventsOf(whose),
    said(
      call('/groups/v3/jobs', {
        headers: { ...bearer(whose.token), transactionId: crypto.randomUUID() },
      }),
    ),
  ])
let before: unknown
let beforeOfOther: unknown
let eventsBefore: unknown

beforeAll(async () => {
  ;({ team, ids } = await settled())
  other = (await settled()).team
  wrong = Object.entries(await wrongTokens(team.token, other.token))
  wide = await newClient(scopes, team.workspace)
  ;[before, beforeOfOther] = [await stateOf(team), await stateOf(other)]
  eventsBefore = await eventsOfBoth()
})

/** Whoever stayed outside of a door has changed nothing. */
const unchanged = async () => expect(await eventsOfBoth()).toEqual(eventsBefore)

afterAll(async () => {
  expect(await stateOf(team)).toEqual(before)
  expect(await stateOf(other)).toEqual(beforeOfOther)
})

describe.each(workspaceDoors)('$name', (door) => {
  afterAll(unchanged)
  const { method, template, status = 200 } = door
  const place = workspaceDoors.indexOf(door)

  it.each(choicesOf(door))('opens to a token with nothing but %s %s', async (...held) => {
    const { team: owner, ids: own } = method === 'GET' ? { team, ids } : await settled(template)
    if (method !== 'GET') await readied(door, owner)
    const token = await tokenOf(await newClient(held, owner.workspace))
    for (const slash of method === 'GET' ? ['', '/'] : [''])
      expect(
        (await knock({ ...door, template: template + slash }, bearer(token), own)).status,
      ).toBe(status)
  })

  it('stays shut without a token', async () => {
    const basic = btoa(`${team.client.id}:${team.client.secret}`)
    const others = [
      '',
      'Bearer',
      'Bearer ',
      `Basic ${basic}`,
      team.token,
      `Bearer ${team.token} x`,
      `Bearer ${env.ADMIN_TOKEN}`,
    ]
    for (const headers of [
      {},
      ...inTurn(others, place).map((authorization) => ({ authorization })),
    ]) {
      const answer = await knock(door, headers, ids)
      expect(answer.headers.get('www-authenticate'), JSON.stringify(headers)).toMatch(/^Bearer/)
      expect(await said(answer), JSON.stringify(headers)).toEqual(unauthorized)
    }
  })

  it('stays shut to a token that is not what it seems', async () => {
    for (const [why, token] of inTurn(wrong, place)) {
      const answer = await knock(door, bearer(token), ids)
      expect(answer.headers.get('www-authenticate'), why).toMatch(/^Bearer/)
      expect(await said(answer), why).toEqual(unauthorized)
    }
  })

  it('stays shut to a token without the scope', async () => {
    for (const held of withoutOne(door))
      expect(await said(knock(door, bearer(await tokenWith(held)), ids)), held.join()).toEqual(
        forbidden,
      )
  })

  it("stays shut on another workspace's path, and on an invalid one", async () => {
    expect(await said(knock(door, bearer(other.token), ids))).toEqual(forbidden)
    const wrongIds = [
      other.workspace,
      0,
      -1,
      `0${team.workspace}`,
      `${team.workspace}.0`,
      ` ${team.workspace}`,
      'x',
      '__proto__',
      '🎉',
    ]
    for (const workspace_id of inTurn(wrongIds, place))
      expect(
        await said(knock(door, bearer(team.token), { ...ids, workspace_id: String(workspace_id) })),
        String(workspace_id),
      ).toEqual(forbidden)
  })
})

describe.each(workspaceDoors.filter(({ takesJson }) => takesJson))('$name', (door) => {
  afterAll(unchanged)

  it('refuses broken JSON', async () => {
    const empty = door.mayBeEmpty ? [] : ['']
    const broken = ['{', '{"id":', 'undefined', deepJson().slice(1)]
    for (const body of [...empty, ...inTurn(broken, workspaceDoors.indexOf(door))]) {
      const answer = await said(
        knock({ ...door, init: { ...door.init, body } }, bearer(team.token), ids),
      )
      expect(answer).toEqual(declined(400, 'The request body is not valid JSON'))
    }
  })
})

describe.each(eventDoors)('$name', (door) => {
  afterAll(unchanged)

  const { scope, status } = door
  const basic = ({ id, secret }: { id: string; secret: string }) => ({
    authorization: `Basic ${btoa(`${id}:${secret}`)}`,
  })
  const refused = (status: number, code: string, message: string) => ({
    status,
    errors: [{ code, message }],
  })

  it('opens to a client with nothing but the scope', async () => {
    const client = await newClient([scope])
    for (const slash of ['', '/'])
      expect(
        (await knock({ ...door, template: door.template + slash }, basic(client), {})).status,
      ).toBe(status)
  })

  it('stays shut to a token, to the administrator and to nobody', async () => {
    const wrong = basic({ ...team.client, secret: 'wrong' })
    for (const headers of [{}, bearer(team.token), bearer(env.ADMIN_TOKEN), wrong]) {
      const answer = await knock(door, headers, {})
      expect(answer.headers.get('www-authenticate')).toMatch(/^Basic/)
      expect(await said(answer)).toEqual(refused(401, 'UNAUTHORIZED', 'Unauthorized'))
    }
  })

  it('stays shut to a client without the scope', async () => {
    const without = await newClient(
      scopes.filter((held) => held !== scope),
      team.workspace,
    )
    expect(await said(knock(door, basic(without), {}))).toEqual(
      refused(403, 'FORBIDDEN', 'Forbidden'),
    )
  })

  it('refuses broken JSON', async () => {
    for (const body of ['', '{', '{"mpid":', 'undefined', deepJson().slice(1)])
      expect(
        await said(knock({ ...door, init: { ...door.init, body } }, basic(team.client), {})),
      ).toEqual(refused(400, 'BAD_REQUEST', 'The request body is not valid JSON'))
  })
})

describe('a workspace', () => {
  it("is checked after the token, before the scope and the path's rest", async () => {
    const path = `/platform/workspaces/${team.workspace}/groups/nowhere`
    expect(await said(call(path))).toEqual(unauthorized)
    expect(await said(call(path, { headers: bearer(other.token) }))).toEqual(forbidden)
    const without = scopes.filter((held) => held !== 'groups:read')
    expect(await said(call(path, { headers: bearer(await tokenWith(without)) }))).toEqual(forbidden)
    expect(await said(call(path, { headers: bearer(team.token) }))).toEqual(
      declined(404, 'Not found'),
    )
  })
})
